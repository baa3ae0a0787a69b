"""One connection of the wire client: HTTP/1.1 on a socket, with the time at which each piece came.

Everything that a turn of the event loop brings is stamped before any of it is read: reading a piece takes ten times as
long as stamping it, and what waited behind it would seem to have come later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

import httptools

from bench.clock import Clock

MOST_HEAD = 65_536
"""Bytes until the headers must be complete."""

_AT_ONCE = 16
"""Pieces that are read before the event loop looks for others to stamp: less than a millisecond."""


_MOST_WAITING = 2**23
"""Bytes that may wait to be read.  A server that sends faster than that is read at once."""


class WireError(Exception):
    """The connection failed, or what came is no HTTP; its cause, if any, says more."""


class Receiver(Protocol):
    """Takes an answer as it comes.  What it raises ends the exchange."""

    def head(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """Status and headers, these by name in lower case."""

    def piece(self, data: bytes, now: float) -> bool:
        """Some of the body; whether more is wanted.  If not, that was the end."""

    def end(self) -> None:
        """That was all of it."""


class Inbox:
    """What has come on any connection, until it is read."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._loop = clock, asyncio.get_running_loop()
        self._pieces: deque[tuple[Connection, bytes | Exception | None, float]] = deque()
        self._size = 0

    def put(self, connection: Connection, piece: bytes | Exception | None) -> None:
        """Stamp some bytes, or that the connection is gone: an exception, or None if it was closed properly."""
        if not self._pieces:
            self._loop.call_soon(self._read)
        self._pieces.append((connection, piece, self._clock.now()))
        if isinstance(piece, bytes):
            self._size += len(piece)
        while self._size > _MOST_WAITING:
            self._read_one()

    def _read(self) -> None:
        try:
            for _ in range(min(_AT_ONCE, len(self._pieces))):
                self._read_one()
        finally:
            if self._pieces:
                self._loop.call_soon(self._read)

    def _read_one(self) -> None:
        connection, piece, now = self._pieces.popleft()
        if isinstance(piece, bytes):
            self._size -= len(piece)
        connection.read(piece, now)


class Connection(asyncio.Protocol):
    """A connection that carries one exchange after another, each when the one before it is complete."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._parser = httptools.HttpResponseParser(self)
        self._begin(None)

    def _begin(self, receiver: Receiver | None) -> None:
        self._receiver = receiver
        self._done: asyncio.Future[None] | None = None
        self._headers: dict[str, str] = {}
        self._head: tuple[int, dict[str, str]] | None = None
        self._is_told = False
        """Whether the receiver has the head."""
        self._head_size = 0
        self._pieces: list[bytes] = []
        self._is_complete = False
        self._is_spoiled = False
        """Whether more came than was asked for, or nothing more may be asked."""

    @property
    def is_open(self) -> bool:
        """Whether the server is there, as far as is known."""
        return not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether the last exchange is complete and the server ready for another."""
        return (
            self._is_complete
            and not self._is_spoiled
            and self.is_open
            and not self._transport.get_write_buffer_size()  # it answered before it had read the request
        )

    def abort(self) -> None:
        """Close it now, whatever is on its way."""
        self._transport.abort()

    async def exchange(self, request: bytes, receiver: Receiver) -> None:
        """Send a request and have its answer received.

        Raises WireError, or what the receiver raised.  After either, or when cancelled, the connection must be aborted.
        """
        self._begin(receiver)
        done = self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            await done
        finally:
            self._receiver = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as TCP has them
        """Begin."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        if self._receiver is None:
            self.abort()  # nothing was asked that this could answer
        else:
            self._inbox.put(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone."""
        self._inbox.put(self, exc)

    def read(self, piece: bytes | Exception | None, now: float) -> None:
        """What came on it at that time, see `Inbox`."""
        if self._receiver is None or self._done is None or self._done.done():
            self._is_spoiled = True  # whoever asked has what they wanted, or wants it no more
            return
        try:
            if isinstance(piece, bytes):
                is_over = self._receive(piece, now, self._receiver)
            else:
                is_over = self._lose(piece, self._receiver)
        except Exception as error:  # whoever waits for the answer gets it
            self._done.set_exception(error)
        else:
            if is_over:
                self._done.set_result(None)

    def _receive(self, data: bytes, now: float, receiver: Receiver) -> bool:
        """Whether that was all."""
        problem = self._parse(data)
        if self._head is not None and not self._is_told:
            self._is_told = True
            receiver.head(*self._head, now)
        if self._pieces:
            body = b"".join(self._pieces)
            self._pieces.clear()
            if not receiver.piece(body, now):
                return True
        if self._is_complete:
            receiver.end()
        elif problem is not None:
            raise problem
        elif self._head is None:
            self._head_size += len(data)
            if self._head_size > MOST_HEAD:
                raise WireError(f"no end of the headers within {MOST_HEAD:,} bytes")
        return self._is_complete

    def _parse(self, data: bytes) -> WireError | None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return WireError("the server changes to another protocol")
        except httptools.HttpParserError as error:
            self._is_spoiled = True
            return WireError(f"not HTTP/1.1: {error}")
        return None

    def _lose(self, error: Exception | None, receiver: Receiver) -> bool:
        if error is None and self._head is not None and not _has_length(self._head[1]):
            self._is_complete = self._is_spoiled = True
            receiver.end()
            return True
        when = "before it answered" if self._head is None else "in the middle of its answer"
        raise WireError(f"the server closed the connection {when}") from error

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._is_spoiled = self._is_spoiled or self._is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._headers[_name(name)] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """That was the last of them, or of an announcement such as 100 Continue, which is no answer yet."""
        status = self._parser.get_status_code()
        if self._head is None and status >= 200:
            self._head = status, self._headers
        self._headers = {}  # of what follows, trailers too, nothing is of interest

    def on_body(self, body: bytes) -> None:
        """Some of its body."""
        if not self._is_complete:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """That was all of it."""
        self._is_complete = self._head is not None
        self._is_spoiled = self._is_spoiled or not self._parser.should_keep_alive()


def _has_length(headers: Mapping[str, str]) -> bool:
    """Whether a body says where it ends; else it ends with the connection."""
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()


@lru_cache(maxsize=1024)
def _name(name: bytes) -> str:
    return name.decode("latin-1").lower()
