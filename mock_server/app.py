"""The mock over HTTP: plays Plans in real or scaled time.  Raw ASGI, thin: what is decided is decided in `Engine`.

    /v1/...       the API: see endpoints.py
    /_mock/...    the admin side: see control.py

`x-mock-key: 7.12.1` (run seed, request, attempt), `x-mock-output-tokens: 123` and `x-mock-stop-reason: refusal` on a
request are the `key`, `output_tokens` and `stop_reason` of `Engine.handle`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from mock_server import control, wire
from mock_server.encoding import decode, too_large
from mock_server.endpoints import Call, Reply, Route, find_route
from mock_server.options import VERSIONS
from mock_server.plan import Error, Plan
from mock_server.request import RequestError, invalid
from mock_server.settings import Settings
from mock_server.tenants import ANYONE, Accounts, Tenant
from mock_server.world import Server, World

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TIMER_GRAIN = 0.001
"""Seconds: uvloop counts timers in whole milliseconds and so fires up to one early; an answer must not come early."""


class ClientGoneError(Exception):
    """The client closed the connection before it had sent its request."""


def create_app(settings: Settings, *, speed: float = 1.0) -> App:
    """The ASGI application.  Engine time passes `speed` times faster than the wall clock."""
    server = Server(settings, speed)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith(control.PREFIX):
            await _administer(server, scope, receive, send)
            return
        world = server.world
        world.open += 1
        try:
            await _exchange(world, scope, receive, send)
        finally:
            world.open -= 1

    return app


async def _administer(server: Server, scope: Scope, receive: Receive, send: Send) -> None:
    """One request of an admin."""
    try:
        body = await _read_body(receive, dict(scope["headers"]), control.MAX_BODY)
        reply = control.respond(server, scope["method"], scope["path"], body)
    except RequestError as error:
        reply = control.wrong(error.status, str(error))
    except ClientGoneError:
        return
    headers = [("content-type", reply.content_type), ("content-length", str(len(reply.body)))]
    await send(_start(reply.status, headers))
    await send({"type": "http.response.body", "body": reply.body})


async def _exchange(world: World, scope: Scope, receive: Receive, send: Send) -> None:
    """One API request and its answer."""
    arrived = world.now()
    tenant = None
    try:
        route, places = find_route(scope["method"], scope["path"])
        headers: dict[bytes, bytes] = dict(scope["headers"])
        tenant = _authenticate(headers, world.engine.settings.accounts, route)
        version = _read_version(headers)
        key, output_tokens = _read_key(headers), _read_output_tokens(headers)
        body = await _read_body(receive, headers, route.max_body)
        call = Call(
            tenant,
            version,
            world.now(),
            _origin(scope, headers),
            _read_query(scope),
            body,
            key,
            output_tokens,
            headers.get(b"x-mock-stop-reason", b"").decode("latin-1") or None,
            headers.get(b"x-stainless-retry-count", b"0") != b"0",
        )
        answer = route.handler(world.engine, call, *places)
    except RequestError as error:
        answer = world.engine.refuse(error, world.now(), tenant=tenant)
    except ClientGoneError:
        return
    if isinstance(answer, Plan):
        first_byte, last_byte = await _play(world, answer, receive, send)
        if answer.is_reset and "reset" in scope:
            scope["reset"]()
        world.note(answer, arrived, first_byte, last_byte)
    else:
        request_id = world.engine.request_id()
        first_byte, last_byte = await _tell(world, answer, request_id, tenant, send)
        world.note_reply(request_id, arrived, first_byte, last_byte)


def _authenticate(headers: dict[bytes, bytes], accounts: Accounts | None, route: Route) -> Tenant:
    """Whose key it is.  An Admin key opens the Admin API and nothing else."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    key = headers.get(b"x-api-key", b"").strip() or (token.strip() if scheme.lower() == b"bearer" else b"")
    if not key:
        raise RequestError(401, Error("authentication_error", "x-api-key or authorization header is required"))
    if accounts is None:
        return ANYONE
    known = accounts.keys.get(key.decode("latin-1"))
    if known is None:
        raise RequestError(401, Error("authentication_error", "invalid x-api-key"))
    if known.admin != route.admin:
        kind = "an Admin" if route.admin else "no Admin"
        raise RequestError(403, Error("permission_error", f"This endpoint takes {kind} API key"))
    return known.tenant


def _read_version(headers: dict[bytes, bytes]) -> str:
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


def _read_query(scope: Scope) -> dict[str, str]:
    query: bytes = scope["query_string"]
    return dict(parse_qsl(query.decode("latin-1"), errors="replace")) if query else {}


def _origin(scope: Scope, headers: dict[bytes, bytes]) -> str:
    host = headers.get(b"host")
    if host is None:
        name, port = scope["server"]
        return f"{scope['scheme']}://{name}:{port}"
    return f"{scope['scheme']}://{host.decode('latin-1')}"


async def _read_body(receive: Receive, headers: dict[bytes, bytes], most: int) -> bytes:
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > most:
        raise too_large()  # the edge says so without reading it
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= most:  # read on to the end, so that the client can read the answer
            parts.append(part)
    if size > most:
        raise too_large()
    encoding = headers.get(b"content-encoding")
    body = b"".join(parts)
    return body if encoding is None else decode(body, encoding.decode("latin-1"), most)


async def _tell(
    world: World, reply: Reply, request_id: str, tenant: Tenant | None, send: Send
) -> tuple[float | None, float | None]:
    """Send an answer that is there at once; return when its first and its last byte went out."""
    rows = [("content-type", reply.content_type), *wire.identity(request_id, tenant)]
    if isinstance(reply.body, bytes):
        rows.append(("content-length", str(len(reply.body))))
        await send(_start(200, rows))
        await send({"type": "http.response.body", "body": reply.body})
        return world.now(), world.now()
    await send(_start(200, rows))
    first_byte = world.now()
    for piece in reply.body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)  # others want to be served too
    await send({"type": "http.response.body", "body": b""})
    return first_byte, world.now()


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


def _start(status: int, headers: Iterable[tuple[str, str]]) -> Message:
    rows = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": rows}
