"""What became of each message batch, from its events and the records of its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from bench.results.batches import Collected, Created, Event, Intended
from bench.results.cost import prices_of
from bench.results.folder import RECORDS, LoadedRun
from bench.results.record import Attempt, OfPass, read_records
from bench.results.summary import BatchSummary

BatchesByPass: TypeAlias = dict[OfPass, tuple[BatchSummary, ...]]

_KINDS = {None: "succeeded", "expired": "expired", "cancelled": "canceled", "deadline": "canceled", "lost": ""}
"""What the API calls a result that has this cause; any other is an error."""


@dataclass(slots=True)
class _Batch:
    id: str
    items: int
    submitted: float
    ended: float | None = None
    results: Counter[str] = field(default_factory=Counter)
    cost: float | None = 0.0

    def add(self, model: str, attempt: Attempt, day: date) -> None:
        self.results[_KINDS.get(attempt.cause, "errored")] += 1
        if attempt.usage is not None and self.cost is not None:
            prices = prices_of(model, day, batched=True)
            self.cost = None if prices is None else self.cost + prices.of(attempt.usage)

    def summary(self) -> BatchSummary:
        found = self.results
        return BatchSummary(
            id=self.id,
            items=self.items,
            submitted=self.submitted,
            ended=self.ended,
            succeeded=found["succeeded"],
            errored=found["errored"],
            expired=found["expired"],
            canceled=found["canceled"],
            cost=self.cost,
        )


def summarize_batches(loaded: LoadedRun, day: date) -> BatchesByPass:
    """The batches of a run, pass by pass, in the order in which they were submitted.

    Reads the records once more, because columns do not say which batch; runs without batches are spared that.
    """
    batches = _from_events(loaded.batches)
    if batches:
        for record in read_records(loaded.folder / RECORDS):
            of_pass = batches.get(record.of_pass, {})
            for attempt in record.attempts:
                if attempt.batch in of_pass:
                    of_pass[attempt.batch].add(record.model, attempt, day)
    return {key: tuple(batch.summary() for batch in own.values()) for key, own in batches.items()}


def _from_events(events: Iterable[Event]) -> dict[OfPass, dict[str, _Batch]]:
    """The batches that were created, by pass and id."""
    counts: dict[tuple[OfPass, int], int] = {}
    numbered: dict[tuple[OfPass, int], _Batch] = {}
    found: dict[OfPass, dict[str, _Batch]] = {}
    for event in events:
        match event:
            case Intended(of_pass=of_pass, number=number, count=count):
                counts[of_pass, number] = count
            case Created(of_pass=of_pass, number=number, id=id, sent=sent):
                batch = _Batch(id, counts[of_pass, number], sent)
                numbered[of_pass, number] = found.setdefault(of_pass, {})[id] = batch
            case Collected(of_pass=of_pass, number=number, at=at):
                numbered[of_pass, number].ended = at
    return found
