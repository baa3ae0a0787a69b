"""An answer with a flaw as the SDK would read it: its bytes, in engine time, through the same reading as over HTTP."""

from __future__ import annotations

import errno
import math
import os

import msgspec

from bench.results.record import Attempt
from bench.targets import classify
from bench.targets.answer import Answer, Failure, fell_silent, incomplete, too_late, unreadable
from bench.targets.foreign import shorten
from bench.targets.stamps import Stamps
from mock_server import wire
from mock_server.plan import Plan

RESET = Failure("connection", f"ConnectionResetError: [Errno {errno.ECONNRESET}] {os.strerror(errno.ECONNRESET)}")
CUT = Failure("connection", "TransferEncodingError: 400, message: Not enough data to satisfy transfer length header.")
"""In the words of aiohttp 3.14, the transport that is the default."""


def replay(plan: Plan, timeout: float, stall: float = math.inf) -> Attempt:
    """The attempt that comes of the plan, for a client that waits `timeout` seconds at most.

    It bears no silence of `stall` seconds in a stream.
    """
    stamps, answer = Stamps(), Answer()
    ended, failure = _read(plan, timeout, stall, stamps, answer)
    headers = wire.readable(wire.headers(plan)) if stamps.headers is not None else {}
    return Attempt(
        sent=plan.arrived,
        ended=ended,
        status=plan.status if headers else None,
        cause=failure.cause if failure else None,
        message=shorten(failure.message) if failure else None,
        headers=stamps.headers,
        first_event=stamps.first_event,
        first_token=stamps.first_token,
        first_text=stamps.first_text,
        last_token=stamps.last_token,
        request_id=headers.get("request-id"),
        stop_reason=answer.stop_reason,
        usage=answer.usage,
        limits=classify.rate_limits(headers),
    )


def _read(plan: Plan, timeout: float, stall: float, stamps: Stamps, answer: Answer) -> tuple[float, Failure | None]:
    """When it ended, and why it failed, if it did."""
    now, body, deadline, silent = plan.arrived, b"", plan.arrived + timeout, math.inf
    kind = "text/event-stream; charset=utf-8" if plan.stream else "application/json"
    try:
        for now, data in wire.pieces(plan):
            if now >= min(deadline, silent):
                return (deadline, too_late(timeout)) if deadline <= silent else (silent, fell_silent(stall))
            if plan.is_reset:
                return now, RESET
            stamps.headers = now if stamps.headers is None else stamps.headers
            silent = now + stall if plan.stream else math.inf
            body += b"" if plan.stream else data
            for delta in answer.feed(data) if plan.stream else ():
                stamps.event(delta, now)
        if plan.is_cut:
            return now, CUT
        if not plan.stream:
            answer.message(body)
    except msgspec.DecodeError as error:
        return now, unreadable(kind, error)
    return now, incomplete(answer)
