"""A worker's side of what is shared: what it uses, what it waits for, and the limits that it sets by its leases."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass

from bench.engine.budget import BudgetGuard
from bench.scale.shares import ROUNDING, Claim, Grant, Purse, Shared, Slots
from bench.scenario.model import Strategy
from bench.strategies.admission import Admission

SLOTS, RATE, DOLLARS, REQUESTS = "slots", "rate", "dollars", "requests"
"""What is shared."""

_AHEAD = 16
"""Of dollars and requests, so many times what the first in line needs is asked for, if nobody else needs it."""


def shared_by(
    workers: int, strategy: Strategy, *, paced: bool, dollars: float | None, requests: int | None
) -> dict[str, Shared]:
    """What the workers of a pass share.  `dollars` and `requests` are what is left of the budget."""
    most = places(strategy)
    return {
        **({} if most is None else {SLOTS: Slots(most, workers, whole=True)}),
        **({RATE: Slots(1.0, workers)} if paced else {}),
        **({} if dollars is None else {DOLLARS: Purse(dollars, workers)}),
        **({} if requests is None else {REQUESTS: Purse(requests, workers, whole=True)}),
    }


def places(strategy: Strategy) -> int | None:
    """How many requests a strategy lets be in flight; None where it sets no number."""
    return strategy.limit if strategy.pool is None else strategy.pool.workers


def is_paced(strategy: Strategy) -> bool:
    """Whether it keeps to rates, its own or those it learns from headers."""
    return strategy.pacer is not None or strategy.adaptive is not None


def of_stripe(strategy: Strategy, workers: int) -> Strategy:
    """The strategy as each of several workers follows it, within what it is leased."""
    if strategy.pool is not None:
        return strategy.model_copy(update={"limit": strategy.pool.workers})
    if strategy.adaptive is not None:
        most = max(1, strategy.adaptive.max_in_flight // workers)
        least = min(most, math.ceil(strategy.adaptive.min_in_flight / workers))
        changes = {"min_in_flight": least, "max_in_flight": most}
        return strategy.model_copy(update={"adaptive": strategy.adaptive.model_copy(update=changes)})
    return strategy


@dataclass(slots=True)
class Lease:
    """One thing of which a worker has a lease."""

    using: Callable[[], float]
    wants: Callable[[], float]
    """What it would take, all in all, for whoever waits to go on; 0 where nobody waits."""
    hold: Callable[[float], None]
    """Sets the most that may be used."""
    spent: Callable[[], float] = lambda: 0.0
    ahead: float = 0.0
    """How many times what is needed is liked."""
    end: Callable[[], None] = lambda: None
    """Told that what is needed can never be had."""
    limit: float = math.inf
    """What it may use now: to begin with, whatever it is leased first."""
    hurried: bool = False
    """Whether others need some of it."""

    def claim(self) -> Claim:
        """What to say of it; from now on no more is used than that."""
        wants, using = self.wants(), self.using()
        keeps = using if self.hurried and not wants else max(using, self.limit)
        if keeps < self.limit:
            self.hold(keeps)
        needs, spent = max(0.0, wants - keeps), self.spent()
        return Claim(keeps, needs, self.ahead * needs, spent, max(0.0, using - spent))

    def take(self, grant: Grant) -> None:
        """Keep to what was granted."""
        self.hurried = grant.most < math.inf
        self.limit = min(grant.lease, grant.most)
        self.hold(self.limit)
        if grant.never:
            self.end()


def budget_leases(shared: Container[str], budget: BudgetGuard) -> dict[str, Lease]:
    """The leases of a worker that pays from this budget."""
    makers = {DOLLARS: _dollars, REQUESTS: _requests}
    return {name: make(budget) for name, make in makers.items() if name in shared}


def admission_leases(shared: Container[str], admissions: Mapping[str, Admission]) -> dict[str, Lease]:
    """The leases of a worker whose requests are let through by these."""
    distinct = list(dict.fromkeys(admissions.values()))
    makers = {SLOTS: _slots, RATE: _rate}
    return {name: make(distinct) for name, make in makers.items() if name in shared}


def _slots(admissions: Iterable[Admission]) -> Lease:
    """Places in flight; those of all lanes are the same ones."""
    slots = next(iter(admissions)).slots
    slots.hold(0)
    return Lease(
        lambda: slots.taken, lambda: math.inf if slots.wanted else 0.0, lambda most: slots.hold(math.floor(most))
    )


def _rate(admissions: Iterable[Admission]) -> Lease:
    """A share of the rates that pacers keep to: nobody says beforehand how much it will need, so all want the whole."""
    paced = [one for one in admissions if one.paced]

    def hold(share: float) -> None:
        for one in paced:
            one.hold(share)

    hold(0.0)
    return Lease(lambda: 0.0, lambda: 1.0, hold)


def _dollars(budget: BudgetGuard) -> Lease:
    budget.whole_cost, budget.max_cost, budget.may_grow = budget.max_cost, 0.0, True

    def hold(most: float) -> None:
        budget.max_cost = most + ROUNDING  # what was granted must not fail by the last bit of a sum
        budget.look_again()

    return Lease(
        lambda: budget.spent + budget.at_risk,
        lambda: budget.wanted[0],
        hold,
        lambda: budget.spent,
        _AHEAD,
        lambda: _end(budget),
    )


def _requests(budget: BudgetGuard) -> Lease:
    budget.whole_requests, budget.max_requests, budget.may_grow = budget.max_requests, 0, True

    def hold(most: float) -> None:
        budget.max_requests = math.floor(most)
        budget.look_again()

    return Lease(
        lambda: float(budget.sent),
        lambda: float(budget.wanted[1]),
        hold,
        lambda: float(budget.sent - budget.in_flight),
        _AHEAD,
        lambda: _end(budget),
    )


def _end(budget: BudgetGuard) -> None:
    budget.may_grow = False
    budget.look_again()
