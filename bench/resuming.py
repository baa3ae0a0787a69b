"""What of a run is done, told to the process that goes on with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bench.engine.surroundings import Surroundings
from bench.results.record import Attempt, OfPass, Record
from bench.results.sends import Send


def after(around: Surroundings, records: Iterable[Record], unknown: Iterable[Send]) -> Surroundings:
    """The surroundings of a run of which a part is done: recorded and paid for, or sent and perhaps paid for.

    The budget counts the latter as the most that they can have cost.
    """
    recorded: dict[OfPass, dict[int, Record]] = {}
    for record in records:
        recorded.setdefault(record.of_pass, {})[record.seq] = record
        around.budget.sent += len(record.attempts)
        around.budget.spent += sum(_most(around.cost(record.model, one), one) for one in record.attempts)
    tried: dict[OfPass, dict[int, tuple[Attempt, ...]]] = {}
    for send in unknown:
        around.budget.sent += 1
        around.budget.spent += send.worst or 0.0
        of_pass = tried.setdefault(send.of_pass, {})
        of_pass[send.seq] = (*of_pass.get(send.seq, ()), send.attempt())
    return replace(around, recorded=recorded, tried=tried)


def _most(cost: float | None, attempt: Attempt) -> float:
    """What an attempt can have cost at most."""
    return attempt.at_most if attempt.at_most is not None else cost or 0.0
