"""The budget guard: nothing is sent that could break the budget, even if all in flight cost the most they can.

What does not fit now may fit once an answer has come and has cost less than it could have.  So whoever wants to send
waits, first come first served, and is refused only when nothing is in flight any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from bench.results.format import dollars
from bench.results.record import Attempt, Usage

Refusal: TypeAlias = str
"""Why an attempt must not be sent, in words."""


@dataclass(slots=True, eq=False)
class _Waiting:
    worst: float
    answer: asyncio.Future[Refusal | None]


@dataclass(slots=True)
class BudgetGuard:
    """Dollars spent, dollars at risk in flight, attempts sent, seconds used.  None is no bound."""

    max_cost: float | None = None
    max_requests: int | None = None
    max_time: float | None = None
    """Scenario seconds, over all passes."""
    spent: float = 0.0
    at_risk: float = 0.0
    """Worst case of all attempts in flight."""
    in_flight: int = 0
    sent: int = 0
    time_used: float = 0.0
    """Scenario seconds of the passes that have ended."""
    whole_cost: float | None = None
    """Of what `max_cost` is a share, and below `max_requests`, where others spend too; for words alone."""
    whole_requests: int | None = None
    may_grow: bool = False
    """Whether others may yet leave more to it: as long as they may, whoever wants to send waits."""
    _waiting: deque[_Waiting] = field(default_factory=deque, init=False, repr=False)

    @property
    def time_left(self) -> float | None:
        """Scenario seconds the pass that begins now may take."""
        return None if self.max_time is None else max(0.0, self.max_time - self.time_used)

    @property
    def wanted(self) -> tuple[float, int]:
        """Dollars and requests that it would take, all in all, for whoever waits first to go; 0 where nobody waits."""
        if not self._waiting:
            return 0.0, 0
        return self.spent + self.at_risk + self._waiting[0].worst, self.sent + 1

    def look_again(self) -> None:
        """Tell that its bounds were changed from outside."""
        self._look()

    def takes(self, worst: float) -> bool:
        """Reserve an attempt that may cost `worst`, if it fits and nobody waits."""
        fits = not self._waiting and self._refusal(worst) is None
        if fits:
            self.commit(worst)
        return fits

    async def reserve(self, worst: float) -> Refusal | None:
        """Reserve an attempt that may cost `worst` as soon as it fits.  Returns why it never will, if so."""
        if self.takes(worst):
            return None
        waiting = _Waiting(worst, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._look()
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._look()
            elif not waiting.answer.cancelled() and waiting.answer.result() is None:
                self.take_back(worst)
            raise

    def commit(self, worst: float) -> None:
        """Count an attempt that is about to be sent, or is on its way already."""
        self.sent += 1
        self.in_flight += 1
        self.at_risk += worst

    def take_back(self, worst: float) -> None:
        """Uncount an attempt that is not sent after all."""
        self.sent -= 1
        self._land(worst)

    def settle(self, worst: float, cost: float | None) -> None:
        """Count an attempt that ended.  An unknown cost is taken at its worst."""
        self.spent += worst if cost is None else max(0.0, cost)
        self._land(worst)

    def _land(self, worst: float) -> None:
        self.in_flight -= 1
        self.at_risk = self.at_risk - worst if self.in_flight else 0.0  # without what rounding has left
        self._look()

    def _look(self) -> None:
        """Let those go on that need not wait any more, the first in line first."""
        while self._waiting:
            first = self._waiting[0]
            why = self._refusal(first.worst)
            if why is not None and (self.in_flight or self.may_grow):
                return
            self._waiting.popleft()
            if first.answer.done():  # given up in this very moment
                continue
            if why is None:
                self.commit(first.worst)
            first.answer.set_result(why)

    def _refusal(self, worst: float) -> Refusal | None:
        if self.max_requests is not None and self.sent >= self.max_requests:
            return f"the budget of {self.whole_requests or self.max_requests:,} requests is used up"
        if self.max_cost is not None and self.spent + self.at_risk + worst > self.max_cost:
            bound, by = (self.max_cost, "") if self.whole_cost is None else (self.whole_cost, " by this process")
            return (
                f"the next request could break the budget of {dollars(bound)} "
                f"({dollars(self.spent)} spent{by}, up to {dollars(worst)} more)"
            )
        return None


def certain(cost: float | None, attempt: Attempt) -> float | None:
    """The dollars of an attempt if no more can have been billed; None where nobody knows.

    A stream that was cut off has told what it began with, not what it had produced.  A failure of the service is free;
    but a proxy's, which bears no request id, says nothing of what the service did.
    """
    if attempt.ok:
        return cost
    refused = attempt.status is not None and (400 <= attempt.status < 500 or attempt.request_id is not None)
    whole = attempt.batch is not None or attempt.stop_reason is not None
    return cost if whole or (refused and attempt.usage is None) or attempt.usage == Usage() else None
