"""Whole runs on the virtual clock, from a scenario file to its summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import api
from bench.results.record import Record, Usage, read_records
from bench.results.summary import PassSummary, Summary
from bench.scenario.model import Scenario
from mock_server.tiers import limits_for

HEAD = """\
version: 1
question: Does it hold?
model: claude-sonnet-5
seed: 7
"""


def scenario(tmp_path: Path, text: str, *settings: str) -> Scenario:
    file = tmp_path / "made.yaml"
    file.write_text(HEAD + text)
    return api.load(str(file), settings=settings)


def run(scenario: Scenario, out: Path, *, html: bool = False) -> Summary:
    return api.run(scenario, out=out, html=html).summary


def by_name(summary: Summary) -> dict[str, PassSummary]:
    return {one.strategy: one for one in summary.passes}


def makespans(summary: Summary) -> dict[str, float | None]:
    return {one.strategy: one.values["makespan"] for one in summary.passes}


def records(folder: Path) -> list[Record]:
    return list(read_records(folder / "records.jsonl"))


def test_the_published_table_of_100_summaries(tmp_path: Path) -> None:
    summary = run(api.load("summarize-100"), tmp_path / "run")
    assert makespans(summary) == {"sequential": 500.0, "gather": 5.0, "semaphore-5": 100.0, "semaphore-10": 50.0}
    assert all(one.values["rate_limited"] == 0 for one in summary.passes)


def test_the_published_table_of_500_classifications_but_for_its_429s(tmp_path: Path) -> None:
    summary = run(api.load("classify-500"), tmp_path / "run")
    expected = {"sequential": 1920.0, "semaphore-5": 384.0, "semaphore-10": 192.0, "semaphore-20": 96.0}
    assert {name: makespans(summary)[name] for name in expected} == pytest.approx(expected)
    # 500 / 30 is not whole: the last wave is not full.
    assert makespans(summary)["semaphore-30"] == pytest.approx(17 * 3.84)
    assert all(one.values["rate_limited"] == 0 for one in summary.passes)


TOKEN_BOUND = """\
tier: tier-1
workload: {requests: 60, input_tokens: 2000, output_tokens: 400, max_tokens: 500, stream: true}
strategies: [gather, {semaphore: 20}, {token_bucket: {share: 90%}}]
retry: {policy: retry_after, attempts: 50, jitter: 30%}
"""


def test_the_same_file_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(scenario(tmp_path, TOKEN_BOUND), tmp_path / name)
    for file in ("records.jsonl", "summary.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_another_seed_gives_another_run(tmp_path: Path) -> None:
    run(scenario(tmp_path, TOKEN_BOUND), tmp_path / "one")
    run(scenario(tmp_path, TOKEN_BOUND, "seed=8"), tmp_path / "two")
    assert (tmp_path / "one/records.jsonl").read_bytes() != (tmp_path / "two/records.jsonl").read_bytes()


def test_where_limits_bind_unpaced_strategies_are_refused_and_everyone_is_answered(tmp_path: Path) -> None:
    passes = by_name(run(scenario(tmp_path, TOKEN_BOUND), tmp_path / "run"))
    assert (passes["gather"].values["rate_limited"] or 0) > 0
    assert (passes["semaphore-20"].values["rate_limited"] or 0) > 0
    assert passes["token-bucket"].values["rate_limited"] == 0
    assert all(one.values["succeeded"] == 60 for one in passes.values())


def test_all_strategies_send_the_same_requests(tmp_path: Path) -> None:
    text = TOKEN_BOUND.replace("input_tokens: 2000", "input_tokens: {lognormal: {median: 1000, p95: 3000}}")
    run(scenario(tmp_path, text), tmp_path / "run")
    sizes: dict[str, dict[int, int]] = {}
    for record in records(tmp_path / "run"):
        usage = record.attempts[-1].usage
        assert usage is not None
        sizes.setdefault(record.strategy, {})[record.seq] = usage.input_tokens
    assert sizes["gather"] == sizes["semaphore-20"] == sizes["token-bucket"]
    assert len(set(sizes["gather"].values())) > 30


SHAPES = {
    "requests": ("tier: start", 3000, 200, 50),
    "input tokens": ("tier: tier-2", 800, 3000, 100),
    "output tokens": ("tier: tier-2", 500, 300, 900),
}


@pytest.mark.parametrize("bound_by", SHAPES)
def test_a_token_bucket_comes_within_two_percent_of_the_lower_bound_without_a_429(
    tmp_path: Path, bound_by: str
) -> None:
    tier, requests, input_tokens, output_tokens = SHAPES[bound_by]
    text = f"""\
{tier}
workload: {{requests: {requests}, input_tokens: {input_tokens}, output_tokens: {output_tokens}, max_tokens: 1000}}
strategies: [{{token_bucket: {{burst: 60s}}}}]
mock: {{latency: {{service_time: 4s}}}}
"""
    paced = run(scenario(tmp_path, text), tmp_path / "run").passes[0]
    limits = limits_for(tier.split()[-1], "claude-sonnet-5")
    demand = (requests, requests * input_tokens, requests * output_tokens)
    over = [(amount - limit) / (limit / 60) for amount, limit in zip(demand, limits, strict=True) if limit]
    bound = max(over) + 4.0
    assert list(SHAPES).index(bound_by) == over.index(max(over))
    assert paced.values["rate_limited"] == 0
    assert bound <= (paced.values["makespan"] or 0) <= 1.02 * bound


def test_response_time_shows_the_queue_that_latency_hides(tmp_path: Path) -> None:
    text = """\
