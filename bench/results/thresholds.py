"""Conditions on metrics, in k6's words: `p(95) < 2s`, `rate < 1%`, `per_success < $0.006`.

The grammar is AGGREGATE OPERATOR VALUE.  A distribution has `p(N)`, `med`, `avg`, `min` and `max`; a single number has
`value`, and where that reads better a word of its own (`WORDS`).  A value is written with a unit of its metric; only
counts are bare.  No samples is a verdict of its own and fails: a condition is never met by nothing.

Tags narrow what is held against it, as those of k6 do: `response_time{strategy:pool,stream:interactive}` is about the
requests of one stream, in the passes of one strategy.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, cast

from bench.results.columns import Columns, Floats
from bench.results.format import count, seconds, share
from bench.results.metrics import DISTRIBUTIONS, METRICS, Unit, samples
from bench.results.statistics import quantile, wilson
from bench.results.summary import ModelSummary, PassSummary, StreamSummary, ThresholdResult

Op: TypeAlias = Literal["<", "<=", ">", ">="]

WORDS = {
    "errors": {"rate": "error_rate", "count": "failed"},
    "rate_limited": {"rate": "rate_limited_rate", "count": "rate_limited"},
    "retried": {"rate": "retried_share"},
    "cost": {"total": "cost", "per_success": "cost_per_success"},
    "goodput": {"per_minute": "goodput", "share": "goodput_share"},
    "throughput": {"per_minute": "throughput"},
}
"""Aggregates of single numbers by the name they are written under, and the metric each one means."""

_FACTORS: dict[Unit, dict[str, float]] = {
    "s": {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600},
    "share": {"%": 0.01},
    "USD": {"$": 1},
    "1/min": {"/min": 1, "/s": 60, "/h": 1 / 60},
    "tokens/s": {"tok/s": 1, "tokens/s": 1, "/s": 1},
    "tokens": {"": 1, "tok": 1, "tokens": 1},
    "count": {"": 1},
}
_EXAMPLES: dict[Unit, str] = {
    "s": "2s, 500ms or 1.5min",
    "share": "1%",
    "USD": "$0.006",
    "1/min": "10/min or 2/s",
    "tokens/s": "800 tok/s",
    "tokens": "20000 tok",
    "count": "3",
}
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_DISTRIBUTIONS = {metric.name for metric in DISTRIBUTIONS}
_SHARES_OF = {
    "error_rate": "request",
    "goodput_share": "request",
    "retried_share": "request",
    "rate_limited_rate": "attempt",
}
_PLAIN = {"med": "p50", "avg": "mean", "min": "min", "max": "max"}

TAGS = ("strategy", "case", "stream", "model")
"""What a threshold may be narrowed by.  The first two choose passes, the others requests of a pass."""

_TAGGED = re.compile(r"(?P<metric>[^{}]*)\{(?P<tags>[^{}]*)\}")
_TAG = re.compile(r"\s*(?P<tag>\w+)\s*:\s*(?P<name>[^\s,]+)\s*")
_EXPRESSION = re.compile(r"\s*(?P<aggregate>[^<>=]*?)\s*(?P<op><=|>=|<|>)\s*(?P<value>[^<>=]+?)\s*")
_PERCENTILE = re.compile(r"p\(\s*(\d+(?:\.\d+)?)\s*\)")
_VALUE = re.compile(r"(\$?)\s*(\d+(?:\.\d+)?|\.\d+)\s*(\D*)")


@dataclass(frozen=True, slots=True)
class ParsedThreshold:
    """What an expression means for its metric."""

    aggregate: str
    """`p95`, `mean`, `min`, `max`, or a word for a single number: `value`, `rate`, `per_success` ..."""
    op: Op
    value: float
    """In the metric's unit."""


class Condition(Protocol):
    """A threshold of a scenario, parsed: anything with these attributes."""

    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def expression(self) -> str: ...  # noqa: D102
    @property
    def aggregate(self) -> str: ...  # noqa: D102
    @property
    def op(self) -> Op: ...  # noqa: D102
    @property
    def value(self) -> float: ...  # noqa: D102


