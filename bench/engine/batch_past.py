"""What an earlier process has left of a pass that uses batches, told from its events.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.results.batches import Began, Cancelled, Created, Ended, Event, Intended, Lost, Withdrawn, seqs_of
from bench.results.record import OfPass


@dataclass(slots=True)
class Known:
    """A batch that was intended and not withdrawn.  Without an id nobody knows whether it exists."""

    intended: Intended
    id: str | None = None
    sent: float = 0.0
    cancelled: str | None = None
    ended: bool = False

    @property
    def number(self) -> int:
        """Its number in the pass."""
        return self.intended.number

    def seqs(self) -> Iterable[int]:
        """Which requests it has."""
        return seqs_of(self.intended.seqs)


@dataclass(slots=True)
class Past:
    """A pass as its events tell it."""

    began: float | None = None
    """Unix time of second 0; None if it has not begun."""
    batches: dict[int, Known] = field(default_factory=dict)
    """By number, in the order in which they were intended."""
    next: int = 0
    """The first number that is free."""

    def latest(self) -> dict[int, int]:
        """The last batch of each request that is in one."""
        return {seq: known.number for known in self.batches.values() for seq in known.seqs()}


def past_of(events: Iterable[Event], of_pass: OfPass) -> Past:
    """What became of the batches of one pass so far."""
    past = Past()
    for event in events:
        if event.of_pass != of_pass:
            continue
        match event:
            case Began(unix=unix):
                past.began = unix
            case Intended(number=number):
                past.batches[number] = Known(event)
                past.next = max(past.next, number + 1)
            case Withdrawn(number=number):
                del past.batches[number]
            case Created(number=number, id=id, sent=sent):
                past.batches[number].id, past.batches[number].sent = id, sent
            case Cancelled(number=number, why=why):
                past.batches[number].cancelled = why
            case Ended(number=number) | Lost(number=number):
                past.batches[number].ended = True
    return past
