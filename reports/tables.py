"""The tables of the page: strategies side by side, every metric, the use of the limits.

Cases stand one below the other, and what is best is best within its case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec

from bench.results.causes import CAUSES
from bench.results.format import DASH, count, number, text
from bench.results.intervals import Interval
from bench.results.metrics import DISTRIBUTIONS, METRICS
from bench.results.summary import LimitUse, PassSummary, Quantile
from reports.passes import Pass, by_case, models_of
from reports.repeats import Repeated, over_runs
from reports.words import column_text, interval

SAME = 0.01
"""Single numbers within this share of each other are not told apart."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a figure draws, in numbers.  The first column names the row."""

    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One number in a table, perhaps with its interval below and a bar."""

    value: str
    small: str = ""
    best: bool = False
    bar: float | None = None
    """Per cent of the bar's full width."""
    over: bool = False
    """Whether the value is beyond what the bar can show."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pass in a table."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Part:
    """The passes of one case, or all where there are no cases."""

    case: str | None
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Column:
    """A number of each pass: a metric, and for a distribution which percentile."""

    heading: str
    metric: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Columns under one heading; without a title they stand alone."""

    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All passes side by side."""

    label: str
    groups: tuple[Group, ...]
    parts: list[Part]
    note: str


def _quantiles(metric: str) -> tuple[Column, ...]:
    return tuple(Column(part, metric, part) for part in ("p50", "p95", "p99"))


MAIN = (
    Group("", (Column("wall clock", "makespan"), Column("per minute", "throughput"))),
    Group("latency, from the last send", _quantiles("latency")),
    Group("response time, waiting included", _quantiles("response_time")),
    Group(
        "",
        (
            Column("429s", "rate_limited"),
            Column("failed", "failed"),
            Column("cost", "cost"),
            Column("cost per success", "cost_per_success"),
        ),
    ),
)
STREAM = (
    Group("first token (TTFT)", _quantiles("ttft")),
    Group("first text", _quantiles("first_text")),
    Group("per token after the first (TPOT)", _quantiles("tpot")),
    Group("", (Column("output tokens/s", "output_tokens_per_second"),)),
)
GOODPUT = (
    Group("", (Column("within the SLO, per minute", "goodput"), Column("share within the SLO", "goodput_share"))),
)

CACHING = (
    Group(
        "",
        (
            Column("read from cache", "cache_hit_share"),
            Column("spent on writes", "cache_write_cost"),
            Column("saved by caching", "cache_saving"),
            Column("cost", "cost"),
        ),
    ),
    Group("first token (TTFT), cold", _quantiles("ttft_cold")),
    Group("first token (TTFT), warm", _quantiles("ttft_warm")),
)
CONVERSATIONS = (
    Group("", (Column("conversations", "conversations"), Column("completed", "conversations_completed"))),
    Group("turn, from what was said to its answer", _quantiles("turn_time")),
    Group("conversation, from its beginning to its end", _quantiles("conversation_time")),
    Group("", (Column("read from cache", "cache_hit_share"), Column("cost of each", "cost_per_conversation"))),
)

ONE_STREAM = (
    Group("", (Column("requests", "requests"), Column("per minute", "throughput"))),
    Group("latency, from the last send", _quantiles("latency")),
    Group("response time, waiting included", _quantiles("response_time")),
    Group("first token (TTFT)", _quantiles("ttft")),
    Group(
        "",
        (Column("429s", "rate_limited"), Column("failed", "failed"), Column("cost per success", "cost_per_success")),
    ),
)

ONE_MODEL = (
    *ONE_STREAM[:-1],
    Group("", (Column("not needed", "unneeded"), *ONE_STREAM[-1].columns[:2], Column("cost", "cost"))),
)

OVER_NOTE = (
    "Each number is what a run of the strategy typically comes to, the geometric mean of {runs}. Below it its 95 % "
    "interval over the runs (Student's t of the logarithms), which the next such set of runs should be held against; "
    "that within a run stands below. ★ marks the best of a column among the strategies that failed at most 1 % of "
    "their requests, where its interval touches no other. A dash: not known in every run, or too few samples."
)

MAIN_NOTE = (
    "Below each percentile its 95 % interval within this run. ★ marks the best of a column among the strategies that "
    "failed at most 1 % of their requests, where its interval touches no other. A dash: not known, or too few samples."
)

CACHING_NOTE = (
    "A request is warm when it read some of its prompt from the cache, cold when it had to write all of it. Saved: "
    "what the same tokens would have cost without caching, less what they cost."
)


def comparisons(passes: Sequence[Pass]) -> list[Comparison]:
    """The main table; one for streams and one for the SLO where there is something to show."""
    runs = max(Counter((one.summary.case, one.summary.strategy) for one in passes).values(), default=1)
    note = OVER_NOTE.format(runs=count(runs, "run")) if runs > 1 else MAIN_NOTE
    tables = [_comparison("Strategies side by side", MAIN, passes, note)]
    tables += [_of_stream(name, passes) for name in _stream_names(passes)]
    tables += [_of_model(name, passes) for name in _model_names(passes)]
    if any(one.summary.distributions["ttft"].n for one in passes):
        tables.append(_comparison("The stream", STREAM, passes, "From the last send, requests that succeeded."))
    if any(one.summary.values["conversations"] is not None for one in passes):
        tables.append(_comparison("Conversations", CONVERSATIONS, passes, "All turns of all conversations."))
    if any(one.summary.values["cache_hit_share"] is not None for one in passes):
        tables.append(_comparison("Prompt caching", CACHING, passes, CACHING_NOTE))
    if any(one.summary.values["goodput"] is not None for one in passes):
        tables.append(_comparison("Goodput", GOODPUT, passes, "Requests that met every part of the scenario's SLO."))
    return tables


def _stream_names(passes: Sequence[Pass]) -> list[str]:
    return list(dict.fromkeys(stream.name for one in passes for stream in one.summary.streams))


def _of_stream(name: str, passes: Sequence[Pass]) -> Comparison:
    """The passes as one stream of traffic met them."""
    met = [replace(one, summary=_as_met(one.summary, name)) for one in passes if _has(one.summary, name)]
    return _comparison(f"Stream: {name}", ONE_STREAM, met, f"Requests of the stream {name} alone.")


def _model_names(passes: Sequence[Pass]) -> list[str]:
    return list(dict.fromkeys(model.name for one in passes for model in models_of(one.summary)))


def _of_model(name: str, passes: Sequence[Pass]) -> Comparison:
    """The passes as one of several models met them."""
    met = [
        replace(one, summary=msgspec.structs.replace(one.summary, values=own.values, distributions=own.distributions))
        for one in passes
        for own in one.summary.models
        if own.name == name
    ]
    return _comparison(f"Model: {name}", ONE_MODEL, met, f"Requests to {name} alone.")


def _has(summary: PassSummary, stream: str) -> bool:
    return any(one.name == stream for one in summary.streams)


def _as_met(summary: PassSummary, stream: str) -> PassSummary:
    [own] = [one for one in summary.streams if one.name == stream]
    return msgspec.structs.replace(summary, values=own.values, distributions=own.distributions)


def each_run(passes: Sequence[Pass]) -> Comparison | None:
    """Every run of every strategy; None where none was repeated."""
    if not any(one.summary.pass_ for one in passes):
        return None
    parts = [
        Part(case, [Row(one.name, [_alone(one, column) for group in MAIN for column in group.columns]) for one in own])
        for case, own in by_case(passes)
    ]
    return Comparison("Each run by itself", MAIN, parts, "Below each percentile its 95 % interval within that run.")


def _alone(one: Pass, column: Column) -> Cell:
    unit, found = METRICS[column.metric].unit, _found(one.summary, column)
    return Cell(column_text(found.value, unit), _bounds(found, unit) if column.part else "")


def _comparison(label: str, groups: tuple[Group, ...], passes: Sequence[Pass], note: str) -> Comparison:
    """A row for each strategy; of what was repeated, what a run comes to."""
    parts = [Part(case, _rows(groups, _strategies(own))) for case, own in by_case(passes)]
    return Comparison(label, groups, parts, note)


def _strategies(passes: Sequence[Pass]) -> list[tuple[Pass, Repeated]]:
    by_strategy = {one.summary.strategy: one for one in reversed(passes)}
    together = over_runs([one.summary for one in passes])
    return [(replace(by_strategy[one.summary.strategy], summary=one.summary), one) for one in together]


def _rows(groups: tuple[Group, ...], passes: Sequence[tuple[Pass, Repeated]]) -> list[Row]:
    columns = [_column_cells(column, passes) for group in groups for column in group.columns]
    return [Row(one.name, [cells[place] for cells in columns]) for place, (one, _) in enumerate(passes)]


def _column_cells(column: Column, passes: Sequence[tuple[Pass, Repeated]]) -> list[Cell]:
    metric = METRICS[column.metric]
    found = [_found(one.summary, column, one.spread) for _, one in passes]
    best = _best([one for one, (run, _) in zip(found, passes, strict=True) if run.sound], metric.better)
    longest = max((one.value for one in found if one.value is not None), default=0.0)
    several = any(repeated.runs > 1 for _, repeated in passes)
    return [
        Cell(
            column_text(one.value, metric.unit),
            _bounds(one, metric.unit) if repeated.runs > 1 or (column.part and not several) else "",
            one.value is not None and one.value == best,
            round(100 * one.value / longest, 1)
            if column.metric == "makespan" and one.value is not None and longest
            else None,
        )
        for one, (_, repeated) in zip(found, passes, strict=True)
    ]


def _found(one: PassSummary, column: Column, spread: Mapping[str, Interval] = MappingProxyType({})) -> Quantile:
    """The number with its interval; a single number of one run gets one as wide as what is not told apart."""
    if column.part:
        quantile: Quantile = getattr(one.distributions[column.metric], column.part)
        return quantile
    value = one.values[column.metric]
    if value is None:
        return Quantile(None, None, None, 0)
    if (over := spread.get(column.metric)) is not None:
        return Quantile(value, over.lo, over.hi, 0)
    return Quantile(value, value - abs(value) * SAME / 2, value + abs(value) * SAME / 2, 0)


def _bounds(quantile: Quantile, unit: str) -> str:
    """The interval, or how many samples it needs; nothing of a number that was the same in every run."""
    if quantile.value is None:
        return interval(quantile, unit) if quantile.needed else ""
    shown = interval(quantile, unit)
    alike = not quantile.needed and quantile.lo == quantile.hi
    return "" if alike else shown.replace(" ", "\u00a0").replace(f"\u00a0{DASH}\u00a0", f" {DASH} ")


def _best(found: Sequence[Quantile], better: str | None) -> float | None:
    """The best value, if its interval touches no other; None where the best cannot be told from the next."""
    known = [
        (one.value, one.lo, one.hi)
        for one in found
        if one.value is not None and one.lo is not None and one.hi is not None
    ]
    if better is None or len(known) < 2:
        return None
    ordered = sorted(known, reverse=better == "higher")
    (best, low, high), others = ordered[0], ordered[1:]
    apart = all(high < lo for _, lo, _ in others) if better == "lower" else all(low > hi for _, _, hi in others)
    return best if apart else None


def everything(passes: Sequence[Pass]) -> Table:
    """Each metric that is known a row, each pass a column; of distributions the median and the p95."""
    rows = []
    for name, metric in METRICS.items():
        if metric in DISTRIBUTIONS:
            for part in ("p50", "p95"):
                values = [getattr(one.summary.distributions[name], part).value for one in passes]
                rows.append((f"{metric.title} {part}", *(text(value, metric.unit) for value in values)))
        else:
            rows.append((metric.title, *(text(one.summary.values[name], metric.unit) for one in passes)))
    known = [row for row in rows if {*row[1:]} != {DASH}]
    return Table(("metric", *(one.name for one in passes)), known)


LIMITERS = {"requests": "requests", "input_tokens": "input tokens", "output_tokens": "output tokens"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each limit each pass used; the title says which binds."""

    title: str
    headings: tuple[str, ...]
    parts: list[Part]
    note: str


