"""Whole runs in which several models are asked: prompts that go to all of them, and mixes with a lane for each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from bench import api
from bench.results.record import Record, read_records
from bench.results.summary import ModelSummary, PassSummary, Summary
from bench.scenario.model import Scenario
from mock_server.tiers import limits_for

HEAD = """\
version: 1
question: Does it hold?
seed: 7
"""
MODELS = ("claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5")


def scenario(tmp_path: Path, text: str, *settings: str) -> Scenario:
    file = tmp_path / "made.yaml"
    file.write_text(HEAD + text)
    return api.load(str(file), settings=settings)


def run(scenario: Scenario, out: Path, *, html: bool = False) -> Summary:
    return api.run(scenario, out=out, html=html).summary


def records(folder: Path) -> list[Record]:
    return list(read_records(folder / "records.jsonl"))


def models(one: PassSummary) -> dict[str, ModelSummary]:
    return {model.name: model for model in one.models}


FAN_OUT = f"""\
tier: start
fan_out: {{models: [{", ".join(MODELS)}]}}
workload: {{requests: 60, input_tokens: {{uniform: [200, 900]}}, output_tokens: {{uniform: [20, 200]}}, max_tokens: 300,
  stream: true}}
arrivals: {{poisson: 5/s}}
slo: {{response_time: 6s}}
strategies:
  - {{gather: , name: all}}
  - {{semaphore: 4, name: first, take: first}}
  - {{token_bucket: auto, name: cheapest, take: cheapest}}
