"""When each request should go: intended times as an endless or finite stream of deadlines, never of periods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, count, islice, repeat, takewhile

from bench.errors import UsageError
from bench.scenario import data
from bench.scenario.data import BadRow, TraceRow
from bench.scenario.model import Arrivals, Scenario
from mock_server.rng import Draws

AT_ONCE = TraceRow(0.0, 0, 0)


def arrivals_of(scenario: Scenario) -> Iterator[TraceRow]:
    """The arrivals of a workload: as many as it asks for, as long as its duration lasts."""
    wanted, duration = scenario.workload.requests, scenario.workload.duration
    arrivals: Iterable[TraceRow] = _endless(scenario.arrivals, scenario.seed)
    if duration is not None:
        arrivals = takewhile(lambda arrival: arrival.at < duration, arrivals)
    return islice(arrivals, wanted)


def _endless(arrivals: Arrivals, seed: int) -> Iterator[TraceRow]:
    if arrivals.kind == "trace":
        return (row._replace(at=row.at * arrivals.time_factor) for row in window(arrivals))
    if arrivals.rate is None:
        return repeat(AT_ONCE)
    return map(TraceRow, _times(arrivals.kind, arrivals.rate, seed), repeat(0), repeat(0))


def _times(kind: str, rate: float, seed: int) -> Iterator[float]:
    if kind == "constant":
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
