"""Timeouts, hedges and worker pools as scenario files write them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench import api
from bench.cli import call
from bench.errors import ScenarioError, UsageError
from bench.scenario.load import load
from bench.scenario.model import Budget, Scenario, Timeout
from bench.scenario.strategies import Hedge, Pool

SMALL = """\
version: 1
question: How long?
model: claude-sonnet-5
workload: {requests: 10, input_tokens: 100, output_tokens: 20, max_tokens: 50, stream: true}
budget: {max_requests: 100}
strategies: [gather]
"""


def loaded(folder: Path, **changes: str) -> Scenario:
    path = folder / "job.yaml"
    path.write_text(SMALL)
    return load(path, overrides=changes)


def problem(folder: Path, **changes: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        loaded(folder, **changes)
    return str(caught.value)


def test_one_timeout_is_that_of_an_attempt(tmp_path: Path) -> None:
    timeout = loaded(tmp_path, timeout="90s").timeout
    assert timeout == Timeout(attempt=90.0)
    assert timeout.longest_silence == math.inf


def test_three_timeouts(tmp_path: Path) -> None:
    timeout = loaded(tmp_path, timeout="{attempt: 1m, request: 5m, stall: 20s}").timeout
    assert timeout == Timeout(attempt=60.0, request=300.0, stall=20.0)
    assert timeout.longest_silence == 20.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timeout": "90"}, "--set timeout  timeout: expected a duration such as 90s or 5m, got 90 without a unit"),
        ({"timeout": "{attempt: 0s}"}, "timeout.attempt: expected more than 0"),
        ({"timeout": "{silence: 5s}"}, "timeout.silence: unknown key."),
        (
            {"timeout": "{stall: 5s}", "workload.stream": "false"},
            "timeout.stall: only a streamed answer can stall; add workload.stream: true",
        ),
        ({"strategies": "[{pool: {workers: 0}}]"}, "strategies[0].pool.workers: expected at least 1, got 0"),
        ({"strategies": "[{pool: {queue: 5}}]"}, "strategies[0].pool.workers: missing"),
        ({"strategies": "[{gather: , hedge: {most: 5%}}]"}, "strategies[0].hedge.after: missing"),
        (
            {"strategies": "[{gather: , hedge: {after: p85}}]"},
            "strategies[0].hedge.after: expected p50, p90, p95, p99 (of the answers so far) or a duration such as 3s, "
            "got `p85`. Did you mean p95?",
        ),
        ({"strategies": "[{gather: , hedge: {after: p95, most: 0%}}]"}, "hedge.most: expected more than 0"),
        (
            {"strategies": "[{sequential: , hedge: {after: 3s}}]"},
            "strategies[0].hedge: with one request in flight there is never room for a second attempt",
        ),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    assert message in problem(tmp_path, **changes)


def test_workers_are_a_sweep(tmp_path: Path) -> None:
    strategies = loaded(tmp_path, strategies="[{pool: {workers: [8, 32], queue: 50}}, {pool: {workers: 2}}]").strategies
    assert {one.name: one.pool for one in strategies} == {
        "pool-8": Pool(workers=8, queue=50),
        "pool-32": Pool(workers=32, queue=50),
        "pool-2": Pool(workers=2, queue=100),
    }


def test_a_hedge_after_a_time_or_a_percentile(tmp_path: Path) -> None:
    written = "[{gather: , name: a, hedge: {after: 3s}}, {gather: , name: b, hedge: {after: p99, most: 50%}}, gather]"
    hedges = [one.hedge for one in loaded(tmp_path, strategies=written).strategies]
    assert hedges == [Hedge(after=3.0, most=0.05), Hedge(after="p99", most=0.5), None]


def test_a_hedge_needs_a_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = SMALL.replace("strategies: [gather]", "strategies:\n  - gather: null\n    hedge: {after: p95}")
    Path("job.yaml").write_text(text.replace("budget: {max_requests: 100}\n", ""))
    assert call(["run", "job.yaml"]) == 2
    words = "job.yaml:7:5  strategies[0].hedge: sends some requests twice, so it needs a budget: add budget: "
    assert words in capsys.readouterr().err
    assert not Path("runs").exists()
    assert call(["run", "job.yaml", "--max-requests", "20"]) == 0


def test_so_it_does_where_python_code_asks_for_it(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, strategies="[{gather: , hedge: {after: p95}}]")
    with pytest.raises(UsageError, match="a hedge sends some requests twice, so it needs a budget"):
        api.run(scenario.model_copy(update={"budget": Budget(max_time=60.0)}), out=tmp_path / "out", html=False)
    assert not (tmp_path / "out").exists()
