"""Runs that a threshold ends before their time, on the virtual clock."""

from __future__ import annotations

from pathlib import Path

from bench import api
from bench.results.record import read_records
from bench.results.summary import Summary

TEXT = """\
version: 1
question: When is it clear that it fails?
model: claude-sonnet-5
seed: 7
retry: none
workload: {requests: 6000, input_tokens: 10, output_tokens: 10, max_tokens: 10}
arrivals: {poisson: 10/s}
strategies: [{semaphore: 500}, gather]
mock: {latency: {service_time: 100ms}, faults: {overloaded: {rate: 50%, start: 100s}}}
thresholds:
"""


def run(tmp_path: Path, thresholds: str, name: str = "run") -> tuple[Summary, Path]:
    file = tmp_path / "made.yaml"
    file.write_text(TEXT + thresholds)
    return api.run(api.load(str(file)), out=tmp_path / name, html=False).summary, tmp_path / name / "records.jsonl"


def last_end(journal: Path) -> float:
    return max(record.attempts[-1].ended for record in read_records(journal))


def test_the_first_failure_stops_the_run_and_is_its_reason(tmp_path: Path) -> None:
    summary, journal = run(tmp_path, '  errors: [{condition: "rate < 5%", abort: true}]\n')
    assert summary.exit_code == 99
    assert summary.reasons[0].startswith("semaphore-500: errors rate < 5% failed after")
    assert [one.strategy for one in summary.passes] == ["semaphore-500"], "the other pass is not begun"
    assert summary.passes[0].stopped == summary.reasons[0]
    assert 100 < last_end(journal) < 120


def test_a_simulation_stops_at_the_same_request_every_time(tmp_path: Path) -> None:
    first, second = (
        run(tmp_path, '  errors: [{condition: "rate < 5%", abort: true}]\n', name) for name in ("one", "two")
    )
    assert first[0] == second[0]
    assert first[1].read_bytes() == second[1].read_bytes()


def test_a_delay_lets_each_pass_go_on_for_so_long(tmp_path: Path) -> None:
    summary, journal = run(tmp_path, '  errors: [{condition: "rate < 5%", abort: true, delay: 200s}]\n')
    assert summary.exit_code == 99
    assert 200 <= last_end(journal) < 202


def test_only_what_the_tags_leave_is_looked_at(tmp_path: Path) -> None:
    tagged = '  "errors{strategy:gather,model:claude-sonnet-5}": [{condition: "rate < 5%", abort: true}]\n'
    summary, _ = run(tmp_path, tagged)
    assert [(one.strategy, one.stopped is None) for one in summary.passes] == [
        ("semaphore-500", True),
        ("gather", False),
    ]
    assert summary.reasons[0].startswith("gather: errors{strategy:gather,model:claude-sonnet-5} rate < 5% failed")


def test_what_holds_or_cannot_be_told_yet_stops_nothing(tmp_path: Path) -> None:
    patient = (
        '  errors: [{condition: "rate < 60%", abort: true}, "rate < 5%"]\n'
        '  latency: [{condition: "p(99.9) < 1s", abort: true}]\n'
        '  ttft_warm: [{condition: "p(95) < 2s", abort: true}]\n'
    )
    summary, _ = run(tmp_path, patient)
    assert [one.stopped for one in summary.passes] == [None, None]
    verdicts = {(one.metric, one.expression): one.verdict for one in summary.thresholds}
    assert verdicts == {
        ("errors", "rate < 60%"): "ok",
        ("errors", "rate < 5%"): "failed",
        ("latency", "p(99.9) < 1s"): verdicts["latency", "p(99.9) < 1s"],
        ("ttft_warm", "p(95) < 2s"): "no samples",
    }
