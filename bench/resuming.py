"""What of a run is done, told to the process that goes on with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bench.engine.surroundings import Surroundings
from bench.results.folder import Ending
from bench.results.record import Attempt, OfPass, Record
from bench.results.sends import Send


def after(around: Surroundings, records: Iterable[Record], unknown: Iterable[Send], ending: Ending) -> Surroundings:
    """The surroundings of a run of which a part is done: recorded and paid for, or sent and perhaps paid for.

    The budget counts the latter as the most that they can have cost, and what had no record too.
    """
    budget, over = around.budget, {note.of_pass: 0.0 for note in ending.passes if note.stopped is None}
    budget.sent += ending.aside.sent
    budget.spent += ending.aside.dollars
    recorded: dict[OfPass, dict[int, Record]] = {}
    for record in records:
        recorded.setdefault(record.of_pass, {})[record.seq] = record
        if record.of_pass in over:
            over[record.of_pass] = max(over[record.of_pass], record.attempts[-1].ended)
        budget.sent += len(record.attempts)
        budget.spent += sum(_most(around.cost(record.model, one), one) for one in record.attempts)
    tried: dict[OfPass, dict[int, tuple[Attempt, ...]]] = {}
    for send in unknown:
        budget.sent += 1
        budget.spent += send.worst or 0.0
        of_pass = tried.setdefault(send.of_pass, {})
        of_pass[send.seq] = (*of_pass.get(send.seq, ()), send.attempt())
    budget.time_used = sum(over.values())
    return replace(around, recorded=recorded, tried=tried)


def _most(cost: float | None, attempt: Attempt) -> float:
    """What an attempt can have cost at most."""
    return attempt.at_most if attempt.at_most is not None else cost or 0.0
