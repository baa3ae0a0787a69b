"""What can be said from a sample: percentiles and shares, each with its 95 % interval, or that it is too small.

Intervals hold *within this run*: its requests share an hour, a region and a queue, and another run may differ by more.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from bench.results.columns import Floats
from bench.results.summary import Distribution, Quantile

TAIL = 0.025
"""Probability left out on each side of a 95 % interval."""

_Z = NormalDist().inv_cdf(1 - TAIL)


def samples_needed(p: float) -> int:
    """Fewest samples from which the p-quantile has a two-sided 95 % interval: 72 for p = 0.95, 368 for 0.99.

    The widest interval runs from the smallest to the largest sample.  It misses the quantile when all n samples fall
    on one side, which happens with probability p^n and (1 - p)^n; both must be at most 2.5 %.
    """
    return math.ceil(math.log(TAIL) / math.log(max(p, 1 - p)))


def quantile(values: Floats, p: float) -> Quantile:
    """The p-quantile, 0 < p < 1, with a distribution-free 95 % interval between two of the samples.

    Linear interpolation between the neighbouring samples (definition 7 of Hyndman and Fan, The American Statistician
    50, 1996); interval from order statistics (David and Nagaraja, Order Statistics, 2003, section 7.1).
    """
    return _quantile(np.sort(values), p)


def _quantile(ordered: Floats, p: float) -> Quantile:
    needed = samples_needed(p)
    if len(ordered) < needed:
        return Quantile(value=None, lo=None, hi=None, needed=needed)
    lower, upper = _ranks(len(ordered), p)
    at = p * (len(ordered) - 1)
    around = ordered[math.floor(at) : math.floor(at) + 2]
    value = np.interp(at - math.floor(at), range(len(around)), around)
    return Quantile(value=float(value), lo=float(ordered[lower]), hi=float(ordered[upper]), needed=needed)


@lru_cache(maxsize=64)
def _ranks(n: int, p: float) -> tuple[int, int]:
    """0-based ranks of the samples that bound the interval: the narrowest with at most 2.5 % beyond either side."""
    first, below = _binomial_cdf(n, p)
    lower, upper = np.searchsorted(below, TAIL, side="right") - 1, np.searchsorted(below, 1 - TAIL)
    return first + int(lower), first + int(upper)


def _binomial_cdf(n: int, p: float) -> tuple[int, Floats]:
    """P(at most k of n samples lie below the p-quantile), from a first k on that is given too.

    Twelve standard deviations around the mean: what lies beyond has no weight, and of a million samples it is most.
    """
    reach = 12 * math.sqrt(n * p * (1 - p)) + 12
    k = np.arange(max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach)) + 1)
    log_p, log_q = math.log(p), math.log1p(-p)
    begin = math.lgamma(n + 1) - math.lgamma(k[0] + 1) - math.lgamma(n - k[0] + 1) + k[0] * log_p + (n - k[0]) * log_q
    steps = np.log((n - k[:-1]) / (k[:-1] + 1)) + (log_p - log_q)
    return int(k[0]), np.cumsum(np.exp(np.concatenate(([begin], begin + np.cumsum(steps)))))


def distribution(values: Floats) -> Distribution:
    """A sample without NaN, in numbers."""
    some, ordered = len(values) > 0, np.sort(values)
    return Distribution(
        n=len(values),
        mean=float(values.mean()) if some else None,
        min=float(ordered[0]) if some else None,
        max=float(ordered[-1]) if some else None,
        p50=_quantile(ordered, 0.50),
        p90=_quantile(ordered, 0.90),
        p95=_quantile(ordered, 0.95),
        p99=_quantile(ordered, 0.99),
    )


def wilson(successes: int, n: int) -> tuple[float, float] | None:
    """95 % interval of a share (Wilson, JASA 22, 1927); None without trials."""
    if n == 0:
        return None
    share = successes / n
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)
