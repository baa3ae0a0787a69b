"""When things happened in one attempt, taken as close to the wire as the SDK lets us.

The SDK's HTTP client calls `on_request` just before it hands a request to its transport and `on_response` when the
headers are there; a context variable carries the attempt's `Stamps` from the task that sends to these hooks.  They are
public, work over any transport, and leave the client's proxies in place, which a wrapping transport would take away.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2

from bench.clock import Clock
from bench.targets.bodies import bound


@dataclass(slots=True)
class Stamps:
    """Scenario seconds.  None is a moment that has not come."""

    clock: Clock
    turn: asyncio.Lock
    """Held until the request is on its way."""
    sent: float | None = None
    """Just before the request went to the transport: what the SDK does before is not the server's latency."""
    headers: float | None = None
    first_event: float | None = None
    first_token: float | None = None
    first_text: float | None = None
    last_token: float | None = None
    last_byte: float | None = None
    silent: bool = False
    """Whether the stream fell silent for so long that it was given up."""
    response: httpx2.Response | None = None
    """What came back; its body may still be on the way."""

    def event(self, delta: str | None, now: float) -> None:
        """Note an event of a stream that was complete at `now`; `delta` is its kind if it carries content.

        The kinds are those of `content_block_delta`.  A signature is no token: it follows thinking, even when the
        thinking itself is not shown.
        """
        if self.first_event is None:
            self.first_event = now
        if delta is None or delta == "signature_delta":
            return
        if self.first_token is None:
            self.first_token = now
        if self.first_text is None and delta == "text_delta":
            self.first_text = now
        self.last_token = now


current: ContextVar[Stamps] = ContextVar("stamps")
"""The stamps of the attempt that this task is making."""


async def _on_request(_: httpx2.Request) -> None:
    stamps = current.get(None)
    if stamps and stamps.sent is None:  # a redirect comes here again
        stamps.sent = stamps.clock.now()
        # Not at once: aiohttp writes the request in the next turn of the loop (before Python 3.12).
        asyncio.get_running_loop().call_soon(stamps.turn.release)


async def _on_response(response: httpx2.Response) -> None:
    if stamps := current.get(None):
        stamps.headers = stamps.last_byte = stamps.clock.now()
        stamps.response = response


def stamp(http: httpx2.AsyncClient) -> None:
    """Have this client stamp the current attempt of whichever task sends through it, and bound what it reads."""
    http.event_hooks = {"request": [_on_request], "response": [_on_response, bound]}
