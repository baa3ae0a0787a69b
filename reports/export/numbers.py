"""Every number of a summary, one after another, each with its interval and the samples it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median

from bench.results.metrics import DISTRIBUTIONS, METRICS, SCALARS
from bench.results.semconv import unit_word, with_unit
from bench.results.summary import Distribution, PassSummary, Quantile, StreamSummary, Summary
from reports.export.labels import strategy_name

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
"""Parts of a distribution that have an interval, and which quantile each is."""
PARTS = ("mean", "min", "max", *QUANTILES)


@dataclass(frozen=True, slots=True)
class Number:
    """One number.  `value` is None where it is not known or too few samples bound it; units are the metric's."""

    strategy: str
    stream: str | None
    metric: str
    part: str
    """Which part of a distribution; empty for a metric that is one number a pass."""
    value: float | None
    lo: float | None = None
    hi: float | None = None
    n: int | None = None
    """Samples behind it, where they are counted."""

    @property
    def unit(self) -> str:
        """One of `metrics.Unit`."""
        return METRICS[self.metric].unit

    @property
    def better(self) -> str | None:
        """`lower`, `higher`, or None where neither is."""
        return METRICS[self.metric].better

    @property
    def key(self) -> str:
        """A name of letters, digits and underscores that says the unit: `latency_p95_seconds`."""
        name = "_".join(filter(None, (self.metric, self.part)))
        return with_unit(name, unit_word(METRICS[self.metric].unit))

    @property
    def title(self) -> str:
        """For people: `latency p95`."""
        return " ".join(filter(None, (METRICS[self.metric].title, self.part)))

    @property
    def of(self) -> str:
        """The strategy, and the stream where it is of one alone."""
        return self.strategy if self.stream is None else f"{self.strategy} / {self.stream}"


def of_pass(one: PassSummary) -> Iterator[Number]:
    """All numbers of a pass, then those of each of its streams."""
    yield from _numbers(strategy_name(one), None, one)
    for stream in one.streams:
        yield from _numbers(strategy_name(one), stream.name, stream)


def of_strategies(summary: Summary) -> list[Number]:
    """All that is known of each strategy.  Of repeats the median, and as bounds the lowest and the highest run."""
    runs: dict[tuple[str, str, str], list[Number]] = {}
    for one in summary.passes:
        for number in of_pass(one):
            if number.value is not None:
                runs.setdefault((number.of, number.metric, number.part), []).append(number)
    return [_typical(repeats) for repeats in runs.values()]


def _typical(repeats: list[Number]) -> Number:
    if len(repeats) == 1:
        return repeats[0]
    values = [one.value for one in repeats if one.value is not None]
    counted = [one.n for one in repeats if one.n is not None]
    return replace(
        repeats[0], value=median(values), lo=min(values), hi=max(values), n=sum(counted) if counted else None
    )


def _numbers(strategy: str, stream: str | None, part_of: PassSummary | StreamSummary) -> Iterator[Number]:
    for scalar in SCALARS:
        yield Number(strategy, stream, scalar.name, "", part_of.values[scalar.name])
    for metric in DISTRIBUTIONS:
        found: Distribution = part_of.distributions[metric.name]
        for part in PARTS:
            value: Quantile | float | None = getattr(found, part)
            if isinstance(value, Quantile):
                yield Number(strategy, stream, metric.name, part, value.value, value.lo, value.hi, found.n)
            else:
                yield Number(strategy, stream, metric.name, part, value, n=found.n)