"""


def test_the_shipped_scenario_says_what_waiting_for_all_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished = api.run(api.load("fan-out-three-models"), out=tmp_path / "run")
    summary = finished.summary
    takes = {one.strategy: one for one in summary.passes}
    everybody = takes["all"].fan_out
    assert everybody is not None
    assert {one.model: one.taken for one in everybody.members} == dict.fromkeys(MODELS, 500)
    assert sum(one.last or 0 for one in everybody.members) == 500
    slowest = max(everybody.members, key=lambda member: member.added or 0)
    assert slowest.model == "claude-opus-5-5"
    assert f"With all, {slowest.model} is the last for" in summary.answer
    times = {name: one.distributions["group_time"].mean or 0 for name, one in takes.items()}
    assert times["first"] < times["cheapest"] < times["all"] - (slowest.added or 0)
    report = (tmp_path / "run" / "report.html").read_text()
    assert "The same to several models" in report
    assert "Model: claude-opus-5-5" in report
    api.show(finished)
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.splitlines() if line.endswith(" s") and "claude-opus" in line] == [
        ["all", "claude-opus-5-5"]
    ]
    assert max(map(len, shown.splitlines()[:-1])) <= 80


def test_the_time_to_the_answer_is_that_of_the_records(tmp_path: Path) -> None:
    takes = {one.strategy: one for one in run(scenario(tmp_path, FAN_OUT), tmp_path / "run").passes}
    ended: dict[tuple[str, int | None], list[Record]] = {}
    for one in records(tmp_path / "run"):
        ended.setdefault((one.strategy, one.group), []).append(one)
    assert {len(group) for group in ended.values()} == {3}
    assert len(ended) == 3 * 60
    slowest = [max(one.response_time for one in group) for (name, _), group in ended.items() if name == "all"]
    quickest = [
        min(one.response_time for one in group if one.ok) for (name, _), group in ended.items() if name == "first"
    ]
    assert takes["all"].distributions["group_time"].mean == pytest.approx(sum(slowest) / 60)
    assert takes["first"].distributions["group_time"].mean == pytest.approx(sum(quickest) / 60)


def test_models_get_the_same_prompt_at_the_same_time_and_count_it_for_themselves(tmp_path: Path) -> None:
    run(scenario(tmp_path, FAN_OUT), tmp_path / "run")
    asked: dict[int | None, dict[str, Record]] = {}
    for one in records(tmp_path / "run"):
        if one.strategy == "all":
            asked.setdefault(one.group, {})[one.model] = one
    for number, group in asked.items():
        assert sorted(one.seq for one in group.values()) == [3 * (number or 0) + place for place in range(3)]
        assert len({(one.intended, one.expected_output) for one in group.values()}) == 1
        tokens = {model: one.attempts[0].usage.input_tokens for model, one in group.items() if one.attempts[0].usage}
        assert tokens["claude-sonnet-5"] == tokens["claude-opus-5-5"]
        assert tokens["claude-haiku-4-5"] == pytest.approx(tokens["claude-opus-5-5"] * 10 / 13, abs=1.5), "older tokens"


def test_a_fan_out_repeats_byte_for_byte_and_can_be_rebuilt_from_its_records(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(scenario(tmp_path, FAN_OUT), tmp_path / name, html=True)
    for file in ("records.jsonl", "summary.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    before = {name: (tmp_path / "one" / name).read_bytes() for name in ("summary.json", "report.html")}
    api.report(tmp_path / "one")
    assert {name: (tmp_path / "one" / name).read_bytes() for name in before} == before


def test_whoever_is_not_needed_is_no_failure_and_what_was_never_sent_no_attempt(tmp_path: Path) -> None:
    one = run(scenario(tmp_path, FAN_OUT, "strategies[1].semaphore=1"), tmp_path / "run").passes[1]
    ends = Counter(record.attempts[-1].cause for record in records(tmp_path / "run") if record.strategy == "first")
    assert set(ends) <= {None, "outrun", "unsent"}
    assert (one.values["succeeded"], one.values["failed"], one.values["error_rate"]) == (60, 0, 0)
    assert one.values["unneeded"] == ends["outrun"] + ends["unsent"] == 120
    assert one.values["attempts"] == 180 - ends["unsent"] < 180
    assert one.values["wasted_attempts"] == ends["outrun"] < one.values["unneeded"]
    assert one.failures == one.attempts == {}


def test_people_go_on_when_they_have_the_answer_they_wait_for(tmp_path: Path) -> None:
    text = FAN_OUT.replace("{poisson: 5/s}", "{users: 6, think: 1s}").replace("stream: true", "stream: false")
    summary = run(scenario(tmp_path, text, "strategies[1].semaphore=18"), tmp_path / "run")
    assert all(one.fan_out is not None and one.fan_out.prompts == 60 for one in summary.passes)
    all_, first, _ = (one.values["makespan"] or 0 for one in summary.passes)
    assert first < all_


def test_mock_and_sim_answer_the_same_prompts(tmp_path: Path) -> None:
    text = FAN_OUT.replace("requests: 60", "requests: 20").replace("{poisson: 5/s}", "backlog")
    counts = {}
    for target in ("sim", "mock"):
        speed = ["speed=20"] if target == "mock" else []
        one = run(scenario(tmp_path, text, f"target={target}", *speed), tmp_path / target).passes[0]
        assert one.fan_out is not None
        names = ("requests", "succeeded", "unneeded", "input_tokens", "output_tokens")
        counts[target] = (
            {name: one.values[name] for name in names},
            {model.name: model.values["cost"] for model in one.models},
            [(member.model, member.taken) for member in one.fan_out.members],
        )
    assert counts["sim"] == counts["mock"]


@pytest.mark.parametrize("take", ["first", "cheapest"])
def test_over_http_whoever_is_outrun_is_given_up_too(tmp_path: Path, take: str) -> None:
    text = FAN_OUT.replace("requests: 60", "requests: 20").replace("{poisson: 5/s}", "backlog")
    text = text.replace("slo: {response_time: 6s}\n", "")  # how fast this machine is must not matter
    one = run(
        scenario(tmp_path, text, "target=mock", "speed=20", f"strategies[0].take={take}"), tmp_path / "run"
    ).passes[0]
    assert one.fan_out is not None
    assert one.fan_out.answered == sum(member.taken for member in one.fan_out.members) == 20
    assert one.values["requests"] == 60
    assert (one.values["unneeded"] or 0) > 0
    assert one.values["failed"] == 0


def test_a_threshold_may_bound_the_time_to_the_answer(tmp_path: Path) -> None:
    text = FAN_OUT + 'thresholds: {group_time: ["med < 10s", "p(90) < 10ms"]}\n'
    summary = run(scenario(tmp_path, text), tmp_path / "run")
    verdicts = {one.expression: one.verdict for one in summary.thresholds if one.strategy == "all"}
    assert verdicts == {"med < 10s": "ok", "p(90) < 10ms": "failed"}


# Mixes


MIX = """\
tier: start
model: claude-haiku-4-5
arrivals: {backlog: 8000}
streams:
  - {name: small, share: 70%, workload: {input_tokens: 300, output_tokens: 40, max_tokens: 100}}
  - {name: large, share: 30%, model: claude-opus-5-5,
     workload: {input_tokens: 3000, output_tokens: 100, max_tokens: 500}}
