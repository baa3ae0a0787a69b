"""Every format, read back by what reads it elsewhere."""

from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import exported
import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped

from bench import exporting
from bench.results.columns import Columns
from bench.results.folder import LoadedRun
from bench.results.measurements import seconds_per_token
from bench.results.record import read_records
from bench.results.summary import Summary
from reports.export import FORMATS
from reports.export.benchmark import stats
from reports.export.marks import MOST_BYTES
from reports.export.rows import Rows


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("exports")
    texts = {"plain": exported.PLAIN, "refused": exported.REFUSED, "streams": exported.STREAMS}
    return {name: exported.run(text, root, name).folder for name, text in texts.items()}


@pytest.fixture(params=["plain", "refused", "streams"])
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    return folders[request.param]


@pytest.fixture
def plain(folders: dict[str, Path]) -> Path:
    return folders["plain"]


def written(folder: Path, to: str, rows: Rows = "requests") -> bytes:
    run, summary = exporting.load(folder)
    file = io.BytesIO()
    FORMATS[to].write(run, summary, rows, file)
    return file.getvalue()


def document(folder: Path, to: str) -> Any:  # noqa: ANN401
    return json.loads(written(folder, to))


def loaded(folder: Path) -> tuple[LoadedRun, Summary]:
    return exporting.load(folder)


@pytest.mark.parametrize("to", FORMATS)
def test_the_same_run_gives_the_same_bytes(plain: Path, to: str) -> None:
    assert written(plain, to) == written(plain, to)


# JUnit


def test_junit_has_a_case_for_each_threshold_of_each_pass(plain: Path) -> None:
    _, summary = loaded(plain)
    report = JUnitXml.fromstring(written(plain, "junit"))
    suites = list(report)
    assert [suite.name for suite in suites] == [
        "plain.gather", "plain.semaphore-10", "plain.gather #2", "plain.semaphore-10 #2", "plain.gather #3",
        "plain.semaphore-10 #3",
    ]  # fmt: skip
    cases = [case for suite in suites for case in suite]
    results = Counter(type(result) for case in cases for result in case.result)
    verdicts = Counter(one.verdict for one in summary.thresholds)
    assert verdicts["failed"] > 0
    assert verdicts["inconclusive"] > 0
    assert results == {Failure: verdicts["failed"], Skipped: verdicts["inconclusive"]}
    assert len(cases) == len(summary.thresholds) + len(summary.passes)
    assert (report.tests, report.failures, report.errors) == (len(cases), verdicts["failed"], 0)
    assert all(suite.tests == len(list(suite)) for suite in suites)


def test_junit_says_what_was_measured_and_where_it_is_demanded(plain: Path) -> None:
    [first] = [case for case in next(iter(JUnitXml.fromstring(written(plain, "junit")))) if "100ms" in case.name]
    assert first.classname == "plain.gather"
    message = first.result[0].message
    assert message.startswith("ttft p(95) < 100ms: ")
    assert "120 samples" in message
    assert first.result[0].text.endswith("plain.yaml:11")


def test_junit_has_an_error_for_a_pass_that_did_not_come_to_its_end(plain: Path) -> None:
    run, summary = loaded(plain)
    cut = msgspec.structs.replace(summary.passes[0], stopped="the key \x00 was refused")
    report = JUnitXml.fromstring(
        b"".join(_render("junit", run, msgspec.structs.replace(summary, passes=(cut,), thresholds=())))
    )
    [suite] = report
    [case] = suite
    assert isinstance(case.result[0], Error)
    assert case.result[0].message == "the key \ufffd was refused"


def _render(to: str, run: LoadedRun, summary: Summary) -> list[bytes]:
    file = io.BytesIO()
    FORMATS[to].write(run, summary, "requests", file)
    return [file.getvalue()]


# Tables


def test_csv_has_a_row_for_each_request(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(written(folder, "csv").decode())))
    records = list(read_records(folder / "records.jsonl"))
    assert [(row["strategy"], int(row["pass"]), int(row["seq"])) for row in rows] == [
        (one.strategy, one.pass_, one.seq) for one in records
    ]
    for row, record in zip(rows, records, strict=True):
        assert float(row["response_time"]) == record.response_time
        assert row["ok"] == str(record.ok).lower()
        assert (row["cause"] or None) == record.attempts[-1].cause
        assert int(row["attempts"]) == len(record.attempts)


def test_csv_has_a_row_for_each_attempt(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(written(folder, "csv", "attempts").decode())))
    attempts = [one for record in read_records(folder / "records.jsonl") for one in record.attempts]
    assert [(float(row["sent"]), float(row["ended"]), row["cause"] or None) for row in rows] == [
        (one.sent, one.ended, one.cause) for one in attempts
    ]


