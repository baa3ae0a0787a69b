"""Cases in a file: each is a scenario of its own, and what is wrong with one is said in its own line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.errors import ScenarioError, UsageError
from bench.scenario.load import load, select
from bench.scenario.model import Fixed, Poisson, Scenario, Slo, Workload

HEAD = """\
version: 1
question: How long?
model: claude-sonnet-5
workload: {requests: 10, input_tokens: 100, output_tokens: {uniform: [10, 20]}, max_tokens: 50}
strategies: [sequential, gather]
slo: {latency: 5s}
"""


def loaded(folder: Path, cases: str, **flags: str) -> Scenario:
    path = folder / "job.yaml"
    path.write_text(HEAD + cases)
    return load(path, flags=flags)


def variants(scenario: Scenario) -> dict[str | None, Scenario]:
    return dict(scenario.variants)


def workload_of(scenario: Scenario) -> Workload:
    assert scenario.workload is not None
    return scenario.workload


def problems(folder: Path, cases: str, settings: dict[str, str] | None = None, **flags: str) -> list[str]:
    path = folder / "job.yaml"
    path.write_text(HEAD + cases)
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides=settings or {}, flags=flags)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_without_cases_the_scenario_itself_is_run(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, "")
    assert scenario.variants == ((None, scenario),)
    assert "cases" not in scenario.resolved()


def test_each_case_is_the_file_with_some_values_replaced(tmp_path: Path) -> None:
    found = variants(loaded(tmp_path, """\
tier: scale
timeout: 20s
thresholds: {errors: ["rate < 1%"]}
cases:
  plain: {}
  build: {tier: build, timeout: 30s}
  haiku: {model: claude-haiku-4-5, strategies: [{semaphore: 3}], retry: none}
"""))  # fmt: skip
    assert [(name, one.tier, one.model, one.timeout.attempt) for name, one in found.items()] == [
        ("plain", "scale", "claude-sonnet-5", 20.0),
        ("build", "build", "claude-sonnet-5", 30.0),
        ("haiku", "scale", "claude-haiku-4-5", 20.0),
    ]
    assert [one.name for one in found["haiku"].strategies] == ["semaphore-3"]
    assert [one.retry.policy for one in found["haiku"].strategies] == ["none"]
    assert {(one.thresholds[0].metric, one.thresholds[0].line) for one in found.values()} == {("errors", 9)}
    assert {one.name for one in found.values()} == {"job"}


@pytest.mark.parametrize(
    "written",
    [
        "{workload.requests: 7, workload.output_tokens: 30, mock.latency.service_time: 5s, slo.ttft: 1s}",
        "{workload: {requests: 7, output_tokens: 30}, mock: {latency: {service_time: 5s}}, slo: {ttft: 1s}}",
        "{workload: {requests: 7}, workload.output_tokens: 30, mock: {latency.service_time: 5s}, slo: {ttft: 1s}}",
    ],
)
def test_sections_are_gone_into_with_dots_or_without(tmp_path: Path, written: str) -> None:
    (one,) = variants(loaded(tmp_path, f"mock: {{burst: 9s}}\ncases: {{other: {written}}}")).values()
    workload = workload_of(one)
    assert (workload.requests, workload.max_tokens, workload.output_tokens) == (7, 50, Fixed(value=30))
    assert (one.mock.burst, one.mock.latency.service_time) == (9.0, 5.0)
    assert one.slo == Slo(ttft=1.0, latency=5.0)


def test_what_has_several_notations_is_replaced_as_a_whole(tmp_path: Path) -> None:
    cases = (
        "{arrivals: {poisson: 2/s}, workload: {output_tokens: {lognormal: {median: 5, p95: 9}}}, retry: {attempts: 2}}"
    )
    before = "arrivals: {constant: 1/s}\nretry: {policy: exponential, attempts: 5}\n"
    (one,) = variants(loaded(tmp_path, f"{before}cases: {{other: {cases}}}")).values()
    assert one.arrivals == Poisson(rate=2.0)
    assert workload_of(one).output_tokens.kind == "lognormal"
    assert (one.retry.policy, one.retry.attempts) == ("retry_after", 2)


def test_nothing_takes_a_key_away(tmp_path: Path) -> None:
    stream = "{name: a, arrivals: backlog, workload: {requests: 5, input_tokens: 5, output_tokens: 5, max_tokens: 9}}"
    scenario = loaded(
        tmp_path,
        f"""\
cases:
  streams: {{workload: , streams: [{stream}], slo: null}}
  window: {{arrivals: {{poisson: 1/s}}, workload: {{requests: , duration: 5m}}, mock.latency.ttft: null}}
""",
    )
    streams, window = variants(scenario).values()
    assert (streams.workload, streams.streams[0].name, streams.slo) == (None, "a", Slo())
    assert (workload_of(window).requests, workload_of(window).duration) == (None, 300.0)
    assert scenario.resolved()["cases"]["streams"]["workload"] is None


def test_a_case_reaches_into_lists(tmp_path: Path) -> None:
    (one,) = variants(loaded(tmp_path, "cases: {one: {'strategies[1]': {semaphore: 4}}}")).values()
    assert [strategy.name for strategy in one.strategies] == ["sequential", "semaphore-4"]


def test_what_is_resolved_of_a_case_is_what_differs(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, "claim: x\ncases: {plain: {}, build: {tier: build, slo: {}}}")
    assert scenario.resolved()["cases"] == {"plain": {}, "build": {"tier": "build"}}
    assert {case.name: {**scenario.resolved(), **changes} for case, changes in _changes(scenario)} == {
        case.name: {**case.scenario.resolved(), "cases": scenario.resolved()["cases"]} for case in scenario.cases
    }


def _changes(scenario: Scenario) -> list[Any]:
    return list(zip(scenario.cases, scenario.resolved()["cases"].values(), strict=True))


def test_every_problem_stands_in_the_line_of_its_case_once(tmp_path: Path) -> None:
    assert problems(tmp_path, """\
