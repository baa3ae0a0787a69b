"""Cases run side by side: one run, one folder, each case under its own circumstances."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from bench import api
from bench.engine.observe import Observers
from bench.results.record import read_records
from bench.results.summary import PassSummary, Summary

MIXED = """\
version: 1
question: Does it hold?
model: claude-sonnet-5
tier: tier-1
workload: {requests: 80, input_tokens: 2000, output_tokens: 400, max_tokens: 500}
strategies: [gather, {token_bucket: auto}]
retry: {policy: retry_after, attempts: 50}
mock: {latency: {service_time: 2s}}
thresholds: {rate_limited: ["rate < 1%"]}
cases:
  as-it-was: {}
  start: {tier: start}
  slow: {tier: start, mock.latency.service_time: 20s, strategies: [{semaphore: 40}], slo: {latency: 5s}}
  haiku: {model: claude-haiku-4-5, tier: start}
"""


def scenario_file(folder: Path, text: str = MIXED) -> str:
    path = folder / "mixed.yaml"
    path.write_text(text)
    return str(path)


def run(folder: Path, out: str = "run", **keywords: object) -> Summary:
    return api.run(api.load(scenario_file(folder), **keywords), out=folder / out, html=False).summary  # type: ignore[arg-type]


def by_pass(summary: Summary) -> dict[tuple[str | None, str, int], PassSummary]:
    return {one.of_pass: one for one in summary.passes}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("mixed")
    return folder / "run", run(folder)


ROUND = [
    ("as-it-was", "gather"),
    ("as-it-was", "token-bucket"),
    ("start", "gather"),
    ("start", "token-bucket"),
    ("slow", "semaphore-40"),
    ("haiku", "gather"),
    ("haiku", "token-bucket"),
]


def test_every_strategy_is_run_in_every_case(mixed: tuple[Path, Summary]) -> None:
    assert [one.of_pass for one in mixed[1].passes] == [(*each, 0) for each in ROUND]


def test_repeats_go_round_all_cases(tmp_path: Path) -> None:
    summary = run(tmp_path, flags={"repeat": "2"}, cases=["start", "slow"])
    started = [(case, strategy, number) for number in (0, 1) for case, strategy in ROUND[2:5]]
    assert [one.of_pass for one in summary.passes] == started


def test_each_case_has_its_own_limits_speed_and_prices(mixed: tuple[Path, Summary]) -> None:
    passes = by_pass(mixed[1])
    limits = {key[0]: [use.per_minute for use in one.limits] for key, one in passes.items()}
    assert limits["as-it-was"] == [50, 30_000, 8_000]
    assert limits["start"] == limits["slow"] == [1_000, 2_000_000, 400_000]
    assert passes["slow", "semaphore-40", 0].values["makespan"] == pytest.approx(40.0)
    assert passes["start", "gather", 0].values["makespan"] == pytest.approx(2.0)
    assert passes["slow", "semaphore-40", 0].values["goodput"] == 0
    assert passes["start", "gather", 0].values["goodput"] is None
    assert (passes["haiku", "gather", 0].cost.total or 0) < (passes["start", "gather", 0].cost.total or 0)
    assert (passes["as-it-was", "gather", 0].values["rate_limited"] or 0) > 0
    assert passes["as-it-was", "token-bucket", 0].values["rate_limited"] == 0, "paced by the limits of its own case"


def test_the_answer_has_a_line_for_each_case(mixed: tuple[Path, Summary]) -> None:
    _, summary = mixed
    lines = summary.answer.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["as-it-was", "start", "slow", "haiku"]
    assert lines[0].startswith("as-it-was: token-bucket finishes first of those that get through cleanly: ")
    assert [(one.name, one.tier, one.model) for one in summary.cases] == [
        ("as-it-was", "tier-1", "claude-sonnet-5"),
        ("start", "start", "claude-sonnet-5"),
        ("slow", "start", "claude-sonnet-5"),
        ("haiku", "start", "claude-haiku-4-5"),
    ]
    assert all(line.removeprefix(f"{one.name}: ") in one.answer for line, one in zip(lines, summary.cases, strict=True))


def test_thresholds_hold_in_each_case(mixed: tuple[Path, Summary]) -> None:
    _, summary = mixed
    assert [(one.case, one.strategy) for one in summary.thresholds if one.verdict == "failed"] == [
        ("as-it-was", "gather")
    ]
    assert summary.exit_code == 99
    assert summary.reasons == ("as-it-was/gather: rate_limited rate < 1%: failed",)


def test_records_name_their_case_and_repeat_byte_for_byte(mixed: tuple[Path, Summary], tmp_path: Path) -> None:
    folder, _ = mixed
    run(tmp_path)
    for name in ("records.jsonl", "summary.json", "passes.json"):
        assert (folder / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    named = [record.of_pass[:2] for record in read_records(folder / "records.jsonl")]
    assert list(dict.fromkeys(named)) == ROUND
    assert len(named) == 80 * len(ROUND)


def test_a_case_is_the_same_as_a_run_of_its_own(mixed: tuple[Path, Summary], tmp_path: Path) -> None:
    text = MIXED.partition("cases:")[0].replace("tier: tier-1", "tier: start")
    alone = api.run(api.load(scenario_file(tmp_path, text)), out=tmp_path / "run", html=False)
    for one in alone.passes:
        assert msgspec.structs.replace(one, case="start") == by_pass(mixed[1])["start", one.strategy, 0]
    assert all(b'"case"' not in line for line in (alone.folder / "records.jsonl").read_bytes().splitlines())
    assert "cases" not in json.loads((alone.folder / "run.json").read_bytes())["scenario"]


def test_a_report_of_cases_can_be_rebuilt(mixed: tuple[Path, Summary]) -> None:
    folder, summary = mixed
    assert api.report(folder).summary == summary
    before = {name: (folder / name).read_bytes() for name in ("summary.json", "report.html")}
    assert api.report(folder).summary == summary
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_each_case_has_a_mock_server_of_its_own(tmp_path: Path) -> None:
    settings = ["cases.slow.mock.latency.service_time=4s", "speed=20", "workload.requests=40"]
    summary = run(tmp_path, flags={"target": "mock"}, settings=settings, cases=["as-it-was", "slow"])
    passes = by_pass(summary)
    slow, quick = passes["slow", "semaphore-40", 0], passes["as-it-was", "gather", 0]
    assert (slow.distributions["latency"].p50.value or 0) >= 4 > (quick.distributions["latency"].p50.value or 0) >= 2
    assert (quick.values["rate_limited"] or 0) > 0
    assert slow.values["rate_limited"] == 0
    assert all(one.overhead is not None and one.overhead.n == 40 for one in passes.values())


def test_a_budget_is_for_all_cases_together(tmp_path: Path) -> None:
    summary = run(tmp_path, flags={"budget.max_requests": "100"}, strategies=["token-bucket"], cases=["start", "haiku"])
    assert [(one.case, one.values["attempts"]) for one in summary.passes] == [("start", 80), ("haiku", 20)]
    assert summary.exit_code == 6
    assert summary.answer.splitlines()[1] == "haiku: Nothing can be said: no strategy came to its end with an answer."


def test_observers_are_told_the_case(tmp_path: Path) -> None:
    class Names(Observers):
        def __init__(self) -> None:
            super().__init__()
            self.started: list[tuple[object, ...]] = []

        def pass_started(
            self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None
        ) -> None:
            self.started.append((case, strategy, pass_, total, speed))

    names = Names()
    api.run(api.load(scenario_file(tmp_path)), out=tmp_path / "run", observer=names, html=False)
    assert names.started == [(*each, 0, 80, 1.0) for each in ROUND]


def test_a_run_with_cases_is_a_trace_by_its_first_pass(tmp_path: Path) -> None:
    run(tmp_path, "yesterday")
    text = f"""\
{MIXED.partition("workload:")[0]}
workload: {{input_tokens: trace, output_tokens: trace, max_tokens: 500}}
arrivals: {{trace: {{path: yesterday}}}}
strategies: [gather]
"""
    today = api.run(api.load(scenario_file(tmp_path, text)), out=tmp_path / "today", html=False)
    assert today.passes[0].values["requests"] == 80
