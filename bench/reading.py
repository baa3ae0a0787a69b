"""Reading a run back: from the records in its folder to its summary, as often as one likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec

from bench.errors import Exit
from bench.results.batch_summary import BatchesByPass, summarize_batches
from bench.results.columns import Columns
from bench.results.cost import by_price
from bench.results.fan_out import FanOut, Take
from bench.results.folder import LoadedRun, RunInfo
from bench.results.question import Question, client_named
from bench.results.slo import Slo
from bench.results.summarize import numbers, summarize, summarize_pass
from bench.results.summary import PassSummary, Summary, ThresholdResult
from bench.results.thresholds import Condition, Op, concerns, evaluate, judge, narrowed
from mock_server.tiers import TIERS, find_tier, limits_for

UNFINISHED = "the run was ended before this pass was"


class _Arrivals(msgspec.Struct, frozen=True):
    kind: str


class _Strategy(msgspec.Struct, frozen=True):
    name: str
    kind: str
    take: Take | None = None


class _FanOut(msgspec.Struct, frozen=True):
    models: tuple[str, ...]


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
    client: str = "sdk"
    transport: str = "aiohttp"
    claim: str | None = None
    volume: float | None = None
    slo: Slo = Slo()
    thresholds: tuple[_Threshold, ...] = ()
    streams: tuple[_Stream, ...] = ()
    fan_out: _FanOut | None = None

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
    asked, questions = _asked(loaded.info)
    rows = [replace(one, fan_out=_fan_out(one, asked[one.case], questions[one.case])) for one in loaded.passes]
    batches = summarize_batches(loaded, questions[None].day)
    passes = [_summarize_pass(one, asked[one.case], questions[one.case], loaded, batches) for one in rows]
    thresholds = evaluate(asked[None].thresholds, passes, rows)
    ending = loaded.ending
    reasons = [(Exit(ending.exit_code), ending.stopped)] if ending.stopped is not None else []
    question, *cases = questions.values()
    return summarize(question, passes, thresholds, reasons, cases, strict=loaded.info.strict, unknown=loaded.unknown)


def judge_of(info: RunInfo) -> Callable[[Condition, Columns], ThresholdResult | None]:
    """How the thresholds of a run are held against what a pass has recorded so far; None where the tags of one leave
    nothing of it."""
    asked, questions = _asked(info)

    def judged(threshold: Condition, columns: Columns) -> ThresholdResult | None:
        if not concerns(threshold, columns):
            return None
        question = questions[columns.case]
        rows = narrowed(threshold, replace(columns, fan_out=_fan_out(columns, asked[columns.case], question)))
        return judge(threshold, rows, numbers(rows, question))

    return judged


def _asked(info: RunInfo) -> tuple[dict[str | None, _Asked], dict[str | None, Question]]:
    """By case, the scenario without regard to cases under None."""
    asked = {case: msgspec.convert(each, _Asked, strict=False) for case, each in _variants(info.scenario)}
    return asked, {case: _question(each, info, case) for case, each in asked.items()}


def _variants(scenario: Mapping[str, Any]) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """A resolved scenario, and as each of its cases has it; None is what a case does without."""
    yield None, dict(scenario)
    for case, changes in scenario.get("cases", {}).items():
        yield case, {key: value for key, value in {**scenario, **changes}.items() if value is not None}


def _question(asked: _Asked, run: RunInfo, case: str | None) -> Question:
    info = run if case is None else run.cases[case]
    real = asked.target != "sim"
    return Question(
        name=asked.name,
        question=asked.question,
        claim=asked.claim,
        case=case,
        model=asked.model,
        target=asked.target,
        tier=asked.tier,
        tier_as_of=info.tier_as_of,
        day=date.fromisoformat(run.started_at[:10]),
        seed=asked.seed,
        client=client_named(asked.target, asked.client, asked.transport),
        speed=asked.speed,
        own_times=asked.own_times,
        streams=asked.by_urgency,
        slo=asked.slo,
        limits=info.limits or limits_for(asked.tier, asked.model)._asdict(),
        pools=info.pools,
        volume=asked.volume,
        spend_cap=TIERS[asked.tier].spend_cap_usd if asked.tier in TIERS else None,
        ceiling=run.ceilings.get(asked.client) if real else None,
        lighter=run.ceilings.get("wire") if real and asked.client != "wire" else None,
    )


def _fan_out(columns: Columns, asked: _Asked, question: Question) -> FanOut | None:
    """Who was asked each prompt in a pass, and which answers were taken."""
    takes = {strategy.name: strategy.take for strategy in asked.strategies}
    take = takes[columns.strategy]
    if asked.fan_out is None or take is None:
        return None
    return FanOut(by_price(asked.fan_out.models, question.day), take, asked.slo)


def _summarize_pass(
    columns: Columns, asked: _Asked, question: Question, loaded: LoadedRun, batches: BatchesByPass
) -> PassSummary:
    kinds = {strategy.name: strategy.kind for strategy in asked.strategies}
    notes = {note.of_pass: note for note in loaded.ending.passes}
    note = notes.get(columns.of_pass)
    return summarize_pass(
        columns,
        question,
        kind=kinds[columns.strategy],
        overhead=note.overhead if note else None,
        stopped=note.stopped if note else UNFINISHED,
        batches=batches.get(columns.of_pass, ()),
        selfcheck=note.selfcheck if note else None,
        workers=note.workers if note else (),
    )


def tier_date(tier: str) -> str:
    """When the tier's numbers were true, as an ISO date."""
    return find_tier(tier).as_of.isoformat()
