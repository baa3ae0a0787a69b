"""Where to look next: from numbers tried to the one number that would tell most about the knee.

A coarse geometric grid first; then, between the smallest number that qualifies and its neighbour below, which does not,
the geometric middle, until the two are a step apart or their goodput cannot be told apart over the seeds.  While none
qualifies, the same between the largest number with which nothing is wrong but that it gives too little, and its
neighbour above, with which something else is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

from bench.results.intervals import paired
from bench.results.recommendation import Judged, chosen, judge
from bench.results.sweep import LEVEL, Point, Series

STEP = 1.1
"""Numbers of which the larger is not more than this many times the smaller are neighbours: nothing is tried between."""


def grid(first: int, last: int) -> tuple[int, ...]:
    """From `first` to `last`, each twice the one before."""
    return (*takewhile(lambda number: number < last, (first << doubled for doubled in range(last.bit_length()))), last)


def next_number(series: Series) -> int | None:
    """The number to try next; None when the knee is known as well as it can be."""
    judged = judge(series)
    above = _edge(judged)
    if above is None or not 0 < above < len(judged):
        return None
    below = above - 1
    low, high = (int(series.points[place].at) for place in (below, above))
    if high - low < 2 or high <= STEP * low:
        return None
    if judged[above].verdict == "ok" and _alike(judged[below], series.points[below], series.points[above]):
        return None
    return min(max(round(math.sqrt(low * high)), low + 1), high - 1)


def _edge(judged: Sequence[Judged]) -> int | None:
    """The place of the number below which the knee is: the smallest that qualifies; where none does, the first beyond
    the largest that only gives too little, or where there is none of those, the smallest that gives enough."""
    if (place := chosen(judged)) is not None:
        return place
    harmless = [place for place, one in enumerate(judged) if one.harmless]
    if harmless:
        return harmless[-1] + 1
    return next((place for place, one in enumerate(judged) if one.gives_enough), None)


def _alike(judged: Judged, below: Point, above: Point) -> bool:
    """Whether the lower number fails for its goodput alone, which cannot be told from the upper one's, seed by seed."""
    if [check.condition for check in judged.faults] != ["goodput"] or below.passes != above.passes:
        return False
    difference = paired(below.goodput.each, above.goodput.each, LEVEL)
    return difference is not None and difference.lo <= 0 <= difference.hi
