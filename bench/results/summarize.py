"""From columns to summary: the metric table applied to each pass, and what the whole run comes to."""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec
import numpy as np

from bench.errors import PRECEDENCE, Exit
from bench.results.alternatives import alternatives
from bench.results.answer import answer, verdict
from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES, Columns, Floats, Ints
from bench.results.conversations import turns
from bench.results.cost import cost_of, prices_as_of
from bench.results.fan_out import FanOut, Prompts, prompts
from bench.results.format import pass_name
from bench.results.health import GRAVE, VALIDITY, no_end_on_record, pass_warnings, run_warnings
from bench.results.limits import Pool, limit_use
from bench.results.metrics import DISTRIBUTIONS, SCALARS, PassFacts
from bench.results.observation import observation_of
from bench.results.question import Question
from bench.results.selfcheck import SelfCheck
from bench.results.sends import Send
from bench.results.statistics import distribution
from bench.results.summary import (
    SCHEMA_VERSION,
    BatchSummary,
    CaseSummary,
    Distribution,
    FanOutSummary,
    Member,
    ModelSummary,
    Monthly,
    Overhead,
    PassSummary,
    StreamSummary,
    Summary,
    ThresholdResult,
)
from bench.results.thresholds import failed
from bench.results.waste import waste_of
from bench.results.workers import WorkerNote


def summarize_pass(
    columns: Columns,
    question: Question,
    *,
    kind: str,
    overhead: Overhead | None = None,
    stopped: str | None = None,
    batches: tuple[BatchSummary, ...] = (),
    selfcheck: SelfCheck | None = None,
    workers: tuple[WorkerNote, ...] = (),
) -> PassSummary:
    """One pass in numbers.  `kind` is the strategy's kind; `stopped` says in words why the pass ended early."""
    facts = _facts(columns, question)
    summary = PassSummary(
        strategy=columns.strategy,
        kind=kind,
        pass_=columns.pass_,
        values=_values(facts),
        distributions=_distributions(facts),
        failures=_by_cause(columns.requests.cause),
        attempts=_by_cause(columns.attempts.cause),
        cost=facts.cost,
        limits=facts.limits,
        overhead=overhead,
        stopped=stopped,
        streams=tuple(_stream(name, columns, question) for name in _streams(columns, question)),
        turns=turns(columns, question.day),
        case=columns.case,
        models=tuple(_model(name, columns, question) for name in _models(columns)),
        fan_out=None if columns.fan_out is None else _fan_out(prompts(columns), columns.fan_out),
        alternatives=alternatives(columns, question.day),
        monthly=_monthly(facts, question),
        batches=batches,
        observation=observation_of(columns),
        selfcheck=selfcheck,
        workers=workers,
    )
    return msgspec.structs.replace(summary, warnings=pass_warnings(columns, question, summary))


def _facts(columns: Columns, question: Question, pools: Sequence[Pool] | None = None) -> PassFacts:
    """`pools` are the limits that count; left out, all those of the question."""
    return PassFacts(
        columns,
        question.slo,
        cost_of(columns, question.day),
        limit_use(columns, question.limit_pools if pools is None else pools),
        waste_of(columns, question.day),
    )


MONTH = 365.25 / 12 * 86_400
"""Seconds."""


def _monthly(facts: PassFacts, question: Question) -> Monthly | None:
    if question.volume is None:
        return None
    requests, succeeded = question.volume * MONTH, int(facts.columns.requests.ok.sum())
    cost = None if facts.cost.total is None or not succeeded else facts.cost.total / succeeded * requests
    return Monthly(requests, cost, question.spend_cap)


def numbers(columns: Columns, question: Question) -> dict[str, float | None]:
    """Every single number of some requests of a pass, by metric."""
    pools = [pool for pool in question.limit_pools if columns.asked & {*pool.models}]
    return _values(_facts(columns, question, pools))


def _values(facts: PassFacts) -> dict[str, float | None]:
    return {metric.name: metric.compute(facts) for metric in SCALARS}


def _distributions(facts: PassFacts) -> dict[str, Distribution]:
    return {metric.name: distribution(metric.compute(facts)) for metric in DISTRIBUTIONS}


def _streams(columns: Columns, question: Question) -> list[str]:
    """The streams there are requests of: those of the scenario in its order, then those that only a trace names."""
    return [
        *(name for name in question.streams if name in columns.streams),
        *sorted({*columns.streams} - {*question.streams}),
    ]


def _stream(name: str, columns: Columns, question: Question) -> StreamSummary:
    facts = _facts(columns.of_stream(name), question)
    return StreamSummary(name, _values(facts), _distributions(facts))


def _models(columns: Columns) -> tuple[str, ...]:
    """The models that were asked, where there are several: by price, or in the order in which they answered."""
    names = columns.models if columns.fan_out is None else columns.fan_out.models
    return names if len(columns.models) > 1 else ()


def _model(name: str, columns: Columns, question: Question) -> ModelSummary:
    facts = _facts(columns.of_models([name]), question, [question.pool_of(name)])
    return ModelSummary(name, _values(facts), _distributions(facts), facts.cost)


