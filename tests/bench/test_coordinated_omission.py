"""A server that freezes is seen by everybody who would have asked meanwhile, whatever the strategy.

A tool that starts its watch when it sends sees the freeze only in what was in flight, and says nothing of all that had
to wait for it (Tene, "How NOT to measure latency", 2013).  Response times here run from when a request was meant to go.
"""

from pathlib import Path

import pytest

from bench import api
from bench.results.record import Record, read_records
from bench.results.summary import PassSummary

BEGIN, END, LENGTH = 20.0, 30.0, 60.0
RATE = 10.0

SCENARIO = f"""\
version: 1
question: Does a freeze show?
model: claude-sonnet-5
tier: unlimited
workload: {{duration: {LENGTH:g}s, input_tokens: 100, output_tokens: 20, max_tokens: 100}}
arrivals: {{constant: {RATE:g}/s}}
retry: none
budget: {{max_cost: $100}}
strategies: [STRATEGY]
mock: {{latency: {{service_time: 50ms}}, faults: FAULTS}}
"""
STRATEGIES = (
    "sequential", "gather", "semaphore: 2", "semaphore: 50", "token_bucket: auto", "adaptive",
    "pool: {workers: 2, queue: 5}", "semaphore: 50, hedge: {after: 1s, most: 100%}",
    "hybrid: {deadline: 30m, live: {semaphore: 2}, share: 0%}",
)  # fmt: skip


def run(tmp_path: Path, strategy: str, faults: str) -> tuple[list[Record], PassSummary]:
    file = tmp_path / "made.yaml"
    written = f"{{{strategy}}}" if ":" in strategy else strategy
    file.write_text(SCENARIO.replace("STRATEGY", written).replace("FAULTS", faults))
    [summary] = api.run(api.load(str(file)), out=tmp_path / "run", html=False).summary.passes
    return list(read_records(tmp_path / "run" / "records.jsonl")), summary


def percentile(summary: PassSummary, metric: str, p: str) -> float:
    value = getattr(summary.distributions[metric], p).value
    assert value is not None
    return float(value)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_freeze_shows_in_the_response_times_of_all_who_came_meanwhile(strategy: str, tmp_path: Path) -> None:
    records, summary = run(tmp_path, strategy, f"{{freeze: {{start: {BEGIN:g}s, end: {END:g}s}}}}")
    assert len(records) == RATE * LENGTH
    met = [record for record in records if BEGIN <= record.intended < END]
    assert len(met) == RATE * (END - BEGIN)
    assert all(record.response_time >= END - record.intended for record in met)
    # Of 600 requests 100 came during the freeze, one every tenth of a second: 30 of them waited 7 s and more.
    assert percentile(summary, "response_time", "p95") >= 7.0
    assert percentile(summary, "response_time", "p99") >= 9.0


def test_few_in_flight_hide_a_freeze_from_whoever_measures_from_the_send(tmp_path: Path) -> None:
    _, summary = run(tmp_path, "semaphore: 2", f"{{freeze: {{start: {BEGIN:g}s, end: {END:g}s}}}}")
    assert percentile(summary, "latency", "p99") < 0.1
    assert percentile(summary, "response_time", "p99") >= 9.0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_a_freeze_nobody_waits(strategy: str, tmp_path: Path) -> None:
    _, summary = run(tmp_path, strategy, "{}")
    assert percentile(summary, "response_time", "p99") < 0.1
