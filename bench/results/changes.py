"""The change of one measure from base to new, with its interval and a verdict.

The unit is the run.  What is compared are the logarithms of the runs' values, so that a change is a ratio; where a
value is 0, and for rates, the values themselves.  The interval is Welch's; that of pairs, where the two sides were run
in turns; or, where one new run meets a history, the one in which such a run is expected.  Simulated runs are compared
seed by seed.

    regressed, improved    the interval excludes "no change" and the estimate is beyond the minimum effect
    no change              the interval lies within the minimum effect
    inconclusive           anything else; more runs would tell
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

import msgspec

from bench.results.baseline import PassValues, Runs, RunValues
from bench.results.intervals import Interval, newcombe, paired, prediction, runs_needed, welch
from bench.results.measures import RATES, Measure

MIN_EFFECT = 0.10
"""A change of less is not called a change, unless the scenario or the command line says otherwise."""

MIN_POINTS = 0.01
"""The same for rates such as failed requests, which are compared by difference: one percentage point."""

LEVEL = 0.95
"""Of intervals between several runs a side."""

PREDICTION_LEVEL = 0.99
"""Of the interval in which one new run is expected: whoever asks every night must not be alarmed every month."""

RATE_RUNS = 5
"""Runs a side from which on rates are compared by run; with fewer, the requests of all runs are pooled."""

Verdict = Literal["regressed", "improved", "no change", "inconclusive", "no data", ""]
"""Empty where neither direction is better."""

Method = Literal["exact", "welch", "paired", "prediction", "pooled", "none"]

Pair = tuple[str, str]
"""The strategy of the base and that of the new side."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measure of one strategy, base against new."""

    strategy: str
    measure: str
    base: float | None
    """Typical value: the geometric mean over the runs, or the mean where it is compared by difference."""
    new: float | None
    base_runs: int
    new_runs: int
    """Runs that have the value."""
    verdict: Verdict
    method: Method = "none"
    """How the interval was made; `none` where there is none."""
    change: float | None = None
    """0.21 is 21 % more; where `difference` is set, how much more in the measure's unit.  None where not known."""
    lo: float | None = None
    hi: float | None = None
    """Bounds of the change; of an exact comparison, the least and the greatest of the seeds."""
    level: float | None = None
    """Of the interval: higher where several gates might each give a false alarm."""
    difference: bool = False
    gate: bool = False
    """Whether the comparison fails on it."""
    runs_needed: int | None = None
    """Where it is inconclusive: runs a side that would bring the interval to the minimum effect."""
    detail: str = ""
    """Why there is no value, or no interval."""


@dataclass(frozen=True, slots=True)
class Held:
    """Two sides, held against each other by one measure."""

    base: Runs
    new: Runs
    pair: Pair
    measure: Measure
    min_effect: float
    gates: int = 0
    """How many gates share the chance of a false alarm; 0 where this is none of them."""
    exact: bool = False
    """Whether equal seeds are expected to give equal numbers."""
    interleaved: bool = False

    @property
    def whole(self) -> bool:
        """Whether units are whole runs."""
        return whole_runs(self.base, self.new)

    @property
    def sides(self) -> tuple[tuple[Runs, str], tuple[Runs, str]]:
        """The runs and the strategy of each."""
        return (self.base, self.pair[0]), (self.new, self.pair[1])

    def level(self, usual: float) -> float:
        """The level of an interval, such that all gates together alarm no oftener than one would (Bonferroni)."""
        return 1 - (1 - usual) / max(1, self.gates)


def name_of(pair: Pair) -> str:
    """What two strategies that are compared are called."""
    base, new = pair
    return base if base == new else f"{base} -> {new}"


def judge(held: Held) -> Change:
    """The change of a measure, with its verdict."""
    base, new = _values(held)
    if not base or not new:
        return _without_data(held, base, new)
    rate = held.measure.metric in RATES
    if rate and not held.exact:
        return _rates(held, base, new)
    if rate or min(*base, *new) <= 0:
        least = MIN_POINTS if rate else held.min_effect * abs(fmean(base))
        return _conclude(held, base, new, *_interval(held, base, new), least=least)
    logs = [math.log(value) for value in base], [math.log(value) for value in new]
    return _conclude(held, base, new, *_interval(held, *logs))


def verdict(change: float, lo: float, hi: float, least: float, better: str | None) -> Verdict:
    """What the interval of a change says; `least` is the minimum effect, on the same scale."""
    if better is None:
        return ""
    if (lo > 0 or hi < 0) and abs(change) > least:
        return "improved" if (change < 0) == (better == "lower") else "regressed"
    return "no change" if -least <= lo and hi <= least else "inconclusive"


# Which numbers are held against each other


def whole_runs(base: Runs, new: Runs) -> bool:
    """Whether a unit is a run.  Repeats count alone between two single runs only: they share more than those of two."""
    return max(len(base.runs), len(new.runs)) > 1


def _values(held: Held) -> tuple[list[float], list[float]]:
    """The values of both sides; where they are compared in pairs, those that both have."""
    base, new = (
        _by_seed(_passes(runs.runs, strategy), str(held.measure))
        if held.exact
        else by_unit(runs, strategy, str(held.measure), whole=held.whole)
        for runs, strategy in held.sides
    )
    if held.exact or held.interleaved:
        both = [key for key in base if key in new]
        return [base[key] for key in both], [new[key] for key in both]
    return list(base.values()), list(new.values())


