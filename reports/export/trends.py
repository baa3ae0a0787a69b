"""Formats of services that keep a curve of every number: github-action-benchmark and Bencher.

A curve has one point a run, so repeats are brought together: their median, with the lowest and the highest as bounds.
Numbers that are better neither high nor low make no curve.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.results.folder import LoadedRun
from bench.results.format import number, text
from bench.results.summary import Summary
from reports.export.json import pretty
from reports.export.numbers import QUANTILES, Number, of_strategies

_MOST = 64
"""Longest name of a measure that Bencher takes."""


def smaller_is_better(run: LoadedRun, summary: Summary) -> bytes:
    """github-action-benchmark's `customSmallerIsBetter`."""
    return pretty(_points(run, summary, "lower"))


def bigger_is_better(run: LoadedRun, summary: Summary) -> bytes:
    """github-action-benchmark's `customBiggerIsBetter`."""
    return pretty(_points(run, summary, "higher"))


def bencher(_run: LoadedRun, summary: Summary) -> bytes:
    """Bencher Metric Format.  Names of measures say their unit: Bencher's own `latency` is in nanoseconds."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in _curves(summary):
        bounds = {"lower_value": one.lo, "upper_value": one.hi}
        known = {name: bound for name, bound in bounds.items() if bound is not None}
        measures = found.setdefault(f"{summary.name} / {one.of}", {})
        measures[one.key[:_MOST]] = {"value": float(one.value or 0.0), **known}
    return pretty(found)


def _points(run: LoadedRun, summary: Summary, better: str) -> list[dict[str, Any]]:
    return [_point(one, run, summary) for one in _curves(summary) if one.better == better]


def _point(one: Number, run: LoadedRun, summary: Summary) -> dict[str, Any]:
    point: dict[str, Any] = {
        "name": f"{summary.name} / {one.of} / {one.title}",
        "unit": one.unit,
        "value": one.value,
    }
    if one.lo is not None and one.hi is not None:
        point["range"] = f"{text(one.lo, one.unit)} .. {text(one.hi, one.unit)}"
    samples = [f"samples: {number(one.n)}"] if one.n is not None else []
    point["extra"] = "\n".join(
        (*samples, f"target: {summary.target}", f"model: {summary.model}", f"run: {run.info.id}")
    )
    return point


def _curves(summary: Summary) -> Iterator[Number]:
    """What is better high or low: single numbers, and the percentiles of distributions."""
    for one in of_strategies(summary):
        if one.better is not None and (not one.part or one.part in QUANTILES):
            yield one