def test_csv_of_numbers_is_the_summary(folder: Path) -> None:
    _, summary = loaded(folder)
    rows = list(csv.DictReader(io.StringIO(written(folder, "csv", "numbers").decode())))
    found = {(row["strategy"], int(row["pass"]), row["stream"], row["metric"], row["part"]): row for row in rows}
    assert len(found) == len(rows)
    for one in summary.passes:
        for name, value in one.values.items():
            row = found[one.strategy, one.pass_, "", name, ""]
            assert (float(row["value"]) if row["value"] else None) == value
        for stream in one.streams:
            p50 = stream.distributions["latency"].p50
            row = found[one.strategy, one.pass_, stream.name, "latency", "p50"]
            assert (float(row["value"]), float(row["lo"]), float(row["hi"])) == (p50.value, p50.lo, p50.hi)


@pytest.mark.parametrize("rows", ["requests", "attempts", "numbers"])
def test_parquet_holds_what_csv_holds(folder: Path, rows: Rows) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra pyarrow is not installed")
    table = parquet.read_table(io.BytesIO(written(folder, "parquet", rows)))
    plain = list(csv.DictReader(io.StringIO(written(folder, "csv", rows).decode())))
    assert table.column_names == list(plain[0])
    for cells, row in zip(table.to_pylist(), plain, strict=True):
        assert cells == {name: _read(row[name], cells[name]) for name in row}


def _read(text: str, like: object) -> object:
    """A cell of CSV as what it stands for."""
    if text == "":
        return None
    return text == "true" if isinstance(like, bool) else type(like)(text)  # type: ignore[call-arg]


def test_parquet_is_written_in_groups(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra pyarrow is not installed")
    whole = parquet.read_table(io.BytesIO(written(plain, "parquet")))
    monkeypatch.setattr("reports.export.rows.GROUP", 100)
    pieces = parquet.ParquetFile(io.BytesIO(written(plain, "parquet")))
    assert pieces.num_row_groups == 8
    assert pieces.read() == whole


def test_tpot_of_a_row_is_that_of_the_summary(plain: Path) -> None:
    records = [one for one in read_records(plain / "records.jsonl") if (one.strategy, one.pass_) == ("gather", 0)]
    mine = [seconds_per_token(one.attempts[-1]) for one in records]
    np.testing.assert_array_equal(np.array(mine, dtype=float), Columns.of(records).requests.tpot)


# OpenMetrics


def test_openmetrics_is_read_by_prometheus(folder: Path) -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="the extra prometheus is not installed")
    _, summary = loaded(folder)
    families = {one.name: one for one in parser.text_string_to_metric_families(written(folder, "openmetrics").decode())}
    assert families["bench_run"].type == "info"
    for one in summary.passes:
        own = {"strategy": one.strategy, "pass": str(one.pass_)}
        samples = {(sample.name, sample.labels.get("quantile")): sample.value
                   for family in families.values() for sample in family.samples
                   if sample.labels.items() >= own.items() and "stream" not in sample.labels
                   and "bound" not in sample.labels}  # fmt: skip
        assert samples["bench_makespan_seconds", None] == one.values["makespan"]
        assert samples["bench_latency_seconds_count", None] == one.distributions["latency"].n
        assert samples.get(("bench_latency_seconds", "0.95")) == one.distributions["latency"].p95.value
        assert samples["bench_requests", None] == one.values["requests"]


def test_gitlab_reads_every_number_of_the_metrics_report(folder: Path) -> None:
    """By its rule: comments cut at any `#`, then words as in a shell, of which the first two are name and value."""
    lines = written(folder, "openmetrics").decode().splitlines()
    words = [shlex.split(line.partition("#")[0]) for line in lines]
    read = [(found[0], float(found[1])) for found in words if len(found) == 2]
    samples = [line for line in lines if line and not line.startswith("#")]
    assert len(read) == len(samples) > 50
    assert len({name for name, _ in read}) == len(read)


# Trends


def test_points_of_github_action_benchmark(folder: Path) -> None:
    _, summary = loaded(folder)
    smaller, bigger = document(folder, "gh-benchmark"), document(folder, "gh-benchmark-bigger")
    for point in (*smaller, *bigger):
        assert {"name", "unit", "value", "extra"} <= point.keys() <= {"name", "unit", "value", "extra", "range"}
        assert isinstance(point["value"], int | float)
    names = [point["name"] for point in (*smaller, *bigger)]
    assert len(set(names)) == len(names)
    assert any("latency p95" in point["name"] for point in smaller) == any(
        one.distributions["latency"].p95.value is not None for one in summary.passes
    )
    assert any("throughput" in point["name"] for point in bigger)
    assert not any("throughput" in point["name"] or "goodput" in point["name"] for point in smaller)


def test_repeats_are_one_point_with_the_lowest_and_highest_run(plain: Path) -> None:
    _, summary = loaded(plain)
    runs = [one.values["makespan"] or 0.0 for one in summary.passes if one.strategy == "gather"]
    assert len(set(runs)) == 3
    point = document(plain, "bmf")["plain / gather"]["makespan_seconds"]
    assert point == {"value": sorted(runs)[1], "lower_value": min(runs), "upper_value": max(runs)}


