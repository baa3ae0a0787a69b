"""How answers change with the time of day, from requests that came in rounds.

The unit is the round: its requests share a moment, and say little about the next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bench.results.columns import Bools, Columns, Floats, Ints
from bench.results.format import DASH, count, dollars, seconds, share, three
from bench.results.statistics import quantile
from bench.results.summary import Hour, Observation, PassSummary

BY_CHANCE = 0.05
"""From how often on a difference that chance alone would make is called chance."""

_DAY, _HOUR = 86_400, 3_600


def observation_of(columns: Columns) -> Observation | None:
    """A pass by the hours of the day (UTC); None where its requests did not come in rounds."""
    requests = columns.requests
    if not len(requests) or np.isnan(requests.at).any():
        return None
    round_of = rounds_of(columns)
    began = _first_of_each(requests.at, round_of)[round_of]
    hours = tuple(_hour(hour, columns, round_of, began) for hour in np.unique(began % _DAY // _HOUR).astype(int))
    known = {one.hour: one.latency for one in hours if one.latency is not None}
    return Observation(
        first=float(requests.at.min()),
        last=float(requests.at.max()),
        rounds=int(round_of.max()) + 1,
        requests=len(requests),
        failed=int((~requests.ok).sum()),
        hours=hours,
        quickest=min(known, key=known.__getitem__, default=None),
        slowest=max(known, key=known.__getitem__, default=None),
        chance=_chance(*_medians(requests.latency, requests.ok, round_of, began)),
    )


def rounds_of(columns: Columns) -> Ints:
    """Which round each request is of, from 0: those of one round were meant to go at the same moment."""
    return np.unique(columns.requests.intended, return_inverse=True)[1]


def _first_of_each(values: Floats, groups: Ints) -> Floats:
    first = np.full(groups.max() + 1, np.inf)
    np.minimum.at(first, groups, values)
    return first


def _hour(hour: int, columns: Columns, round_of: Ints, began: Floats) -> Hour:
    requests = columns.requests
    own = began % _DAY // _HOUR == hour
    latency, ttft = requests.latency[own & requests.ok], requests.ttft[own & requests.ok & ~np.isnan(requests.ttft)]
    median = quantile(latency, 0.5)
    return Hour(
        hour=int(hour),
        days=len(np.unique(began[own] // _DAY)),
        rounds=len(np.unique(round_of[own])),
        requests=int(own.sum()),
        failed=int((own & ~requests.ok).sum()),
        latency=float(np.median(latency)) if len(latency) else None,
        latency_lo=median.lo,
        latency_hi=median.hi,
        ttft=float(np.median(ttft)) if len(ttft) else None,
    )


def _medians(latency: Floats, ok: Bools, round_of: Ints, began: Floats) -> tuple[Floats, Ints]:
    """The median latency of each round in which anything succeeded, and its hour."""
    rounds = np.unique(round_of[ok])
    medians = np.array([np.median(latency[ok & (round_of == one)]) for one in rounds])
    hours = np.array([began[round_of == one][0] % _DAY // _HOUR for one in rounds], dtype=np.int64)
    return medians, hours


def _chance(values: Floats, groups: Ints) -> float | None:
    """How often groups that are all alike would differ as much as these; None where there is only one.

    Kruskal and Wallis, JASA 47, 1952, with ties.
    """
    names = np.unique(groups)
    if len(names) < 2:
        return None
    _, place, alike = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(alike) - (alike - 1) / 2)[place]
    spread = ((ranks - ranks.mean()) ** 2).sum()
    if not spread:
        return 1.0
    between = sum((groups == name).sum() * (ranks[groups == name].mean() - ranks.mean()) ** 2 for name in names)
    return _chi_squared_tail(float((len(values) - 1) * between / spread), len(names) - 1)


def _chi_squared_tail(x: float, degrees: int) -> float:
    """The probability of more than x (Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 26.4.4-5)."""
    half, odd = x / 2, degrees % 2
    powers = (place + odd / 2 for place in range((degrees - odd) // 2))
    nearest = math.erfc(math.sqrt(half)) if odd else 0.0
    return math.fsum((nearest, *(math.exp(-half) * half**power / math.gamma(power + 1) for power in powers)))


def observed_sentences(summary: PassSummary, seen: Observation) -> Iterator[str]:
    """What the time of day did, what failed, and what it cost."""
    by_hour = {one.hour: one for one in seen.hours}
    if seen.quickest is None or seen.slowest is None:
        yield f"Nothing succeeded in {count(seen.rounds, 'round')}."
    elif seen.chance is None:
        only = by_hour[seen.quickest]
        yield f"Answers took {_typical(only)}; no other hour than {hour_name(only.hour)} UTC was seen."
    elif by_hour[seen.quickest].latency == by_hour[seen.slowest].latency:
        yield f"Answers are the same at all hours: {_typical(by_hour[seen.quickest])} in each."
    else:
        quickest, slowest = by_hour[seen.quickest], by_hour[seen.slowest]
        ends = (
            f"quickest from {hour_name(quickest.hour)} UTC, {_typical(quickest)}, "
            f"slowest from {hour_name(slowest.hour)}, {_typical(slowest)}"
        )
        if seen.chance < BY_CHANCE:
            yield f"The time of day shows: answers are {ends}."
        else:
            yield (
                f"The hours differ by no more than chance makes them ({share(seen.chance)} of the time by as much): "
                f"answers were {ends}."
            )
    cost = "cost unknown" if summary.cost.total is None else dollars(summary.cost.total)
    failed = f"{seen.failed:,} of {count(seen.requests, 'request')} failed"
    yield f"{count(seen.rounds, 'round')} in {seconds(seen.last - seen.first)}: {failed}, {cost}."


def _typical(hour: Hour) -> str:
    """The median of an hour with its interval where it has one."""
    n = f"n {hour.requests - hour.failed:,}"
    if hour.latency is None:
        return DASH
    if hour.latency_lo is None or hour.latency_hi is None:
        return f"{seconds(hour.latency)} ({n})"
    return f"{seconds(hour.latency)} ({three(hour.latency_lo)} to {three(hour.latency_hi)} s, {n})"


def hour_name(hour: int) -> str:
    """Such as `04:00`."""
    return f"{hour:02d}:00"
