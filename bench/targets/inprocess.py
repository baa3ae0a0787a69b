"""The mock's engine behind the SDK without a socket: what shows that the direct simulation tells the same story.

httpx2's own ASGITransport runs an application to its end before it returns a response, so nothing streams through it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import msgspec

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
        await body.wait(plan.first_token if _is_streamed(plan) else plan.ended)
        return httpx2.Response(plan.status, headers=wire.headers(plan), stream=body)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, plan: Plan, engine: Engine, clock: Clock) -> None:
        self._plan, self._engine, self._clock = plan, engine, clock

    async def wait(self, when: float) -> None:
        """Wait for engine second `when`; if the client goes away meanwhile, so does the answer."""
        try:
            await self._clock.sleep_until(when)
        except BaseException:
            self._engine.abort(self._plan, self._clock.now())
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        plan = self._plan
        pieces = wire.events(plan) if _is_streamed(plan) else [(plan.ended, wire.body(plan))]
        for due, data in pieces:
            await self.wait(due)
            yield data


def _is_streamed(plan: Plan) -> bool:
    return plan.stream and plan.error is None
