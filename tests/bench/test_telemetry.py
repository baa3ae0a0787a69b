"""Metrics while a run goes on: scraped over HTTP, pushed over OTLP, and unable to break it."""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from bench import api
from bench.cli import call
from bench.engine.observe import Observers
from bench.results import semconv
from bench.results.record import Record, read_records
from bench.results.semconv import INSTRUMENTS
from bench.scenario.model import Scenario
from bench.telemetry.observer import Telemetry

SCENARIO = """\
version: 1
question: What is told?
model: claude-sonnet-5
tier: tier-1
workload: {requests: 90, input_tokens: 1000, output_tokens: 200, max_tokens: 300, stream: true}
strategies: [{semaphore: 20}]
retry: {policy: retry_after, attempts: 2}
"""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_PROMETHEUS_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("told.yaml").write_text(SCENARIO)
    return api.load("told.yaml")


def truth(folder: Path) -> tuple[list[Record], Counter[str]]:
    """The records of a run, and its failed attempts by cause."""
    records = list(read_records(folder / "records.jsonl"))
    return records, Counter(one.cause for record in records for one in record.attempts if one.cause is not None)


# Names


def test_names_are_those_of_the_conventions() -> None:
    conventions = pytest.importorskip(
        "opentelemetry.semconv._incubating.metrics.gen_ai_metrics", reason="the extra otel is not installed"
    )
    from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes

    published = {value for name, value in vars(conventions).items() if name.startswith("GEN_AI")}
    ours = {one.name for one in INSTRUMENTS if one.name.startswith("gen_ai.")}
    assert ours <= published
    known = [*vars(gen_ai_attributes).values(), *vars(error_attributes).values()]
    named = {name for one in INSTRUMENTS for name in one.attributes if not name.startswith("bench.")}
    assert named <= {one for one in known if isinstance(one, str)}


def test_nothing_names_a_request() -> None:
    labels = {name for one in INSTRUMENTS for name in one.attributes}
    assert not {name for name in labels if "id" in name.split(".") or "prompt" in name}


# Prometheus


class Scraper:
    """Scrapes in the middle of a run, as its observer."""

    def __init__(self, url: str, after: int) -> None:
        self._url, self._after = url, after
        self.seen: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self.ended: list[Record] = []

    def pass_started(self, *_facts: object) -> None: ...
    def sent(self, strategy: str) -> None: ...
    def pass_ended(self) -> None: ...

    def done(self, record: Record, cost: float | None) -> None:  # noqa: ARG002
        if len(self.ended) < self._after:
            self.ended.append(record)
            if len(self.ended) == self._after:
                self.seen = scrape(self._url)


