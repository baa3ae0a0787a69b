"""The mock's engine behind the SDK without a socket: what shows that the direct simulation tells the same story.

httpx2's own ASGITransport runs an application to its end before it returns a response, so nothing streams through it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from errno import ECONNRESET
from itertools import chain

import httpx2
import msgspec
from aiohttp.http_exceptions import TransferEncodingError

from bench.clock import Clock
from mock_server import wire
from mock_server.engine import Engine
from mock_server.plan import Plan


class EngineTransport(httpx2.AsyncBaseTransport):
    """Answers Messages requests from `engine`, each byte when it is due on `clock`."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response, once its first byte is due."""
        params = msgspec.json.decode(await request.aread())
        key = tuple(map(int, request.headers["x-mock-key"].split(".")))
        tokens = int(request.headers["x-mock-output-tokens"])
        version = request.headers["anthropic-version"]
        plan = self._engine.handle(params, self._clock.now(), key=key, output_tokens=tokens, version=version)
        body = _Body(plan, self._engine, self._clock)
        try:
            await body.begin()
            if plan.is_reset:
                raise httpx2.ReadError("") from ConnectionResetError(ECONNRESET, os.strerror(ECONNRESET))
        except BaseException:
            await body.aclose()
            raise
        return httpx2.Response(plan.status, headers=wire.headers(plan), stream=body)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, plan: Plan, engine: Engine, clock: Clock) -> None:
        self._plan, self._engine, self._clock = plan, engine, clock
        self._pieces = wire.pieces(plan)
        self._first = next(self._pieces)

    async def begin(self) -> None:
        """Wait until the first byte is due."""
        await self._clock.sleep_until(self._first[0])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for due, data in chain([self._first], self._pieces):
            await self._clock.sleep_until(due)
            if data:
                yield data
        if self._plan.is_cut:
            missing = "Not enough data to satisfy transfer length header."
            raise httpx2.ReadError("") from TransferEncodingError(missing)

    async def aclose(self) -> None:
        """The client needs no more, so nothing more is produced."""
        self._engine.abort(self._plan, self._clock.now())
