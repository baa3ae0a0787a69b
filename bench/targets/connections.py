"""The connections of the wire client: kept warm, the last one used first, and never more than may be open."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from socket import SOCK_STREAM
from typing import Any

import httpx2
from aiohappyeyeballs import start_connection

from bench.targets.connection import Connection, Inbox, WireError

_CONNECT_WITHIN = 30.0
"""Wall-clock seconds, as with the SDK client; the attempt's timeout bounds the rest."""

_KEEP = 60.0
"""Wall-clock seconds for which a connection that nobody uses is kept, as with the SDK client."""

_REMEMBER = 10.0
"""Wall-clock seconds for which the server's addresses are taken to be the same, as with aiohttp."""

_NEXT_ADDRESS = 0.25
"""Seconds after which another address is tried beside the first; the advice of RFC 8305."""


class Connections:
    """Connections to one server."""

    def __init__(self, inbox: Inbox, url: httpx2.URL, most: int) -> None:
        self._inbox, self._host = inbox, url.host
        self._tls = _tls() if url.scheme == "https" else None
        self._port = url.port or (443 if self._tls else 80)
        self.place = asyncio.Semaphore(most)
        """To be held from before a connection is taken until it is given back."""
        self._loop = asyncio.get_running_loop()
        self._idle: deque[tuple[Connection, float]] = deque()
        """With the time since when, the newest at the right."""
        self._lookup: asyncio.Future[list[Any]] | None = None
        self._looked_up = 0.0

    def take(self) -> Connection | None:
        """A connection that is open and free, if there is one."""
        while self._idle and self._idle[0][1] < self._loop.time() - _KEEP:
            self._idle.popleft()[0].abort()
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def warm(self, many: int) -> None:
        """Have so many ready, as far as they are to be had."""
        opened = await asyncio.gather(*(self.open() for _ in range(many - len(self._idle))), return_exceptions=True)
        now = self._loop.time()
        self._idle.extend((one, now) for one in opened if isinstance(one, Connection))

    async def open(self) -> Connection:
        """A new one.  Raises WireError if there is none to be had."""
        try:
            async with asyncio.timeout(_CONNECT_WITHIN):
                found = await self._addresses()
                socket = await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS, interleave=1)
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._inbox),
                    sock=socket,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except TimeoutError as error:
            raise WireError(f"no connection within {_CONNECT_WITHIN:g} s") from error
        except OSError as error:
            raise WireError("no connection") from error
        return connection

    def give_back(self, connection: Connection) -> None:
        """It is not needed any more; whoever comes next gets it, unless something is left on its way."""
        if connection.is_reusable:
            self._idle.append((connection, self._loop.time()))
        else:
            connection.abort()

    async def aclose(self) -> None:
        """Close all that nobody uses."""
        while self._idle:
            self._idle.popleft()[0].abort()
        await asyncio.sleep(0)  # sockets are closed in the next turn of the loop

    async def _addresses(self) -> list[Any]:
        """All at once may need to know; one question to the resolver is enough."""
        now = self._loop.time()
        if self._lookup is None or now > self._looked_up + _REMEMBER or _failed(self._lookup):
            self._looked_up = now
            self._lookup = asyncio.ensure_future(self._loop.getaddrinfo(self._host, self._port, type=SOCK_STREAM))
        return await asyncio.shield(self._lookup)


def _failed(lookup: asyncio.Future[list[Any]]) -> bool:
    return lookup.done() and (lookup.cancelled() or lookup.exception() is not None)


def _tls() -> ssl.SSLContext:
    """The certificates that the SDK trusts."""
    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
