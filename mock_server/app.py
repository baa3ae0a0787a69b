"""The mock over HTTP: plays Plans in real or scaled time.  Raw ASGI, thin: what is decided is decided in `Engine`.

    POST /v1/messages      the Messages API
    POST /_mock/reset      a fresh engine at second 0; the ground truth is forgotten
    GET  /_mock/truth      JSON lines: when each request really arrived, first and last byte, in engine seconds
    GET  /_mock/health     ok

`x-mock-key: 7.12.1` (run seed, request, attempt), `x-mock-output-tokens: 123` and `x-mock-stop-reason: refusal` on a
request are the `key`, `output_tokens` and `stop_reason` of `Engine.handle`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from mock_server import wire
from mock_server.engine import Engine
from mock_server.options import VERSIONS
from mock_server.plan import Error, Plan
from mock_server.request import MAX_BODY, RequestError, invalid
from mock_server.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_TRUTH = 1_000_000
"""Exchanges whose ground truth is kept, so that a server left running does not fill the memory."""


class Truth(msgspec.Struct, frozen=True):
    """What really happened to one request: engine seconds at which it came and its bytes went to the transport.

    None where the client went away before.
    """

    request_id: str
    arrived: float
    first_byte: float | None
    last_byte: float | None
    status: int


_encode_lines = msgspec.json.Encoder().encode_lines

TIMER_GRAIN = 0.001
"""Seconds: uvloop counts timers in whole milliseconds and so fires up to one early; an answer must not come early."""


class ClientGoneError(Exception):
    """The client closed the connection before it had sent its request."""


class World:
    """An engine with its time and its ground truth: what a reset throws away."""

    def __init__(self, settings: Settings, speed: float) -> None:
        self.engine = Engine(settings, epoch=time.time())
        self.truth: deque[Truth] = deque(maxlen=MAX_TRUTH)
        self._speed = speed
        self._start = time.monotonic()

    def now(self) -> float:
        """Engine seconds.  Not the event loop's clock: uvloop's has a grain of a millisecond."""
        return (time.monotonic() - self._start) * self._speed

    def delay(self, when: float) -> float:
        """Real seconds until engine second `when`."""
        return self._start + when / self._speed - time.monotonic()


def create_app(settings: Settings, *, speed: float = 1.0) -> App:
    """The ASGI application.  Engine time passes `speed` times faster than the wall clock."""
    world = World(settings, speed)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal world
        if scope["type"] != "http":
            return
        match scope["method"], scope["path"]:
            case "POST", "/_mock/reset":
                world = World(settings, speed)
                await _reply(send, "application/json", b'{"ok":true}')
            case "GET", "/_mock/health":
                await _reply(send, "application/json", b'{"ok":true}')
            case "GET", "/_mock/truth":
                await _reply(send, "application/jsonl", _encode_lines(list(world.truth)))
            case _:
                await _exchange(world, scope, receive, send)

    return app


async def _exchange(world: World, scope: Scope, receive: Receive, send: Send) -> None:
    """One API request and its answer."""
    arrived = world.now()
    try:
        plan = await _plan(world, scope, receive)
    except RequestError as error:
        plan = world.engine.refuse(error, world.now())
    except ClientGoneError:
        return
    first_byte, last_byte = await _play(world, plan, receive, send)
    if plan.is_reset and "reset" in scope:
        scope["reset"]()
    world.truth.append(Truth(plan.request_id, arrived, first_byte, last_byte, plan.status))


async def _plan(world: World, scope: Scope, receive: Receive) -> Plan:
    _check_route(scope["method"], scope["path"])
    headers: dict[bytes, bytes] = dict(scope["headers"])
    version = _check_headers(headers)
    key, output_tokens = _read_key(headers), _read_output_tokens(headers)
    params = _decode(await _read_body(receive))
    stop_reason = headers.get(b"x-mock-stop-reason")
    return world.engine.handle(
        params,
        world.now(),
        key=key,
        output_tokens=output_tokens,
        version=version,
        stop_reason=stop_reason.decode("latin-1") if stop_reason else None,
    )


def _check_route(method: str, path: str) -> None:
    if path != "/v1/messages":
        raise RequestError(404, Error("not_found_error", "Not found"))
    if method != "POST":
        raise invalid("Method Not Allowed", status=405)


def _check_headers(headers: dict[bytes, bytes]) -> str:
    """The API version that the request asks for."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    bearer = scheme.lower() == b"bearer" and token.strip()
    if not (headers.get(b"x-api-key", b"").strip() or bearer):
        raise RequestError(401, Error("authentication_error", "x-api-key or authorization header is required"))
    if b"anthropic-version" not in headers:
        raise invalid("anthropic-version: header is required")
    version = headers[b"anthropic-version"].decode("latin-1")
    if version not in VERSIONS:
        raise invalid(f"anthropic-version: {version!r} is not a valid version")
    return version


