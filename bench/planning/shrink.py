"""A job too large to be simulated as a whole: a smaller one like it, and what the whole then comes to.

The smaller job has the same requests at the same rate, only fewer of them or for a shorter time, and its buckets hold
as much less at the start: so it reaches the steady state that the whole job is in for most of its time.  Both jobs
have a closed form.  What the simulation took longer than its own, the whole job takes longer in proportion, but for the
last answer, which is as long in both.  Where times of arrival bind, the last ones are as late in both.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from bench.planning.demand import Demand
from bench.results.plan import ClosedForm, Played
from bench.scenario.arrivals import Arrivals, Backlog, Trace
from bench.scenario.model import Scenario, Stream, Workload

SHORTEST_BURST = 2.0
"""Seconds of the limits that buckets hold at least, as far as they did: with less, refusals would not be those of the
whole job."""

T = TypeVar("T", int, float)


def shrunk(scenario: Scenario, factor: float, span: float) -> Scenario:
    """The scenario with so much of its work; `span` is for how long requests arrive, in seconds."""
    if factor >= 1:
        return scenario
    burst = scenario.mock.burst
    less = max(burst * factor, min(burst, SHORTEST_BURST))
    changes: dict[str, object] = {
        "arrivals": _arrivals(scenario.arrivals, factor, span),
        "mock": scenario.mock.model_copy(update={"burst": less}),
        "streams": tuple(_stream(one, factor, span) for one in scenario.streams),
    }
    if scenario.workload is not None:
        changes["workload"] = _workload(scenario.workload, factor)
    return scenario.model_copy(update=changes)


def _stream(stream: Stream, factor: float, span: float) -> Stream:
    changes: dict[str, object] = {"workload": _workload(stream.workload, factor)}
    if stream.arrivals is not None:
        changes["arrivals"] = _arrivals(stream.arrivals, factor, span)
    return stream.model_copy(update=changes)


def _workload(workload: Workload, factor: float) -> Workload:
    changes: dict[str, object] = {}
    if workload.requests is not None:
        changes["requests"] = _part(workload.requests, factor)
    if workload.conversations is not None and workload.conversations.count is not None:
        count = _part(workload.conversations.count, factor)
        changes["conversations"] = workload.conversations.model_copy(update={"count": count})
    if workload.duration is not None:
        changes["duration"] = workload.duration * factor
    return workload.model_copy(update=changes)


def _arrivals(arrivals: Arrivals, factor: float, span: float) -> Arrivals:
    match arrivals:
        case Backlog(requests=int(requests)):
            return arrivals.model_copy(update={"requests": _part(requests, factor)})
        case Trace(window=window, time_factor=slower):
            whole = span / slower if window is None else window
            return arrivals.model_copy(update={"window": max(whole, 1e-3) * factor})
    return arrivals


def _part(number: int, factor: float) -> int:
    return max(1, round(number * factor))


def of_the_whole(small: Played, small_form: ClosedForm, form: ClosedForm, asked: Demand) -> Played:
    """What the whole job comes to, where a smaller one like it was simulated."""
    makespan = _makespan(small.makespan, small_form, form, asked.mean_service)
    more = asked.requests / small.requests
    waits = 1.0 if form.binds in ("arrivals", "answers") else makespan / small.makespan

    def later(seconds: float | None) -> float | None:
        return None if seconds is None else seconds * waits

    return msgspec.structs.replace(
        small,
        requests=asked.requests,
        estimate=True,
        makespan=makespan,
        throughput=(asked.requests - small.failed * more) / makespan * 60,
        response_p50=later(small.response_p50),
        response_p95=later(small.response_p95),
        rate_limited=small.rate_limited * more,
        failed=small.failed * more,
    )


def _makespan(simulated: float, small: ClosedForm, whole: ClosedForm, answer: float) -> float:
    if whole.binds != small.binds or whole.binds not in ("requests", "input_tokens", "output_tokens", "in_flight"):
        return max(whole.makespan, whole.makespan + simulated - small.makespan)
    last = 0.0 if whole.binds == "in_flight" else answer
    worked, expected = simulated - last, small.makespan - last
    return last + (whole.makespan - last) * (worked / expected if expected > 0 else 1.0)