def split_tags(written: str) -> tuple[str, dict[str, str]]:
    """The metric of `ttft{strategy:pool,stream:chat}`, and its tags by name.  ValueError for any other tag."""
    if "{" not in written and "}" not in written:
        return written, {}
    match = _TAGGED.fullmatch(written)
    tags = [_TAG.fullmatch(part) for part in match["tags"].split(",")] if match else [None]
    found = {tag["tag"]: tag["name"] for tag in tags if tag and tag["tag"] in TAGS}
    if match is None or len(found) < len(tags):
        metric = written.partition("{")[0]
        raise ValueError(
            f"{written!r} has a tag that is not known; expected one such as {metric}{{stream:interactive}}, of "
            f"{_alternatives(TAGS)}, each once"
        )
    return match["metric"].strip(), found


def parse_threshold(written: str, expression: str) -> ParsedThreshold:
    """Check an expression against its metric, which may be tagged.  ValueError says what was expected."""
    metric, _ = split_tags(written)
    if metric not in METRICS and metric not in WORDS:
        raise ValueError(f"{metric!r} is not a metric. {_suggestion(metric)}")
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise ValueError(f"{expression!r} is not a condition; expected one such as {_example(metric)!r}")
    aggregate, unit = _aggregate(metric, match["aggregate"])
    return ParsedThreshold(aggregate, cast("Op", match["op"]), _in_unit(match["value"], unit))


def evaluate(
    thresholds: Iterable[Condition], passes: Sequence[PassSummary], columns: Sequence[Columns]
) -> tuple[ThresholdResult, ...]:
    """Hold every threshold against every pass its tags leave; `columns` belong to `passes` one to one."""
    return tuple(
        _hold(threshold, summary, rows)
        for threshold in thresholds
        for summary, rows in zip(passes, columns, strict=True)
        if concerns(threshold, rows)
    )


def concerns(threshold: Condition, columns: Columns) -> bool:
    """Whether the tags of a threshold leave this pass."""
    tags = split_tags(threshold.metric)[1]
    return tags.get("strategy", columns.strategy) == columns.strategy and tags.get("case", columns.case) == columns.case


def narrowed(threshold: Condition, columns: Columns) -> Columns:
    """The requests of a pass that the tags of a threshold leave."""
    tags = split_tags(threshold.metric)[1]
    if "stream" in tags:
        columns = columns.of_stream(tags["stream"])
    if "model" in tags and columns.asked != {tags["model"]}:
        columns = columns.of_models([tags["model"]])
    return columns


def measure(written: str, aggregate: str, summary: PassSummary, columns: Columns) -> ThresholdResult:
    """What a threshold on this aggregate would be held against: `ok` where there is a value.  ValueError for a metric,
    tag or aggregate that there is not."""
    metric, _ = split_tags(written)
    if metric not in METRICS and metric not in WORDS:
        raise ValueError(f"{metric!r} is not a metric. {_suggestion(metric)}")
    short, _ = _aggregate(metric, aggregate)
    return _hold(_Anything(written, f"{aggregate} < inf", short), summary, columns)


@dataclass(frozen=True, slots=True)
class _Anything:
    """A condition that every value meets."""

    metric: str
    expression: str
    aggregate: str
    op: Op = "<"
    value: float = math.inf


def failed(result: ThresholdResult) -> bool:
    """Whether a result makes the run fail: the condition does not hold, or there was nothing to hold it against."""
    return result.verdict in ("failed", "no samples")


def _hold(threshold: Condition, summary: PassSummary, columns: Columns) -> ThresholdResult:
    rows = narrowed(threshold, columns)
    return judge(threshold, rows, _part(threshold, summary, columns, len(rows.requests)).values)


def _part(
    threshold: Condition, summary: PassSummary, columns: Columns, left: int
) -> PassSummary | StreamSummary | ModelSummary:
    """What the pass comes to over the `left` requests that the tags leave.  All those of a stream ask one model."""
    tags = split_tags(threshold.metric)[1]
    if "stream" in tags:
        return next((one for one in summary.streams if one.name == tags["stream"]), summary)
    if "model" in tags and left < len(columns.requests):
        return next((one for one in summary.models if one.name == tags["model"]), summary)
    return summary