BENCHER = {
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".{1,64}": {
                    "type": "object",
                    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
                    "required": ["value"],
                    "additionalProperties": False,
                }
            },
        }
    },
}
"""What https://bencher.dev/bmf.json demands (read 2026-11-20), and that nothing else is there."""


def test_bencher_metric_format(folder: Path) -> None:
    found = document(folder, "bmf")
    jsonschema.validate(found, BENCHER)
    measures = {name for one in found.values() for name in one}
    assert not {"latency", "throughput"} & measures, "Bencher's own are in nanoseconds and operations a second"
    for one in found.values():
        for point in one.values():
            assert (
                point.get("lower_value", point["value"]) <= point["value"] <= point.get("upper_value", point["value"])
            )


# pytest-benchmark


def test_pytest_benchmark_compares_two_runs(plain: Path, tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / f"{name}.json").write_bytes(written(plain, "pytest-benchmark"))
    command = [sys.executable, "-W", "error", "-m", "pytest_benchmark", "compare", "before.json", "after.json"]
    done = subprocess.run(
        [*command, "--between=median", "-k", "wall"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "gather wall clock" in done.stdout
    assert "+0.0%" in done.stdout


def test_each_repeat_is_a_round(plain: Path) -> None:
    _, summary = loaded(plain)
    entries = {one["fullname"]: one for one in document(plain, "pytest-benchmark")["benchmarks"]}
    gather = entries["plain::gather wall clock"]
    assert gather["stats"]["data"] == [one.values["makespan"] for one in summary.passes if one.strategy == "gather"]
    assert gather["stats"]["rounds"] == 3
    assert gather["extra_info"]["requests"] == [120, 120, 120]


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=50))
def test_statistics_are_those_of_pytest_benchmark(data: list[float]) -> None:
    from pytest_benchmark.stats import Stats

    theirs: Any = Stats()  # type: ignore[no-untyped-call]
    for value in data:
        theirs.update(value)
    mine = stats(data)
    assert {*Stats.fields} < mine.keys()
    for name in ("min", "max", "mean", "stddev", "median", "rounds", "ops", "total"):
        assert mine[name] == pytest.approx(getattr(theirs, name), rel=1e-9, abs=1e-9), name


# OTLP


def test_otlp_json_is_the_protocol_s_message(folder: Path) -> None:
    service = pytest.importorskip(
        "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2", reason="the extra otel is not installed"
    )
    from google.protobuf.json_format import Parse

    request = Parse(written(folder, "otel").decode(), service.ExportMetricsServiceRequest())
    [of_resource] = request.resource_metrics
    [of_scope] = of_resource.scope_metrics
    metrics = {one.name: one for one in of_scope.metrics}
    records = list(read_records(folder / "records.jsonl"))
    durations = metrics["gen_ai.client.operation.duration"].histogram.data_points
    attempts = [attempt for one in records for attempt in one.attempts]
    assert sum(point.count for point in durations) == len(attempts)
    assert sum(point.sum for point in durations) == pytest.approx(sum(one.ended - one.sent for one in attempts))
    assert all(sum(point.bucket_counts) == point.count for point in durations)
    assert all(len(point.bucket_counts) == len(point.explicit_bounds) + 1 for point in durations)
    failed = [one for one in attempts if not one.ok]
    of_failed = [point for point in durations if any(one.key == "error.type" for one in point.attributes)]
    assert sum(point.count for point in of_failed) == len(failed)
    assert sum(point.as_double for point in metrics["bench.requests"].sum.data_points) == len(records)


# Markdown


def test_markdown_leads_with_the_verdict_and_the_answer(plain: Path) -> None:
    _, summary = loaded(plain)
    text = written(plain, "markdown").decode()
    assert text.startswith("### FAILED: plain\n\n> Does \\| it \\*hold\\*?\n\n**")
    assert summary.answer.split(":")[0] in text
    rows = [line for line in text.splitlines() if line.startswith("| **FAIL**")]
    assert len(rows) == sum(one.verdict == "failed" for one in summary.thresholds)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in tables if "p50" in line or "gather |" in line}
    assert len(widths) <= 2, "a row has as many cells as its heading"


def test_markdown_fits_a_comment_however_much_there_is(plain: Path) -> None:
    run, summary = loaded(plain)
    passes = tuple(
        msgspec.structs.replace(one, strategy=f"strategy-{'ä' * 60}-{n}") for n in range(300) for one in summary.passes
    )
    question = "Why? " * 20_000
    [text] = _render("markdown", run, msgspec.structs.replace(summary, passes=passes, question=question))
    assert len(text) <= MOST_BYTES
    assert text.decode().endswith("the report has all of it._\n")


def test_what_is_not_text_of_ours_is_not_markup(plain: Path) -> None:
    run, summary = loaded(plain)
    answer = "<script>alert(1)</script> @everyone [x](http://y) `z` | w"
    [text] = _render("markdown", run, msgspec.structs.replace(summary, answer=answer))
    [line] = [one for one in text.decode().splitlines() if "alert" in one]
    assert "<" not in line
    assert "@" not in line
    assert r"\[x\]" in line
    assert r"\|" in line
