"""The closed form: tables worked out by hand, and what must hold of every job."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_jobs import PATIENT, gather, made, semaphore

from bench.planning.bounds import closed_form, shares
from bench.planning.demand import demand_of
from bench.planning.simulate import simulate
from bench.scenario.model import Constant, FanOut, Scenario, Strategy, TokenBucket
from bench.scenario.strategies import Batching, Pool
from mock_server.tiers import TIERS, Limits, Tier

UNLIMITED = TIERS["unlimited"]


def tier(requests: int | None = None, input_tokens: int | None = None, output_tokens: int | None = None) -> Tier:
    return Tier("made", date(2026, 11, 20), "test", "", Limits(requests, input_tokens, output_tokens))


def paced(**rates: float) -> Strategy:
    return Strategy(name="paced", kind="token_bucket", pacer=TokenBucket(**rates), retry=PATIENT)


@pytest.mark.parametrize(
    ("limits", "strategy", "binds", "seconds"),
    [
        # 100 requests of 1,000 in and 100 out, 4 s each; burst of 60 s
        (tier(), gather(), "answers", 4.0),
        (tier(), semaphore(10), "in_flight", 40.0),
        (tier(), semaphore(8), "in_flight", 13 * 4.0),  # the last of 13 rounds is not full, but as long
        (tier(), Strategy(name="pool", kind="pool", pool=Pool(workers=10, queue=5), retry=PATIENT), "in_flight", 40.0),
        (tier(requests=10), gather(), "requests", (100 - 10) * 6.0 + 4),
        (tier(requests=1000), gather(), "answers", 4.0),  # within the burst
        (tier(input_tokens=20_000), gather(), "input_tokens", (100_000 - 20_000) / (20_000 / 60) + 4),
        (tier(output_tokens=2_000), semaphore(10), "output_tokens", (10_000 - 2_000 - 10 * 100) / (2_000 / 60) + 4),
        (tier(), paced(requests=1.0), "requests", 100 - 10 + 4),  # a burst of 10 s
        (tier(requests=600), paced(share=0.5), "requests", (100 - 50) / 5 + 4),
        (tier(output_tokens=6_000), paced(), "output_tokens", (10_000 - 1_000) / 100 + 4),  # reserved before it is sent
    ],
)
def test_by_hand(limits: Tier, strategy: Strategy, binds: str, seconds: float) -> None:
    form = closed_form(demand_of(made(strategy)), strategy, limits)
    assert form.binds == binds
    assert form.makespan == pytest.approx(seconds)
    assert form.rate == pytest.approx(100 / seconds * 60)
    assert [bound.seconds for bound in form.bounds] == sorted((b.seconds for b in form.bounds), reverse=True)


def test_who_keeps_a_limit_is_said() -> None:
    limits, demand = tier(requests=10), demand_of(made())
    by_tier = closed_form(demand, gather(), limits).bounds[0]
    by_pacer = closed_form(demand, paced(share=0.5), limits).bounds[0]
    assert (by_tier.keeps, by_tier.per_minute, by_tier.burst) == ("tier", 10, 10)
    assert (by_pacer.keeps, by_pacer.per_minute) == ("strategy", 5)


def test_little_says_how_many_are_in_flight() -> None:
    form = closed_form(demand_of(made(requests=10_000)), gather(), tier(requests=600))
    assert not form.limited_in_flight
    assert form.in_flight == pytest.approx(10_000 / form.makespan * 4.0)
    assert form.in_flight == pytest.approx(600 / 60 * 4.0, rel=0.1)


def test_requests_larger_than_a_bucket_come_through_when_it_is_full() -> None:
    limits = tier(input_tokens=60_000)
    form = closed_form(demand_of(made(requests=10)), gather(), limits, burst=0.5)  # holds 500 of 1,000 tokens
    assert form.makespan == pytest.approx((10 - 1) * 1000 / 1000 + 4)


def test_arrivals_bind_where_the_limits_are_wide() -> None:
    scenario = made(arrivals=Constant(rate=2.0))
    form = closed_form(demand_of(scenario), gather(), tier(requests=1000))
    assert form.binds == "arrivals"
    assert form.makespan == pytest.approx(49.5 + 4)


def test_models_that_do_not_share_limits_do_not_wait_for_each_other() -> None:
    scenario = made(fan_out=FanOut(models=("claude-sonnet-5", "claude-haiku-4-5")))
    demand = demand_of(scenario)
    form = closed_form(demand, gather(), tier(requests=10))
    assert [bound.name for bound in form.bounds].count("requests") == 2
    assert form.makespan == pytest.approx((100 - 10) * 6.0 + demand.mean_service, rel=0.01)
    assert {bound.pool for bound in form.bounds if bound.name == "requests"} == {"claude-sonnet-5", "claude-haiku-4-5"}


def test_batches_take_as_long_as_the_slowest_and_as_the_queue_has_room() -> None:
    demand = demand_of(made(requests=1000))
    all_of_them = Strategy(name="batch", kind="batch", batch=Batching(size=250), retry=PATIENT)
    same = closed_form(demand, all_of_them, UNLIMITED, batch_time=(900.0, 900.0))
    assert same.binds == "batches"
    assert same.makespan == pytest.approx(900.0)
    narrow = Tier("narrow", date(2026, 11, 20), "test", "", Limits(), batch_queue=250)
    queued = closed_form(demand, all_of_them, narrow, batch_time=(900.0, 900.0))
    assert queued.binds == "batch_queue"
    assert queued.makespan == pytest.approx(4 * 450.0)
    hybrid = all_of_them.model_copy(update={"kind": "hybrid", "limit": 10, "batch": Batching(share=0.9)})
    mixed = closed_form(demand, hybrid, UNLIMITED, batch_time=(900.0, 900.0))
    assert {bound.name: round(bound.seconds) for bound in mixed.bounds} == {
        "batches": 900,
        "in_flight": 40,
        "answers": 4,
    }


def test_shares_of_limits_are_of_the_minutes_it_takes() -> None:
    found = shares(demand_of(made()), 120.0, tier(requests=100, input_tokens=100_000))
    assert found == {
        "requests": (100, pytest.approx(0.5)),
        "input_tokens": (100_000, pytest.approx(0.5)),
        "output_tokens": (None, None),
    }


limits = st.none() | st.integers(10, 5_000)
tokens = st.none() | st.integers(1_000, 2_000_000)


@given(limits, tokens, tokens, st.none() | st.integers(1, 200), st.integers(1, 400), st.floats(1.0, 60.0))
def test_more_of_anything_never_makes_it_later(
    requests: int | None, ins: int | None, outs: int | None, slots: int | None, many: int, burst: float
) -> None:
    strategy = gather() if slots is None else semaphore(slots)
    demand = demand_of(made(requests=many))
    form = closed_form(demand, strategy, tier(requests, ins, outs), burst=burst)
    wider = tier(*(each and each * 2 for each in (requests, ins, outs)))
    assert closed_form(demand, strategy, wider, burst=burst).makespan <= form.makespan + 1e-6
    assert closed_form(demand, strategy, tier(requests, ins, outs), burst=burst * 2).makespan <= form.makespan + 1e-6
    if slots is not None:
        more = closed_form(demand, semaphore(slots * 2), tier(requests, ins), burst=burst)
        assert more.makespan <= form.makespan + 1e-6
    twice = closed_form(demand_of(made(requests=many * 2)), strategy, tier(requests, ins), burst=burst)
    assert twice.makespan >= closed_form(demand, strategy, tier(requests, ins), burst=burst).makespan - 1e-6


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["tier-1", "tier-2", "tutorial-1", "start"]),
    st.one_of(st.integers(1, 60).map(semaphore), st.just(paced()), st.just(gather())),
    st.integers(1, 120),
    st.sampled_from([2.0, 20.0, 60.0]),
)
def test_no_simulation_ends_sooner(name: str, strategy: Strategy, requests: int, burst: float) -> None:
    scenario: Scenario = made(strategy, requests=requests, burst=burst, tier=name)
    form = closed_form(demand_of(scenario), strategy, TIERS[name], burst=burst)
    (one,) = simulate(scenario).summary.passes
    assert one.values["failed"] == 0
    assert (one.values["makespan"] or 0.0) >= form.makespan - 1e-3
