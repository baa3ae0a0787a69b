"""Sends Messages requests and counts tokens by itself: the bytes that the SDK would send, for a tenth of its CPU time.

For runs that keep so many streams open that the SDK's own work would show in their figures.  What is lost is listed in
docs/scenarios.md: no proxies, HTTP/1.1 alone.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from http import HTTPStatus
from types import TracebackType
from typing import Any

import anthropic
import msgspec

from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.results.redact import worth_hiding
from bench.targets import foreign
from bench.targets.answer import GIVEN_UP, Failure, fell_silent, incomplete, too_late
from bench.targets.client import Watch
from bench.targets.connection import Inbox, WireError
from bench.targets.connections import Connections
from bench.targets.reading import Reading, reason_of
from bench.targets.silence import Silence
from bench.targets.template import counting_template, messages_template


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
        self._secrets = worth_hiding((sdk.api_key, sdk.auth_token))

    async def __aenter__(self) -> WireClient:
        self._template = await messages_template(self._sdk)
        self._connections = Connections(Inbox(self._clock), self._template.url, self._most)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.aclose()

    async def connect(self, connections: int) -> None:
        """Open so many connections, or as many as there may be.  What goes wrong is left for the requests to find."""
        await self._connections.warm(min(connections, self._most))

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:
        """See `Client`."""
        watch, is_stream = watch or Watch(), bool(spec.params.get("stream"))
        request = self._template.write(spec.params, self._headers(spec, attempt))
        reading = Reading(watch, is_stream=is_stream)
        response = _Response(reading, reading.end)
        stall = self._stall if is_stream else math.inf
        return await self._ask(request, response, watch, min(self._timeout, watch.within), stall)

    async def count_tokens(self, params: Mapping[str, Any]) -> tuple[Attempt, int]:
        """Have the input tokens of a request counted, which is free; 0 if the attempt failed."""
        reading, counted = Reading(Watch(), is_stream=False), 0

        def end() -> None:
            nonlocal counted
            counted = reading.count()
            reading.answer.complete = True

        request = (await counting_template(self._sdk)).write(params, {})
        return await self._ask(request, _Response(reading, end), Watch(), self._timeout, math.inf), counted

    async def _ask(self, request: bytes, response: _Response, watch: Watch, within: float, stall: float) -> Attempt:
        """One exchange that may take so many scenario seconds, and be silent for so many."""
        reading = response.reading
        try:
            async with self._clock.timeout(within) as timeout:
                silence = Silence(self._clock, reading.stamps, timeout, stall)
                with silence if stall < math.inf else nullcontext():
                    await self._exchange(request, response)
            failure = response.refusal or incomplete(reading.answer)
        except TimeoutError:
            failure = fell_silent(self._stall) if reading.stamps.silent else too_late(within)
        except msgspec.DecodeError as error:
            failure = reading.unreadable(error)
        except WireError as error:
            failure = Failure("connection", reason_of(error))
        except asyncio.CancelledError:
            watch.seen = reading.attempt(GIVEN_UP, self._clock.now(), self._secrets)
            raise
        return reading.attempt(failure, self._clock.now(), self._secrets)

    async def _exchange(self, request: bytes, response: _Response) -> None:
        async with self._connections.place:
            response.reading.stamps.sent = self._clock.now()
            connection = self._connections.take() or await self._connections.open()
            try:
                await connection.exchange(request, response)
            finally:
                self._connections.give_back(connection)


class _Response:
    """What comes back: an answer, which is read as it comes, or a refusal.

    It ends somewhere, as everything that a server says does; see `foreign.py`.
    """

    def __init__(self, reading: Reading, end: Callable[[], None]) -> None:
        """`end` is called when the answer is complete."""
        self.reading, self._read_end = reading, end
        self.refusal: Failure | None = None
        self._is_refused = False
        self._size = 0
        self._body: list[bytes] = []
        """Of a refusal."""

    def head(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """See `Receiver`."""
        self.reading.head(status, headers, now)
        self._is_refused = not 200 <= status < 300
        encoding = headers.get("content-encoding", "identity")
        if encoding.lower() != "identity" and not self._is_refused:
            raise msgspec.DecodeError(f"compressed with {encoding}, which was not asked for")

    def piece(self, data: bytes, now: float) -> bool:
        """See `Receiver`."""
        self._size += len(data)
        if self._is_refused:
            self._body.append(data)
            if self._size > foreign.MOST_BYTES_OF_ERROR:
                self.end()
                return False
        elif self._size > foreign.MOST_BYTES:
            raise msgspec.DecodeError(f"longer than {foreign.MOST_BYTES // 2**20} MiB")
        else:
            self.reading.piece(data, now)
        return True

    def end(self) -> None:
        """See `Receiver`."""
        if not self._is_refused:
            self._read_end()
            return
        assert self.reading.status is not None, "a refusal has a status"
        said = b"".join(self._body)[: foreign.MOST_BYTES_OF_ERROR]
        self.refusal = self.reading.refused(said, _PHRASES.get(self.reading.status, ""))


_PHRASES = {each.value: each.phrase for each in HTTPStatus}
