"""Reading a run back: from the records in its folder to its summary, as often as one likes."""

from __future__ import annotations

from datetime import date

import msgspec

from bench.errors import Exit
from bench.results.batch_summary import BatchesByPass, summarize_batches
from bench.results.columns import Columns
from bench.results.folder import LoadedRun
from bench.results.metrics import Slo
from bench.results.question import Question
from bench.results.summarize import summarize, summarize_pass
from bench.results.summary import PassSummary, Summary
from bench.results.thresholds import Op, evaluate
from mock_server.tiers import find_tier, limits_for

UNFINISHED = "the run was ended before this pass was"


class _Arrivals(msgspec.Struct, frozen=True):
    kind: str


class _Strategy(msgspec.Struct, frozen=True):
    name: str
    kind: str


class _Stream(msgspec.Struct, frozen=True):
    name: str
    priority: int = 0
    arrivals: _Arrivals | None = None


class _Threshold(msgspec.Struct, frozen=True):
    metric: str
    expression: str
    aggregate: str
    op: Op
    value: float


class _Asked(msgspec.Struct, frozen=True):
    """The part of a resolved scenario that its results are read by."""

    name: str
    question: str
    model: str
    target: str
    tier: str
    seed: int
    speed: float
    arrivals: _Arrivals
    strategies: tuple[_Strategy, ...]
    claim: str | None = None
    slo: Slo = Slo()
    thresholds: tuple[_Threshold, ...] = ()
    streams: tuple[_Stream, ...] = ()

    @property
    def own_times(self) -> bool:
        """Whether requests come at times of their own."""
        return any(one.kind != "backlog" for one in (self.arrivals, *(s.arrivals for s in self.streams)) if one)

    @property
    def by_urgency(self) -> tuple[str, ...]:
        """The streams, the highest priority first, and among equals in the order of the file."""
        return tuple(one.name for one in sorted(self.streams, key=lambda stream: -stream.priority))


def summarize_run(loaded: LoadedRun) -> Summary:
    """The summary of a run that was finished, stopped or killed."""
    asked = msgspec.convert(loaded.info.scenario, _Asked, strict=False)
    question = _question(asked, loaded)
    batches = summarize_batches(loaded, question.day)
    passes = [_summarize_pass(columns, asked, question, loaded, batches) for columns in loaded.passes]
    thresholds = evaluate(asked.thresholds, passes, loaded.passes)
    ending = loaded.ending
    reasons = [(Exit(ending.exit_code), ending.stopped)] if ending.stopped is not None else []
    return summarize(question, passes, thresholds, reasons)


def _question(asked: _Asked, loaded: LoadedRun) -> Question:
    return Question(
        name=asked.name,
        question=asked.question,
        claim=asked.claim,
        model=asked.model,
        target=asked.target,
        tier=asked.tier,
        tier_as_of=loaded.info.tier_as_of,
        day=date.fromisoformat(loaded.info.started_at[:10]),
        seed=asked.seed,
        speed=asked.speed,
        own_times=asked.own_times,
        streams=asked.by_urgency,
        slo=asked.slo,
        limits=loaded.info.limits or limits_for(asked.tier, asked.model)._asdict(),
    )


def _summarize_pass(
    columns: Columns, asked: _Asked, question: Question, loaded: LoadedRun, batches: BatchesByPass
) -> PassSummary:
    kinds = {strategy.name: strategy.kind for strategy in asked.strategies}
    notes = {(note.strategy, note.pass_): note for note in loaded.ending.passes}
    note = notes.get((columns.strategy, columns.pass_))
    return summarize_pass(
        columns,
        question,
        kind=kinds[columns.strategy],
        overhead=note.overhead if note else None,
        stopped=note.stopped if note else UNFINISHED,
        batches=batches.get((columns.strategy, columns.pass_), ()),
    )


def tier_date(tier: str) -> str:
    """When the tier's numbers were true, as an ISO date."""
    return find_tier(tier).as_of.isoformat()
