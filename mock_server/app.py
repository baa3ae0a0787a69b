"""The mock as an ASGI application, for servers other than its own (`edge`): plays answers in real or scaled time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from mock_server import wire
from mock_server.exchange import Administration, Answer, Exchange, Head, begin
from mock_server.settings import Settings
from mock_server.wire import Header
from mock_server.world import Server

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def create_app(settings: Settings, *, speed: float = 1.0) -> App:
    """The ASGI application.  Engine time passes `speed` times faster than the wall clock.

    What ASGI cannot say is left to the server: where a fault resets the connection, nothing is answered.
    """
    server = Server(settings, speed)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = begin(server, _head(scope))
        try:
            if await _read(exchange, receive):
                await _play(exchange, exchange.complete(), receive, send)
        finally:
            exchange.end()

    return app


def _head(scope: Scope) -> Head:
    host, port = scope["server"]
    origin = f"{scope['scheme']}://{host}:{port}"
    return Head(scope["method"], scope["path"], scope["query_string"], dict(scope["headers"]), origin)


async def _read(exchange: Exchange | Administration, receive: Receive) -> bool:
    """Read the body, unless the answer is known without it; False if the client leaves before its end."""
    more = exchange.answer is None
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        exchange.feed(message.get("body", b""))
        more = message.get("more_body", False)
    return True


async def _play(exchange: Exchange | Administration, answer: Answer, receive: Receive, send: Send) -> None:
    """Send the answer piece by piece as it is due, as long as the client is there."""
    presence, begun = _Presence(receive), False
    piece = next(answer.pieces, None)
    try:
        while piece:
            due, data = piece
            if not await presence.wait(partial(exchange.delay, due)) or answer.is_reset:
                return
            if not begun:
                await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
            piece, begun = next(answer.pieces, None), True
            last = piece is None and not answer.is_cut
            await send({"type": "http.response.body", "body": data, "more_body": not last})
            exchange.sent(last=last)
            if piece and not exchange.delay(piece[0]):
                await asyncio.sleep(0)  # others want to be served too
    finally:
        presence.close()


def _headers(answer: Answer) -> list[Header]:
    length = [] if answer.length is None else [(b"content-length", b"%d" % answer.length)]
    return wire.rows(answer.head) + length


class _Presence:
    """Whether the client is still there: waits for moments, and no longer than it is."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone: asyncio.Future[Any] | None = None
        self._woken: asyncio.Future[None] | None = None

    async def wait(self, remaining: Callable[[], float]) -> bool:
        """Wait until no seconds remain, however early a timer is; False as soon as the client is gone."""
        while seconds := remaining():
            self._gone = self._gone or self._watch()
            if self._gone.done():
                break
            loop = asyncio.get_running_loop()
            self._woken = loop.create_future()
            timer = loop.call_later(seconds, self._wake)
            try:
                await self._woken
            finally:
                timer.cancel()
        return self._gone is None or not self._gone.done()

    def close(self) -> None:
        """Stop watching."""
        if self._gone:
            self._gone.cancel()

    def _watch(self) -> asyncio.Future[Any]:
        gone = asyncio.ensure_future(self._receive())
        gone.add_done_callback(self._wake)
        return gone

    def _wake(self, _: object = None) -> None:
        if self._woken and not self._woken.done():
            self._woken.set_result(None)