tier: unlimited
workload: {requests: 100, input_tokens: 100, output_tokens: 10, max_tokens: 100}
arrivals: {constant: 10/s}
strategies: [{semaphore: 5}]
mock: {latency: {service_time: 1s}}
"""
    one = run(scenario(tmp_path, text), tmp_path / "run").passes[0]
    assert one.distributions["latency"].p95.value == pytest.approx(1.0)
    assert (one.distributions["response_time"].p95.value or 0) > 9


def test_repeats_are_passes_of_their_own_with_seeds_of_their_own(tmp_path: Path) -> None:
    summary = run(scenario(tmp_path, TOKEN_BOUND, "repeat=2"), tmp_path / "run")
    assert [(one.strategy, one.pass_) for one in summary.passes] == [
        (name, number) for number in (0, 1) for name in ("gather", "semaphore-20", "token-bucket")
    ]
    first, second = (one for one in summary.passes if one.strategy == "gather")
    assert first.values["makespan"] != second.values["makespan"]


def test_warm_up_requests_are_not_counted_and_take_nothing_from_the_limits(tmp_path: Path) -> None:
    text = TOKEN_BOUND + "warmup: {requests: 10}\n"
    cold = run(scenario(tmp_path, TOKEN_BOUND), tmp_path / "cold")
    warm = run(scenario(tmp_path, text), tmp_path / "warm")
    for one, other in zip(cold.passes, warm.passes, strict=True):
        assert one.values == pytest.approx(other.values, nan_ok=True)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("{max_requests: 20}", "20 requests"),
        ("{max_cost: $0.05}", "$0.05"),
        ("{max_time: 30s}", "30 s"),
    ],
)
def test_a_budget_stops_the_run_with_exit_6_and_a_report(tmp_path: Path, budget: str, words: str) -> None:
    finished = api.run(scenario(tmp_path, TOKEN_BOUND + f"budget: {budget}\n"), out=tmp_path / "run")
    assert finished.summary.exit_code == 6
    assert words in finished.summary.reasons[0]
    assert (tmp_path / "run/report.html").stat().st_size > 0
    cost = sum(one.cost.total or 0 for one in finished.summary.passes)
    if "cost" in budget:
        assert 0 < cost <= 0.05


def test_a_failed_threshold_is_exit_99_and_a_met_one_0(tmp_path: Path) -> None:
    text = TOKEN_BOUND + 'thresholds: {rate_limited: ["rate < 1%"]}\n'
    assert run(scenario(tmp_path, text), tmp_path / "one").exit_code == 99
    paced = api.load(str(tmp_path / "made.yaml"), strategies=["token-bucket"])
    assert run(paced, tmp_path / "two").exit_code == 0


def test_an_unknown_price_is_unknown_and_not_nothing(tmp_path: Path) -> None:
    text = TOKEN_BOUND.replace("tier-1", "unlimited")
    summary = run(scenario(tmp_path, text, "model=claude-mythos-5-1"), tmp_path / "run")
    assert all(one.cost.total is None for one in summary.passes)
    assert "unknown_price" in {warning.code for warning in summary.warnings}


def test_a_report_can_be_rebuilt_from_the_records_alone(tmp_path: Path) -> None:
    run(scenario(tmp_path, TOKEN_BOUND), tmp_path / "run", html=True)
    before = {name: (tmp_path / "run" / name).read_bytes() for name in ("summary.json", "report.html")}
    for name in before:
        (tmp_path / "run" / name).unlink()
    api.report(tmp_path / "run")
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before


def test_no_prompt_and_no_answer_is_kept(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "marmalade for the badger"}\n')
    text = TOKEN_BOUND.replace("input_tokens: 2000", "dataset: prompts.jsonl")
    run(scenario(tmp_path, text), tmp_path / "run", html=True)
    for file in (tmp_path / "run").iterdir():
        assert "marmalade" not in file.read_text(), file


MIXED = """\
tier: start
arrivals: {poisson: 10/s}
streams:
  - name: chat
    share: 25%
    priority: 1
    workload: {duration: 2m, input_tokens: 900, output_tokens: 90, max_tokens: 200, stream: true}
  - name: job
    share: 75%
    workload: {duration: 2m, input_tokens: 900, output_tokens: 90, max_tokens: 200}
  - name: people
    arrivals: {users: 10, think: {exponential: 5s}}
    workload: {requests: 200, input_tokens: 900, output_tokens: 90, max_tokens: 200}
