"""What is asked for is what a run would send, and what it would be answered."""

from __future__ import annotations

from datetime import date

import pytest
from small_jobs import gather, made, semaphore

from bench import api
from bench.errors import UsageError
from bench.planning.demand import demand_of
from bench.planning.simulate import simulate
from bench.scenario.model import Cache, Constant, Lognormal, Poisson, Users

DAY = date(2026, 11, 20)


def test_a_backlog_is_counted_to_the_token() -> None:
    demand = demand_of(made())
    asked = demand.asked["claude-sonnet-5"]
    assert (demand.requests, demand.looked_at, demand.exact) == (100, 100, True)
    assert (asked.input_tokens, asked.output_tokens, asked.max_tokens) == (100_000, 10_000, 20_000)
    assert (demand.span, demand.free) == (0.0, 4.0)
    assert demand.service_time == pytest.approx(400.0)
    assert demand.mean_service == pytest.approx(4.0)
    assert demand.cost(DAY) == pytest.approx(0.1 * 2 + 0.01 * 10)
    assert demand.worst_cost(DAY) == pytest.approx(0.1 * 2 + 0.02 * 10)
    assert demand.cost(DAY, batched=True) == pytest.approx(0.15)


@pytest.mark.parametrize("name", ["summarize-100", "fan-out-three-models", "chat-with-history", "caching-warm-up"])
def test_it_is_what_the_simulation_sends_where_nothing_holds_it_back(name: str) -> None:
    scenario = api.load(name, flags={"tier": "unlimited"})
    _, variant = scenario.variants[0]
    demand = demand_of(variant)
    (one,) = simulate(variant.model_copy(update={"strategies": (gather(),), "cases": ()})).summary.passes
    assert demand.requests == one.values["requests"]
    assert demand.cost(DAY) == pytest.approx(one.cost.total, rel=0.001)
    assert demand.free == pytest.approx(one.values["makespan"], rel=0.001)


def test_what_the_cache_finds_depends_on_how_many_are_served_at_once() -> None:
    shared = {"system_tokens": 8000, "cache": Cache(), "stream": True}
    scenario = made(workload=shared, service=None)
    alone, together = demand_of(scenario, in_flight=1), demand_of(scenario)
    assert together.asked["claude-sonnet-5"].cache_read == 0
    assert alone.asked["claude-sonnet-5"].cache_read == pytest.approx(99 * 8000, rel=0.01)
    assert alone.asked["claude-sonnet-5"].cache_written == pytest.approx(8000, rel=0.01)
    (one,) = simulate(made(semaphore(1), workload=shared, service=None)).summary.passes
    assert alone.cost(DAY) == pytest.approx(one.cost.total, rel=0.001)


def test_a_warmed_cache_is_read_by_all_that_follow() -> None:
    warm = made(workload={"system_tokens": 8000, "cache": Cache(warm=True), "stream": True})
    demand = demand_of(warm)
    assert demand.requests == 101
    assert demand.span == pytest.approx(4.0)
    assert demand.asked["claude-sonnet-5"].cache_read == pytest.approx(100 * 8000, rel=0.01)


def test_users_ask_as_fast_as_they_are_answered() -> None:
    scenario = made(requests=None, workload={"duration": 140.0}, arrivals=Users(count=10, think=10.0))
    demand = demand_of(scenario)
    assert demand.requests == 10 * 10  # every 14 s, before 140 s
    assert demand.free == pytest.approx(130.0)


@pytest.mark.parametrize("arrivals", [Poisson(rate=50.0), Constant(rate=50.0)])
def test_of_many_requests_a_part_stands_for_all(arrivals: Poisson | Constant) -> None:
    scenario = made(
        requests=9_000,
        arrivals=arrivals,
        input_tokens=Lognormal(median=800, p95=2400),
        output_tokens=Lognormal(median=100, p95=180),
        service=None,
    )
    whole, part = demand_of(scenario), demand_of(scenario, most=1_500)
    assert (whole.exact, part.exact) == (True, False)
    assert part.looked_at == 1_500
    assert part.requests == whole.requests == 9_000
    assert part.span == pytest.approx(whole.span, rel=0.01)
    one, other = (demand.asked["claude-sonnet-5"] for demand in (whole, part))
    assert other.input_tokens == pytest.approx(one.input_tokens, rel=0.05)
    assert other.output_tokens == pytest.approx(one.output_tokens, rel=0.05)
    assert part.mean_service == pytest.approx(whole.mean_service, rel=0.05)
    assert part.cost(DAY) == pytest.approx(whole.cost(DAY), rel=0.05)


def test_of_many_users_a_part_stands_for_all() -> None:
    scenario = made(requests=None, workload={"duration": 600.0}, arrivals=Users(count=100, think=10.0))
    part = demand_of(scenario, most=1_000)
    assert not part.exact
    assert part.looked_at <= 1_000
    assert part.requests == pytest.approx(demand_of(scenario).requests, rel=0.05)


def test_a_price_that_is_not_known_is_not_nothing() -> None:
    assert demand_of(made(model="claude-sonnet-9")).cost(DAY) is None
    assert demand_of(made(model="claude-sonnet-9")).worst_cost(DAY) is None


def test_what_the_api_would_refuse_is_no_plan() -> None:
    with pytest.raises(UsageError, match="would refuse"):
        demand_of(made(model="claude-unknown"))


def test_faults_and_the_tier_change_nothing_of_what_is_asked() -> None:
    plain, faulty = (
        api.load("summarize-100", flags={"tier": tier}, settings=settings)
        for tier, settings in (("start", []), ("tier-1", ["mock.faults={overloaded: 50%}"]))
    )
    assert demand_of(plain).service_time == demand_of(faulty).service_time
