"""When each request should go: intended times as an endless or finite stream of deadlines, never of periods.

Every open process is one of rate 1 whose time is stretched: with L(t) the number of requests expected until t, the
n-th goes at the inverse of L at the n-th time of that process (Cinlar, Introduction to Stochastic Processes, 1975,
section 4.7).  So a rate that changes is followed exactly, and nothing is thinned or approximated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, count, islice, pairwise, repeat, takewhile

from bench.errors import UsageError
from bench.scenario import traces
from bench.scenario.data import BadRow
from bench.scenario.model import Backlog, Constant, Diurnal, Gamma, Point, Poisson, Ramp, Rounds, Trace
from bench.scenario.traces import Arrival
from bench.workload.draws import gamma
from bench.workload.streams import Traffic
from mock_server.rng import Draws


def arrivals_of(traffic: Traffic, seed: int) -> Iterator[Arrival]:
    """The arrivals of an open stream: as many as its workload asks for, as long as its duration lasts."""
    wanted, duration = traffic.workload.arriving, traffic.workload.duration
    arrivals = _own(traffic, _arrivals(traffic, seed), seed)
    if duration is not None:
        arrivals = takewhile(lambda arrival: arrival.at < duration, arrivals)
    return islice(arrivals, wanted)


def _own(traffic: Traffic, arrivals: Iterable[Arrival], seed: int) -> Iterable[Arrival]:
    """Of arrivals that streams share, those of this stream."""
    if traffic.named_rows:
        return (arrival for arrival in arrivals if arrival.stream == traffic.name)
    if traffic.part is None:
        return arrivals
    low, high = traffic.part
    return (
        arrival._replace(rank=place)
        for place, arrival in enumerate(arrivals)
        if low <= Draws(seed, "share", place).uniform() < high
    )


def _arrivals(traffic: Traffic, seed: int) -> Iterable[Arrival]:
    arrivals, draws = traffic.arrivals, Draws(seed, "arrivals", *traffic.key)
    match arrivals:
        case Trace():
            return replayed(arrivals, Draws(seed, "rate_factor", *traffic.key))
        case Constant(rate=rate):
            times: Iterator[float] = (number / rate for number in count())
        case Poisson(rate=rate):
            times = _at(rate, _gaps(1.0, draws))
        case Gamma(rate=rate, burstiness=burstiness):
            times = _at(rate, _gaps(burstiness, draws))
        case Ramp(points=points, burstiness=burstiness):
            times = _along(points, _unit_times(burstiness, draws))
        case Diurnal():
            times = _through_the_day(arrivals, _unit_times(arrivals.burstiness, draws))
        case Rounds(every=every, requests=requests):
            times = (number // requests * every for number in count())
        case Backlog(requests=None):
            times = repeat(0.0)
        case Backlog(requests=int(requests)):
            times = repeat(0.0, requests)
        case _:
            raise AssertionError("users have no arrival times of their own")
    return map(Arrival, times)


def _at(rate: float, gaps: Iterator[float]) -> Iterator[float]:
    mean = 1 / rate
    return accumulate(gap * mean for gap in gaps)


def _gaps(burstiness: float, draws: Draws) -> Iterator[float]:
    """Gaps with a mean of 1 and `burstiness` as their coefficient of variation."""
    if burstiness == 1:
        return (draws.exponential(1.0) for _ in repeat(None))
    shape = burstiness**-2
    return (gamma(draws, shape) / shape for _ in repeat(None))


def _unit_times(burstiness: float, draws: Draws) -> Iterator[float]:
    """The times of a process of rate 1; an even one begins at 0."""
    return map(float, count()) if burstiness == 0 else accumulate(_gaps(burstiness, draws))


def _along(points: tuple[Point, ...], expected: Iterator[float]) -> Iterator[float]:
    """The moments at which so many requests are `expected`, where the rate goes linearly from point to point."""
    number, before = next(expected), 0.0
    forever = points[-1].model_copy(update={"at": math.inf})
    for start, end in pairwise(chain(points, [forever])):
        length = end.at - start.at
        slope = (end.rate - start.rate) / length if length else 0.0
        within = (start.rate + end.rate) / 2 * length if start.rate or end.rate else 0.0
        while number - before < within:
            yield start.at + min(length, _time_for(number - before, start.rate, slope))
            number = next(expected)
        before += within


def _time_for(todo: float, rate: float, slope: float) -> float:
    """The root t of rate * t + slope / 2 * t^2 = todo, in the form that a small slope does not spoil."""
    return 2 * todo / (rate + math.sqrt(max(0.0, rate**2 + 2 * slope * todo))) if todo else 0.0


def _through_the_day(curve: Diurnal, expected: Iterator[float]) -> Iterator[float]:
    """The moments at which so many requests are `expected`, where the rate swings as a sine does."""
    turn = 2 * math.pi / curve.period

    def until(time: float) -> float:
        swing = math.sin(turn * (time - curve.peak)) + math.sin(turn * curve.peak)
        return curve.rate * (time + curve.amplitude / turn * swing)

    latest = 0.0
    for number in expected:
        low, high = latest, number / curve.rate + 2 / turn  # the swing is never worth more than that
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if until(middle) < number else (low, middle)
        latest = high
        yield latest


def replayed(trace: Trace, draws: Draws) -> Iterator[Arrival]:
    """The rows of the trace that lie in its window, at its pace.  UsageError for a row that cannot be used."""
    rows = _times_as_many(_window(trace), trace.rate_factor, draws)
    return (row._replace(at=row.at * trace.time_factor) for row in rows)


def _window(trace: Trace) -> Iterator[Arrival]:
    for row in traces.rows(trace.file):
        if isinstance(row, BadRow):
            raise UsageError(f"{trace.path}:{row.line}: {row.message}")
        at = row.at - trace.start
        if trace.window is not None and at >= trace.window:
            return
        if at >= 0:
            yield row._replace(at=at)


def _times_as_many(rows: Iterator[Arrival], factor: float, draws: Draws) -> Iterator[Arrival]:
    """Each row `factor` times on average.  Copies lie between it and the next row: bursts stay bursts."""
    if factor == 1:
        yield from rows
        return
    for row, following in pairwise(chain(rows, [None])):
        assert row is not None
        copies = int(factor) + (draws.uniform() < factor % 1)
        end = row.at if following is None else following.at
        later = sorted(draws.uniform(row.at, end) for _ in range(copies - 1))
        yield from (row._replace(at=at) for at in [row.at, *later][:copies])