timeout: 90
cases:
  start: {tier: strat}
  build:
    seed: 5
    teir: build
    workload: {max_tokens: -3}
    mock.latency.ttft: 5
  chat:
    arrivals: {poisson: 1/s}
    workload.input_tokens: trace
  calm: 5
  bad name: {}
""") == [
        "job.yaml:7:1  timeout: expected a duration such as 90s or 5m, got 90 without a unit",
        "job.yaml:9:11  cases.start.tier: expected start, build, scale, tier-1, tier-2, tier-3, tier-4, tutorial-1, "
        "tutorial-2, tutorial-3, tutorial-4, unlimited or a .json file, got `strat`. Did you mean start?",
        "job.yaml:11:5  cases.build.seed: the same in all cases; write `seed` beside `cases`",
        "job.yaml:12:5  cases.build.teir: unknown key. Did you mean tier?",
        "job.yaml:13:16  cases.build.workload.max_tokens: expected at least 1, got -3",
        "job.yaml:14:5  cases.build.mock.latency.ttft: expected a duration such as 90s or 5m, got 5 without a unit",
        "job.yaml:17:5  cases.chat.workload.input_tokens: `trace` needs arrivals from a trace",
        "job.yaml:18:3  cases.calm: expected a mapping, got 5",
        "job.yaml:19:3  cases.bad name: expected a name of letters, digits, `.`, `_` and `-`, got `bad name`",
    ]  # fmt: skip


def test_what_contradicts_the_rest_of_the_file_stands_in_the_line_of_the_case(tmp_path: Path) -> None:
    stream = "{name: a, workload: {requests: 5, output_tokens: 5, max_tokens: 9}}"
    assert problems(tmp_path, f"cases:\n  one: {{}}\n  two: {{streams: [{stream}]}}\n") == [
        "job.yaml:9:3  cases.two.workload: not with `streams`, each of which has a workload of its own",
        "job.yaml:9:19  cases.two.streams[0]: expected `arrivals` of its own, or a `share` of the "
        "scenario's `arrivals`",
        "job.yaml:9:29  cases.two.streams[0].workload: expected `input_tokens` for synthetic prompts, or a `dataset`",
    ]
    (problem,) = problems(
        tmp_path, "arrivals: {poisson: 1/s}\ncases:\n  one: {}\n  two: {arrivals: backlog, workload: {duration: 5s}}\n"
    )
    assert problem.startswith("job.yaml:10:39  cases.two.workload.duration: a backlog is all there at once")


def test_a_bad_row_of_a_file_that_a_case_names_is_in_that_file(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "a"}\n{"prompt": 5}\n')
    (problem,) = problems(tmp_path, "cases: {own: {workload: {dataset: p.jsonl, input_tokens: null}}}")
    assert problem.startswith("p.jsonl:2:1  field `prompt` holds no text")


def test_a_flag_that_a_case_would_undo_is_refused(tmp_path: Path) -> None:
    cases = "cases: {start: {tier: start}, build: {tier: build}, big: {workload.requests: 50}}"
    assert problems(tmp_path, cases, {"workload.requests": "5"}, tier="scale") == [
        "--set workload.requests  workload.requests: replaced again by case big; choose with --case, "
        "change one with --set cases.big.workload.requests=..., or drop all with --set cases={}",
        "--tier  tier: replaced again by cases start, build; choose with --case, "
        "change one with --set cases.start.tier=..., or drop all with --set cases={}",
    ]


def test_a_case_can_be_changed_or_all_dropped_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(HEAD + "cases: {start: {tier: start}}")
    changed = load(path, overrides={"cases.start.tier": "scale", "workload.requests": "3", "cases.more.tier": "build"})
    assert [(name, one.tier, workload_of(one).requests) for name, one in changed.variants] == [
        ("start", "scale", 3),
        ("more", "build", 3),
    ]
    assert load(path, overrides={"cases": "{}"}, flags={"tier": "build"}).variants[0][0] is None
    with pytest.raises(ScenarioError, match=r"^--set cases.start.tier  cases.start.tier: expected start, "):
        load(path, overrides={"cases.start.tier": "strat"})


def test_cases_and_strategies_are_chosen_by_name(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, "cases: {a: {}, b: {strategies: [{semaphore: 2}]}, c: {}}")
    assert [case.name for case in select(scenario, cases=["c", "a"]).cases] == ["a", "c"]
    chosen = select(scenario, ["semaphore-2"])
    assert [(name, [one.name for one in each.strategies]) for name, each in chosen.variants] == [("b", ["semaphore-2"])]
    with pytest.raises(UsageError, match=r"--case: no case `aa`\. Did you mean a\?"):
        select(scenario, cases=["aa"])
    with pytest.raises(UsageError, match="no strategy `gathr`"):
        select(scenario, ["gathr"])
    with pytest.raises(UsageError, match="no case `a`"):
        select(loaded(tmp_path, ""), cases=["a"])


def test_all_models_are_known(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, "cases: {a: {model: claude-haiku-4-5}, b: {model: claude-opus-4-5}}")
    assert scenario.models == {"claude-haiku-4-5", "claude-opus-4-5"}
