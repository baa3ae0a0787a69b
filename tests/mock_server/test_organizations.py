"""Limits of organisations and of workspaces inside them, through the engine."""

import copy
import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.engine import Engine
from mock_server.models import text_of_tokens
from mock_server.plan import Plan
from mock_server.settings import Ramp, Settings
from mock_server.tenants import ANYONE, Accounts, Key, Organization, Tenant, Workspace
from mock_server.tiers import Limits, LimitValue, RateLimit, limits_for

MODEL = "claude-sonnet-4-5"
PROD, DEV, OTHER = Tenant("acme", "prod"), Tenant("acme", "dev"), Tenant("other", "prod")
NAMES = ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute")


def params(tokens: int = 1, model: str = MODEL, **more: object) -> dict[str, Any]:
    content = text_of_tokens(tokens, model)
    return {"model": model, "max_tokens": 1_000, "messages": [{"role": "user", "content": content}], **more}


def lower(*values: int | None) -> tuple[RateLimit, ...]:
    """A workspace's own limits on the older models."""
    limits = tuple(LimitValue(name, value) for name, value in zip(NAMES, values, strict=False) if value)
    return (RateLimit(limits, models=(MODEL,), group_type="model_group"),)


def acme(**more: Any) -> Settings:  # noqa: ANN401 - whatever Settings take
    workspaces = {"prod": Workspace(lower(20, 9_000, 2_000))}
    organizations = {"acme": Organization("tier-1", workspaces=workspaces)}
    return Settings(accounts=Accounts({"a": Key()}, organizations), **more)


traffic = st.lists(
    st.tuples(st.floats(0, 4), st.integers(1, 9_000), st.integers(1, 900), st.sampled_from([PROD, DEV, OTHER])),
    min_size=1,
    max_size=30,
)
many = st.builds(
    acme,
    tier=st.sampled_from(["tier-1", "start"]),
    burst=st.sampled_from([1.0, 10.0, 60.0]),
    rejected_count=st.booleans(),
    concurrency=st.sampled_from([None, 3]),
    ramp=st.sampled_from([None, Ramp(2.0, 12_000)]),
    ttft=st.just((1.0, 1.0)),
    tokens_per_second=st.just((60.0, 60.0)),
)


def play(engine: Engine, rows: list[tuple[float, int, int, Tenant]]) -> list[Plan]:
    plans, now = [], 0.0
    for number, (gap, tokens, output, tenant) in enumerate(rows):
        now += gap
        key = (1, number, 1)
        plans.append(engine.handle(params(tokens), now, key=key, output_tokens=output, tenant=tenant))
    return plans


def within(work: list[tuple[float, int]], limit: int, burst: float) -> bool:
    """Whether no window holds more than the burst and what came back during it."""
    for begin, end in itertools.combinations(range(len(work) + 1), 2):
        amounts = [amount for _, amount in work[begin:end]]
        full = max(limit / 60 * burst, *amounts)  # a request larger than the bucket leaves a debt: it is the burst
        if sum(amounts) > full + limit / 60 * (work[end - 1][0] - work[begin][0]) + 1e-3:
            return False
    return True


@given(many, traffic)
def test_admitted_work_keeps_to_the_limits_of_workspace_and_organization(
    settings: Settings, rows: list[tuple[float, int, int, Tenant]]
) -> None:
    plans = [plan for plan in play(Engine(settings), rows) if plan.status == 200]
    scopes = [
        ({PROD, DEV}, limits_for("tier-1", MODEL)),
        ({PROD}, Limits(20, 9_000, 2_000)),
        ({OTHER}, limits_for(settings.tier, MODEL)),
    ]
    for tenants, limits in scopes:
        own = [plan for plan in plans if plan.tenant in tenants]
        assert limits.requests
        assert limits.input_tokens
        assert within([(plan.arrived, 1) for plan in own], limits.requests, settings.burst)
        assert within([(plan.arrived, plan.usage.input_tokens) for plan in own], limits.input_tokens, settings.burst)


@given(many, traffic)
def test_retry_after_is_the_first_whole_second_at_which_the_request_fits(
    settings: Settings, rows: list[tuple[float, int, int, Tenant]]
) -> None:
    engine, now = Engine(settings), 0.0
    for number, (gap, tokens, output, tenant) in enumerate(rows):
        now += gap
        plan = engine.handle(params(tokens), now, key=(1, number, 1), output_tokens=output, tenant=tenant)
        if plan.status == 429:
            assert plan.retry_after
            for seconds in {plan.retry_after - 1, plan.retry_after} - {0}:
                alone = copy.deepcopy(engine)
                later = alone.handle(params(tokens), now + seconds, key=(1, number, 2), tenant=tenant)
                assert later.status == (200 if seconds == plan.retry_after else 429)


