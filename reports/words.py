"""The words that console and page share: names of passes, warnings brought together, values of thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.errors import Exit
from bench.results.format import DASH, pass_name, text, three
from bench.results.metrics import METRICS
from bench.results.summary import Quantile, Summary, ThresholdResult, Warning
from bench.results.thresholds import WORDS, split_tags


def shorten(name: str, length: int) -> str:
    """The name, its middle left out where it is too long: what tells strategies apart often stands at the end."""
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - tail - 1]}\u2026{name[len(name) - tail :]}"


_HOURS_FROM = 10_000
"""Seconds that a column shows as hours: four digits are the most that are read at a glance."""


def column_text(value: float | None, unit: str) -> str:
    """A value in a column of its like: seconds stay seconds for hours, and a heading says `per minute`."""
    if value is not None and unit == "s" and value >= _HOURS_FROM:
        return f"{three(value / 3600)} h"
    if value is not None and unit == "s" and value >= 1:
        return f"{three(value)} s"
    return text(value, unit).removesuffix(" /min").removesuffix(" tok/s")


def interval(quantile: Quantile, unit: str) -> str:
    """The bounds of a percentile in a column of its like, with one unit; of too few samples how many it needs."""
    if quantile.value is None:
        return f"needs {quantile.needed:,}"
    low, high = column_text(quantile.lo, unit), column_text(quantile.hi, unit)
    number_low, _, unit_low = low.partition(" ")
    return f"{number_low if high.endswith(f' {unit_low}') else low} {DASH} {high}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning, with all that was observed of its kind."""

    observed: tuple[str, ...]
    why: str
    todo: str


def notices(summary: Summary) -> list[Notice]:
    """The warnings of the run, then those of its passes; equal advice is given once."""
    of_passes = [
        (f"{pass_name(run.strategy, run.pass_, run.case)}: ", warning)
        for run in summary.passes for warning in run.warnings
    ]  # fmt: skip
    return together([*(("", warning) for warning in summary.warnings), *of_passes])


def together(warnings: Iterable[tuple[str, Warning]]) -> list[Notice]:
    """Warnings, each after the name of what it is of, brought together by their advice."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, warning in warnings:
        found.setdefault((warning.why, warning.todo), []).append(f"{name}{warning.observed}")
    return [Notice(tuple(observed), why, todo) for (why, todo), observed in found.items()]


def measured(result: ThresholdResult) -> str:
    """The value a threshold was held against, in its unit."""
    aggregate = re.split("[<>]", result.expression)[0].strip()
    name, _ = split_tags(result.metric)
    metric = WORDS.get(name, {}).get(aggregate, name)
    return text(result.value, METRICS[metric].unit)


_VERDICTS = {
    Exit.REGRESSED: "Regressed",
    Exit.INCONCLUSIVE: "Inconclusive",
    Exit.NOT_VALID: "Not valid",
    Exit.BUDGET: "Stopped by its budget",
    Exit.TARGET: "The target was lost",
    Exit.THRESHOLDS: "Failed",
    Exit.INTERRUPTED: "Interrupted",
    Exit.TERMINATED: "Terminated",
}


def verdict(summary: Summary, *, compared: bool = False) -> tuple[str, str, str] | None:
    """How a run ended: class, word and why.  None of one that nothing was demanded of and nothing ended early."""
    if summary.exit_code == Exit.OK:
        met = thresholds_met(summary) if summary.thresholds else "no gate regressed" if compared else None
        return None if met is None else ("ok", "Passed", met)
    code = Exit(summary.exit_code)
    look = "unsure" if code is Exit.INCONCLUSIVE else "failed"
    why = [thresholds_met(summary)] if code is Exit.THRESHOLDS else [*summary.reasons[:3]]
    more = len(summary.reasons) - len(why) if code is not Exit.THRESHOLDS else 0
    return look, _VERDICTS.get(code, f"Exit code {code:d}"), "; ".join([*why, *([f"{more} more"] if more else [])])


def thresholds_met(summary: Summary) -> str:
    """How many thresholds hold, such as `3 of 4 thresholds met`."""
    met = sum(result.verdict == "ok" for result in summary.thresholds)
    return f"{met} of {len(summary.thresholds)} thresholds met"
