"""Sends through the official SDK, without its retries: the client of the API, of gateways and of the mock over HTTP.

The SDK builds, signs and sends the request; the answer is read by `reading.py`.  Its own limits that would hide in the
figures are out of the way: retries, telemetry, the pool's size, the timeouts (ours, in scenario time, replace them).
"""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Callable, Mapping
from contextlib import aclosing, nullcontext
from types import TracebackType
from typing import Literal

import aiohttp
import anthropic
import httpx2
import msgspec
from anthropic._base_client import get_platform

from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.results.redact import worth_hiding
from bench.targets.answer import GIVEN_UP, Failure, fell_silent, incomplete, too_late
from bench.targets.client import Watch
from bench.targets.hooks import Sending, current, stamp
from bench.targets.reading import Reading, reason_of
from bench.targets.silence import Silence

Transport = Literal["aiohttp", "httpx"]

_LIMITS = httpx2.Limits(max_connections=100_000, max_keepalive_connections=100_000, keepalive_expiry=60.0)
"""No limit that a run could reach.  A plain None would make the aiohttp transport fall back to 100 connections."""

_TIMEOUT = httpx2.Timeout(None, connect=30.0)
"""Wall-clock seconds.  Only an unreachable host needs an end of its own; the attempt's timeout bounds the rest."""

_CONNECT_WITHIN = 10.0
"""Wall-clock seconds that opening connections may take."""

_LOCAL = {"all://127.0.0.1": None, "all://localhost": None}
"""A server on this machine is never asked through a proxy."""


def http_client(transport: Transport) -> httpx2.AsyncClient:
    """An HTTP client for `SdkClient`.  aiohttp costs about half the CPU of httpx, which many applications run."""
    make = anthropic.DefaultAioHttpClient if transport == "aiohttp" else anthropic.DefaultAsyncHttpxClient
    # A redirect is not followed: the key is for the address that was named.
    return make(limits=_LIMITS, timeout=_TIMEOUT, mounts=_LOCAL, follow_redirects=False)


class SdkClient:
    """A `Client` that speaks HTTP.  Leave it with `async with`, which closes its connections.

    `timeout` is scenario seconds for a whole attempt, `stall` the longest silence of a stream once its headers are
    there; `headers` gives those to add to a request.
    """

    def __init__(
        self,
        clock: Clock,
        http: httpx2.AsyncClient,
        *,
        base_url: str,
        api_key: str,
        timeout: float,
        stall: float = math.inf,
        headers: Callable[[RequestSpec, int], Mapping[str, str]] = lambda _spec, _attempt: {},
    ) -> None:
        stamp(http)
        self._clock, self._http, self._base_url = clock, http, base_url
        self._timeout, self._stall, self._headers = timeout, stall, headers
        sdk = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url,
            http_client=http,
            timeout=_TIMEOUT,  # explicit, so that the SDK does not refuse long answers that are not streamed
            max_retries=0,
            open_telemetry=False,
            # Compressed streams arrive in lumps: a token's time would be that of the lump.
            default_headers={"accept-encoding": "identity"},
        )
        # One request is made up at a time.  It is pure computing, half a millisecond each, and between two of them the
        # event loop looks for answers: these get their stamps at once and not after the last of fifty requests.  Two
        # at a time would send up to 1.6 times as many a second, with stamps twice as late.
        self._turn = asyncio.Lock()
        # The SDK would find it out in a thread during the first request, which would be late by that.
        sdk._platform = get_platform()
        self._secrets = worth_hiding((sdk.api_key, sdk.auth_token))
        self._create = sdk.messages.with_streaming_response.create
        self.sdk = sdk
        """For calls that are not Messages requests."""

    async def __aenter__(self) -> SdkClient:
        # What lives by now lives on.  Looking through it for garbage would stop the loop for a tenth of a second.
        # Whoever has frozen what was there before us has seen to it, and keeps it so.
        self._froze = not gc.get_freeze_count()
        if self._froze:
            gc.collect()
            gc.freeze()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._froze:
            gc.unfreeze()
        await self._http.aclose()

    async def unreachable(self, *, within: float) -> str | None:
        """Why the server gives no answer of any kind within this many wall-clock seconds; None if it does.

        Asks for nothing that costs anything.
        """
        try:
            await self._http.head(self._base_url, timeout=within)
        except (httpx2.HTTPError, aiohttp.ClientError) as error:
            return reason_of(error)
        return None

    async def connect(self, connections: int) -> None:
        """Open so many connections.  As above: without a key, so that nobody's limits or bill know of it.

        What goes wrong is left for the requests to find.
        """
        heads = (self._http.head(self._base_url, timeout=_CONNECT_WITHIN) for _ in range(connections))
        await asyncio.gather(*heads, return_exceptions=True)

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:
        """See `Client`."""
        watch = watch or Watch()
        reading = Reading(watch, is_stream=bool(spec.params.get("stream")))
        stamps, within = reading.stamps, min(self._timeout, watch.within)
        current.set(Sending(self._clock, self._turn, reading))
        await self._turn.acquire()
        try:
            async with (
                self._clock.timeout(within) as timeout,
                self._create(**spec.params, extra_headers=self._headers(spec, attempt)) as raw,
            ):
                silence = Silence(self._clock, stamps, timeout, self._stall)
                with silence if spec.params.get("stream") else nullcontext():
                    await self._read(raw.http_response, reading)
            failure = incomplete(reading.answer)
        except TimeoutError:
            failure = fell_silent(self._stall) if stamps.silent else too_late(within)
        except anthropic.APIStatusError as error:
            failure = reading.refused(error.response.content, error.response.reason_phrase)
        except (msgspec.DecodeError, httpx2.DecodingError) as error:
            failure = reading.unreadable(error)
        except (anthropic.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError) as error:
            failure = Failure("connection", reason_of(error))
        except asyncio.CancelledError:
            watch.seen = reading.attempt(GIVEN_UP, self._clock.now(), self._secrets)
            raise
        finally:
            if stamps.sent is None:
                self._turn.release()
        return reading.attempt(failure, self._clock.now(), self._secrets)

    async def _read(self, response: httpx2.Response, reading: Reading) -> None:
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                reading.piece(chunk, self._clock.now())
        reading.end()
