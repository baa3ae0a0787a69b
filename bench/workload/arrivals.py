"""When each request should go: intended times as an endless or finite stream of deadlines, never of periods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, count, islice, repeat, takewhile

from bench.errors import UsageError
from bench.scenario import data
from bench.scenario.data import BadRow, TraceRow
from bench.scenario.model import Arrivals, Scenario
from mock_server.rng import Draws

Arrival = tuple[float, TraceRow | None]
"""Seconds since the start of the pass, and the row of the trace it came from."""


def arrivals_of(scenario: Scenario) -> Iterator[Arrival]:
    """The arrivals of a workload: as many as it asks for, while its duration lasts."""
    wanted, duration = scenario.workload.requests, scenario.workload.duration
    arrivals: Iterable[Arrival] = _endless(scenario.arrivals, scenario.seed)
    if duration is not None:
        arrivals = takewhile(lambda arrival: arrival[0] < duration, arrivals)
    return islice(arrivals, wanted)


def _endless(arrivals: Arrivals, seed: int) -> Iterator[Arrival]:
    if arrivals.kind == "trace":
        return ((row.at * arrivals.time_factor, row) for row in window(arrivals))
    return zip(_times(arrivals, seed), repeat(None))


def _times(arrivals: Arrivals, seed: int) -> Iterator[float]:
    if arrivals.rate is None:
        return repeat(0.0)
    rate = arrivals.rate
    if arrivals.kind == "constant":
        return (number / rate for number in count())
    draws = Draws(seed, "arrivals")
    return accumulate(draws.exponential(1 / rate) for _ in repeat(None))


def window(arrivals: Arrivals) -> Iterator[TraceRow]:
    """The rows of the trace that lie in the window, at their own pace.  UsageError for a row that cannot be used."""
    assert arrivals.path is not None
    for row in data.trace(arrivals.path):
        if isinstance(row, BadRow):
            raise UsageError(f"{arrivals.path}:{row.line}: {row.message}")
        if arrivals.window is not None and row.at >= arrivals.window:
            return
        yield row
