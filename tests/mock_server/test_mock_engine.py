import copy
import itertools
import math
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.engine import Engine
from mock_server.models import text_of_tokens
from mock_server.plan import Plan, visible
from mock_server.settings import Settings
from mock_server.tiers import TIERS, limits_for

MODEL = "claude-sonnet-4-5"


def params(tokens: int = 1, max_tokens: int = 1_000, **more: object) -> dict[str, Any]:
    content = text_of_tokens(tokens, MODEL)
    return {"model": MODEL, "max_tokens": max_tokens, "messages": [{"role": "user", "content": content}], **more}


settings = st.builds(
    Settings,
    tier=st.sampled_from(["tier-1", "tutorial-1", "start"]),
    burst=st.sampled_from([1.0, 10.0, 60.0]),
    reserve_max_tokens=st.booleans(),
    rejected_count=st.booleans(),
    input_estimate=st.sampled_from([0.8, 1.0, 1.3]),
)


@st.composite
def traffic(draw: st.DrawFn) -> list[tuple[float, int, int]]:
    """Requests in the order of their arrival: (second, input tokens, output tokens)."""
    row = st.tuples(st.floats(0, 5), st.integers(1, 12_000), st.integers(1, 900))
    now, rows = 0.0, []
    for gap, tokens, output in draw(st.lists(row, min_size=1, max_size=60)):
        now += gap if draw(st.booleans()) else 0.0
        rows.append((now, tokens, output))
    return rows


def play(engine: Engine, rows: list[tuple[float, int, int]]) -> list[Plan]:
    return [
        engine.handle(params(tokens), now, key=(1, number, 1), output_tokens=output)
        for number, (now, tokens, output) in enumerate(rows)
    ]


@given(settings, traffic())
def test_admitted_work_never_exceeds_burst_and_rate_in_any_window(
    settings: Settings, rows: list[tuple[float, int, int]]
) -> None:
    exact = msgspec.structs.replace(settings, input_estimate=1.0)
    plans = [plan for plan in play(Engine(exact), rows) if plan.status == 200]
    limits = limits_for(settings.tier, MODEL)
    for work, limit in (
        ([1] * len(plans), limits.requests),
        ([p.usage.input_tokens for p in plans], limits.input_tokens),
    ):
        assert limit is not None
        for begin, end in itertools.combinations(range(len(plans) + 1), 2):
            # A request larger than the bucket comes in when it is full, and leaves a debt: then it is the burst.
            burst = max(limit / 60 * settings.burst, *work[begin:end], 0)
            elapsed = plans[end - 1].arrived - plans[begin].arrived
            assert sum(work[begin:end]) <= burst + limit / 60 * elapsed + 1e-3