def scrape(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    from prometheus_client.parser import text_string_to_metric_families

    with urlopen(url, timeout=10) as response:
        families = text_string_to_metric_families(response.read().decode())
        return {
            (sample.name, frozenset((name, value) for name, value in sample.labels.items() if value)): sample.value
            for family in families
            for sample in family.samples
        }


def total(seen: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return sum(value for (one, own), value in seen.items() if one == name and own >= labels.items())


def test_a_scrape_in_the_middle_sees_what_has_ended(scenario: Scenario, tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="the extra prometheus is not installed")
    said: list[str] = []
    with api.watched(scenario, quiet=True, prometheus=0, say=said.append) as told:
        [line] = said
        scraper = Scraper(line.removeprefix("metrics at "), after=50)
        api.run(scenario, out=tmp_path / "run", observer=Observers(told, scraper), html=False)
        at_the_end = scrape(line.removeprefix("metrics at "))
    seen, ended = scraper.seen, scraper.ended
    attempts = [one for record in ended for one in record.attempts]
    refused = Counter(one.cause for one in attempts if one.cause == "input_tokens")
    assert total(seen, "bench_requests_total") == 50
    assert total(seen, "bench_requests_total", error_type="input_tokens") == sum(not one.ok for one in ended)
    assert total(seen, "bench_rate_limited_total", cause="input_tokens") == refused["input_tokens"] > 0
    assert total(seen, "gen_ai_client_operation_duration_seconds_count") == len(attempts)
    assert total(seen, "gen_ai_client_operation_duration_seconds_sum") == pytest.approx(
        sum(one.ended - one.sent for one in attempts)
    )
    assert total(seen, "bench_run_info", scenario="told", target="sim") == 1
    assert 0 < total(seen, "bench_requests_in_flight", strategy="semaphore-20") <= 40
    records, causes = truth(tmp_path / "run")
    assert total(at_the_end, "bench_requests_total") == len(records) == 90
    assert total(at_the_end, "bench_rate_limited_total") == sum(causes.values())
    assert total(at_the_end, "bench_requests_in_flight") == 0
    with pytest.raises(OSError, match="refused"):
        scrape(line.removeprefix("metrics at "))


def test_a_port_that_is_taken_stops_before_anything_is_sent(
    scenario: Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("prometheus_client", reason="the extra prometheus is not installed")
    with receiver() as taken:
        port = taken.rpartition(":")[2]
        assert call(["run", "told.yaml", "--prometheus", port]) == 2
    assert f"--prometheus: cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_an_extra_that_is_not_installed_is_named(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.telemetry.watch.find_spec", lambda _name: None)
    for flag, extra in ((["--prometheus", "0"], "prometheus"), (["--otel"], "otel")):
        assert call(["run", "told.yaml", *flag]) == 2
        assert f"pip install 'claude-bench[{extra}]'" in capsys.readouterr().err


# OpenTelemetry


def test_an_otel_reader_sees_what_the_records_say(scenario: Scenario, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from bench.telemetry.otel import pushing

    reader = InMemoryMetricReader()
    with pushing("1.2.3", reader) as meter:
        watcher = Telemetry(meter, facts=((semconv.SCENARIO, "told"),))
        api.run(scenario, out=tmp_path / "run", observer=Observers(watcher), html=False)
        data = reader.get_metrics_data()
    assert data is not None
    [of_resource] = data.resource_metrics
    assert of_resource.resource.attributes["service.name"] == "claude-bench"
    [of_scope] = of_resource.scope_metrics
    found: dict[str, Any] = {one.name: one for one in of_scope.metrics}
    records, causes = truth(tmp_path / "run")
    attempts = [one for record in records for one in record.attempts]
    durations: list[Any] = list(found["gen_ai.client.operation.duration"].data.data_points)
    assert sum(point.count for point in durations) == len(attempts)
    assert {dict(point.attributes or {}).get("error.type") for point in durations} == {None, *causes}
    assert durations[0].explicit_bounds == semconv.OPERATION_DURATION.buckets
    tokens = {
        dict(point.attributes or {})["gen_ai.token.type"]: point.sum
        for point in found["gen_ai.client.token.usage"].data.data_points
    }
    assert tokens["output"] == sum(one.usage.output_tokens for one in attempts if one.usage)
    assert found["gen_ai.client.token.usage"].unit == "{token}"


@contextmanager
def receiver(bodies: list[bytes] | None = None) -> Iterator[str]:
    """An OTLP receiver on a free port: keeps what is posted and is content."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            if bodies is not None and self.path == "/v1/metrics":
                bodies.append(gzip.decompress(body) if packed else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_otlp_is_pushed_to_the_endpoint_of_the_environment(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = pytest.importorskip(
        "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2", reason="the extra otel is not installed"
    )
    bodies: list[bytes] = []
    with receiver(bodies) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
        assert call(["run", "told.yaml", "-q", "-o", "run", "--otel"]) == 0
    pushed = service.ExportMetricsServiceRequest.FromString(bodies[-1])
    [of_resource] = pushed.resource_metrics
    names = {one.key: one.value.string_value for one in of_resource.resource.attributes}
    assert names["service.name"] == "nightly"
    found = {one.name: one for one in of_resource.scope_metrics[0].metrics}
    records, _ = truth(Path("run"))
    assert sum(point.as_int for point in found["bench.requests"].sum.data_points) == len(records)
    summary = api.report(Path("run")).summary
    assert sum(point.as_double for point in found["bench.cost"].sum.data_points) == pytest.approx(
        summary.passes[0].cost.total
    )


def test_a_collector_that_is_gone_changes_nothing(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")
    with receiver() as url:
        gone = url
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    assert call(["run", "told.yaml", "-q", "-o", "run", "--otel"]) == 0
    assert len(truth(Path("run"))[0]) == 90


def test_another_protocol_is_refused_in_words(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert call(["run", "told.yaml", "--otel"]) == 2
    assert "the environment asks for grpc" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_meter_that_fails_does_not_end_a_run(scenario: Scenario, tmp_path: Path) -> None:
    class Failing:
        def tell(self, instrument: object, value: float, attributes: object) -> None:  # noqa: ARG002
            if value > 1:
                raise RuntimeError("no room")

    watcher = Telemetry(Failing(), facts=())
    finished = api.run(scenario, out=tmp_path / "run", observer=Observers(watcher), html=False)
    assert finished.summary.passes[0].values["requests"] == 90


# The export of a finished run says the same as what was told while it went on


def test_an_export_is_what_was_pushed_at_the_end(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    service = pytest.importorskip(
        "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2", reason="the extra otel is not installed"
    )
    from google.protobuf.json_format import Parse

    bodies: list[bytes] = []
    with receiver(bodies) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        assert call(["run", "told.yaml", "-q", "-o", "run", "--otel"]) == 0
    assert call(["export", "run", "--to", "otel", "-o", "run.json.otlp"]) == 0
    pushed = service.ExportMetricsServiceRequest.FromString(bodies[-1])
    exported = Parse(Path("run.json.otlp").read_text(), service.ExportMetricsServiceRequest())
    theirs, ours = ({one.name: one for one in message.resource_metrics[0].scope_metrics[0].metrics}
                    for message in (pushed, exported))  # fmt: skip
    for name in ("gen_ai.client.operation.duration", "gen_ai.client.token.usage", "bench.response_time"):
        told = {_key(point): (point.count, list(point.bucket_counts)) for point in theirs[name].histogram.data_points}
        kept = {_key(point): (point.count, list(point.bucket_counts)) for point in ours[name].histogram.data_points}
        assert told == kept
        assert theirs[name].unit == ours[name].unit


def _key(point: object) -> frozenset[tuple[str, str]]:
    return frozenset((one.key, one.value.string_value) for one in point.attributes)  # type: ignore[attr-defined]
