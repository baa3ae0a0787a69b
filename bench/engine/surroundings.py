"""What the passes of a run have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.engine.budget import BudgetGuard
from bench.engine.observe import Observer
from bench.engine.stop import Stop
from bench.request import RequestSpec
from bench.results.batches import BatchLog
from bench.results.record import Attempt, OfPass, Record
from bench.results.texts import Texts


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pass works with and shares with the other passes of its run."""

    journal: Callable[[Record], None]
    """Keeps each record as its request ends."""
    observer: Observer
    budget: BudgetGuard
    stop: Stop
    cost: Callable[[str, Attempt], float | None]
    """Dollars an attempt cost, by model; None when unknown."""
    worst_case: Callable[[RequestSpec], float]
    """The most dollars an attempt can cost; 0 where no budget asks for it."""
    worst_in_batch: Callable[[RequestSpec], float] = lambda _spec: 0.0
    """The same inside a message batch."""
    batches: BatchLog | None = None
    """Keeps what happens to message batches."""
    sending: Callable[[OfPass, RequestSpec, int, float], None] | None = None
    """Told of each attempt before it is sent: its pass and request, the how-manieth it is, and when."""
    aside: Callable[[int, float], None] = lambda _sent, _dollars: None
    """Told of what has no record of its own, in attempts and dollars, before it is sent and again when its cost is
    known."""
    texts: Texts | None = None
    """Keeps prompts and answers, where that was asked for."""
    recorded: Mapping[OfPass, Mapping[int, Record]] = field(default_factory=dict)
    """What an earlier process has recorded, by pass and request."""
    tried: Mapping[OfPass, Mapping[int, tuple[Attempt, ...]]] = field(default_factory=dict)
    """Attempts that an earlier process has sent for requests that it has not recorded."""
