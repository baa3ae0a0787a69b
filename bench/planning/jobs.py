"""The jobs of a plan, each a strategy on a tier: how much of it is worth simulating, and what the simulation says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import msgspec

from bench.planning.bounds import LIMITERS, closed_form, shares, slots_of
from bench.planning.demand import Demand, demand_of
from bench.planning.shrink import shrunk
from bench.planning.workers import simulate_many
from bench.results.plan import ClosedForm
from bench.results.summary import PassSummary
from bench.scenario.misfits import workloads_of
from bench.scenario.model import Scenario, Strategy
from bench.targets.target import mock_settings
from mock_server.tiers import Tier, find_tier

MOST_SIMULATED = 10_000
"""Requests of a cell that are simulated, at most."""
NEARLY = 1.2
"""How many times as many are still simulated as they are."""
MOST_ATTEMPTS = 40_000
"""Attempts of a cell that are worth simulating: where refusals would make it more, fewer requests are simulated."""
MOST_IN_ALL = 400_000
"""Requests of all cells together, for which two cores take well below a minute."""
WORTH_A_PROCESS = 4_000
"""Requests that are simulated sooner than another process begins to."""
LEAST_SIMULATED = 300
"""Requests that are simulated all the same."""

Told = Callable[[int, int], None]
"""Is told how many simulations are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Job:
    """One strategy on one tier."""

    case: str | None
    scenario: Scenario
    """With this tier and this strategy alone."""
    demand: Demand
    form: ClosedForm
    small: Scenario
    """What is simulated: the same, or a smaller one like it."""
    small_form: ClosedForm
    small_requests: float
    """How many that are."""

    @property
    def strategy(self) -> Strategy:
        """The one it has."""
        return self.scenario.strategies[0]

    @property
    def tier(self) -> Tier:
        """Its numbers."""
        return find_tier(self.scenario.tier)


@dataclass(slots=True)
class Demands:
    """What was worked out already, by case, part of the work and requests in flight."""

    known: dict[object, Demand] = field(default_factory=dict)

    def of(self, key: str | None, scenario: Scenario, part: float = 1.0) -> Demand:
        """What the prompt cache finds depends on how many are served at once; nothing else does."""
        whole = self._of((key, part, None), scenario, None)
        slots = slots_of(scenario.strategies[0])
        if slots is None or not any(workload.cache for _, workload, _ in workloads_of(scenario)):
            return whole
        asked = self._of((key, part, slots), scenario, slots).asked
        return Demand(asked, whole.span, whole.free, whole.looked_at, whole.exact)

    def _of(self, key: object, scenario: Scenario, slots: int | None) -> Demand:
        if key not in self.known:
            self.known[key] = demand_of(scenario, in_flight=slots)
        return self.known[key]


def jobs_of(scenario: Scenario, tiers: Sequence[str], demands: Demands, most: int) -> Iterator[Job]:
    """Every strategy of every case on every tier; without tiers, each case on its own."""
    for case, variant in scenario.variants:
        for tier in tiers or (variant.tier,):
            for strategy in variant.strategies:
                changes = {"tier": tier, "strategies": (strategy,), **_ALONE}
                yield job_of(case, variant.model_copy(update=changes), demands, case, most)


_ALONE = {"cases": (), "repeat": 1, "thresholds": (), "volume": None}
"""What a simulated cell does without."""


def job_of(case: str | None, cell: Scenario, demands: Demands, key: str | None, most: int) -> Job:
    """The job of a scenario with one strategy; `key` tells what it asks for from what others do."""
    demand = demands.of(key, cell)
    form = _form(cell, demand)
    part = _worth_simulating(demand.requests, cell, form, demand, most)
    if part >= 1:
        return Job(case, cell, demand, form, cell, form, demand.requests)
    small = shrunk(cell, part, demand.span)
    less = demands.of(key, small, part)
    return Job(case, cell, demand, form, small, _form(small, less), less.requests)


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
    strategy, part = cell.strategies[0], 1.0 if requests <= NEARLY * most else most / requests
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


def simulate_jobs(jobs: Sequence[Job], processes: int | None, told: Told) -> dict[int, PassSummary]:
    """What each job comes to, by its place.

    Who does not look at the tier learns of it by refusals alone: a job in which nothing was refused goes the same way
    on a tier that allows more, and is not simulated there again.
    """
    done: dict[int, PassSummary] = {}
    for wave in _waves(jobs):
        for place in wave:
            if (same := _same(jobs, place, done)) is not None:
                done[place] = _on(jobs[place], same)
        told(len(done), len(jobs))
        left = [place for place in wave if place not in done]
        work = sum(jobs[place].small_requests for place in left)
        alone = 1 if work < WORTH_A_PROCESS else processes
        for at, summary in simulate_many([jobs[place].small for place in left], processes=alone):
            done[left[at]] = summary.passes[0]
            told(len(done), len(jobs))
    return done


def _on(job: Job, same: PassSummary) -> PassSummary:
    """The same pass on this job's tier, of whose limits it uses another share."""
    used = shares(job.demand, same.values["makespan"] or 0.0, job.tier)
    limits = []
    for use in same.limits:
        per_minute, share = used[use.limiter]
        limits.append(msgspec.structs.replace(use, per_minute=per_minute, share=share))
    return msgspec.structs.replace(same, limits=tuple(limits))


def _waves(jobs: Sequence[Job]) -> list[list[int]]:
    """Places of the jobs that are to be simulated at all events, and of those that one of them may stand for."""
    first: list[int] = []
    later: list[int] = []
    for place, job in enumerate(jobs):
        stands = any(_is_like(jobs[other], job) for other in first)
        (later if stands else first).append(place)
    return [first, later]


def _same(jobs: Sequence[Job], place: int, done: Mapping[int, PassSummary]) -> PassSummary | None:
    """What a job like this one, in which nothing was refused, came to."""
    for other, one in done.items():
        if _is_like(jobs[other], jobs[place]) and not one.values["rate_limited"]:
            return one
    return None


def _is_like(lower: Job, job: Job) -> bool:
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
