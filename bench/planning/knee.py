"""Where to look next: from numbers tried to the one number that would tell most about the knee.

A coarse geometric grid first.  Then the geometric middle between two neighbours, until they are a step apart: of the
smallest number that qualifies and the one below it, which does not, unless their goodput cannot be told apart over the
seeds; and of the largest number with which nothing is wrong but that it may give too little, and the one above it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import takewhile

from bench.results.intervals import paired
from bench.results.recommendation import Judged, chosen, judge
from bench.results.sweep import LEVEL, Point, Series

STEP = 1.1
"""Numbers of which the larger is not more than this many times the smaller are neighbours: nothing is tried between."""

FINE_STEP = 1.03
"""The same while no number qualifies."""


def grid(first: int, last: int) -> tuple[int, ...]:
    """From `first` to `last`, each twice the one before."""
    return (*takewhile(lambda number: number < last, (first << doubled for doubled in range(last.bit_length()))), last)


def next_number(series: Series) -> int | None:
    """The number to try next; None when the knee is known as well as it can be."""
    judged = judge(series)
    tries = (_between(series, judged, above) for above in _edges(judged) if 0 < above < len(judged))
    return next((number for number in tries if number is not None), None)


def _edges(judged: Sequence[Judged]) -> Iterator[int]:
    """The places of the numbers below which the knee, and the trouble beyond it, begin."""
    if (place := chosen(judged)) is not None:
        yield place
    harmless = [place for place, one in enumerate(judged) if one.harmless]
    if harmless:
        yield harmless[-1] + 1
    else:
        yield next((place for place, one in enumerate(judged) if one.gives_enough), 0)


def _between(series: Series, judged: Sequence[Judged], above: int) -> int | None:
    """A number between that at a place and the one before; None where they are near enough."""
    below = above - 1
    low, high = (int(series.points[place].at) for place in (below, above))
    if high - low < 2 or high <= low * (FINE_STEP if chosen(judged) is None else STEP):
        return None
    if judged[above].verdict == "ok" and _alike(judged[below], series.points[below], series.points[above]):
        return None
    return min(max(round(math.sqrt(low * high)), low + 1), high - 1)


def _alike(judged: Judged, below: Point, above: Point) -> bool:
    """Whether the lower number fails for its goodput alone, which cannot be told from the upper one's, seed by seed."""
    if [check.condition for check in judged.faults] != ["goodput"] or below.passes != above.passes:
        return False
    difference = paired(below.goodput.each, above.goodput.each, LEVEL)
    return difference is not None and difference.lo <= 0 <= difference.hi