@given(many, traffic)
def test_headers_never_promise_more_than_the_buckets_give(
    settings: Settings, rows: list[tuple[float, int, int, Tenant]]
) -> None:
    """Ask for as much as the headers say remains: the only excuse for a refusal is their rounding, or another limit."""
    engine = Engine(settings)
    for plan in play(engine, rows):
        assert plan.limits
        for gate in _gates(engine, plan.tenant or ANYONE):
            for window, bucket in (
                (plan.limits.requests, gate.requests),
                (plan.limits.input_tokens, gate.input),
                (plan.limits.output_tokens, gate.output),
            ):
                assert window
                assert bucket
                assert 0 <= window.remaining <= window.limit + 500
    last = plan.limits
    tenant, now = plan.tenant or ANYONE, plan.arrived
    assert last
    assert last.requests
    assert last.input_tokens
    assert last.output_tokens
    assert last.tokens
    levels = [
        (min(max(0.0, gate.requests.settle(now)) for gate in _gates(engine, tenant) if gate.requests), 1e-5),
        (min(max(0.0, gate.input.settle(now)) for gate in _gates(engine, tenant) if gate.input), 500),
        (min(max(0.0, gate.output.settle(now)) for gate in _gates(engine, tenant) if gate.output), 500),
    ]
    windows = (last.requests, last.input_tokens, last.output_tokens)
    for (level, rounding), window in zip(levels, windows, strict=True):
        assert window.remaining <= level + rounding
    if tenant == PROD:
        assert last.tokens == min(last.input_tokens, last.output_tokens, key=lambda w: (w.remaining, w.limit))
    else:
        assert last.tokens.limit == last.input_tokens.limit + last.output_tokens.limit


def _gates(engine: Engine, tenant: Tenant) -> list[Any]:
    gates = engine.account(tenant.organization).gates()
    return [gate for workspace, _, gate in gates if workspace in ("", tenant.workspace)]


@given(many, traffic, st.data())
def test_what_usage_says_is_what_was_debited(
    settings: Settings, rows: list[tuple[float, int, int, Tenant]], data: st.DataObject
) -> None:
    """With buckets too large to fill up again, all that is missing in the end is what the answers say they used."""
    vast = Organization(workspaces={"prod": Workspace(lower(10**6, 10**9, 10**9))})
    everything = Settings(
        tier="start",
        burst=1e6,
        ttft=settings.ttft,
        tokens_per_second=settings.tokens_per_second,
        input_estimate=data.draw(st.sampled_from([0.5, 1.0, 1.7])),
        accounts=Accounts({"a": Key()}, {"acme": vast}),
    )
    engine = Engine(everything)
    plans = play(engine, [row for row in rows if row[3] != OTHER])
    gone = {place: data.draw(st.floats(0, 12)) for place in data.draw(st.sets(st.sampled_from(range(len(rows)))))}
    aborted = sorted((plans[place].arrived + wait, place) for place, wait in gone.items() if place < len(plans))
    now = max((plan.arrived for plan in plans), default=0.0)
    cut = {}
    for when, place in aborted:
        if when >= now:
            engine.abort(plans[place], when)
            cut[place], now = when, when
    end = max([now, *(plan.ended for plan in plans)])
    for workspace, tenants in (("prod", {PROD}), ("", {PROD, DEV})):
        own = [(place, plan) for place, plan in enumerate(plans) if plan.tenant in tenants]
        gates = [gate for name, _, gate in engine.account("acme").gates() if name == workspace]
        for gate in gates:
            assert gate.input
            assert gate.output
            spent = gate.input.capacity - gate.input.settle(end)
            refilled = gate.input.rate * end
            said = sum(plan.usage.input_tokens for _, plan in own)
            assert said - refilled - 1e-3 <= spent <= said + 1e-3
            spent = gate.output.capacity - gate.output.settle(end)
            least = sum(plan.produced(cut.get(place, end)) for place, plan in own)
            assert least - gate.output.rate * end - 1e-3 <= spent <= least + len(cut) + 1e-3


def test_one_workspace_cannot_use_up_another_s_share_nor_another_organization_s() -> None:
    engine = Engine(acme())
    served = [engine.handle(params(), 0.0, tenant=PROD).status for _ in range(30)]
    assert served == [200] * 20 + [429] * 10
    assert [engine.handle(params(), 0.0, tenant=DEV).status for _ in range(40)] == [200] * 30 + [429] * 10
    assert engine.handle(params(), 0.0, tenant=OTHER).status == 200