def limits(passes: Sequence[Pass]) -> Limits:
    """Use of the three limits, and the 429s by the limit that said no."""
    return Limits(
        _limits_finding(passes),
        (*LIMITERS.values(), "429s, by the limit that said no"),
        [
            Part(case, [Row(one.name, [*map(_limit_cell, one.summary.limits), _refused(one.summary)]) for one in own])
            for case, own in by_case(passes)
        ],
        "Used, as a share of what the limit allows in the time the strategy took, at least one minute. A bucket that "
        "is full at the start allows more than 100 %.",
    )


def _limit_cell(use: LimitUse) -> Cell:
    if use.share is None:
        return Cell(number(use.used), "no limit known")
    return Cell(
        text(use.share, "share"),
        f"{number(use.used)} at {number(use.per_minute or 0)} /min",
        False,
        min(100.0, round(use.share * 100, 1)),
        use.share > 1,
    )


def _refused(one: PassSummary) -> Cell:
    refused = {cause: n for cause, n in one.attempts.items() if CAUSES[cause].rate_limit}
    return Cell(
        number(sum(refused.values())), ", ".join(f"{cause.replace('_', ' ')} {n:,}" for cause, n in refused.items())
    )


def _limits_finding(passes: Sequence[Pass]) -> str:
    used = [(use.share, use.limiter, one.name) for one in passes for use in one.summary.limits if use.share is not None]
    if not used:
        return "Rate limits: none known"
    share, limiter, name = max(used)
    what = LIMITERS[limiter]
    if share >= 0.9:
        return f"The limit on {what} binds: {name} used {text(share, 'share')} of it"
    return f"No limit binds: the nearest is {what}, {text(share, 'share')} used by {name}"
