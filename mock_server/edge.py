"""The server's own HTTP/1.1: what is due at once is answered on the spot, everything else by timers.

What an ASGI server does for any application (a task, a scope, an event, three messages for each request) takes longer
than the whole simulation; and none can reset a connection.  Parsing is left to httptools, as in uvicorn.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from mock_server.exchange import Administration, Answer, Exchange, Head, begin
from mock_server.world import Server

KEEP_ALIVE = 300.0
"""Seconds for which an idle connection is kept at least: longer than clients do, for if the server closed first, a
request could be lost."""

MOST_TURNS = 100
"""Requests of one connection that may wait for each other; beyond that it is not listened to, not even whether the
client leaves."""

_LINGER_NOT = struct.pack("ii", 1, 0)
"""With a linger time of 0 a close discards what is unsent and resets the connection."""

_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\n"
    b"connection: close\r\n\r\nInvalid HTTP request received."
)


class Connection(asyncio.Protocol):
    """One connection.  Its requests are answered in their order, also where the client does not wait for answers."""

    def __init__(self, server: Server, connections: set[Connection]) -> None:
        """`connections` are all that are open; this one joins and leaves them by itself."""
        self._server, self._connections = server, connections
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is no more."""
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # it is read, and nothing comes of it
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._coming: Exchange | Administration | None = None
        """The request whose body is being read, unless its answer is known without it."""
        self._is_bare = self._is_old = False
        """Whether its answer goes without a body (HEAD), and whether it is one of HTTP/1.0."""
        self._turns: deque[_Turn] = deque()
        """Requests whose answers are known.  The first is being answered."""
        self._timer: asyncio.Handle | None = None
        """Goes on with it."""
        self._is_reading = False
        """Whether a request has begun and not come to its end."""
        self._is_last = False
        """Whether no more requests are taken."""
        self._is_full = False
        """Whether what was written has to leave before there may be more."""
        self._is_paused = False
        """Whether the client is not listened to."""
        self._is_used = False
        """Whether anything was answered since that was last asked."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as TCP has them
        """Begin."""
        self._transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        self._origin = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._connections.add(self)
        self._expiry = self._loop.call_later(KEEP_ALIVE, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The client is gone and wants nothing any more."""
        self._connections.discard(self)
        self._expiry.cancel()
        if self._timer:
            self._timer.cancel()
        for turn in self._turns:
            turn.exchange.end()
        if self._coming:
            self._coming.end()
        self._turns.clear()
        self._coming = None
        self.closed.set_result(None)

    def shutdown(self) -> None:
        """Close the connection once all is answered that was asked."""
        self._is_last = True
        self._close_if_done()

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # to nothing that is known here
        except httptools.HttpParserCallbackError:
            raise  # a mistake of ours: the event loop reports it and closes the connection
        except httptools.HttpParserError:
            if not self._turns:
                self._transport.write(_BAD_REQUEST)
            self._transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._headers = b"", {}

    def on_url(self, url: bytes) -> None:
        """A part of its URL."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """That was the last of them."""
        if self._is_last:
            return
        method = self._parser.get_method().decode()
        self._is_bare, self._is_old = method == "HEAD", self._parser.get_http_version() == "1.0"
        self._is_last = self._is_old or not self._parser.should_keep_alive()
        self._is_reading = True
        path, query = _split(self._url)
        self._coming = begin(self._server, Head(method, path, query, self._headers, self._origin))
        if self._coming.answer:
            self._take_turn(self._coming, self._coming.answer)
        elif b"expect" in self._headers and not self._turns:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        if self._coming:
            self._coming.feed(body)

    def on_message_complete(self) -> None:
        """That was the last of it."""
        self._is_reading = False
        if self._coming:
            self._take_turn(self._coming, self._coming.complete())
        else:
            self._close_if_done()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is told."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._is_full = False
        if self._turns and not self._timer:
            self._go_on()

    def _take_turn(self, exchange: Exchange | Administration, answer: Answer) -> None:
        """The answer to the coming request is known."""
        self._coming = None
        self._turns.append(_Turn(exchange, answer, self._is_bare, self._is_old))
        if len(self._turns) == 1:
            self._go_on()
        elif len(self._turns) >= MOST_TURNS:
            self._is_paused = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Send what is due of the answer whose turn it is, and come back when there is more."""
        self._timer = None
        if self._is_full:
            return
        turn = self._turns[0]
        if wait := turn.wait():
            self._timer = self._loop.call_later(wait, self._go_on)
        elif turn.answer.is_reset:
            self._reset()
        else:
            is_end = self._is_last and len(self._turns) == 1 and not self._coming
            self._transport.write(turn.write(closes=is_end))
            if turn.piece:
                self._timer = self._loop.call_later(turn.wait(), self._go_on)
            else:
                self._finish(turn)

    def _finish(self, turn: _Turn) -> None:
        self._turns.popleft()
        turn.exchange.end()
        self._is_used = True
        if turn.answer.is_cut:
            self._transport.close()
        elif self._turns:
            self._timer = self._loop.call_soon(self._go_on)
        elif self._is_last:
            self._close_if_done()
        elif self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def _close_if_done(self) -> None:
        """A client that is still sending would not read the answer if the connection were closed."""
        if self._is_last and not self._turns and not self._is_reading:
            self._transport.close()

    def _reset(self) -> None:
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()

    def _expire(self) -> None:
        if self._is_used or self._turns or self._is_reading:
            self._is_used = False
            self._expiry = self._loop.call_later(KEEP_ALIVE, self._expire)
        else:
            self._transport.close()


class _Turn:
    """A request of this connection, and how far its answer has gone."""

    __slots__ = ("_is_bare", "_is_begun", "_is_old", "answer", "exchange", "piece")

    def __init__(self, exchange: Exchange | Administration, answer: Answer, is_bare: bool, is_old: bool) -> None:
        """HTTP/1.0, which `is_old`, knows no chunks."""
        self.exchange, self.answer = exchange, answer
        self.piece = next(answer.pieces, None)
        self._is_bare, self._is_old, self._is_begun = is_bare, is_old, False

    def wait(self) -> float:
        """Seconds until the next piece is due."""
        return self.exchange.delay(self.piece[0]) if self.piece else 0.0

    def write(self, *, closes: bool) -> bytes:
        """The next piece, in HTTP.  `closes` is whether the connection ends with the answer."""
        answer, data = self.answer, self.piece[1] if self.piece else b""
        self.piece = next(answer.pieces, None)
        is_end = self.piece is None and not answer.is_cut
        self.exchange.sent(last=is_end)
        if answer.length is None and not self._is_old:
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            data = data + b"0\r\n\r\n" if is_end else data
        if self._is_bare:
            data = b""
        if self._is_begun:
            return data
        self._is_begun = True
        if answer.length is not None:
            body = b"content-length: %d\r\n" % answer.length
        else:
            body = b"" if self._is_old else b"transfer-encoding: chunked\r\n"
        end = b"connection: close\r\n\r\n" if closes else b"\r\n"
        return b"".join((_status_line(answer.status), answer.head, body, end, data))


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    phrase = {each.value: each.phrase for each in HTTPStatus}.get(status, "")
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


@lru_cache(maxsize=1024)
def _split(url: bytes) -> tuple[str, bytes]:
    """The path, decoded, and the query."""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return url.decode("latin-1"), b""
    return unquote((parsed.path or b"").decode("latin-1")), parsed.query or b""
