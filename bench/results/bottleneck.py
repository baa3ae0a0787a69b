"""Was the client the bottleneck?  What it saw of itself, against what it measured and what its machine can time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.results.diagnosis import TOLERANCE, Ceiling
from bench.results.format import DASH, number, seconds, share
from bench.results.question import Question
from bench.results.selfcheck import BUSY, ENOUGH_MOMENTS, SelfCheck
from bench.results.summary import PassSummary, Warning

BOTTLENECK = "client_bottleneck"
"""The client was the bottleneck: whatever was asked for, the numbers are of this machine.  The run is not valid."""

STRAINED = "client_strained"
"""The same in scaled time, which multiplies all that a machine adds: of a mock alone, and known to whoever scales."""


def bottleneck(summary: PassSummary, question: Question) -> Iterator[Warning]:
    """What is to be said of the client in a pass; nothing where the server's own times say that it added little.

    It was the bottleneck when half of all moments were late by more than 5 % of the median latency: every stamp is late
    by as much.  Of more than the machine was seen to time, one moment in a hundred is enough.
    """
    found, latency = summary.selfcheck, summary.distributions["latency"].p50.value
    if found is None or latency is None or found.moments < ENOUGH_MOMENTS or _refuted(summary):
        return
    above = _above(found, question.ceiling, streamed=summary.distributions["ttft"].n > 0)
    usual, worst = found.lag_median * question.speed, found.lag_p99 * question.speed
    tolerated = TOLERANCE * latency
    if usual > tolerated:
        yield _spoiled(f"half of all moments by {seconds(usual)} or more", usual / latency, found, above, question)
    elif above and worst > tolerated:
        yield _spoiled(f"one moment in a hundred by {seconds(worst)} or more", worst / latency, found, above, question)
    elif above:
        yield Warning(
            "beyond_ceiling",
            above,
            "Its event loop was on time, so the numbers may stand; nobody has seen this machine time as much.",
            f"Use {_lighter(question)}fewer at once, or run claude-bench doctor again when nothing else runs.",
        )


def _refuted(summary: PassSummary) -> bool:
    """Whether the server's own times say that the client added no more than is tolerated."""
    overhead = summary.overhead
    return overhead is not None and overhead.median <= TOLERANCE * overhead.server_median


def _above(found: SelfCheck, ceiling: Ceiling | None, *, streamed: bool) -> str:
    """By what the pass was more than the machine was seen to time; empty where it was not, or nobody knows."""
    if ceiling is None:
        return ""
    if streamed and 0 < ceiling.streams < found.most_open:
        return f"{number(found.most_open)} streams were open at once; this machine times {number(ceiling.streams)}."
    if 0 < ceiling.requests < found.rate:
        return (
            f"{number(round(found.rate))} requests a second were sent; this machine times {number(ceiling.requests)}."
        )
    return ""


def _spoiled(late: str, of_latency: float, found: SelfCheck, above: str, question: Question) -> Warning:
    busy, paused = found.cpu >= BUSY, found.paused / found.seconds
    if busy:
        cause = f"it used {share(found.cpu)} of its one core"
        todo = (
            f"Use {_lighter(question)}fewer in flight or fewer requests a second; "
            "claude-bench doctor says how much this machine can time."
        )
    elif paused > TOLERANCE:
        cause = f"garbage collection took {share(paused)} of the time"
        todo = "Use fewer in flight, or a machine with more memory and a faster core."
    else:
        cause = f"it used {share(found.cpu)} of a core, something else had the rest"
        todo = "End what else runs on this machine, or measure on one that has nothing else to do."
    return Warning(
        BOTTLENECK if question.speed == 1 else STRAINED,
        f"The client was the bottleneck: late at {late}, {share(of_latency)} of the median latency; {cause}."
        + (f" {above}" if above else ""),
        "Every time it took is late by as much: these are the numbers of this machine, not of the service.",
        todo,
    )


def _lighter(question: Question) -> str:
    """The other client, and what it was seen to time, as the first of several things to do; empty if it is in use."""
    if not question.client.startswith("sdk"):
        return ""
    if question.lighter is None:
        return "client: wire, "
    streams, requests = number(question.lighter.streams), number(question.lighter.requests)
    return f"client: wire (this machine times {streams} streams at once with it, and {requests} requests a second), "


def in_words(found: SelfCheck, name: str, ceilings: Mapping[str, Ceiling]) -> Iterator[str]:
    """What the client saw of itself in the pass of this name, and what its machine was seen to time."""
    wait = (
        f"{seconds(found.wait_median)} at the median and {seconds(found.wait_p99)} at the p99" if found.sends else DASH
    )
    yield (
        f"The client's event loop was {seconds(found.lag_median)} late at the median, {seconds(found.lag_p99)} at the "
        f"p99 and {seconds(found.lag_max)} at most ({found.moments:,} moments), and used {share(found.cpu)} of a core; "
        f"garbage collection paused it {found.pauses:,} times, {seconds(found.longest_pause)} at most. Sends left "
        f"{wait} after they were let through; {found.most_open:,} were open at once. That is {name}, where it was "
        "latest."
    )
    for client, ceiling in ceilings.items():
        yield (
            f"claude-bench doctor saw this machine time {number(ceiling.streams)} streams at once, "
            f"{number(ceiling.requests)} requests and {number(ceiling.events)} events a second with client: {client} "
            f"({ceiling.measured_at[:10]})."
        )