def _fan_out(asked: Prompts, fan_out: FanOut) -> FanOutSummary:
    return FanOutSummary(
        take=fan_out.take,
        prompts=len(asked.answered),
        answered=int(asked.answered.sum()),
        members=tuple(_member(place, name, asked, fan_out) for place, name in enumerate(fan_out.models)),
    )


def _member(place: int, name: str, asked: Prompts, fan_out: FanOut) -> Member:
    taken = int((asked.taken[:, place] & asked.answered).sum())
    if fan_out.take != "all" or not asked.answered.any():
        return Member(name, taken, None, None)
    last = asked.answered & (asked.last == place)
    return Member(name, taken, int(last.sum()), float(asked.ahead[last].sum() / asked.answered.sum()))


def summarize(
    question: Question,
    passes: Sequence[PassSummary],
    thresholds: Sequence[ThresholdResult] = (),
    reasons: Sequence[tuple[Exit, str]] = (),
    cases: Sequence[Question] = (),
    *,
    strict: bool = False,
    unknown: Sequence[Send] = (),
) -> Summary:
    """A whole run.  `reasons` are the engine's own for not ending with 0, such as a budget that was reached; `cases`
    is what was asked in each case of a scenario that has some; `strict` fails what cannot be told or believed;
    `unknown` are attempts whose end is not on record."""
    parts = [(each, [one for one in passes if one.case == each.case]) for each in cases] or [(question, [*passes])]
    every = [*reasons, *_nothing_measured(passes), *_warned(passes, GRAVE), *_failed_thresholds(thresholds)]
    if strict:
        every += [*_warned(passes, VALIDITY), *_not_told(thresholds)]
    return Summary(
        schema_version=SCHEMA_VERSION,
        name=question.name,
        question=question.question,
        claim=question.claim,
        model=question.model,
        target=question.target,
        tier=question.tier,
        tier_as_of=question.tier_as_of,
        seed=question.seed,
        speed=question.speed,
        prices_as_of=prices_as_of() if any(one.cost.total is not None for one in passes) else None,
        answer="\n".join(f"{each.case}: {verdict(each, own)}" for each, own in parts) if cases else answer(*parts[0]),
        passes=tuple(passes),
        thresholds=tuple(thresholds),
        warnings=(
            *no_end_on_record(unknown),
            *dict.fromkeys(warning for each, own in parts for warning in run_warnings(each, own)),
        ),
        reasons=tuple(text for _, text in every),
        exit_code=min((code for code, _ in every), key=PRECEDENCE.index, default=Exit.OK),
        cases=tuple(_case(each, own) for each, own in parts if each.case is not None),
        client=question.client,
    )


def _case(question: Question, passes: Sequence[PassSummary]) -> CaseSummary:
    return CaseSummary(
        name=question.case or "",
        model=question.model,
        tier=question.tier,
        tier_as_of=question.tier_as_of,
        answer=answer(question, passes),
        client=question.client,
    )


def overhead(recorded: Floats, server: Floats) -> Overhead | None:
    """What the client added, from its own latencies and the server's for the same requests; None without any."""
    if not len(recorded):
        return None
    added = recorded - server
    return Overhead(
        n=len(recorded),
        median=float(np.median(added)),
        p95=float(np.quantile(added, 0.95)),
        client_median=float(np.median(recorded)),
        server_median=float(np.median(server)),
    )


def _by_cause(causes: Ints) -> dict[str, int]:
    """How often each cause of failure occurred, in the order of the table of causes."""
    counts = np.bincount(causes[causes >= 0], minlength=len(CAUSE_NAMES))
    return {name: int(n) for name, n in zip(CAUSE_NAMES, counts, strict=True) if n and not CAUSES[name].unneeded}


def _nothing_measured(passes: Sequence[PassSummary]) -> list[tuple[Exit, str]]:
    if any(one.values["succeeded"] for one in passes):
        return []
    return [(Exit.NOT_VALID, "nothing was measured: no request succeeded")]


def _failed_thresholds(thresholds: Sequence[ThresholdResult]) -> list[tuple[Exit, str]]:
    return [(Exit.THRESHOLDS, f"{_held(one)}: {one.verdict}") for one in thresholds if failed(one)]


def _not_told(thresholds: Sequence[ThresholdResult]) -> list[tuple[Exit, str]]:
    unsure = (one for one in thresholds if one.verdict == "inconclusive")
    return [(Exit.INCONCLUSIVE, f"{_held(one)}: {one.verdict}, {one.detail}") for one in unsure]


def _held(result: ThresholdResult) -> str:
    return f"{pass_name(result.strategy, result.pass_, result.case)}: {result.metric} {result.expression}"


def _warned(passes: Sequence[PassSummary], codes: Container[str]) -> list[tuple[Exit, str]]:
    return [
        (Exit.NOT_VALID, f"{pass_name(one.strategy, one.pass_, one.case)}: {warning.observed}")
        for one in passes
        for warning in one.warnings
        if warning.code in codes
    ]
