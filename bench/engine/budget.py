"""The budget guard: nothing is sent that could break the budget, even if all in flight cost the most they can."""

from __future__ import annotations

from dataclasses import dataclass

from bench.results.format import dollars


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
    sent: int = 0
    time_used: float = 0.0
    """Scenario seconds of the passes that have ended."""

    @property
    def time_left(self) -> float | None:
        """Scenario seconds the pass that begins now may take."""
        return None if self.max_time is None else max(0.0, self.max_time - self.time_used)

    def refuses(self, worst: float) -> str | None:
        """Why an attempt that may cost `worst` must not be sent; None when it may."""
        if self.max_requests is not None and self.sent >= self.max_requests:
            return f"the budget of {self.max_requests:,} requests is used up"
        if self.max_cost is not None and self.spent + self.at_risk + worst > self.max_cost:
            return (
                f"the next request could break the budget of {dollars(self.max_cost)} ({dollars(self.spent)} spent, "
                f"{dollars(self.at_risk)} at risk in flight, up to {dollars(worst)} more)"
            )
        return None

    def reserve(self, worst: float) -> None:
        """Count an attempt about to be sent."""
        self.sent += 1
        self.at_risk += worst

    def take_back(self, worst: float) -> None:
        """Uncount an attempt that is not sent after all."""
        self.sent -= 1
        self.at_risk -= worst

    def settle(self, worst: float, cost: float | None) -> None:
        """Count an attempt that ended.  An unknown cost is taken at its worst."""
        self.at_risk -= worst
        self.spent += worst if cost is None else cost
