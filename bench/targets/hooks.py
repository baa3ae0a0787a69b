"""Stamps taken as close to the wire as the SDK lets us.

Its HTTP client calls `on_request` just before it hands a request to its transport and `on_response` when the headers
are there; a context variable carries the attempt's `Sending` from the task that sends to these hooks.  They are public,
work over any transport, and leave the client's proxies in place, which a wrapping transport would take away.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import NamedTuple

import httpx2

from bench.clock import Clock
from bench.targets.bounded import bound
from bench.targets.reading import Reading


class Sending(NamedTuple):
    """The attempt that a task is making."""

    clock: Clock
    turn: asyncio.Lock
    """Held until the request is on its way."""
    reading: Reading


current: ContextVar[Sending] = ContextVar("sending")
"""Of this task."""


async def _on_request(_: httpx2.Request) -> None:
    sending = current.get(None)
    if sending and sending.reading.stamps.sent is None:  # a redirect comes here again
        sending.reading.stamps.sent = sending.clock.now()
        # Not at once: aiohttp writes the request in the next turn of the loop (before Python 3.12).
        asyncio.get_running_loop().call_soon(sending.turn.release)


async def _on_response(response: httpx2.Response) -> None:
    if sending := current.get(None):
        sending.reading.head(response.status_code, response.headers, sending.clock.now())


def stamp(http: httpx2.AsyncClient) -> None:
    """Have this client stamp the current attempt of whichever task sends through it, and bound what it reads."""
    http.event_hooks = {"request": [_on_request], "response": [_on_response, bound]}
