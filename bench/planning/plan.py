"""The plan of a scenario: every case on every tier with every strategy, by arithmetic and by simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.clock import utc_now
from bench.errors import Exit, UsageError
from bench.planning.bounds import LIMITERS, closed_form, pools_of, shares
from bench.planning.choosing import answer, chosen, is_clean, verdict
from bench.planning.demand import Demand, demand_of
from bench.planning.difference import difference, why
from bench.planning.shrink import of_the_whole, shrunk
from bench.planning.workers import simulate_many
from bench.planning.what_ifs import Other, sensitivity, what_ifs
from bench.results.cost import prices_as_of
from bench.results.plan import (
    Cell,
    ClosedForm,
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
from bench.scenario.misfits import workloads_of
from bench.scenario.model import Scenario, Strategy
from bench.scenario.problems import nearest
from bench.targets.target import mock_settings
from mock_server.tiers import TIERS, Tier, find_tier

CURRENT = ("start", "build", "scale")
"""The tiers that organisations are on today (rate-limit page, 2026-10-08), the lowest first.  Legacy tiers and those of
tutorials are planned for only when they are named."""

MOST_SIMULATED = 10_000
"""Requests of a cell that are simulated, at most."""
MOST_ATTEMPTS = 40_000
"""Attempts of a cell that are worth simulating: where refusals would make it more, fewer requests are simulated."""
MOST_IN_ALL = 400_000
"""Requests of all cells together, for which two cores take well below a minute."""
LEAST_SIMULATED = 300
"""Requests that are simulated all the same."""

MONTH = 365.25 / 12 * 86_400
"""Seconds."""

Told = Callable[[int, int], None]
"""Is told how many simulations are done, and of how many."""


def tiers_of(named: str | None, scenario: Scenario) -> tuple[str, ...]:
    """The tiers to plan for: those named, separated by commas; `all` is the current ones.

    None named is the current ones and the scenario's own; empty, where its cases have tiers of their own, is those.
    UsageError for an unknown one.
    """
    if named is None:
        own = [variant.tier for _, variant in scenario.variants]
        if len({*own}) > 1:
            return ()
        return CURRENT if own[0] in CURRENT else (own[0], *CURRENT)
    tiers: list[str] = []
    for name in (word.strip() for word in named.split(",")):
        tiers += CURRENT if name == "all" else [_known(name)]
    return tuple(dict.fromkeys(tiers))


def _known(name: str) -> str:
    if name.endswith(".json"):
        path = str(Path(name).absolute())
        try:
            find_tier(path)
        except ValueError as problem:
            raise UsageError(f"--tier: {problem}") from None
        return path
    if name not in TIERS:
        known = (*TIERS, "all")
        raise UsageError(
            f"--tier: no tier `{name}`.{nearest(name, known)}", f"There are {', '.join(known)}, or a file."
        )
    return name


@dataclass(frozen=True, slots=True)
class _Job:
    """One strategy on one tier."""

    case: str | None
    scenario: Scenario
    """With this tier and this strategy alone."""
    demand: Demand
    form: ClosedForm
    small: Scenario
    """What is simulated: the same, or a smaller one like it."""
    small_form: ClosedForm

    @property
    def strategy(self) -> Strategy:
        return self.scenario.strategies[0]

    @property
    def tier(self) -> Tier:
        return find_tier(self.scenario.tier)


@dataclass(slots=True)
class _Demands:
    """What was worked out already, by case, part of the work and requests in flight."""

    known: dict[object, Demand] = field(default_factory=dict)

    def of(self, key: str | None, scenario: Scenario, part: float = 1.0) -> Demand:
        """What the prompt cache finds depends on how many are served at once; nothing else does."""
        whole = self._of((key, part, None), scenario, None)
        slots = scenario.strategies[0].limit
        if slots is None or not any(workload.cache for _, workload, _ in workloads_of(scenario)):
            return whole
        asked = self._of((key, part, slots), scenario, slots).asked
        return Demand(asked, whole.span, whole.free, whole.looked_at, whole.exact)

    def _of(self, key: object, scenario: Scenario, slots: int | None) -> Demand:
        if key not in self.known:
            self.known[key] = demand_of(scenario, in_flight=slots)
        return self.known[key]


def plan(
    scenario: Scenario,
    *,
    tiers: Sequence[str] | None = None,
    deadline: float | None = None,
    volume: float | None = None,
    simulated: bool = True,
    processes: int | None = None,
    told: Told = lambda _done, _of: None,
) -> Plan:
    """Plan a scenario.  Sends nothing.

    `tiers` as `tiers_of` gives them (left out: its default), `deadline` in seconds, `volume` in requests a second
    (left out: the scenario's own).  Without `simulated`, arithmetic alone.  `told` hears how the simulations go.
    Raises UsageError when nothing is left to plan.
    """
    tiers = tiers_of(None, scenario) if tiers is None else tiers
    volume = scenario.volume if volume is None else volume
    day, demands = utc_now().date(), _Demands()
    cells_in_all = sum(len(variant.strategies) for _, variant in scenario.variants) * max(1, len(tiers))
    if not cells_in_all:
        raise UsageError("there is no strategy to plan for", "Give the scenario one, or name fewer with --strategy.")
    most = max(LEAST_SIMULATED, min(MOST_SIMULATED, MOST_IN_ALL // cells_in_all))
    jobs = [*_jobs(scenario, tiers, demands, most)]
    passes = _simulate(jobs, processes, told) if simulated else {}
    cells = [_cell(job, passes.get(place), day, deadline, volume) for place, job in enumerate(jobs)]
    marked = [cell for case, variant in scenario.variants for cell in _chosen(case, variant, cells, deadline)]
    others = _others(marked, jobs, demands, day, most, processes, told) if simulated else ([], [])
    return _told(scenario, marked, jobs, others, deadline, volume)


def _chosen(case: str | None, variant: Scenario, cells: Sequence[Cell], deadline: float | None) -> list[Cell]:
    own = [cell for cell in cells if cell.case == case]
    return chosen(own, _tier_name(variant.tier), own_times=_own_times(variant), deadline=deadline)


def _jobs(scenario: Scenario, tiers: Sequence[str], demands: _Demands, most: int) -> Iterator[_Job]:
    for case, variant in scenario.variants:
        for tier in tiers or (variant.tier,):
            for strategy in variant.strategies:
                changes = {"tier": tier, "strategies": (strategy,), **_ALONE}
                yield _job(case, variant.model_copy(update=changes), demands, case, most)


_ALONE = {"cases": (), "repeat": 1, "thresholds": (), "volume": None}
"""What a simulated cell does without."""


def _job(case: str | None, cell: Scenario, demands: _Demands, key: str | None, most: int) -> _Job:
    demand = demands.of(key, cell)
    form = _form(cell, demand)
    part = _worth_simulating(demand.requests, cell, form, demand, most)
    if part >= 1:
        return _Job(case, cell, demand, form, cell, form)
    small = shrunk(cell, part, demand.span)
    return _Job(case, cell, demand, form, small, _form(small, demands.of(key, small, part)))


def _form(cell: Scenario, demand: Demand) -> ClosedForm:
    settings, tier = mock_settings(cell), find_tier(cell.tier)
    return closed_form(
        demand,
        cell.strategies[0],
        tier,
        burst=settings.burst,
        batch_time=settings.batch_time,
        seed=cell.seed,
    )


def _worth_simulating(requests: float, cell: Scenario, form: ClosedForm, demand: Demand, most: int) -> float:
    """What part of the work is simulated.

    More in flight than the limits feed are refused about once a second each, which soon is most of the work.
    """
    strategy, part = cell.strategies[0], min(1.0, most / requests) if requests else 1.0
    if strategy.pacer is not None or strategy.adaptive is not None or strategy.batch is not None:
        return part
    fed = form.rate / 60 * demand.mean_service
    while part * requests > LEAST_SIMULATED:
        waiting = form.in_flight if form.limited_in_flight else part * requests / 2
        tries = min((waiting - fed) * form.makespan * part, part * requests * strategy.retry.attempts)
        if form.binds not in LIMITERS or part * requests + tries <= MOST_ATTEMPTS:
            break
        part /= 1.5
    return part


def _simulate(jobs: Sequence[_Job], processes: int | None, told: Told) -> dict[int, PassSummary]:
    """What each job comes to, by its place.

    Who does not look at the tier learns of it by refusals alone: a job in which nothing was refused goes the same way
    on a tier that allows more, and is not simulated there again.
    """
    done: dict[int, PassSummary] = {}
    told(0, len(jobs))
    for wave in _waves(jobs):
        for place in wave:
            if (same := _same(jobs, place, done)) is not None:
                done[place] = _on(jobs[place], same)
        left = [place for place in wave if place not in done]
        for at, summary in simulate_many([jobs[place].small for place in left], processes=processes):
            done[left[at]] = summary.passes[0]
            told(len(done), len(jobs))
    return done


def _on(job: _Job, same: PassSummary) -> PassSummary:
    """The same pass on this job's tier, of whose limits it uses another share."""
    used = shares(job.demand, same.values["makespan"] or 0.0, job.tier)
    limits = []
    for use in same.limits:
        per_minute, share = used[use.limiter]
        limits.append(msgspec.structs.replace(use, per_minute=per_minute, share=share))
    return msgspec.structs.replace(same, limits=tuple(limits))


def _waves(jobs: Sequence[_Job]) -> list[list[int]]:
    """Places of the jobs that are to be simulated at all events, and of those that one of them may stand for."""
    first: list[int] = []
    later: list[int] = []
    for place, job in enumerate(jobs):
        stands = any(_is_like(jobs[other], job) for other in first)
        (later if stands else first).append(place)
    return [first, later]


def _same(jobs: Sequence[_Job], place: int, done: Mapping[int, PassSummary]) -> PassSummary | None:
    """What a job like this one, in which nothing was refused, came to."""
    for other, one in done.items():
        if _is_like(jobs[other], jobs[place]) and not one.values["rate_limited"]:
            return one
    return None


def _is_like(lower: _Job, job: _Job) -> bool:
    """Whether one differs from the other only by a tier that allows less, and does not look at it."""
    strategy = job.strategy
    if strategy.pacer is not None or strategy.adaptive is not None or strategy.batch is not None:
        return False
    if lower.small.model_copy(update={"tier": job.small.tier}) != job.small:
        return False
    return all(
        (low if low is not None else inf) <= (high if high is not None else inf)
        for model in job.demand.asked
        for low, high in zip(lower.tier.limits_of(model), job.tier.limits_of(model), strict=True)
    )


def _cell(job: _Job, one: PassSummary | None, day: date, deadline: float | None, volume: float | None) -> Cell:
    whole = None if one is None else _whole(job, one)
    expected = _expected(job, one, day)
    found = None if whole is None else difference(whole.makespan, job.form)
    makespan = job.form.makespan if whole is None else whole.makespan
    clean = whole is None or is_clean(whole.failed_share, whole.rate_limited_share)
    spending = _spending(job, expected, day, volume)
    return Cell(
        tier=_tier_name(job.scenario.tier),
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


def _whole(job: _Job, one: PassSummary) -> Played:
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
    values, times = one.values, one.distributions
    return Played(
        requests=values["requests"] or 0.0,
        simulated=int(values["requests"] or 0),
        estimate=False,
        makespan=values["makespan"] or 0.0,
        throughput=values["throughput"] or 0.0,
        response_p50=times["response_time"].p50.value,
        response_p95=times["response_time"].p95.value,
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
    )


def _expected(job: _Job, one: PassSummary | None, day: date) -> float | None:
    """Dollars: those of the simulation, retries, hedges and what the cache found included."""
    if one is None:
        return job.demand.cost(day, batched=job.strategy.kind == "batch")
    requests = one.values["requests"]
    if one.cost.total is None or not requests:
        return None
    return one.cost.total if job.small is job.scenario else one.cost.total / requests * job.demand.requests


def _spending(job: _Job, expected: float | None, day: date, volume: float | None) -> Spending:
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


def _carries(job: _Job, spending: Spending, volume: float) -> bool:
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
    jobs: Sequence[_Job],
    demands: _Demands,
    day: date,
    most: int,
    processes: int | None,
    told: Told,
) -> tuple[list[WhatIf], list[WhatIf]]:
    """What would change the recommended cell of each case, and how much it bears."""
    found: tuple[list[WhatIf], list[WhatIf]] = ([], [])
    with TemporaryDirectory(prefix="claude-bench-") as folder:
        asked: list[tuple[list[WhatIf], Other, _Job]] = []
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
                    asked.append((kind, other, _job(cell.case, alone, demands, f"{cell.case}: {other.name}", most)))
        passes = _simulate([job for _, _, job in asked], processes, told)
    for place, (kind, other, job) in enumerate(asked):
        kind.append(_what_if(other, job, passes[place], day))
    return found


def _is_of(job: _Job, cell: Cell) -> bool:
    return (job.case, _tier_name(job.scenario.tier), job.strategy.name) == (cell.case, cell.tier, cell.strategy)


def _next_tier(cell: Cell, cells: Sequence[Cell]) -> Iterator[WhatIf]:
    """The best on the next tier up, where that is part of the plan."""
    higher = CURRENT[CURRENT.index(cell.tier) + 1 :] if cell.tier in CURRENT else ()
    for other in cells:
        if other.case == cell.case and other.best and other.tier in higher[:1]:
            p95 = None if other.simulated is None else other.simulated.response_p95
            with_ = "" if other.strategy == cell.strategy else f" with {other.strategy}"
            name, cost = f"on the {other.tier} tier{with_}", other.spending.expected
            yield WhatIf(name, "tier", cell.case, other.makespan, cost, p95)


def _what_if(other: Other, job: _Job, one: PassSummary, day: date) -> WhatIf:
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
    jobs: Sequence[_Job],
    others: tuple[list[WhatIf], list[WhatIf]],
    deadline: float | None,
    volume: float | None,
) -> Plan:
    """The plan, with what there is to say about it."""
    sentences: list[str] = []
    verdicts: list[tuple[bool, str]] = []
    for case, _ in scenario.variants:
        own = [cell for cell in cells if cell.case == case]
        requests = next(job.demand.requests for job in jobs if job.case == case)
        sentences += answer(case, own, requests, scenario.name)
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
    )


def _tier_plan(name: str, scenario: Scenario) -> TierPlan:
    tier = find_tier(name)
    limits: Mapping[str, dict[str, float | None]] = {
        model: dict(tier.limits_of(model)._asdict()) for model in sorted(scenario.models)
    }
    return TierPlan(_tier_name(name), tier.as_of.isoformat(), tier.source, tier.spend_cap_usd, dict(limits))


def _tier_name(tier: str) -> str:
    return Path(tier).name if tier.endswith(".json") else tier


def _own_times(scenario: Scenario) -> bool:
    every = (scenario.arrivals, *(one.arrivals for one in scenario.streams))
    return any(one.kind != "backlog" for one in every if one is not None)


def _notes(scenario: Scenario, cells: Sequence[Cell], jobs: Sequence[_Job]) -> Iterator[str]:
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