def judge(threshold: Condition, rows: Columns, values: Mapping[str, float | None]) -> ThresholdResult:
    """Hold a threshold against the requests that its tags leave of a pass, and the single numbers these come to."""
    value, verdict, detail = _measure(threshold, rows, values)
    if value is not None:
        verdict = "ok" if _COMPARE[threshold.op](value, threshold.value) else "failed"
    return ThresholdResult(
        strategy=rows.strategy,
        pass_=rows.pass_,
        metric=threshold.metric,
        expression=threshold.expression,
        value=value,
        verdict=verdict,
        detail=detail,
        case=rows.case,
        limit=threshold.value,
    )


def _measure(threshold: Condition, rows: Columns, values: Mapping[str, float | None]) -> tuple[float | None, str, str]:
    """The value, or None with the verdict that follows; and the detail."""
    metric, tags = split_tags(threshold.metric)
    if tags and not len(rows.requests):
        return None, "no samples", "no request of " + ", ".join(f"{tag} {name}" for tag, name in tags.items())
    if metric in _DISTRIBUTIONS:
        return _of_distribution(samples(rows, metric), threshold.aggregate)
    name = _single_numbers(metric)[threshold.aggregate]
    value = values[name]
    return value, "no samples", "not known" if value is None else _interval(name, value, values)


def _interval(name: str, value: float, values: Mapping[str, float | None]) -> str:
    """The interval of a share of so many requests or attempts; nothing for other numbers."""
    noun = _SHARES_OF.get(name)
    n = int(values[f"{noun}s"] or 0) if noun else 0
    bounds = wilson(round(value * n), n)
    return f"{share(bounds[0])} .. {share(bounds[1])}, {count(n, noun)}" if noun and bounds else ""


def _of_distribution(values: Floats, aggregate: str) -> tuple[float | None, str, str]:
    n = count(len(values), "sample")
    if not len(values):
        return None, "no samples", n
    if not aggregate.startswith("p"):
        return float(getattr(values, aggregate)()), "", n
    result = quantile(values, float(aggregate[1:]) / 100)
    if result.value is None or result.lo is None or result.hi is None:
        return None, "inconclusive", f"{aggregate} needs {result.needed:,} samples, there are {len(values):,}"
    return result.value, "", f"{seconds(result.lo)} .. {seconds(result.hi)}, {n}"


def _single_numbers(name: str) -> dict[str, str]:
    """Aggregates of what is not a distribution, with the metric each stands for."""
    own = {"value": name} if name in METRICS else {}
    return own | WORDS.get(name, {})


def _aggregate(metric: str, written: str) -> tuple[str, Unit]:
    """An aggregate in its short form, and the unit of what it gives."""
    if metric in _DISTRIBUTIONS:
        return _of_values(metric, written), METRICS[metric].unit
    allowed = _single_numbers(metric)
    if written not in allowed:
        raise ValueError(f"{metric} has no {written!r}; expected {_alternatives(allowed)}")
    return written, METRICS[allowed[written]].unit


def _of_values(metric: str, written: str) -> str:
    percentile = _PERCENTILE.fullmatch(written)
    if percentile and 0 < float(percentile[1]) < 100:
        return f"p{float(percentile[1]):g}"
    if percentile:
        raise ValueError(f"{written} is not a percentile; expected one between p(0) and p(100), both excluded")
    if written not in _PLAIN:
        raise ValueError(f"{metric} has no {written!r}; expected {_alternatives(['p(N)', *_PLAIN])}")
    return _PLAIN[written]


def _in_unit(written: str, unit: Unit) -> float:
    match = _VALUE.fullmatch(written)
    suffix = (match[1] or match[3].strip()) if match else None
    if match is None or suffix not in _FACTORS[unit] or (match[1] and match[3]):
        raise ValueError(f"{written!r} is not a value with a unit that fits; expected one such as {_EXAMPLES[unit]}")
    return float(match[2]) * _FACTORS[unit][suffix]


def _suggestion(metric: str) -> str:
    names = [*METRICS, *(name for name in WORDS if name not in METRICS)]
    near = difflib.get_close_matches(metric, names, n=1)
    return f"Did you mean {near[0]}?" if near else f"Expected {_alternatives(names)}."


def _example(metric: str) -> str:
    if metric in _DISTRIBUTIONS:
        return "p(95) < 2s"
    aggregate, name = next(iter(_single_numbers(metric).items()))
    return f"{aggregate} < {_EXAMPLES[METRICS[name].unit].split(' or ')[0].split(',')[0]}"


def _alternatives(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