strategies: [{token_bucket: auto}]
mock: {latency: {service_time: 2s}}
"""


def bound(model: str, requests: int, input_tokens: int, output_tokens: int, tier: str = "start") -> float:
    """Seconds that the limits alone ask for, when each bucket begins with ten seconds' worth."""
    demand = (requests, requests * input_tokens, requests * output_tokens)
    return max(
        amount / (limit / 60) - 10 for amount, limit in zip(demand, limits_for(tier, model), strict=True) if limit
    )


def test_each_model_of_a_mix_is_paced_by_its_own_limits_and_held_up_by_no_other(tmp_path: Path) -> None:
    [one] = run(scenario(tmp_path, MIX), tmp_path / "run").passes
    own = models(one)
    small, large = own["claude-haiku-4-5"], own["claude-opus-5-5"]
    bounds = {
        "claude-haiku-4-5": bound("claude-haiku-4-5", int(small.values["requests"] or 0), 300, 40),
        "claude-opus-5-5": bound("claude-opus-5-5", int(large.values["requests"] or 0), 3000, 100),
    }
    assert one.values["rate_limited"] == 0
    for model, least in bounds.items():
        assert least <= (own[model].values["makespan"] or 0) <= least / 0.95, model
    assert bounds["claude-opus-5-5"] < 0.7 * bounds["claude-haiku-4-5"]
    assert (small.values["requests"] or 0) + (large.values["requests"] or 0) == 8000
    assert small.values["requests"] == pytest.approx(5600, rel=0.02)


def test_a_backlog_that_is_shared_keeps_its_order_where_nothing_is_paced(tmp_path: Path) -> None:
    text = MIX.replace("{token_bucket: auto}", "sequential").replace("8000", "300")
    run(scenario(tmp_path, text, "tier=unlimited"), tmp_path / "one")
    sent = [record.stream for record in sorted(records(tmp_path / "one"), key=lambda one: one.attempts[0].sent)]
    assert len(sent) == 300
    for start in range(0, 300, 60):
        assert 0.5 < sent[start : start + 60].count("small") / 60 < 0.9, "every part of the backlog is mixed alike"
    run(scenario(tmp_path, text, "tier=unlimited"), tmp_path / "two")
    assert (tmp_path / "one/records.jsonl").read_bytes() == (tmp_path / "two/records.jsonl").read_bytes()


def test_models_of_one_class_share_their_limits(tmp_path: Path) -> None:
    """Opus 4.7 and 4.8 draw on the same buckets: together they go as fast as one of them would alone."""
    text = MIX.replace("claude-haiku-4-5", "claude-opus-4-7").replace("claude-opus-5-5", "claude-opus-4-8")
    text = text.replace("3000", "300").replace("output_tokens: 100", "output_tokens: 40").replace("8000", "4000")
    [one] = run(scenario(tmp_path, text), tmp_path / "run").passes
    assert one.values["rate_limited"] == 0
    least = bound("claude-opus-4-7", 4000, 300, 40)
    assert least <= (one.values["makespan"] or 0) <= least / 0.95


def test_what_adaptive_learns_of_one_model_says_nothing_of_another(tmp_path: Path) -> None:
    """Haiku has next to no limits and is refused again and again; Opus has large ones and must not notice."""

    def group(model: str, requests: int) -> dict[str, object]:
        values = [{"type": "requests_per_minute", "value": requests}]
        return {"group_type": "model_group", "models": [model], "limits": values}

    tier = {"data": [group("claude-haiku-4-5", 30), group("claude-opus-5-5", 6000)]}
    (tmp_path / "limits.json").write_text(json.dumps(tier))
    streams = """\
tier: limits.json
model: claude-opus-5-5
streams:
  - {name: free, arrivals: backlog, workload: {requests: 9000, input_tokens: 30, output_tokens: 5, max_tokens: 50}}
"""
    tight = """\
  - {name: tight, arrivals: backlog, model: claude-haiku-4-5, workload: {requests: 100, input_tokens: 30,
     output_tokens: 5, max_tokens: 50}}
"""
    rest = """\
strategies: [adaptive]
retry: {policy: retry_after, attempts: 99}
mock: {burst: 1s, latency: {service_time: 2s}}
"""
    [alone] = run(scenario(tmp_path, streams + rest), tmp_path / "alone").passes
    [mixed] = run(scenario(tmp_path, streams + tight + rest), tmp_path / "mixed").passes
    own = models(mixed)
    assert (own["claude-haiku-4-5"].values["rate_limited"] or 0) > 0
    assert own["claude-opus-5-5"].values["makespan"] == alone.values["makespan"]
    assert own["claude-opus-5-5"].values["rate_limited"] == alone.values["rate_limited"]
