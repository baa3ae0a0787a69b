"""How much a full bucket holds, from what was let in and what was refused.  Pure.

Of a bucket that is full at the start, what is missing at any time does not depend on how much it holds: it grows by
what is taken and shrinks at the rate, down to nothing.  Whoever was let in found enough left, so it holds at least what
was missing and what they took; whoever was refused did not, so it holds less.  All these bounds are the interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from bench.results.columns import Columns, Floats, ended_by
from bench.results.fidelity import Burst
from bench.results.limits import rate_limited

LIMITERS = ("requests", "input_tokens", "output_tokens")

_SLICES = 20
"""Parts in which an answer is taken from the output bucket, as it is produced."""


class Event(NamedTuple):
    """Something that asked for a bucket, took from it, or both."""

    at: float
    """Seconds since the bucket was full."""
    refused: bool
    needed: float = 0.0
    """What had to be left."""
    taken: float = 0.0


def bounds(events: Iterable[Event], rate: float) -> tuple[float, float]:
    """The least and the most that the bucket can hold, in its units; `rate` is what it gains a second.

    Of what happens at once, what is refused comes last: it is then at most as much a proof as it was.
    """
    least, most, missing, at = 0.0, math.inf, 0.0, 0.0
    for event in sorted(events):
        missing, at = max(0.0, missing - rate * (event.at - at)), event.at
        if event.refused:
            most = min(most, missing + event.needed)
        elif event.needed:
            least = max(least, missing + event.needed)
        missing += event.taken
    return least, most


def estimate(passes: Iterable[Columns], limits: Mapping[str, float | None]) -> Burst | None:
    """The burst, by the limit that refused most.  None where none did, or it is not known how much it allows.

    `limits` are per minute; those that the headers named win.  Every pass is taken to begin with full buckets.
    """
    passes = list(passes)
    refused = {limiter: sum(int(ended_by(limiter, of=one.attempts).sum()) for one in passes) for limiter in LIMITERS}
    limiter = max(refused, key=lambda name: refused[name])
    per_minute = _said(passes, limiter) or limits.get(limiter)
    if not refused[limiter] or not per_minute:
        return None
    rate = per_minute / 60
    each = [bounds(_events(one, limiter), rate) for one in passes]
    lo, hi = max(lo for lo, _ in each), min(hi for _, hi in each)
    # Over a network the server's order is not quite ours, and the bounds may pass each other.
    value = lo if lo <= hi else (lo + hi) / 2
    lo, hi = min(lo, hi), max(lo, hi)
    return Burst(limiter, per_minute, value / rate, lo / rate, hi / rate, refused[limiter])


def _said(passes: list[Columns], limiter: str) -> float | None:
    """The limit that headers named, per minute."""
    named = np.concatenate([getattr(one.attempts, f"{limiter}_limit") for one in passes])
    named = named[~np.isnan(named)]
    return float(np.median(named)) if len(named) else None


def _events(columns: Columns, limiter: str) -> Iterator[Event]:
    """What asked for one bucket in one pass, seconds since its first send."""
    attempts = columns.attempts
    live = ~attempts.batch & ~ended_by("unsent", of=attempts)
    begin = float(attempts.sent[live].min()) if live.any() else 0.0
    refused, admitted = live & ended_by(limiter, of=attempts), live & ~rate_limited(attempts) & (attempts.status < 400)
    needed = _needed(columns, limiter)
    for row in np.flatnonzero(refused):
        yield Event(float(attempts.sent[row]) - begin, True, float(needed[row]))
    for row in np.flatnonzero(admitted):
        sent = float(attempts.sent[row]) - begin
        yield Event(sent, False, float(needed[row]), 0.0 if limiter == "output_tokens" else float(needed[row]))
        if limiter == "output_tokens":
            yield from _produced(columns, int(row), begin)


def _needed(columns: Columns, limiter: str) -> Floats:
    """What each attempt needed: of input its tokens, which a refused one tells only when it is let in at last."""
    attempts = columns.attempts
    if limiter != "input_tokens":
        return np.ones(len(attempts))
    own = (attempts.input_tokens + attempts.cache_write_5m + attempts.cache_write_1h).astype(np.float64)
    of_request = np.zeros(len(columns.requests))
    np.maximum.at(of_request, attempts.request, own)
    typical = float(np.median(own[own > 0])) if (own > 0).any() else 1.0
    known: Floats = np.where(of_request > 0, of_request, typical)[attempts.request]
    return known


def _produced(columns: Columns, row: int, begin: float) -> Iterator[Event]:
    """An answer as it is taken from the output bucket, between its first token and its last."""
    attempts = columns.attempts
    first = columns.requests.ttft[attempts.request[row]]
    start = float(attempts.sent[row]) + (0.0 if np.isnan(first) else float(first))
    end = max(start, float(attempts.ended[row]))
    for part in range(_SLICES):
        at = start + (end - start) * (part + 0.5) / _SLICES
        yield Event(at - begin, False, taken=float(attempts.output_tokens[row]) / _SLICES)
