"""What of a pass one process sends: all of it, or a stripe beside others who send the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bench.clock import Clock
from bench.engine.lanes import entries_of
from bench.scenario.model import Scenario, Strategy
from bench.strategies.admission import Admission
from bench.targets.target import Session
from bench.workload.stripe import WHOLE, Stripe


async def alone(session: Session, clock: Clock, resumed_at: float) -> None:
    """Begin with full limits, now: at second 0, or at that to which an earlier process came."""
    await session.reset()
    clock.restart(resumed_at)


@dataclass(frozen=True, slots=True)
class Part:
    """What is sent, what lets it through, and when it begins."""

    stripe: Stripe = WHOLE
    entries: Callable[[Scenario, Strategy, Clock], Mapping[str, Admission]] = entries_of
    """What lets the requests of each model through."""
    begin: Callable[[Session, Clock, float], Awaitable[None]] = alone
    """Called when everything is ready: returns at second 0, or a little before it."""


ALL = Part()
