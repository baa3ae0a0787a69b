"""What can be said from several runs: intervals of a difference between means, and how many runs it would take.

The unit is the run: requests of one run share an hour, a region and a queue, and say little about the next one.  All
functions take one number a run.  Where a ratio is wanted, they are given logarithms and give one back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from statistics import NormalDist, fmean, stdev

from bench.results.statistics import wilson

MOST_RUNS = 1000
"""Where `runs_needed` gives up: nobody runs more."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the bounds between which the truth lies with the level that was asked for."""

    estimate: float
    lo: float
    hi: float

    @property
    def half_width(self) -> float:
        """Half of what lies between the bounds."""
        return (self.hi - self.lo) / 2


def mean(values: Sequence[float], level: float) -> Interval | None:
    """The mean with its interval by Student's t.  None with fewer than two."""
    if len(values) < 2:
        return None
    return _around(fmean(values), stdev(values) / math.sqrt(len(values)), len(values) - 1, level)


def typical(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """What a run comes to, with its interval over the runs; None with fewer than two.

    The geometric mean, since runs differ by a factor; the plain one where a value is 0 or below and has no logarithm.
    """
    if len(values) > 1 and min(values) == max(values):
        return Interval(values[0], values[0], values[0])  # to the last digit, which logarithms lose
    if len(values) > 1 and min(values) > 0:
        found = mean([math.log(value) for value in values], level)
        return found and Interval(math.exp(found.estimate), math.exp(found.lo), math.exp(found.hi))
    found = mean(values, level)
    if found is not None and min(values) == 0:  # a count or a share, and there is none below nothing
        return Interval(found.estimate, max(0.0, found.lo), found.hi)
    return found


def welch(base: Sequence[float], new: Sequence[float], level: float) -> Interval | None:
    """The difference of two means, new minus base, with spreads of their own.  None with fewer than two runs a side.

    Welch, Biometrika 34, 1947; degrees of freedom by Satterthwaite, Biometrics Bulletin 2, 1946.
    """
    if min(len(base), len(new)) < 2:
        return None
    parts = [(stdev(side) ** 2 / len(side), len(side) - 1) for side in (base, new)]
    squared = sum(part for part, _ in parts)
    degrees = squared**2 / sum(part**2 / df for part, df in parts) if squared**2 else math.inf
    return _around(fmean(new) - fmean(base), math.sqrt(squared), degrees, level)


def paired(base: Sequence[float], new: Sequence[float], level: float) -> Interval | None:
    """The mean difference of pairs that were run side by side, new minus base.  None with fewer than two pairs."""
    differences = [b - a for a, b in zip(base, new, strict=True)]
    if len(differences) < 2:
        return None
    error = stdev(differences) / math.sqrt(len(differences))
    return _around(fmean(differences), error, len(differences) - 1, level)


def prediction(history: Sequence[float], one: float, level: float) -> Interval | None:
    """How far one new run is from the mean of earlier ones, with the interval in which that run would be expected.

    The bounds hold 0 when the run is one that the history explains (Hahn and Meeker, Statistical Intervals, 1991,
    section 4.4: t with n - 1 degrees of freedom, spread times sqrt(1 + 1/n)).  None with fewer than two earlier runs.
    """
    n = len(history)
    if n < 2:
        return None
    return _around(one - fmean(history), stdev(history) * math.sqrt(1 + 1 / n), n - 1, level)


def newcombe(base: tuple[int, int], new: tuple[int, int]) -> Interval | None:
    """The difference of two shares, each (how many, of how many), with a 95 % interval.  None where one is of nothing.

    Method 10 of Newcombe, Statistics in Medicine 17, 1998: the square-and-add of two Wilson intervals.
    """
    base_bounds, new_bounds = wilson(*base), wilson(*new)
    if base_bounds is None or new_bounds is None:
        return None
    (base_lo, base_hi), (new_lo, new_hi) = base_bounds, new_bounds
    base_share, new_share = base[0] / base[1], new[0] / new[1]
    difference = new_share - base_share
    return Interval(
        difference,
        difference - math.hypot(new_share - new_lo, base_hi - base_share),
        difference + math.hypot(new_hi - new_share, base_share - base_lo),
    )


def runs_needed(base_spread: float, new_spread: float, half_width: float, level: float) -> int | None:
    """Fewest runs a side whose Welch interval is as narrow as +- `half_width`, if they spread as those seen do.

    None when even `MOST_RUNS` would not do.
    """
    variance = base_spread**2 + new_spread**2
    if not variance:
        return 2
    degrees = variance**2 / (base_spread**4 + new_spread**4)
    for n in range(2, MOST_RUNS + 1):
        if t_quantile((1 + level) / 2, (n - 1) * degrees) * math.sqrt(variance / n) <= half_width:
            return n
    return None


def smallest_change(spread: float, runs: int, level: float, power: float, least: float) -> float:
    """The smallest true difference that `runs` a side find with probability `power`, if they spread by `spread`.

    Found means: the Welch interval excludes 0 and the estimate is beyond `least`.
    """
    error, degrees = spread * math.sqrt(2 / runs), 2 * (runs - 1)
    chance = t_quantile(power, degrees) * error
    return max(t_quantile((1 + level) / 2, degrees) * error, least) + chance


def _around(estimate: float, error: float, degrees: float, level: float) -> Interval:
    half = t_quantile((1 + level) / 2, degrees) * error
    return Interval(estimate, estimate - half, estimate + half)


@lru_cache(maxsize=1024)
def t_quantile(p: float, degrees: float) -> float:
    """The p-quantile, 0.5 <= p < 1, of Student's t; `degrees` of freedom need not be whole and may be infinite.

    Newton's method on the upper tail, which is convex: from the normal quantile, which is never above the root, each
    step comes closer without passing it.
    """
    t = NormalDist().inv_cdf(p)
    if math.isinf(degrees) or p == 0.5:
        return t
    for _ in range(200):
        step = (_upper_tail(t, degrees) - (1 - p)) / _density(t, degrees)
        t += step
        if step <= 1e-13 * t:
            break
    return t


def _upper_tail(t: float, degrees: float) -> float:
    """P(T > t) for t >= 0 (Abramowitz and Stegun 26.7.1 and 26.5.27)."""
    return 0.5 * _incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5)


def _density(t: float, degrees: float) -> float:
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    return math.exp(log_scale - (degrees + 1) / 2 * math.log1p(t * t / degrees))


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function, by whichever of its two continued fractions converges quickly."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    if x <= 0:
        return 0.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / a * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of Abramowitz and Stegun 26.5.8, by Lentz's method (Applied Optics 15, 1976)."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in count(1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for coefficient in (even, odd):
            d = 1 / (1 + coefficient * d)
            c = 1 + coefficient / c
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
