"""The plan of a scenario: every case on every tier with every strategy, by arithmetic and by simulation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.clock import utc_now
from bench.errors import Exit, UsageError
from bench.planning.bounds import LIMITERS, pools_of, shares
from bench.planning.choosing import answer, chosen, is_clean, verdict
from bench.planning.difference import difference, why
from bench.planning.jobs import (
    LEAST_SIMULATED,
    MOST_IN_ALL,
    MOST_SIMULATED,
    Demands,
    Job,
    Told,
    job_of,
    jobs_of,
    simulate_jobs,
)
from bench.planning.shrink import of_the_whole
from bench.planning.tiers import CURRENT, tier_name, tiers_of
from bench.planning.what_ifs import Other, sensitivity, what_ifs
from bench.results.cost import prices_as_of
from bench.results.plan import (
    Cell,
    LimitShare,
    Plan,
    Played,
    Spending,
    TierPlan,
    Volume,
    WhatIf,
)
from bench.results.summary import PassSummary
from bench.scenario.arrivals import Trace
from bench.scenario.model import Scenario
from mock_server.tiers import find_tier

MONTH = 365.25 / 12 * 86_400
"""Seconds."""


def plan(
    scenario: Scenario,
    *,
    tiers: Sequence[str] | None = None,
    deadline: float | None = None,
    volume: float | None = None,
    simulated: bool = True,
    most: int = MOST_SIMULATED,
    processes: int | None = None,
    told: Told = lambda _done, _of: None,
) -> Plan:
    """Plan a scenario.  Sends nothing.

    `tiers` as `tiers_of` gives them (left out: its default), `deadline` in seconds, `volume` in requests a second
    (left out: the scenario's own).  Without `simulated`, arithmetic alone; `most` is how many requests of a cell are
    simulated.  `told` hears how the simulations go.
    Raises UsageError when nothing is left to plan.
    """
    tiers = tiers_of(None, scenario) if tiers is None else tiers
    volume = scenario.volume if volume is None else volume
    day, demands = utc_now().date(), Demands()
    cells_in_all = sum(len(variant.strategies) for _, variant in scenario.variants) * max(1, len(tiers))
    if not cells_in_all:
        raise UsageError("there is no strategy to plan for", "Give the scenario one, or name fewer with --strategy.")
    most = max(LEAST_SIMULATED, min(most, MOST_IN_ALL // cells_in_all))
    jobs = [*jobs_of(scenario, tiers, demands, most)]
    passes = simulate_jobs(jobs, processes, told) if simulated else {}
    cells = [_cell(job, passes.get(place), day, deadline, volume) for place, job in enumerate(jobs)]
    marked = [cell for case, variant in scenario.variants for cell in _chosen(case, variant, cells, deadline)]
    others = _others(marked, jobs, demands, day, most, processes, told) if simulated else ([], [])
    return _told(scenario, marked, jobs, others, deadline, volume)


def _chosen(case: str | None, variant: Scenario, cells: Sequence[Cell], deadline: float | None) -> list[Cell]:
    own = [cell for cell in cells if cell.case == case]
    return chosen(own, tier_name(variant.tier), own_times=_own_times(variant), deadline=deadline)


def _cell(job: Job, one: PassSummary | None, day: date, deadline: float | None, volume: float | None) -> Cell:
    whole = None if one is None else _whole(job, one)
    expected = _expected(job, one, day)
    found = None if whole is None else difference(whole.makespan, job.form)
    makespan = job.form.makespan if whole is None else whole.makespan
    clean = whole is None or is_clean(whole.failed_share, whole.rate_limited_share)
    spending = _spending(job, expected, day, volume)
    return Cell(
        tier=tier_name(job.scenario.tier),
        case=job.case,
        strategy=job.strategy.name,
        kind=job.strategy.kind,
        closed_form=job.form,
        spending=spending,
        simulated=whole,
        difference=found,
        why="" if one is None else why(one, job.small_form, job.demand, job.scenario, job.strategy),
        meets_deadline=None if deadline is None else makespan <= deadline and _done(whole),
        carries_volume=None if volume is None else _carries(job, spending, volume),
        clean=clean,
    )


def _done(whole: Played | None) -> bool:
    return whole is None or whole.failed_share < 1


def _whole(job: Job, one: PassSummary) -> Played:
    small = _played(one)
    if job.small is job.scenario:
        return small
    whole = of_the_whole(small, job.small_form, job.form, job.demand)
    if job.strategy.batch is not None:
        return whole
    used = shares(job.demand, whole.makespan, job.tier)
    limits = tuple(LimitShare(name, limit, share) for name, (limit, share) in used.items())
    return msgspec.structs.replace(whole, limits=limits)


def _played(one: PassSummary) -> Played:
    """What a simulation found, in the plan's words."""
    values, stream = one.values, next(iter(one.streams), None)
    times = one.distributions if stream is None else stream.distributions
    response = times["group_time" if one.fan_out else "response_time"]
    return Played(
        requests=values["requests"] or 0.0,
        simulated=int(values["requests"] or 0),
        estimate=False,
        makespan=values["makespan"] or 0.0,
        throughput=values["throughput"] or 0.0,
        response_p50=response.p50.value,
        response_p95=response.p95.value,
        ttft_p50=times["ttft"].p50.value,
        ttft_p95=times["ttft"].p95.value,
        latency_p50=times["latency"].p50.value,
        latency_p95=times["latency"].p95.value,
        limits=tuple(LimitShare(use.limiter, use.per_minute, use.share) for use in one.limits),
        rate_limited=values["rate_limited"] or 0.0,
        rate_limited_share=values["rate_limited_rate"] or 0.0,
        failed=values["failed"] or 0.0,
        failed_share=values["error_rate"] or 0.0,
        goodput_share=values["goodput_share"],
        response_of="" if stream is None else stream.name,
    )


def _expected(job: Job, one: PassSummary | None, day: date) -> float | None:
    """Dollars: those of the simulation, retries, hedges and what the cache found included."""
    if one is None:
        return job.demand.cost(day, batched=job.strategy.kind == "batch")
    requests = one.values["requests"]
    if one.cost.total is None or not requests:
        return None
    return one.cost.total if job.small is job.scenario else one.cost.total / requests * job.demand.requests


def _spending(job: Job, expected: float | None, day: date, volume: float | None) -> Spending:
    worst = job.demand.worst_cost(day, batched=job.strategy.kind == "batch")
    cap = job.tier.spend_cap_usd
    month = None
    if volume is not None and expected is not None and job.demand.requests:
        month = expected / job.demand.requests * volume * MONTH
    return Spending(
        expected=expected,
        worst=worst if worst is None or expected is None else max(worst, expected),
        spend_cap=cap,
        cap_share=expected / cap if cap and expected is not None else None,
        monthly=month,
        monthly_cap_share=month / cap if cap and month is not None else None,
    )


def _carries(job: Job, spending: Spending, volume: float) -> bool:
    """Whether limits, requests in flight and spend cap bear so many such requests a second, for good."""
    if (spending.monthly_cap_share or 0.0) > 1:
        return False
    if job.strategy.kind == "batch":
        return True
    part = volume / job.demand.requests if job.demand.requests else 0.0
    if job.form.limited_in_flight and part * job.demand.service_time > job.form.in_flight:
        return False
    for models in pools_of(job.demand.asked, job.tier).values():
        asked, limits = job.demand.of(models), job.tier.limits_of(models[0])
        if any(part * asked.drawn[name] * 60 > (getattr(limits, name) or inf) for name in LIMITERS):
            return False
    return True


def _others(
    cells: Sequence[Cell],
    jobs: Sequence[Job],
    demands: Demands,
    day: date,
    most: int,
    processes: int | None,
    told: Told,
) -> tuple[list[WhatIf], list[WhatIf]]:
    """What would change the recommended cell of each case, and how much it bears."""
    found: tuple[list[WhatIf], list[WhatIf]] = ([], [])
    with TemporaryDirectory(prefix="claude-bench-") as folder:
        asked: list[tuple[list[WhatIf], Other, Job]] = []
        for cell in cells:
            if not cell.recommended:
                continue
            job = next(job for job in jobs if _is_of(job, cell))
            found[0].extend(_next_tier(cell, cells))
            for kind, others in (
                (found[0], what_ifs(job.scenario, job.strategy)),
                (found[1], sensitivity(job.scenario, job.strategy, job.demand, Path(folder))),
            ):
                for other in others:
                    alone = other.scenario.model_copy(update={"strategies": (other.strategy,)})
                    asked.append((kind, other, job_of(cell.case, alone, demands, f"{cell.case}: {other.name}", most)))
        passes = simulate_jobs([job for _, _, job in asked], processes, told)
    for place, (kind, other, job) in enumerate(asked):
        kind.append(_what_if(other, job, passes[place], day))
    return found


def _is_of(job: Job, cell: Cell) -> bool:
    return (job.case, tier_name(job.scenario.tier), job.strategy.name) == (cell.case, cell.tier, cell.strategy)


def _next_tier(cell: Cell, cells: Sequence[Cell]) -> Iterator[WhatIf]:
    """The best on the next tier up, where that is part of the plan."""
    higher = CURRENT[CURRENT.index(cell.tier) + 1 :] if cell.tier in CURRENT else ()
    for other in cells:
        if other.case == cell.case and other.best and other.tier in higher[:1]:
            p95 = None if other.simulated is None else other.simulated.response_p95
            with_ = "" if other.strategy == cell.strategy else f" with {other.strategy}"
            name, cost = f"on the {other.tier} tier{with_}", other.spending.expected
            yield WhatIf(name, "tier", cell.case, other.makespan, cost, p95)


def _what_if(other: Other, job: Job, one: PassSummary, day: date) -> WhatIf:
    whole, cost = _whole(job, one), _expected(job, one, day)
    return WhatIf(
        name=other.name,
        kind=other.kind,
        case=job.case,
        makespan=whole.makespan,
        cost=None if cost is None else cost * other.longer,
        response_p95=whole.response_p95,
        note="; ".join(filter(None, (other.note, _trouble(whole)))),
    )


def _trouble(one: Played) -> str:
    return "" if is_clean(one.failed_share, one.rate_limited_share) else "not cleanly: requests are refused or fail"


def _told(
    scenario: Scenario,
    cells: Sequence[Cell],
    jobs: Sequence[Job],
    others: tuple[list[WhatIf], list[WhatIf]],
    deadline: float | None,
    volume: float | None,
) -> Plan:
    """The plan, with what there is to say about it."""
    sentences: list[str] = []
    verdicts: list[tuple[bool, str]] = []
    for case, variant in scenario.variants:
        own = [cell for cell in cells if cell.case == case]
        requests = next(job.demand.requests for job in jobs if job.case == case)
        sentences += answer(case, own, requests, scenario.name, tier_name(variant.tier))
        if deadline is not None:
            verdicts.append(verdict(own, deadline, case))
    feasible = all(met for met, _ in verdicts) if verdicts else None
    missed = [words for met, words in verdicts if not met]
    return Plan(
        name=scenario.name,
        question=scenario.question,
        model=", ".join(sorted(scenario.models)),
        answer=tuple(sentences),
        tiers=tuple(_tier_plan(name, scenario) for name in dict.fromkeys(job.scenario.tier for job in jobs)),
        cells=tuple(cells),
        what_ifs=tuple(others[0]),
        sensitivity=tuple(others[1]),
        deadline=deadline,
        feasible=feasible,
        verdict="\n".join(words for _, words in verdicts),
        volume=None if volume is None else Volume(volume * 60, volume * MONTH),
        prices_as_of=prices_as_of() if any(cell.spending.expected is not None for cell in cells) else None,
        notes=tuple(_notes(scenario, cells, jobs)),
        reasons=tuple(f"the deadline cannot be met: {words}" for words in missed),
        exit_code=int(Exit.THRESHOLDS if missed else Exit.OK),
        seed=scenario.seed,
        repeat=scenario.repeat,
    )


def _tier_plan(name: str, scenario: Scenario) -> TierPlan:
    tier = find_tier(name)
    limits: Mapping[str, dict[str, float | None]] = {
        model: dict(tier.limits_of(model)._asdict()) for model in sorted(scenario.models)
    }
    return TierPlan(tier_name(name), tier.as_of.isoformat(), tier.source, tier.spend_cap_usd, dict(limits))


def _own_times(scenario: Scenario) -> bool:
    every = (scenario.arrivals, *(one.arrivals for one in scenario.streams))
    return any(one.kind != "backlog" for one in every if one is not None)


def _notes(scenario: Scenario, cells: Sequence[Cell], jobs: Sequence[Job]) -> Iterator[str]:
    latency = scenario.mock.latency
    if latency.profile is not None:
        yield f"Answer times are those of {latency.profile.name}."
    elif latency.service_time is not None:
        yield f"Every answer is taken to last {latency.service_time:g} s, as the scenario says."
    else:
        yield "Answer times are presets, not measured: a profile of your own makes them true."
    yield f"Buckets are taken to hold {scenario.mock.burst:g} s of their limits at the start: the API does not say."
    if any(not job.demand.exact for job in jobs):
        looked = min(job.demand.looked_at for job in jobs)
        yield f"What is asked for is worked out from {looked:,} of the requests and scaled up."
    if part := [cell.simulated.simulated for cell in cells if cell.simulated is not None and cell.simulated.estimate]:
        yield f"Cells marked ~ are worked out from a smaller job like it, of {min(part):,} requests or more."
    if any(cell.spending.expected is None for cell in cells):
        yield "The price of a model is not known, so some costs are left out: check its name, or upgrade genai-prices."
    if any(isinstance(variant.arrivals, Trace) for _, variant in scenario.variants):
        yield "Requests come as the trace recorded them."