def test_a_limiter_that_the_workspace_does_not_have_is_the_organization_s() -> None:
    organizations = {"acme": Organization("tier-1", workspaces={"prod": Workspace(lower(None, 9_000))})}
    engine = Engine(Settings(accounts=Accounts({"a": Key()}, organizations)))
    plan = engine.handle(params(), 0.0, output_tokens=1, tenant=PROD)
    assert plan.limits
    assert plan.limits.requests
    assert plan.limits.output_tokens
    assert plan.limits.tokens
    assert (plan.limits.requests.limit, plan.limits.output_tokens.limit) == (50, 8_000)
    assert plan.limits.tokens.limit == 8_000  # of 9,000 input and 8,000 output tokens what leaves less


def test_neither_keys_nor_geographies_have_limits_of_their_own() -> None:
    keys = {"a": Key("acme", "dev"), "b": Key("acme", "dev"), "c": Key("acme", "other")}
    engine = Engine(Settings(accounts=Accounts(keys, {"acme": Organization("tier-1")})))
    remaining = []
    for key, geography in (("a", "global"), ("b", "us"), ("c", "us"), ("a", "global")):
        plan = engine.handle(params(inference_geo=geography), 0.0, output_tokens=1, tenant=keys[key].tenant)
        assert plan.limits
        assert plan.limits.requests
        remaining.append(plan.limits.requests.remaining)
    assert remaining == [49, 48, 47, 46]


def test_the_limits_of_a_workspace_hold_for_its_models_alone() -> None:
    engine = Engine(acme())
    plan = engine.handle(params(model="claude-haiku-4-5"), 0.0, tenant=PROD)
    assert plan.limits
    assert plan.limits.requests
    assert plan.limits.requests.limit == 50


def test_connections_are_counted_while_they_are_open() -> None:
    engine = Engine(Settings(tier="start", concurrency=2, service_time=10.0))
    first, second, third = (engine.handle(params(), now) for now in (0.0, 1.5, 2.0))
    assert (first.status, second.status, third.status) == (200, 200, 429)
    assert third.error
    assert third.error.message.startswith("Number of concurrent connections has exceeded your rate limit")
    assert third.retry_after == 8
    assert engine.handle(params(model="claude-haiku-4-5"), 2.0).status == 429, "they are the organisation's"
    engine.abort(second, 3.0)
    assert engine.handle(params(), 3.0).status == 200
    assert engine.handle(params(), 3.0).status == 429
    assert engine.handle(params(), 10.0).status == 200


def test_use_may_grow_only_so_fast() -> None:
    engine = Engine(Settings(tier="scale", ramp=Ramp(2.0, 10_000), service_time=1.0))
    assert engine.handle(params(8_000), 5.0).status == 200
    refused = engine.handle(params(4_000), 20.0)
    assert refused.status == 429
    assert refused.error
    assert refused.error.error_code == "ramp_limit_exceeded"
    assert "acceleration limit" in refused.error.message
    assert refused.retry_after == 40  # the next minute may use 16,000
    assert [engine.handle(params(4_000), 60.0).status for _ in range(5)] == [200] * 4 + [429]
    assert [engine.handle(params(4_000), 120.0).status for _ in range(9)] == [200] * 8 + [429]
    assert [engine.handle(params(4_000), 3_600.0).status for _ in range(3)] == [200] * 2 + [429]


def test_a_request_that_is_larger_than_what_may_grow_is_served_in_a_minute_of_its_own() -> None:
    engine = Engine(Settings(tier="scale", ramp=Ramp(1.0, 1_000), service_time=1.0))
    assert engine.handle(params(1), 0.0).status == 200
    refused = engine.handle(params(50_000), 0.5)
    assert refused.retry_after == math.ceil(59.5)
    assert engine.handle(params(50_000), 0.5 + 60).status == 200


@pytest.mark.parametrize(("wait", "early"), [(1.0, 1), (1.999, 1), (2.0, 0), (9.0, 0)])
def test_who_comes_back_before_retry_after_is_counted(wait: float, early: int) -> None:
    engine = Engine(Settings(tier="tier-1", service_time=1.0))
    plans = [engine.handle(params(), 0.0, key=(1, n, 1), output_tokens=1) for n in range(51)]
    assert plans[-1].retry_after == 2
    engine.handle(params(), wait, key=(1, 50, 2))
    assert engine.returns.early[ANYONE] == early
    assert engine.returns.obedient[ANYONE] == 1 - early


def test_without_a_key_only_what_says_it_is_a_retry_is_taken_for_one() -> None:
    engine = Engine(Settings(tier="tier-1", service_time=1.0))
    plans = [engine.handle(params(), 0.0) for _ in range(53)]
    assert [plan.status for plan in plans[50:]] == [429] * 3
    engine.handle(params(), 1.0)
    assert not engine.returns.early
    for _ in range(3):
        engine.handle(params(), 1.0, again=True)
    assert engine.returns.early[ANYONE] == 3