strategies: [gather, {semaphore: 8, name: ranked}, {semaphore: 8, name: fifo, priority: false}]
thresholds: {"response_time{stream:chat}": ["p(95) < 60s"], "errors{stream:job}": ["count < 1"]}
"""


def test_streams_share_the_limits_and_are_told_apart(tmp_path: Path) -> None:
    summary = run(scenario(tmp_path, MIXED), tmp_path / "run")
    passes = by_name(summary)
    for one in passes.values():
        parts = {stream.name: stream for stream in one.streams}
        assert list(parts) == ["chat", "job", "people"]
        assert sum(part.values["requests"] or 0 for part in parts.values()) == one.values["requests"]
        assert sum(part.values["cost"] or 0 for part in parts.values()) == pytest.approx(one.values["cost"])
        assert parts["people"].values["requests"] == 200
        assert (parts["chat"].values["requests"] or 0) == pytest.approx(300, rel=0.2)
        assert parts["job"].distributions["ttft"].n == 0 < parts["chat"].distributions["ttft"].n
    waits = {name: one.streams[0].distributions["response_time"].p95.value or 0 for name, one in passes.items()}
    assert waits["ranked"] < 0.5 * waits["fifo"]
    assert {(one.strategy, one.metric): one.verdict for one in summary.thresholds} == {
        (name, metric): "failed" if (name, metric) == ("fifo", "response_time{stream:chat}") else "ok"
        for name in passes
        for metric in ("response_time{stream:chat}", "errors{stream:job}")
    }
    assert "response time of chat" in summary.answer


def test_streams_repeat_byte_for_byte_and_open_ones_are_the_same_for_every_strategy(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(scenario(tmp_path, MIXED), tmp_path / name)
    for file in ("records.jsonl", "summary.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    came: dict[str, set[tuple[int, float]]] = {}
    for record in records(tmp_path / "one"):
        if record.stream != "people":
            came.setdefault(record.strategy, set()).add((record.seq, record.intended))
    assert came["gather"] == came["ranked"] == came["fifo"]


def test_yesterdays_run_can_be_replayed_with_its_streams(tmp_path: Path) -> None:
    run(scenario(tmp_path, MIXED), tmp_path / "yesterday")
    replay = """\