@given(settings, traffic())
def test_retry_after_is_the_first_whole_second_at_which_the_request_fits(
    settings: Settings, rows: list[tuple[float, int, int]]
) -> None:
    engine = Engine(settings)
    for number, (now, tokens, output) in enumerate(rows):
        plan = engine.handle(params(tokens), now, key=(1, number, 1), output_tokens=output)
        if plan.status == 429:
            assert plan.retry_after is not None
            for seconds in {1, plan.retry_after // 2, plan.retry_after - 1, plan.retry_after} - {0}:
                later = copy.deepcopy(engine).handle(params(tokens), now + seconds, key=(1, number, 2))
                assert later.status == (200 if seconds == plan.retry_after else 429)


@given(traffic(), st.randoms(use_true_random=False))
def test_the_same_key_gives_the_same_answer_in_any_order(rows: list[tuple[float, int, int]], random: Random) -> None:
    numbered = list(enumerate(rows))
    shuffled = random.sample(numbered, len(numbered))

    def answers(order: list[tuple[int, tuple[float, int, int]]]) -> dict[int, tuple[object, ...]]:
        engine = Engine(Settings(tier="unlimited"))
        plans = {n: engine.handle(params(tokens), 0.0, key=(1, n, 1)) for n, (_, tokens, _) in order}
        return {n: (p.request_id, p.usage, p.first_token, p.last_token) for n, p in plans.items()}

    assert answers(numbered) == answers(shuffled)


def test_timing_does_not_depend_on_whether_a_length_is_given() -> None:
    drawn, given_ = (Engine(Settings()).handle(params(), 0.0, key=(1, 2, 3), output_tokens=n) for n in (None, 5))
    assert (drawn.first_token, drawn.token_interval) == (given_.first_token, given_.token_interval)


def test_a_refusal_has_the_id_of_its_key() -> None:
    good, wrong = (Engine(Settings()).handle(ask, 0.0, key=(1, 2, 3)) for ask in (params(), {}))
    assert (wrong.status, wrong.request_id) == (400, good.request_id)


def test_without_a_key_the_content_and_its_count_decide() -> None:
    def ids(engine: Engine, sizes: list[int]) -> list[tuple[int, str]]:
        return [(size, engine.handle(params(size), 0.0).request_id) for size in sizes]

    forwards, backwards = ids(Engine(Settings()), [1, 2, 1]), ids(Engine(Settings()), [2, 1, 1])
    assert sorted(forwards) == sorted(backwards)
    assert len(set(forwards)) == 3


def test_another_seed_gives_other_answers_without_a_key() -> None:
    first, second = (Engine(Settings(seed=seed)).handle(params(), 0.0) for seed in (1, 2))
    assert first.request_id != second.request_id
    assert first.last_token != second.last_token


@given(st.integers(1, 3_000), st.integers(1, 3_000), st.integers(1, 50))
def test_chunks_carry_every_token_in_time(wished: int, max_tokens: int, chunk: int) -> None:
    engine = Engine(Settings(tier="unlimited", chunk_tokens=chunk))
    plan = engine.handle(params(max_tokens=max_tokens), 3.0, key=(1, 2, 3), output_tokens=wished)
    times, sizes = zip(*((due, tokens) for due, _, tokens in visible(plan)), strict=True)
    assert sum(sizes) == plan.usage.output_tokens == min(wished, max_tokens)
    assert plan.stop_reason == ("end_turn" if wished <= max_tokens else "max_tokens")
    assert list(times) == sorted(times)
    assert (times[0], times[-1]) == (plan.first_token, plan.last_token)
    assert sizes[0] == 1
    assert all(size == chunk for size in sizes[1:-1])
    for time, done in zip(times, (sum(sizes[: n + 1]) for n in range(len(sizes))), strict=True):
        assert math.isclose(time, plan.first_token + (done - 1) * plan.token_interval)


@given(st.floats(0, 1e5), st.floats(0, 500), st.integers(1, 500))
def test_service_time_is_exact(now: float, service_time: float, tokens: int) -> None:
    plan = Engine(Settings(tier="unlimited", service_time=service_time)).handle(params(), now, output_tokens=tokens)
    assert plan.ended == plan.last_token == now + service_time
    assert now <= plan.first_token <= plan.last_token


def test_equal_quantiles_are_constants() -> None:
    engine = Engine(Settings(tier="unlimited", ttft=(0.5, 0.5), tokens_per_second=(100.0, 100.0)))
    plan = engine.handle(params(), 10.0, output_tokens=11)
    assert (plan.first_token, plan.token_interval) == (10.5, 0.01)
    assert plan.last_token == pytest.approx(10.6)


def test_latencies_follow_their_quantiles() -> None:
    engine = Engine(Settings(tier="unlimited", ttft=(1.0, 3.0)))
    ttfts = sorted(engine.handle(params(), 0.0, key=(1, n, 1)).first_token for n in range(2_000))
    assert ttfts[1_000] == pytest.approx(1.0, rel=0.1)
    assert ttfts[1_900] == pytest.approx(3.0, rel=0.15)


def test_output_tokens_are_debited_as_they_are_produced() -> None:
    engine = Engine(Settings(tier="tier-1", ttft=(1.0, 1.0), tokens_per_second=(100.0, 100.0)))
    plan = engine.handle(params(max_tokens=60_000), 0.0, output_tokens=20_000)
    for now in (0.5, 1.0, 30.0, 100.0, 201.0):
        state = engine.handle(params(), now, output_tokens=1).limits
        assert state
        assert state.output_tokens
        level = min(8_000.0, 8_000 - plan.produced(now) + max(0.0, now - 1) * 8_000 / 60)
        assert abs(state.output_tokens.remaining - max(0.0, level)) <= 510


def test_a_running_answer_is_never_cut_but_new_ones_are_refused() -> None:
    engine = Engine(Settings(tier="tier-1", ttft=(1.0, 1.0), tokens_per_second=(1_000.0, 1_000.0)))
    plan = engine.handle(params(max_tokens=60_000), 0.0, output_tokens=20_000)
    assert plan.usage.output_tokens == 20_000
    refused = engine.handle(params(), 15.0)
    assert refused.status == 429
    assert refused.error
    assert "8,000 output tokens per minute" in refused.error.message
    # Second 20.999: 8,000 - 20,000 + 19.999 * 133.3 = -9,333.5; one token is there 70.01 seconds after that.
    assert refused.retry_after == math.ceil(20.999 + 70.01 - 15)


def test_an_abort_ends_the_debit() -> None:
    def level_later(*, abort: bool) -> int:
        engine = Engine(Settings(tier="tier-1", ttft=(1.0, 1.0), tokens_per_second=(500.0, 500.0)))
        plan = engine.handle(params(max_tokens=60_000), 0.0, output_tokens=10_000)
        if abort:
            engine.abort(plan, 3.0)
        state = engine.handle(params(), 10.0, output_tokens=1).limits
        assert state
        assert state.output_tokens
        return state.output_tokens.remaining

    assert level_later(abort=False) == 5_000  # 4,500 produced, 1,200 refilled
    assert level_later(abort=True) == 8_000


def test_max_tokens_can_be_reserved_as_before_2026() -> None:
    engine = Engine(Settings(tier="tier-1", reserve_max_tokens=True, service_time=10.0))
    plan = engine.handle(params(max_tokens=6_000), 0.0, output_tokens=100)
    assert plan.limits
    assert plan.limits.output_tokens
    assert plan.limits.output_tokens.remaining == 2_000
    refused = engine.handle(params(max_tokens=6_000), 1.0, output_tokens=100)
    assert (refused.status, refused.retry_after) == (429, 9)  # when the first ends and gives back
    engine.abort(plan, 2.0)
    assert engine.handle(params(max_tokens=6_000), 2.0, output_tokens=100).status == 200


def test_input_is_corrected_when_the_answer_begins() -> None:
    engine = Engine(Settings(tier="tier-1", input_estimate=2.0, service_time=1.0))
    plan = engine.handle(params(10_000), 0.0, output_tokens=1)
    assert plan.limits
    assert plan.limits.input_tokens
    assert plan.limits.input_tokens.remaining == 10_000
    later = engine.handle(params(), 1.0, output_tokens=1).limits
    assert later
    assert later.input_tokens
    assert later.input_tokens.remaining == 20_000  # 30,000 - 10,000 and half a thousand refilled


def test_a_request_larger_than_the_bucket_is_served_when_it_is_full() -> None:
    engine = Engine(Settings(tier="tier-1"))
    assert engine.handle(params(60_000), 0.0).status == 200
    refused = engine.handle(params(), 1.0)
    assert (refused.status, refused.retry_after) == (429, 60)


def test_rejected_requests_count_only_if_told() -> None:
    def admitted_after_a_storm(*, rejected_count: bool) -> int:
        engine = Engine(Settings(tier="tier-1", burst=6.0, rejected_count=rejected_count))
        plans = [engine.handle(params(), n / 10, output_tokens=1) for n in range(100)]
        return sum(plan.status == 200 for plan in plans)

    assert admitted_after_a_storm(rejected_count=False) == 5 + 8  # 50 a minute: 8 more in 9.9 seconds
    assert admitted_after_a_storm(rejected_count=True) == 5


def test_classes_have_buckets_of_their_own() -> None:
    engine = Engine(Settings(tier="tier-1", burst=1.2))
    ask = params()
    assert engine.handle(ask, 0.0).status == 200
    assert engine.handle({**ask, "model": "claude-sonnet-4-6"}, 0.0).status == 429  # pooled with 4.5
    assert engine.handle({**ask, "model": "claude-opus-4-6"}, 0.0).status == 200


def test_an_unlimited_tier_says_nothing_of_limits() -> None:
    engine = Engine(Settings(tier="unlimited"))
    plans = [engine.handle(params(50_000), 0.0) for _ in range(100)]
    assert all(plan.status == 200 for plan in plans)
    assert plans[0].limits
    assert (plans[0].limits.requests, plans[0].limits.input_tokens, plans[0].limits.output_tokens) == (None, None, None)


USER = {"role": "user", "content": "hello"}
GOOD: dict[str, Any] = {"model": MODEL, "max_tokens": 10, "messages": [USER]}


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": None}, 400, "model"),
        ({"model": 5}, 400, "model"),
        ({"model": "gpt-4o"}, 404, "model: gpt-4o"),
        ({"model": "claude-opus-4-1"}, 404, "claude-opus-4-1"),
        ({"max_tokens": -1}, 400, "max_tokens"),
        ({"max_tokens": "10"}, 400, "max_tokens"),
        ({"max_tokens": True}, 400, "max_tokens"),
        ({"max_tokens": 64_001}, 400, "64000"),
        ({"max_tokens": 0, "stream": True}, 400, "stream"),
        ({"stream": "yes"}, 400, "stream"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": {}}, 400, "messages"),
        ({"messages": "hello"}, 400, "messages"),
        ({"messages": ["hello"]}, 400, "messages.0"),
        ({"messages": [USER, {"content": "x"}]}, 400, "messages.1.role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, 400, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 7}]}, 400, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [3]}]}, 400, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400, "messages.0.content.0.text"),
        ({"system": 5}, 400, "system"),
        ({"messages": [{"role": "user", "content": "x" * 800_001}]}, 400, "prompt is too long: 200001 tokens > 200000"),
    ],
)
def test_a_wrong_request_gets_its_documented_error(change: dict[str, Any], status: int, words: str) -> None:
    engine = Engine(Settings(tier="tier-1", burst=1.2))
    plan = engine.handle({**GOOD, **change}, 5.0)
    assert plan.status == status
    assert plan.error
    assert plan.error.type == {400: "invalid_request_error", 404: "not_found_error"}[status]
    assert words in plan.error.message
    assert plan.ended == 5.0
    assert engine.handle(GOOD, 5.0).status == 200, "a wrong request takes nothing from the limits"


@pytest.mark.parametrize("missing", ["model", "max_tokens", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    plan = Engine(Settings()).handle({name: value for name, value in GOOD.items() if name != missing}, 0.0)
    assert plan.error
    assert (plan.status, plan.error.message) == (400, f"{missing}: Field required")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
fields = st.sampled_from(["model", "max_tokens", "messages", "stream", "system", "tools", "thinking"])


@given(st.dictionaries(fields, json, max_size=7), st.booleans())
def test_nothing_raises_whatever_is_sent(change: dict[str, Any], whole: bool) -> None:
    plan = Engine(Settings()).handle({**GOOD, **change} if whole else change, 0.0)
    assert plan.status in {200, 400, 404}


def test_deep_nesting_is_refused_and_not_fatal() -> None:
    nested: Any = "x"
    for _ in range(5_000):
        nested = [nested]
    blocks = [{"type": "tool_result", "content": nested}]
    plan = Engine(Settings()).handle({**GOOD, "messages": [{"role": "user", "content": blocks}]}, 0.0)
    assert plan.status == 400


def test_every_tier_can_be_served() -> None:
    for tier in TIERS:
        assert Engine(Settings(tier=tier)).handle(GOOD, 0.0).status == 200


def test_input_is_the_sum_of_its_texts() -> None:
    ask = {
        **GOOD,
        "system": [{"type": "text", "text": text_of_tokens(7, MODEL)}],
        "messages": [
            {"role": "user", "content": text_of_tokens(11, MODEL)},
            {"role": "assistant", "content": [{"type": "text", "text": text_of_tokens(13, MODEL)}]},
        ],
    }
    assert Engine(Settings()).handle(ask, 0.0).usage.input_tokens == 31
