"""Plans of small jobs: what is chosen, what is said of money and deadlines, and what would change it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from small_jobs import gather, made, semaphore

from bench import api
from bench.clock import utc_now
from bench.errors import Exit, UsageError
from bench.planning.demand import demand_of
from bench.planning.plan import plan
from bench.planning.simulate import simulate
from bench.planning.tiers import CURRENT, tiers_of
from bench.results.plan import Cell, Plan
from bench.scenario.model import Adaptive, Cache, Case, Constant, Fixed, Poisson, Retry, Scenario, Strategy, TokenBucket

PACED = Strategy(name="paced", kind="token_bucket", pacer=TokenBucket(), retry=Retry(attempts=1000))


def recommended(found: Plan) -> Cell:
    (cell,) = (cell for cell in found.cells if cell.recommended)
    return cell


def of(found: Plan, tier: str, strategy: str) -> Cell:
    (cell,) = (cell for cell in found.cells if (cell.tier, cell.strategy) == (tier, strategy))
    return cell


def test_every_strategy_is_planned_on_every_current_tier() -> None:
    found = plan(made(semaphore(5), semaphore(10)))
    assert [(cell.tier, cell.strategy) for cell in found.cells] == [
        (tier, f"semaphore-{limit}") for tier in CURRENT for limit in (5, 10)
    ]
    assert [tier.name for tier in found.tiers] == [*CURRENT]
    assert found.tiers[0].limits["claude-sonnet-5"]["requests"] == 1000
    assert found.exit_code == Exit.OK


def test_a_cell_is_what_the_simulation_of_its_strategy_comes_to() -> None:
    scenario = made(semaphore(10), gather(), tier="tier-1", requests=150)
    found = plan(scenario, tiers=["tier-1"])
    for cell, one in zip(found.cells, simulate(scenario).summary.passes, strict=True):
        assert cell.simulated is not None
        assert cell.makespan == one.values["makespan"]
        assert cell.simulated.rate_limited == one.values["rate_limited"]
        assert cell.simulated.response_p95 == one.distributions["response_time"].p95.value
        assert cell.spending.expected == pytest.approx(one.cost.total)
        assert cell.simulated.throughput == one.values["throughput"]
        assert {use.limiter: use.share for use in cell.simulated.limits} == {
            use.limiter: use.share for use in one.limits
        }


def test_what_no_tier_touches_is_simulated_once_and_is_the_same_everywhere() -> None:
    asked: list[tuple[int, int]] = []
    found = plan(made(semaphore(5), PACED, requests=2000), told=lambda done, of: asked.append((done, of)))
    every = {tier: of(found, tier, "semaphore-5").simulated for tier in CURRENT}
    alone = {tier: simulate(made(semaphore(5), requests=2000, tier=tier)).summary.passes[0] for tier in CURRENT}
    for tier, one in every.items():
        assert one is not None
        assert one.makespan == alone[tier].values["makespan"]
        assert [use.share for use in one.limits] == pytest.approx([use.share for use in alone[tier].limits])
    assert of(found, "start", "paced").makespan > of(found, "build", "paced").makespan
    assert asked[0] == (0, 6)
    assert (6, 6) in asked


def test_the_fastest_that_gets_through_cleanly_is_used_on_the_scenarios_own_tier() -> None:
    scenario = made(semaphore(2), semaphore(10), gather(), requests=300, tier="tier-2", burst=2.0)
    found = plan(scenario, tiers=["tier-2", "scale"])
    use = recommended(found)
    assert (use.tier, use.strategy) == ("tier-2", "semaphore-10")
    assert not of(found, "tier-2", "gather").clean
    assert of(found, "scale", "gather").best
    assert "made on tier-2 with semaphore-10: 300 requests in 2 min" in found.answer[0]


def test_where_nothing_gets_through_cleanly_nothing_is_recommended() -> None:
    found = plan(made(gather(), requests=100, tier="tier-1"), tiers=["tier-1"])
    assert not any(cell.recommended or cell.best for cell in found.cells)
    assert "no strategy gets through cleanly" in found.answer[0]
    assert "gather on tier-1 comes closest" in found.answer[0]
    assert found.what_ifs == ()


def test_times_of_arrival_are_judged_by_how_long_people_wait() -> None:
    slow, quick = semaphore(4), semaphore(30)
    found = plan(made(slow, quick, requests=400, arrivals=Poisson(rate=1.0)), tiers=["start"])
    assert recommended(found).strategy == "semaphore-30"
    assert recommended(found).closed_form.binds == "arrivals"


def test_a_deadline_takes_the_cheapest_that_meets_it() -> None:
    scenario = api.load("batch-or-live", settings=["workload.requests=400"])
    soon = plan(scenario, tiers=["start"], deadline=600.0)
    late = plan(scenario, tiers=["start"], deadline=24 * 3600.0)
    assert recommended(soon).kind != "batch"
    assert recommended(late).kind in ("batch", "hybrid")
    assert recommended(late).spending.expected == pytest.approx(
        (recommended(soon).spending.expected or 0) / 2, rel=0.01
    )
    assert (soon.feasible, soon.exit_code) == (True, Exit.OK)
    assert "of 5 are done within 10 min" in soon.verdict


def test_a_deadline_that_the_own_tier_misses_asks_for_the_next_one() -> None:
    found = plan(made(PACED, requests=1500, service=1.0), deadline=50.0)
    assert recommended(found).tier == "build"
    assert any(line.startswith("On start it is not done in time: ") for line in found.answer)


@pytest.mark.parametrize(
    ("scenario", "deadline", "words"),
    [
        (made(PACED, requests=1500), 15.0, "requests a minute instead of 1,000: a higher tier and pace, or"),
        (made(semaphore(10)), 20.0, "It needs about 20 in flight instead of 10."),
        (
            made(arrivals=Constant(rate=1.0)),
            50.0,
            "No tier or strategy changes that: requests would have to come sooner.",
        ),
        (made(gather()), 2.0, "No tier or strategy changes that: only shorter answers or a faster model would."),
        (made(PACED, requests=1500), 3.0, "No limit on requests changes that: an answer takes 4.00 s on average."),
    ],
)
def test_an_impossible_deadline_says_the_earliest_end_and_what_would_have_to_change(
    scenario: Scenario, deadline: float, words: str
) -> None:
    found = plan(scenario, tiers=["start"], deadline=deadline)
    assert found.feasible is False
    assert found.exit_code == Exit.THRESHOLDS
    assert found.reasons
    assert "is not enough: the earliest end is after " in found.verdict
    assert words in found.verdict
    assert all(cell.meets_deadline is False for cell in found.cells)


def test_what_would_have_to_change_for_a_deadline_is_enough(tmp_path: Path) -> None:
    """1,500 requests of 4 s at 1,000 a minute, of which ten seconds' are there at once, end after 84 s.

    To end after 24 s takes 3,000 a minute, 1,500 in 20 s and the ten at once; or 500 requests, a third.
    """
    short = Fixed(value=10)
    late = plan(made(PACED, requests=1500, input_tokens=short), tiers=["start"], deadline=24.0)
    assert late.verdict.endswith(
        "It needs about 3,000 requests a minute instead of 1,000: a higher tier and pace, or 66.7 % less work."
    )
    limits = [{"type": "requests_per_minute", "value": 3_000}]
    group = {"type": "rate_limit", "group_type": "model_group", "models": ["claude-sonnet-5"], "limits": limits}
    (tmp_path / "more.json").write_text(json.dumps({"data": [group]}))
    for requests, tier in ((1500, str(tmp_path / "more.json")), (500, "start")):
        changed = plan(made(PACED, requests=requests, input_tokens=short), tiers=[tier])
        assert changed.cells[0].makespan == pytest.approx(24.0, rel=0.01)


def test_everything_that_is_in_the_way_of_a_deadline_is_named() -> None:
    late = plan(made(PACED, requests=1500), tiers=["start"], deadline=15.0)
    words = "about 4,286 requests a minute", "about 4,285,714 input tokens a minute", "about 428,571 output tokens"
    assert all(one in late.verdict for one in words)


def test_what_goes_through_batches_is_not_said_to_be_in_flight() -> None:
    for strategy in ({"batch": {"poll": "5m"}}, {"hybrid": {"deadline": "3h", "live": {"token_bucket": "auto"}}}):
        scenario = api.load("batch-or-live", settings=["workload.requests=400", f"strategies=[{json.dumps(strategy)}]"])
        found = plan(scenario, tiers=["start"], simulated=False)
        assert "in flight" not in found.answer[0]


def test_volume_is_held_against_limits_and_cap() -> None:
    within = plan(made(gather()), tiers=["start"], volume=10_000 / 86_400)
    assert within.volume is not None
    cost = within.cells[0].spending
    assert cost.monthly == pytest.approx((cost.expected or 0) / 100 * 10_000 * 30.4375)
    assert cost.monthly_cap_share == pytest.approx((cost.monthly or 0) / 500)
    assert not within.cells[0].carries_volume  # $913 a month, of $500
    assert plan(made(gather()), tiers=["scale"], volume=10_000 / 86_400).cells[0].carries_volume
    too_fast = plan(made(gather()), tiers=["unlimited", "tier-4"], volume=4_100 / 60)
    assert [cell.carries_volume for cell in too_fast.cells] == [True, False]
    slots = plan(made(semaphore(2)), tiers=["unlimited"], volume=1.0)
    assert not slots.cells[0].carries_volume  # one a second of 4 s each needs four


def test_the_spend_cap_is_that_of_the_tier() -> None:
    found = plan(made(), tiers=["start", "scale", "unlimited"])
    spent = [cell.spending for cell in found.cells]
    assert [one.spend_cap for one in spent] == [500, 200_000, None]
    assert [one.cap_share for one in spent] == [pytest.approx(0.3 / 500), pytest.approx(0.3 / 200_000), None]
    assert [one.worst for one in spent] == [pytest.approx(0.4)] * 3


def test_a_price_that_is_not_known_is_said_and_left_out() -> None:
    found = plan(made(model="claude-sonnet-9"), tiers=["start"], deadline=60.0)
    assert found.cells[0].spending.expected is None
    assert found.cells[0].spending.worst is None
    assert found.prices_as_of is None
    assert any("price of a model is not known" in note for note in found.notes)
    assert "cost unknown" in found.answer[0]
    assert found.feasible


def test_what_if_says_what_batches_caching_and_a_smaller_model_would_change() -> None:
    found = plan(made(semaphore(4), workload={"system_tokens": 8000, "stream": True}, service=None), tiers=["start"])
    use, others = recommended(found), {other.kind: other for other in found.what_ifs}
    assert set(others) == {"batches", "caching", "model"}
    assert others["batches"].cost == pytest.approx((use.spending.expected or 0) / 2)
    assert others["batches"].makespan > use.makespan
    assert (others["caching"].cost or 0) < 0.5 * (use.spending.expected or 0)
    assert others["model"].name == "with claude-haiku-5-5"
    assert others["model"].makespan < use.makespan


def test_what_has_its_cache_already_is_not_told_to_use_one() -> None:
    cached = made(workload={"system_tokens": 8000, "stream": True, "cache": Cache()})
    assert "caching" not in {other.kind for other in plan(cached, tiers=["start"]).what_ifs}
    assert "caching" not in {other.kind for other in plan(made(), tiers=["start"]).what_ifs}


def test_sensitivity_is_to_longer_answers_bursts_and_a_slower_service() -> None:
    found = plan(made(semaphore(4), requests=200, arrivals=Poisson(rate=0.8)), tiers=["start"])
    use, worse = recommended(found), {one.kind: one for one in found.sensitivity}
    assert set(worse) == {"outputs", "arrivals", "service"}
    assert use.simulated is not None
    assert (worse["service"].response_p95 or 0) > (use.simulated.response_p95 or 0) * 1.5
    assert (worse["arrivals"].response_p95 or 0) > (use.simulated.response_p95 or 0)
    assert (worse["outputs"].cost or 0) == pytest.approx(0.2 * 2 + 0.2 * 1.5 * 0.1 * 10)
    backlog = plan(made(semaphore(4)), tiers=["start"])
    assert {one.kind for one in backlog.sensitivity} == {"outputs", "service"}
    assert next(one for one in backlog.sensitivity if one.kind == "service").makespan == pytest.approx(150.0)


@pytest.mark.parametrize(
    ("scenario", "tier", "exact"),
    [
        (made(semaphore(20), requests=4_000, service=2.0), "scale", "in_flight"),
        (made(PACED, requests=4_000, service=2.0), "start", "requests"),
        (made(semaphore(60), requests=4_000, service=2.0), "tier-2", "input_tokens"),
        (made(gather(), requests=4_000, service=2.0, arrivals=Poisson(rate=10.0)), "start", "arrivals"),
    ],
)
def test_a_job_too_large_to_simulate_is_worked_out_from_a_smaller_one(
    scenario: Scenario, tier: str, exact: str
) -> None:
    found = plan(scenario, tiers=[tier], most=1_000).cells[0]
    whole = simulate(scenario.model_copy(update={"tier": tier})).summary.passes[0]
    assert found.simulated is not None
    assert found.simulated.estimate
    assert found.simulated.simulated <= 1_100
    assert found.closed_form.binds == exact
    assert found.makespan == pytest.approx(whole.values["makespan"], rel=0.03)
    assert found.spending.expected == pytest.approx(whole.cost.total, rel=0.01)
    assert found.simulated.throughput == pytest.approx(whole.values["throughput"], rel=0.03)
    assert found.simulated.response_p95 == pytest.approx(whole.distributions["response_time"].p95.value, rel=0.06)


def test_why_the_two_differ_is_derived_from_what_was_seen() -> None:
    adaptive = Strategy(name="adaptive", kind="adaptive", adaptive=Adaptive(), retry=Retry(attempts=1000))
    faults = api.load("hold-slot", settings=["workload.requests=200"])
    found = {
        "ramp": plan(made(adaptive, requests=400), tiers=["start"]).cells[0],
        "faults": plan(faults, tiers=["unlimited"]).cells[0],
        "tail": plan(api.load("output-classes", cases=["long"], settings=["cases.long.workload.requests=100"]),
                     tiers=["start"]).cells[2],
        "none": plan(made(semaphore(10)), tiers=["start"]).cells[0],
    }  # fmt: skip
    assert "feels its way up" in found["ramp"].why
    assert "failures on purpose" in found["faults"].why
    assert "at the end fewer than 50 are left in flight" in found["tail"].why
    assert found["none"].why == ""
    assert found["none"].difference == pytest.approx(0.0)


def test_without_simulating_it_is_arithmetic_alone() -> None:
    found = plan(made(semaphore(10)), tiers=["start"], simulated=False)
    assert found.cells[0].simulated is None
    assert found.cells[0].makespan == 40.0
    assert (found.what_ifs, found.sensitivity) == ((), ())
    assert found.cells[0].spending.expected == demand_of(made()).cost(utc_now().date())


def test_cases_with_tiers_of_their_own_stay_on_them_unless_told() -> None:
    on = [Case(name=tier, scenario=made(tier=tier)) for tier in ("start", "build")]
    scenario = made(cases=tuple(on))
    assert [(cell.case, cell.tier) for cell in plan(scenario).cells] == [("start", "start"), ("build", "build")]
    assert tiers_of("all", scenario) == CURRENT
    assert len(plan(scenario, tiers=CURRENT, simulated=False).cells) == 6


@pytest.mark.parametrize(
    ("named", "own", "tiers"),
    [
        (None, "start", CURRENT),
        (None, "tier-1", ("tier-1", *CURRENT)),
        ("all", "tier-1", CURRENT),
        ("build", "start", ("build",)),
        ("tutorial-1, start,start", "start", ("tutorial-1", "start")),
    ],
)
def test_tiers(named: str | None, own: str, tiers: tuple[str, ...]) -> None:
    assert tiers_of(named, made(tier=own)) == tiers


@pytest.mark.parametrize(("named", "words"), [("strat", "Did you mean start?"), ("a.json", "No such file")])
def test_a_tier_that_is_not_known_is_refused(named: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        tiers_of(named, made())


def test_a_tier_of_ones_own_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ours.json"
    limits = [{"type": "requests_per_minute", "value": 60}]
    file.write_bytes(
        msgspec.json.encode({"data": [{"group_type": "model_group", "models": ["claude-sonnet-5"], "limits": limits}]})
    )
    scenario = made(PACED)
    found = plan(scenario, tiers=tiers_of(str(file), scenario))
    assert [tier.name for tier in found.tiers] == ["ours.json"]
    assert found.cells[0].closed_form.binds == "requests"
    assert recommended(found).tier == "ours.json"


def test_no_strategy_is_no_plan() -> None:
    with pytest.raises(UsageError, match="no strategy to plan for"):
        plan(made().model_copy(update={"strategies": ()}))


def test_a_trace_is_planned_as_it_was_recorded() -> None:
    scenario = api.load("replay-conversation", settings=["arrivals.trace.window=2m"], cases=["start"])
    found = plan(scenario)
    assert {cell.closed_form.binds for cell in found.cells} == {"arrivals"}
    assert any("as the trace recorded them" in note for note in found.notes)


def test_a_plan_repeats_to_the_byte_and_is_json() -> None:
    scenario = made(semaphore(3), PACED, service=None, workload={"stream": True})
    one, two = plan(scenario), plan(scenario)
    assert msgspec.json.encode(one) == msgspec.json.encode(two)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Plan) == one
