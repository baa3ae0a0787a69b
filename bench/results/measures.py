"""The single numbers of a pass that runs are compared by: `makespan`, `ttft.p95`, `latency.p95{stream:chat}`.

A scalar metric is a measure; a distribution has one for its mean and for each of its percentiles.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.results.metrics import DISTRIBUTIONS, METRICS, SCALARS, Unit
from bench.results.summary import Distribution, PassSummary
from bench.results.thresholds import WORDS

PARTS = ("p50", "p90", "p95", "p99", "mean")
"""What a distribution is compared by."""

RATES = {"error_rate": "requests", "retried_share": "requests", "rate_limited_rate": "attempts"}
"""Shares that are often 0, and what they are shares of.  They are compared as differences and never gate."""

_COUNTS = {"failed": "errors", "rate_limited": "rate_limited"}
"""Counts that are often 0, and the thresholds that hold them."""

_MEASURE = re.compile(r"(?P<metric>\w+)(?:\.(?P<part>\w+))?(?:\{\s*stream\s*:\s*(?P<stream>[^{}\s:]+)\s*\})?")


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a pass."""

    metric: str
    part: str = ""
    """Of a distribution: which percentile, or `mean`."""
    stream: str = ""
    """Of one stream of traffic; empty for the whole pass."""

    def __str__(self) -> str:
        part = f".{self.part}" if self.part else ""
        return f"{self.metric}{part}{{stream:{self.stream}}}" if self.stream else f"{self.metric}{part}"

    @property
    def title(self) -> str:
        """What reports call it."""
        stream = f", {self.stream}" if self.stream else ""
        return f"{METRICS[self.metric].title} {self.part}".strip() + stream

    @property
    def unit(self) -> Unit:
        """The unit of its values."""
        return METRICS[self.metric].unit

    @property
    def better(self) -> Literal["lower", "higher"] | None:
        """Which way is better; None where neither is."""
        return METRICS[self.metric].better


def parse_measure(written: str) -> Measure:
    """Read a measure.  ValueError says what was expected.  `cost.per_success` and the like are as in thresholds."""
    match = _MEASURE.fullmatch(written.strip())
    if match is None:
        raise ValueError(f"expected a metric such as ttft.p95 or makespan, got `{written}`")
    metric, part, stream = match["metric"], match["part"] or "", match["stream"] or ""
    if part in WORDS.get(metric, {}):
        metric, part = WORDS[metric][part], ""
    if metric not in METRICS:
        raise ValueError(f"`{metric}` is not a metric.{_nearest(metric)}")
    many = METRICS[metric] in DISTRIBUTIONS
    if many and part not in PARTS:
        raise ValueError(f"{metric} has many values: expected {_either(metric)}, got `{written}`")
    if part and not many:
        raise ValueError(f"{metric} is one number: expected {metric} alone, got `{written}`")
    return Measure(metric, part, stream)


def parse_gate(written: str) -> Measure:
    """Read a measure that a comparison may fail on.  ValueError says why it cannot be one."""
    measure = parse_measure(written)
    if measure.better is None:
        raise ValueError(f"{measure.metric} cannot gate: neither more nor less of it is better")
    if measure.metric in RATES or measure.metric in _COUNTS:
        threshold = _COUNTS.get(measure.metric, "rate_limited" if measure.metric == "rate_limited_rate" else "errors")
        raise ValueError(
            f"{measure.metric} cannot gate: it is often 0, of which nothing is a ratio; hold it with "
            f'thresholds: {{{threshold}: ["rate < 1%"]}}'
        )
    return measure


def values_of(summary: PassSummary) -> dict[str, float]:
    """Every measure of a pass that is known, by its name, in the order of the metric table."""
    return {
        str(measure): value
        for stream, values, distributions in (
            ("", summary.values, summary.distributions),
            *((one.name, one.values, one.distributions) for one in summary.streams),
        )
        for measure, value in _known(stream, values, distributions)
    }


def _known(
    stream: str, values: Mapping[str, float | None], distributions: Mapping[str, Distribution]
) -> Iterator[tuple[Measure, float]]:
    for metric in SCALARS:
        value = values.get(metric.name)
        if value is not None:
            yield Measure(metric.name, stream=stream), value
    for distribution in DISTRIBUTIONS:
        for part in PARTS if distribution.name in distributions else ():
            value = _part(distributions[distribution.name], part)
            if value is not None:
                yield Measure(distribution.name, part, stream), value


def _part(distribution: Distribution, part: str) -> float | None:
    if part == "mean":
        return distribution.mean
    value: float | None = getattr(distribution, part).value
    return value


def _nearest(metric: str) -> str:
    near = difflib.get_close_matches(metric, METRICS, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _either(metric: str) -> str:
    *most, last = (f"{metric}.{part}" for part in PARTS)
    return f"{', '.join(most)} or {last}"
