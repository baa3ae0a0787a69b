"""OTLP JSON: what `--otel` pushes at the end of a run, as a file for a collector's `otlpjsonfile` receiver.

The mapping is that of protobuf's JSON: 64-bit integers as text, enumerations as numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.results import semconv
from bench.results.folder import RECORDS, LoadedRun
from bench.results.measurements import Attributes, Measurement, measurements
from bench.results.record import read_records
from bench.results.semconv import INSTRUMENTS, Instrument
from bench.results.summary import Summary
from reports.export.json import pretty
from reports.export.labels import strategy_name

CUMULATIVE = 2
"""AGGREGATION_TEMPORALITY_CUMULATIVE of opentelemetry/proto/metrics/v1."""


@dataclass(slots=True)
class _Point:
    """What one instrument has come to, for one set of attributes."""

    value: float = 0.0
    """The sum, or the last value of a gauge."""
    count: int = 0
    least: float = float("inf")
    most: float = float("-inf")
    buckets: list[int] = field(default_factory=list)


def render(run: LoadedRun, summary: Summary) -> bytes:
    """All measurements of a run.  Its end is told by scenario time, which is virtual in a simulation."""
    found: dict[str, dict[Attributes, _Point]] = {}
    for record in read_records(run.folder / RECORDS):
        for measurement in measurements(record):
            _take(found, measurement)
    for one in summary.passes:
        if one.cost.total is not None:
            _take(found, (semconv.COST, one.cost.total, ((semconv.STRATEGY, strategy_name(one)),)))
    start, end = _times(run, summary)
    metrics = [_metric(one, found[one.name], start, end) for one in INSTRUMENTS if one.name in found]
    version = run.info.versions.get("claude-bench", "")
    facts = {
        "service.name": "claude-bench",
        semconv.SCENARIO: summary.name,
        semconv.TARGET: summary.target,
        semconv.VERSION: version,
    }
    scope = {"scope": {"name": "claude-bench", "version": version}, "metrics": metrics}
    resource = {"attributes": _attributes(facts.items())}
    return pretty({"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]})


def _take(found: dict[str, dict[Attributes, _Point]], measurement: Measurement) -> None:
    instrument, value, attributes = measurement
    point = found.setdefault(instrument.name, {}).setdefault(attributes, _Point())
    if instrument.kind == "gauge":
        point.value = value
        return
    point.value += value
    if instrument.kind == "histogram":
        point.buckets = point.buckets or [0] * (len(instrument.buckets) + 1)
        point.buckets[bisect_left(instrument.buckets, value)] += 1
        point.count += 1
        point.least, point.most = min(point.least, value), max(point.most, value)


def _times(run: LoadedRun, summary: Summary) -> tuple[str, str]:
    """Nanoseconds since 1970, as text."""
    began = datetime.fromisoformat(run.info.started_at).timestamp()
    took = sum(one.values["makespan"] or 0.0 for one in summary.passes) / summary.speed
    return str(round(began * 1e9)), str(round((began + took) * 1e9))


def _metric(one: Instrument, points: dict[Attributes, _Point], start: str, end: str) -> dict[str, Any]:
    told = [
        {"attributes": _attributes(attributes), "startTimeUnixNano": start, "timeUnixNano": end, **_values(one, point)}
        for attributes, point in points.items()
    ]
    about = {"name": one.name, "description": one.meaning, "unit": one.unit}
    match one.kind:
        case "gauge":
            return about | {"gauge": {"dataPoints": told}}
        case "counter":
            return about | {
                "sum": {"dataPoints": told, "aggregationTemporality": CUMULATIVE, "isMonotonic": True},
            }
        case "histogram":
            return about | {"histogram": {"dataPoints": told, "aggregationTemporality": CUMULATIVE}}


def _values(one: Instrument, point: _Point) -> dict[str, Any]:
    if one.kind != "histogram":
        return {"asDouble": point.value}
    return {
        "count": str(point.count),
        "sum": point.value,
        "min": point.least,
        "max": point.most,
        "bucketCounts": [str(count) for count in point.buckets],
        "explicitBounds": list(one.buckets),
    }


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in pairs]
