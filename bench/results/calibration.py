"""What a set-up can see: runs held against themselves, and the smallest change that so and so many runs would find.

Runs of one thing differ all the same.  By how much decides how large a change must be before it can be told from that,
which is better known before a gate is chosen than after it has failed.  schema_version 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

import msgspec

from bench.errors import UsageError
from bench.results.baseline import Runs
from bench.results.changes import LEVEL, Verdict, by_unit, verdict
from bench.results.intervals import paired, smallest_change
from bench.results.measures import Measure, parse_measure

SCHEMA_VERSION = 1

SIZES = (3, 5, 8)
"""Runs a side: to get an idea, to look, to gate."""

POWER = 0.8
"""Chance with which a change counts as one that would be seen."""

FEWEST = 4
"""Runs without which nothing can be said of a spread: two a side."""


class Noise(msgspec.Struct, frozen=True):
    """How one measure of one strategy differs between runs of the same thing."""

    strategy: str
    measure: str
    gate: bool
    runs: int
    typical: float
    """The geometric mean."""
    spread: float
    """The standard deviation of the logarithms: 0.1 is about 10 % from run to run."""
    change: float
    """Of every second run against the others, 0.05 for 5 % more."""
    lo: float
    hi: float
    verdict: Verdict
    smallest: tuple[float, ...]
    """The smallest change that is found with probability `POWER`, by `SIZES`; 0.25 for 25 % more."""


class Calibration(msgspec.Struct, frozen=True):
    """Runs held against themselves."""

    schema_version: int
    label: str
    scenario: str
    exact: bool
    """Whether the runs are simulated: equal seeds are then compared exactly, and nothing here limits what is seen."""
    runs: int
    unit: str
    """What counts as runs: `run` or `repeat`."""
    min_effect: float
    noise: tuple[Noise, ...]


def calibrate(runs: Runs, gate: Sequence[Measure], min_effect: float, *, label: str) -> Calibration:
    """Hold every second run against the others.  UsageError when there are fewer than four."""
    whole = len(runs.runs) > 1
    count = len(runs.runs) if whole else len({one.pass_ for one in runs.runs[0].passes})
    if count < FEWEST:
        raise UsageError(
            f"{label} has {count} {'runs' if count > 1 else 'run'}: a calibration needs at least {FEWEST}",
            "Ten tell how runs spread: claude-bench run SCENARIO --repeat 10, or give the scenario itself.",
        )
    gates = len(gate) * len(runs.strategies)
    noise = [
        found
        for strategy in runs.strategies
        for measure in _measures(runs, strategy)
        if (found := _noise(runs, strategy, measure, min_effect, gates if measure in gate else 0, whole=whole))
    ]
    return Calibration(
        SCHEMA_VERSION, label, runs.name, runs.exact, count, "run" if whole else "repeat", min_effect, tuple(noise)
    )


def _measures(runs: Runs, strategy: str) -> list[Measure]:
    names = dict.fromkeys(
        name for run in runs.runs for one in run.passes if one.name == strategy for name in one.values
    )
    return [measure for measure in map(parse_measure, names) if measure.better]


def _noise(runs: Runs, strategy: str, measure: Measure, min_effect: float, gates: int, *, whole: bool) -> Noise | None:
    """None where a value is 0 or too few runs have one: no ratio can be made of it."""
    values = list(by_unit(runs, strategy, str(measure), whole=whole).values())
    if len(values) < FEWEST or min(values) <= 0:
        return None
    logs = [math.log(value) for value in values]
    level = 1 - (1 - LEVEL) / max(1, gates)
    against_itself = paired(logs[: len(logs) // 2 * 2 : 2], logs[1::2], level)
    assert against_itself is not None
    change, lo, hi = map(math.expm1, (against_itself.estimate, against_itself.lo, against_itself.hi))
    spread = stdev(logs)
    return Noise(
        strategy=strategy,
        measure=str(measure),
        gate=gates > 0,
        runs=len(values),
        typical=math.exp(fmean(logs)),
        spread=spread,
        change=change,
        lo=lo,
        hi=hi,
        verdict=verdict(change, lo, hi, min_effect, measure.better),
        smallest=tuple(
            math.expm1(smallest_change(spread, size, level, POWER, math.log1p(min_effect))) for size in SIZES
        ),
    )
