"""Sends Messages requests by itself, the bytes that the SDK would send, for a tenth of its CPU time.

For runs that keep so many streams open that the SDK's own work would show in their figures.  What is lost is listed in
docs/scenarios.md: no proxies, no redirects, HTTP/1.1 alone.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from http import HTTPStatus
from types import TracebackType

import anthropic
import msgspec

from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.targets.answer import GIVEN_UP, Failure, fell_silent, incomplete, too_late
from bench.targets.client import Watch
from bench.targets.connection import Inbox, WireError
from bench.targets.connections import Connections
from bench.targets.reading import Reading, reason_of
from bench.targets.silence import Silence
from bench.targets.template import messages_template

MOST_BODY = 64 * 2**20
"""Bytes of an answer, decompressed.  The longest there are, 128,000 tokens with an event each, take a third of it."""


class WireClient:
    """A `Client` that speaks HTTP/1.1.  Enter it with `async with`; leaving closes its connections.

    `sdk` says what a request looks like; `timeout`, `stall` and `headers` are as with `SdkClient`.  No more than `most`
    connections are open at once; a request that needs another waits for one, and is not sent yet.
    """

    def __init__(
        self,
        clock: Clock,
        sdk: anthropic.AsyncAnthropic,
        *,
        timeout: float,
        stall: float = math.inf,
        headers: Callable[[RequestSpec, int], Mapping[str, str]] = lambda _spec, _attempt: {},
        most: int = 20_000,
    ) -> None:
        self._clock, self._sdk, self._most = clock, sdk, most
        self._timeout, self._stall, self._headers = timeout, stall, headers
        self._key = sdk.api_key or ""

    async def __aenter__(self) -> WireClient:
        self._template = await messages_template(self._sdk)
        self._connections = Connections(Inbox(self._clock), self._template.url, self._most)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.aclose()

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:
        """See `Client`."""
        watch, is_stream = watch or Watch(), bool(spec.params.get("stream"))
        request = self._template.write(spec.params, self._headers(spec, attempt))
        reading, within = Reading(watch, is_stream=is_stream), min(self._timeout, watch.within)
        response = _Response(reading)
        try:
            async with self._clock.timeout(within) as timeout:
                silence = Silence(self._clock, reading.stamps, timeout, self._stall)
                with silence if is_stream else nullcontext():
                    await self._exchange(request, response)
            failure = response.refusal or incomplete(reading.answer)
        except TimeoutError:
            failure = fell_silent(self._stall) if reading.stamps.silent else too_late(within)
        except (msgspec.DecodeError, zlib.error) as error:
            failure = reading.unreadable(error)
        except WireError as error:
            failure = Failure("connection", reason_of(error))
        except asyncio.CancelledError:
            watch.seen = reading.attempt(GIVEN_UP, self._clock.now(), self._key)
            raise
        return reading.attempt(failure, self._clock.now(), self._key)

    async def _exchange(self, request: bytes, response: _Response) -> None:
        async with self._connections.place:
            response.reading.stamps.sent = self._clock.now()
            connection = self._connections.take() or await self._connections.open()
            try:
                await connection.exchange(request, response)
            finally:
                self._connections.give_back(connection)


class _Response:
    """What comes back: an answer, which is read as it comes, or a refusal."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.refusal: Failure | None = None
        self._is_refused = False
        self._body: list[bytes] = []
        """Of a refusal."""
        self._size = 0
        self._decoder: zlib._Decompress | None = None

    def head(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """See `Receiver`."""
        self.reading.head(status, headers, now)
        self._is_refused = not 200 <= status < 300
        self._decoder = _decoder(headers.get("content-encoding", "identity").lower())

    def piece(self, data: bytes, now: float) -> None:
        """See `Receiver`."""
        if self._decoder:
            data = self._decoder.decompress(data, MOST_BODY - self._size + 1)
        self._size += len(data)
        if self._size > MOST_BODY:
            raise msgspec.DecodeError(f"more than {MOST_BODY:,} bytes")
        if self._is_refused:
            self._body.append(data)
        else:
            self.reading.piece(data, now)

    def end(self) -> None:
        """See `Receiver`."""
        if not self._is_refused:
            self.reading.end()
            return
        assert self.reading.status is not None, "a refusal has a status"
        self.refusal = self.reading.refused(b"".join(self._body), _reason(self.reading.status, self.reading.headers))


def _decoder(encoding: str) -> zlib._Decompress | None:
    """Nobody asked for compression; a gateway may compress all the same."""
    match encoding:
        case "identity":
            return None
        case "gzip" | "x-gzip":
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        case "deflate":
            return zlib.decompressobj()
    raise msgspec.DecodeError(f"compressed as {encoding}")


def _reason(status: int, headers: Mapping[str, str]) -> str:
    if "location" in headers:
        return f"redirected to {headers['location']}, which the wire client does not follow"
    return next((each.phrase for each in HTTPStatus if each == status), "")