workload: {input_tokens: trace, output_tokens: trace, max_tokens: 200}
arrivals: {trace: {path: yesterday}}
strategies: [gather]
"""
    run(scenario(tmp_path, replay), tmp_path / "today")
    before = sorted((r.intended, r.stream) for r in records(tmp_path / "yesterday") if r.strategy == "gather")
    assert sorted((r.intended, r.stream) for r in records(tmp_path / "today")) == before
    usages = [r.attempts[-1].usage or Usage() for r in records(tmp_path / "today")]
    assert {(usage.total_input, usage.output_tokens) for usage in usages} == {(900, 90)}


def test_people_who_chat_do_not_wait_for_the_job_when_they_go_first(tmp_path: Path) -> None:
    passes = by_name(run(api.load("interactive-and-background"), tmp_path / "run"))
    waits = {name: one.streams[0].distributions["response_time"].p95.value or 0 for name, one in passes.items()}
    assert passes["paced-priority"].streams[0].name == "interactive"
    assert waits["paced-priority"] < 20 < 300 < waits["paced-fifo"]
    ends = {name: one.values["makespan"] for name, one in passes.items()}
    assert ends["paced-priority"] == pytest.approx(ends["paced-fifo"], rel=0.05), "the job pays next to nothing for it"


def test_people_who_wait_for_their_answers_send_what_the_response_time_law_says(tmp_path: Path) -> None:
    text = """\
tier: unlimited
workload: {duration: 20m, input_tokens: 100, output_tokens: 10, max_tokens: 100}
arrivals: {users: 50, think: {exponential: 8s}}
strategies: [gather]
mock: {latency: {service_time: 2s}}
"""
    one = run(scenario(tmp_path, text), tmp_path / "run").passes[0]
    assert one.values["requests"] == pytest.approx(20 * 60 * 50 / (8 + 2), rel=0.03)


def test_a_file_of_limits_is_enforced_and_its_run_readable_without_it(tmp_path: Path) -> None:
    limits = tmp_path / "limits.json"
    values = [{"type": "requests_per_minute", "value": 60}]
    group = {"group_type": "model_group", "models": ["claude-sonnet-5"], "limits": values}
    limits.write_text(json.dumps({"data": [group]}))
    text = """\
tier: limits.json
workload: {requests: 120, input_tokens: 10, output_tokens: 5, max_tokens: 50}
strategies: [gather]
retry: {policy: retry_after, attempts: 100}
mock: {burst: 60s, latency: {service_time: 1s}}
"""
    summary = run(scenario(tmp_path, text), tmp_path / "run")
    makespan = makespans(summary)["gather"]
    assert makespan is not None
    assert 60 <= makespan <= 62, "60 requests at once, the others as they are refilled"
    assert summary.tier == "limits.json"
    before = (tmp_path / "run" / "summary.json").read_bytes()
    limits.unlink()
    api.report(tmp_path / "run")
    assert (tmp_path / "run" / "summary.json").read_bytes() == before


def test_a_limit_that_finds_itself_is_the_fastest_that_is_not_refused(tmp_path: Path) -> None:
    passes = by_name(run(api.load("adaptive-or-fixed", cases=["start"]), tmp_path / "run"))
    clean = {name: one.values["makespan"] or 0 for name, one in passes.items() if one.values["rate_limited"] == 0}
    assert min(clean, key=clean.__getitem__) == "adaptive"
    assert (passes["semaphore-300"].values["rate_limited"] or 0) > 1000
    assert all(one.values["succeeded"] == 2500 for one in passes.values())