def _read_key(headers: dict[bytes, bytes]) -> tuple[int, ...] | None:
    value = headers.get(b"x-mock-key")
    try:
        return None if value is None else tuple(map(int, value.split(b".")))
    except ValueError:
        raise invalid("x-mock-key: whole numbers separated by dots, such as 7.12.1") from None


def _read_output_tokens(headers: dict[bytes, bytes]) -> int | None:
    value = headers.get(b"x-mock-output-tokens")
    try:
        return None if value is None else int(value)
    except ValueError:
        raise invalid("x-mock-output-tokens: a whole number, such as 123") from None


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= MAX_BODY:  # read on to the end, so that the client can read the answer
            parts.append(part)
    if size > MAX_BODY:
        raise RequestError(413, Error("request_too_large", "Request exceeds the maximum size"))
    return b"".join(parts)


def _decode(data: bytes) -> dict[str, Any]:
    try:
        params = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from None
    if not isinstance(params, dict):
        raise invalid("The request body must be a JSON object")
    return params


async def _play(world: World, plan: Plan, receive: Receive, send: Send) -> tuple[float | None, float | None]:
    """Send the answer piece by piece as it is due; return when its first and its last byte went out.

    None where that never came, because the client went away.
    """
    first_byte = last_byte = None
    presence = _Presence(receive)
    headers, pieces = _render(plan)
    try:
        for due, data in pieces:
            if not await presence.wait(world.delay(due)) or plan.is_reset:
                break
            if first_byte is None:
                await send(_start(plan.status, headers))
            more = due < plan.ended or plan.is_cut
            await send({"type": "http.response.body", "body": data, "more_body": more})
            now = world.now()
            first_byte = now if first_byte is None else first_byte
            last_byte = None if more else now
    finally:
        presence.close()
        world.engine.abort(plan, world.now())  # what is not sent is not produced either
    return first_byte, last_byte


def _render(plan: Plan) -> tuple[list[tuple[str, str]], Iterable[tuple[float, bytes]]]:
    """The headers of an answer, and its pieces with the engine second each is due."""
    headers = wire.headers(plan)
    if plan.flaw or (plan.status == 200 and plan.stream):
        return headers, wire.pieces(plan)
    body = wire.body(plan)
    return [*headers, ("content-length", str(len(body)))], [(plan.ended, body)]


class _Presence:
    """Whether the client is still there: waits for moments, and no longer than it is."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone: asyncio.Future[Any] | None = None
        self._woken: asyncio.Future[None] | None = None

    async def wait(self, seconds: float) -> bool:
        """Wait at least so long; False as soon as the client is gone."""
        self._gone = self._gone or (self._watch() if seconds > 0 else None)
        if seconds > 0 and not self._is_gone():
            loop = asyncio.get_running_loop()
            self._woken = loop.create_future()
            timer = loop.call_later(seconds + TIMER_GRAIN, self._wake)
            try:
                await self._woken
            finally:
                timer.cancel()
        return not self._is_gone()

    def close(self) -> None:
        """Stop watching."""
        if self._gone:
            self._gone.cancel()

    def _is_gone(self) -> bool:
        return self._gone is not None and self._gone.done()

    def _watch(self) -> asyncio.Future[Any]:
        gone = asyncio.ensure_future(self._receive())
        gone.add_done_callback(self._wake)
        return gone

    def _wake(self, _: object = None) -> None:
        if self._woken and not self._woken.done():
            self._woken.set_result(None)


async def _reply(send: Send, content_type: str, body: bytes) -> None:
    await send(_start(200, [("content-type", content_type), ("content-length", str(len(body)))]))
    await send({"type": "http.response.body", "body": body})


def _start(status: int, headers: Iterable[tuple[str, str]]) -> Message:
    rows = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": rows}
