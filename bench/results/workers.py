"""Who sent the requests of a pass that several processes have sent."""

from __future__ import annotations

import msgspec

from bench.results.format import seconds
from bench.results.selfcheck import SelfCheck


class WorkerNote(msgspec.Struct, frozen=True):
    """One of them."""

    worker: int
    """From 0: it had every n-th request, beginning with this one."""
    machine: int
    """Which of the machines, from 0 in the order of the workers."""
    requests: int
    """How many have its record."""
    offset: float
    """Seconds that were added to its clock to have the one that all records are told by."""
    offset_error: float
    """Seconds by which that can be wrong at most."""
    selfcheck: SelfCheck | None = None
    """What it saw of itself."""
    lost: int = 0
    """How often its process was lost and another one has gone on in its place."""
    unknown: int = 0
    """Attempts that were in flight then and may have been billed: they were not sent again."""


def busiest(notes: tuple[WorkerNote, ...]) -> SelfCheck | None:
    """What the process saw of itself that had the most to do: the pass is to be believed as far as that one is."""
    return max((note.selfcheck for note in notes if note.selfcheck is not None), key=_strain, default=None)


def _strain(found: SelfCheck) -> tuple[float, float]:
    return found.lag_p99, found.cpu


def crew(notes: tuple[WorkerNote, ...]) -> str:
    """How many processes, on how many machines."""
    many, machines = len(notes), len({note.machine for note in notes})
    return f"{many} workers on {'one machine' if machines == 1 else f'{machines} machines'}"


def in_words(notes: tuple[WorkerNote, ...], name: str) -> str:
    """Who has sent the pass of this name, and how well their times fit together."""
    apart = max(note.offset_error for note in notes)
    return (
        f"{name} was sent by {crew(notes)}. Their clocks were held against one before it began, and agree within "
        f"{seconds(apart)}. What the client saw of itself is of the worker that had the most to do."
    )
