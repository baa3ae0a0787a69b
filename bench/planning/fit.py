"""Fitting how fast answers come to what was seen of them.  Pure: arrays in, distributions and intervals out.

An answer is taken to be made as the mock makes it: a time to first token T, more by `prefill` for each 1,000 tokens of
a long prompt, and a time per token, both slower the more answers are under way:

    ttft = (T + prefill x extra) x (1 + load x others / 100)        interval = 1 / rate x (1 + load x others / 100)

The slopes come first, by ranks: a slope is right when what it leaves has nothing to do with what it explains, whatever
the shape of the distribution (Jaeckel, Annals of Mathematical Statistics 43, 1972).  Their intervals are the slopes
that a rank test does not refuse.  What is left is a lognormal distribution, by maximum likelihood, unless Anderson and
Darling's test refuses it; then its quantiles are kept as they are.  Intervals of quantiles are bootstrapped (Efron,
Annals of Statistics 7, 1979), with the slopes drawn anew each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np

from bench.results.columns import Bools, Floats, Ints
from bench.results.intervals import Interval
from bench.results.statistics import TAIL, samples_needed
from mock_server.profile import Distribution, Quantiles
from mock_server.rng import Z95, Draws

FEWEST = samples_needed(0.95)
"""Answers without which a 95th percentile has no interval: 72."""

REFUSED = 0.470
"""Anderson and Darling's statistic, mean and spread estimated, above which a shape is refused at 25 % (D'Agostino and
Stephens, Goodness-of-Fit Techniques, 1986, table 4.7).  So high a level, because a table is never wrong and a lognormal
may be: a hundred answers do not tell a gamma distribution from it at 5 %."""

REPLICATES = 400
"""Of the bootstrap ..."""

FEWER_REPLICATES = 100
"""... and where there are more answers than `MANY`, which have narrow intervals anyway."""

MANY = 20_000

NEGLIGIBLE = 0.001
"""An effect that never makes a larger difference, as a share, is none."""

CONSTANT = 0.002
"""A spread between the 5th and the 95th percentile that is smaller, as a share, is none."""

_SHARES = (0.0, 0.005, *(k / 100 for k in range(1, 100)), 0.995, 0.999, 1.0)
"""Of a table.  The ends are the least and the most that was seen."""

_STEPS = 45
"""Halvings of an interval in which a slope is looked for."""

_STEEPEST = 100.0
"""Growth of times, as a share for each unit of what makes them grow, beyond which none is looked for."""

SHORTEST = 1e-4
"""Seconds: the least that is left of a time when what explains a part of it is taken away."""

_normal = NormalDist()
_Z = _normal.inv_cdf(1 - TAIL)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of one family of models, an entry each."""

    ttft: Floats
    """Seconds; NaN where the answer was not streamed."""
    interval: Floats
    """Seconds per token; NaN where it was not streamed, or of fewer than two tokens."""
    latency: Floats
    tokens: Floats
    """Of output."""
    extra: Floats
    """Thousands of tokens that the prompt had beyond those that make no difference."""
    others: Floats
    """Answers under way when it was asked for."""

    def __len__(self) -> int:
        return len(self.latency)

    def only(self, rows: Bools) -> Answers:
        """Some of them."""
        return Answers(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Effect:
    """A slope."""

    found: Interval
    reach: float
    """What it is multiplied with at most, as a share of what it changes."""

    @property
    def value(self) -> float:
        """What to reckon with: 0 where it may be that or less, or makes no difference."""
        return self.found.estimate if self.found.lo > 0 and self.found.estimate * self.reach > NEGLIGIBLE else 0.0

    def widened(self, unsure: float) -> Effect:
        """The same where what it was measured in is itself known to this share only; its sign is as sure as before."""
        lo, hi, wider = self.found.lo, self.found.hi, 1 + unsure
        lo, hi = lo / wider if lo > 0 else lo * wider, hi * wider if hi > 0 else hi / wider
        return replace(self, found=replace(self.found, lo=lo, hi=hi))

    def drawn(self, draws: Draws) -> float:
        """As it might have come out as well: not cut off at 0, or what rests on it would seem surer than it is."""
        return max(-0.9 / self.reach, self.found.estimate + self.found.half_width / _Z * draws.normal())


@dataclass(frozen=True, slots=True)
class Shaped:
    """A distribution fitted to a sample."""

    distribution: Distribution
    kind: Literal["constant", "lognormal", "table"]
    distance: float
    """From the sample (Kolmogorov and Smirnov)."""
    n: int
    p50: Interval
    p95: Interval


@dataclass(frozen=True, slots=True)
class Fit:
    """What was fitted to the answers of a family."""

    ttft: Shaped
    rate: Shaped | None
    """Tokens per second; None where answers are too short to tell."""
    correlation: Interval | None
    """None where one of the two does not vary."""
    prefill: Effect | None
    """Seconds per 1,000 tokens; None where prompts do not differ in length, or answers were not streamed."""
    load: Effect | None
    """As a share, by a hundred others; None where as many answers were always under way."""
    known: Literal["seen", "lengths", "preset"]
    """How the time to first token is known: it was seen, or it follows from answers of different lengths, or it is the
    same part of the whole as in the preset."""


Slopes: TypeAlias = tuple[float, float]
"""Load and prefill."""

Values: TypeAlias = Callable[[Ints, Slopes], Floats]
"""What the answers of some rows say of a quantity, the slopes being what they are."""


def fit(answers: Answers, preset: tuple[float, float], draws: Draws) -> Fit:
    """Fit a family's speed.

    `preset` is a median time to first token and a median rate, in whose proportion whole times are divided where
    nothing tells better.
    """
    streamed = ~np.isnan(answers.ttft)
    if streamed.sum() * 2 < len(answers):
        return _fit_whole(answers, preset, draws)
    return _fit_streamed(answers.only(streamed), draws)


def _fit_streamed(answers: Answers, draws: Draws) -> Fit:
    rows = np.arange(len(answers))
    timed = rows[answers.interval > 0]
    load = slowing(np.log(answers.interval[timed]), answers.others[timed] / 100)
    prefill = slope(answers.ttft / _strain(answers, rows, _of(load)), answers.extra)
    if prefill is not None and load is not None:
        prefill = prefill.widened(load.found.half_width * float(answers.others.mean()) / 100)

    def first(rows: Ints, slopes: Slopes) -> Floats:
        left = answers.ttft[rows] / _strain(answers, rows, slopes[0]) - slopes[1] * answers.extra[rows]
        return np.maximum(left, SHORTEST)

    def rate(rows: Ints, slopes: Slopes) -> Floats:
        return _strain(answers, rows, slopes[0]) / answers.interval[rows]

    firsts = shaped(first, rows, draws.of("ttft"), load, prefill)
    rates = shaped(rate, timed, draws.of("rate"), load) if len(timed) >= FEWEST else None
    together = None
    if rates is not None and "constant" not in (firsts.kind, rates.kind):
        slopes = _of(load), _of(prefill)
        together = correlation(first(timed, slopes), rate(timed, slopes))
    return Fit(firsts, rates, together, prefill, load, "seen")


def _fit_whole(answers: Answers, preset: tuple[float, float], draws: Draws) -> Fit:
    """Of answers that were not streamed only the whole time is known.

    An answer is then taken to be early and quick, or late and slow, and the part that each token has in it to be the
    one with which long answers are as fast as short ones.
    """
    rows, after = np.arange(len(answers)), np.maximum(0.0, answers.tokens - 1)
    part = slowing(np.log(answers.latency), after)
    told = part is not None and 0 < part.found.hi < 2 * part.found.lo
    each = part.value if part is not None and told else 1 / (preset[0] * preset[1])
    whole = answers.latency / (1 + each * after)
    load = slowing(np.log(whole), answers.others / 100)

    def first(rows: Ints, slopes: Slopes) -> Floats:
        left: Floats = whole[rows] / _strain(answers, rows, slopes[0])
        return left

    def rate(rows: Ints, slopes: Slopes) -> Floats:
        return 1 / (each * first(rows, slopes))

    firsts, rates = shaped(first, rows, draws.of("ttft"), load), shaped(rate, rows, draws.of("rate"), load)
    return Fit(firsts, rates, Interval(-1.0, -1.0, -1.0), None, load, "lengths" if told else "preset")


def _strain(answers: Answers, rows: Ints, load: float) -> Floats:
    """How much slower answers were for those under way beside them."""
    slower: Floats = 1 + load * answers.others[rows] / 100
    return slower


def _of(effect: Effect | None) -> float:
    return 0.0 if effect is None else effect.value


# Slopes


def slowing(logs: Floats, by: Floats) -> Effect | None:
    """By which share times grow with each unit of `by`, given their logarithms.  None where `by` does not vary."""
    if len(by) < FEWEST or np.ptp(by) == 0:
        return None
    most = float(by.max())
    return Effect(_by_ranks(lambda growth: logs - np.log1p(growth * by), by, -0.99 / most, _STEEPEST), most)


def slope(values: Floats, by: Floats) -> Effect | None:
    """By how much values grow with each unit of `by`.  None where that does not vary."""
    if len(by) < FEWEST or np.ptp(by) == 0:
        return None
    steepest = 2 * float(np.ptp(values) / by.std())
    found = _by_ranks(lambda each: values - each * by, by, -steepest, steepest)
    return Effect(found, float(by.max() / np.median(values)))


def _by_ranks(left: Callable[[float], Floats], by: Floats, low: float, high: float) -> Interval:
    """The slope between the bounds at which what is `left` has ranks without a trend in `by`.

    The statistic falls as the slope rises, so that each of the three is where it crosses a level; the outer two are
    those that it reaches with probability 2.5 % without a trend.
    """
    centred, n = by - by.mean(), len(by)
    level = _Z * math.sqrt(float(centred @ centred) * n * (n + 1) / 12)

    def crossing(level: float) -> float:
        below, above = float(low), float(high)
        for _ in range(_STEPS):
            middle = (below + above) / 2
            if float(centred @ _ranks(left(middle))) > level:
                below = middle
            else:
                above = middle
        return (below + above) / 2

    return Interval(crossing(0.0), crossing(level), crossing(-level))


def _ranks(values: Floats) -> Floats:
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(1, len(values) + 1)
    return ranks


def correlation(one: Floats, other: Floats) -> Interval:
    """Of normal scores, with Fisher's interval (Biometrika 10, 1915); 0 where that holds 0."""
    n = len(one)
    scores = np.array([_normal.inv_cdf((rank - 0.5) / n) for rank in range(1, n + 1)])
    found = float(scores[_ranks(one).astype(int) - 1] @ scores[_ranks(other).astype(int) - 1] / (scores @ scores))
    z, half = math.atanh(max(-1 + 1e-12, min(found, 1 - 1e-12))), _Z / math.sqrt(n - 3)
    lo, hi = math.tanh(z - half), math.tanh(z + half)
    return Interval(0.0 if lo <= 0 <= hi else found, lo, hi)


# Distributions


def shaped(
    values: Values, rows: Ints, draws: Draws, load: Effect | None = None, prefill: Effect | None = None
) -> Shaped:
    """The distribution of what the answers of some rows say, and intervals of its median and 95th percentile."""
    sample = np.sort(values(rows, (_of(load), _of(prefill))))
    distribution, kind, distance = _shape(sample)
    replicates = REPLICATES if len(rows) <= MANY else FEWER_REPLICATES
    again = [
        _two(values(rows[chosen], (_drawn(load, draws), _drawn(prefill, draws))), kind)
        for chosen in _resamples(len(rows), replicates, draws)
    ]
    bounds = np.quantile(again, [TAIL, 1 - TAIL], axis=0).T
    p50, p95 = (Interval(value, *map(float, each)) for value, each in zip(_two(sample, kind), bounds, strict=True))
    return Shaped(distribution, kind, distance, len(rows), p50, p95)


def _shape(ordered: Floats) -> tuple[Distribution, Literal["constant", "lognormal", "table"], float]:
    """The simplest distribution that describes a sample, and how far it is from it."""
    low, median, high = np.quantile(ordered, [0.05, 0.5, 0.95])
    if high - low <= CONSTANT * median:
        return (_six(median), _six(median)), "constant", 0.0
    logs = np.log(ordered)
    z = (logs - logs.mean()) / logs.std()
    below = np.clip([_normal.cdf(each) for each in z], 1e-300, 1 - 1e-16)
    if anderson_darling(below) < REFUSED:
        p50, p95 = _two(ordered, "lognormal")
        return (_six(p50), _six(p95)), "lognormal", _distance(below)
    n = len(ordered)
    shares = [p for p in _SHARES if p in (0.0, 1.0) or min(p, 1 - p) * n >= 1]
    table = Quantiles(tuple((p, _six(value)) for p, value in zip(shares, np.quantile(ordered, shares), strict=True)))
    under = np.interp(logs, [math.log(value) for _, value in table.quantiles], shares)
    return table, "table", _distance(under)


def anderson_darling(below: Floats) -> float:
    """The statistic for a sample whose mean and spread were estimated from it, by the share below each of it."""
    n = len(below)
    weights = 2 * np.arange(1, n + 1) - 1
    squared = -n - float(weights @ (np.log(below) + np.log1p(-below[::-1]))) / n
    return squared * (1 + 0.75 / n + 2.25 / n**2)


def _distance(below: Floats) -> float:
    steps = np.arange(len(below) + 1) / len(below)
    return float(max((steps[1:] - below).max(), (below - steps[:-1]).max()))


def distance(one: Floats, other: Floats) -> float:
    """The largest difference between the distributions of two samples (Smirnov, 1939)."""
    one, other = np.sort(one), np.sort(other)
    everything = np.concatenate((one, other))
    steps = (np.searchsorted(each, everything, side="right") / len(each) for each in (one, other))
    return float(np.abs(np.subtract(*steps)).max())


def _two(values: Floats, kind: str) -> tuple[float, float]:
    """Median and 95th percentile of the distribution of this kind."""
    if kind == "lognormal":
        logs = np.log(values)
        middle, spread = float(logs.mean()), float(logs.std())
        return math.exp(middle), math.exp(middle + Z95 * spread)
    p50, p95 = np.quantile(values, [0.5, 0.95])
    return float(p50), float(p95)


def _resamples(n: int, many: int, draws: Draws) -> Iterator[Ints]:
    """Rows drawn with replacement, by the generator of `rng.py`, many numbers at a time."""
    for _ in range(many):
        z = np.uint64(draws.bits()) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        yield ((z ^ (z >> np.uint64(31))) % np.uint64(n)).astype(np.int64)


def _drawn(effect: Effect | None, draws: Draws) -> float:
    return 0.0 if effect is None else effect.drawn(draws)


def _six(value: float) -> float:
    """Six digits, so that a file can be read."""
    return float(f"{value:.6g}")