def by_unit(runs: Runs, strategy: str, measure: str, *, whole: bool) -> dict[int, float]:
    """The values of a measure: of whole runs, by their place, the typical one of their repeats; else of each repeat."""
    if not whole:
        return {one.pass_: one.values[measure] for one in _passes(runs.runs, strategy) if measure in one.values}
    each = [[one.values[measure] for one in _passes([run], strategy) if measure in one.values] for run in runs.runs]
    return {place: typical(values) for place, values in enumerate(each) if values}


def _by_seed(passes: Iterator[PassValues], measure: str) -> dict[int, float]:
    return {one.seed: one.values[measure] for one in passes if measure in one.values}


def _passes(runs: Sequence[RunValues], strategy: str) -> Iterator[PassValues]:
    """Those of a strategy that came to their end."""
    return (one for run in runs for one in run.passes if one.name == strategy and one.stopped is None)


def typical(values: Sequence[float]) -> float:
    """The geometric mean, or the mean of values that are not all above 0."""
    return math.exp(fmean(map(math.log, values))) if min(values) > 0 else fmean(values)


# What they say


def _interval(held: Held, base: Sequence[float], new: Sequence[float]) -> tuple[Method, Interval | None, float]:
    """The change from one list of values to the other, how its interval was made, and with which level."""
    if held.exact:
        return "exact", _exact(base, new), 1.0
    if held.interleaved:
        level = held.level(LEVEL)
        return "paired", paired(base, new, level), level
    if len(new) == 1:
        level = held.level(PREDICTION_LEVEL)
        return "prediction", prediction(base, new[0], level), level
    if len(base) == 1:
        level = held.level(PREDICTION_LEVEL)
        back = prediction(new, base[0], level)
        return "prediction", back and Interval(-back.estimate, -back.hi, -back.lo), level
    level = held.level(LEVEL)
    return "welch", welch(base, new, level), level


def _exact(base: Sequence[float], new: Sequence[float]) -> Interval:
    """Every difference is a true one: the mean of them, and the least and the greatest."""
    differences = [b - a for a, b in zip(base, new, strict=True)]
    lo, hi = min(differences), max(differences)
    return Interval(min(max(fmean(differences), lo), hi), lo, hi)  # rounding may put a mean outside of equal numbers


def _rates(held: Held, base: Sequence[float], new: Sequence[float]) -> Change:
    """Shares that are often 0: by run where there are enough, else over the requests of all runs."""
    if min(len(base), len(new)) >= RATE_RUNS:
        return _conclude(held, base, new, *_interval(held, base, new), least=MIN_POINTS)
    mine, theirs = (_pooled(runs, strategy, held.measure) for runs, strategy in held.sides)
    return _conclude(held, base, new, "pooled", newcombe(mine, theirs), LEVEL, least=MIN_POINTS)


def _pooled(runs: Runs, strategy: str, rate: Measure) -> tuple[int, int]:
    """How many of how many, over all runs."""
    name, of = str(rate), str(Measure(RATES[rate.metric], stream=rate.stream))
    found = [one.values for one in _passes(runs.runs, strategy) if name in one.values]
    return round(sum(one[name] * one[of] for one in found)), round(sum(one[of] for one in found))


def _conclude(
    held: Held,
    base: Sequence[float],
    new: Sequence[float],
    method: Method,
    interval: Interval | None,
    level: float,
    *,
    least: float | None = None,
) -> Change:
    """A change and its verdict.  The interval is of logarithms, or of values in their own unit where `least` is the
    minimum difference."""
    found = Change(
        strategy=name_of(held.pair),
        measure=str(held.measure),
        base=typical(base) if least is None else fmean(base),
        new=typical(new) if least is None else fmean(new),
        base_runs=len(base),
        new_runs=len(new),
        verdict="inconclusive" if held.measure.better else "",
        gate=held.gates > 0,
        difference=least is not None,
    )
    if interval is None:
        return msgspec.structs.replace(
            found, change=_plain_change(found), detail="one run a side says nothing of how much runs differ"
        )
    bounds = interval.estimate, interval.lo, interval.hi
    change, lo, hi = bounds if least is not None else map(math.expm1, bounds)
    said = verdict(change, lo, hi, held.min_effect if least is None else least, held.measure.better)
    return msgspec.structs.replace(
        found,
        verdict=said,
        method=method,
        change=change,
        lo=lo,
        hi=hi,
        level=None if method == "exact" else level,
        runs_needed=_needed(held, base, new, level, least) if said == "inconclusive" else None,
    )


def _plain_change(found: Change) -> float | None:
    if found.base is None or found.new is None:
        return None
    return found.new - found.base if found.difference else found.new / found.base - 1


def _needed(held: Held, base: Sequence[float], new: Sequence[float], level: float, least: float | None) -> int | None:
    """Runs a side that would bring the interval to the minimum effect; None where the spread is not known."""
    if held.exact:
        return None
    half_width = math.log1p(held.min_effect) if least is None else least
    sides = [[math.log(value) for value in side] if least is None else side for side in (base, new)]
    spreads = [stdev(side) for side in sides if len(side) > 1]
    return runs_needed(spreads[0], spreads[-1], half_width, level) if spreads and half_width else None


def _without_data(held: Held, base: Sequence[float], new: Sequence[float]) -> Change:
    lacking = "the base has" if new else "the new side has" if base else "there is"
    return Change(
        strategy=name_of(held.pair),
        measure=str(held.measure),
        base=typical(base) if base else None,
        new=typical(new) if new else None,
        base_runs=len(base),
        new_runs=len(new),
        verdict="no data",
        gate=held.gates > 0,
        detail=f"{lacking} no value to compare: nothing was measured, or too few requests for it",
    )
