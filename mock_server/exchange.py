"""One request and its answer, whatever carries their bytes: what is the same for `app` (ASGI) and `edge` (a socket).

    /v1/...       the API: see endpoints.py
    /_mock/...    the admin side: see control.py

`x-mock-key: 7.12.1` (run seed, request, attempt), `x-mock-output-tokens: 123` and `x-mock-stop-reason: refusal` on a
request are the `key`, `output_tokens` and `stop_reason` of `Engine.handle`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl

from mock_server import control, wire
from mock_server.encoding import decode, too_large
from mock_server.endpoints import Call, Reply, Route, find_route
from mock_server.faults import Endpoint, spoiled_pieces
from mock_server.options import VERSIONS
from mock_server.plan import Error, Plan
from mock_server.request import MAX_BODY, RequestError, invalid
from mock_server.tenants import ANYONE, Accounts, Tenant
from mock_server.world import Server, World


class Head(NamedTuple):
    """A request without its body."""

    method: str
    path: str
    """Decoded, without the query."""
    query: bytes
    headers: dict[bytes, bytes]
    """By name in small letters; of those that come twice, the last."""
    origin: str
    """Where the client found the server if it does not say, such as http://127.0.0.1:8080."""


class Answer(NamedTuple):
    """What is to be sent, and when."""

    status: int
    head: bytes
    """Lines of all headers but those of HTTP itself."""
    length: int | None
    """Bytes of the body, if that is known."""
    pieces: Iterator[tuple[float, bytes]]
    """When each is due, in engine seconds, and its bytes.  There is at least one."""
    is_reset: bool = False
    """Whether the connection is reset instead, when the first piece is due."""
    is_cut: bool = False
    """Whether the connection is closed after the last piece, without the end that HTTP would have."""


class Exchange:
    """One request of the API.  Feed it the body, `complete` it, send the answer, say what was `sent`, and `end` it."""

    __slots__ = (
        "_arrived",
        "_endpoint",
        "_error",
        "_first_byte",
        "_head",
        "_key",
        "_last_byte",
        "_most",
        "_output_tokens",
        "_parts",
        "_places",
        "_plan",
        "_route",
        "_size",
        "_tenant",
        "_version",
        "_world",
        "answer",
    )

    def __init__(self, world: World, head: Head) -> None:
        self._world, self._head, self._arrived = world, head, world.now()
        self._tenant: Tenant | None = None
        self._plan: Plan | None = None
        self._endpoint: Endpoint | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._first_byte: float | None = None
        self._last_byte: float | None = None
        self.answer: Answer | None = None
        """The answer that is known without the body: that to one whose size alone is wrong."""
        world.open += 1
        self._error: RequestError | None = None
        self._most = MAX_BODY
        try:
            self._read_head(head)
        except RequestError as error:
            self._error = error
        if _declared(head) > self._most:
            self.answer = self._refuse(too_large())

    def feed(self, part: bytes) -> None:
        """Take some of the body.  One that is too large is read to its end, so that the client can read the answer."""
        self._size += len(part)
        if self._size <= self._most:
            self._parts.append(part)

    def complete(self) -> Answer:
        """The body has come to its end: decide."""
        if self.answer:
            return self.answer
        head = self._head
        headers = head.headers
        try:
            if self._error:
                raise self._error
            call = Call(
                self._tenant or ANYONE,
                self._version,
                self._world.now(),
                _origin(head),
                _read_query(head.query),
                self._body(),
                self._key,
                self._output_tokens,
                headers.get(b"x-mock-stop-reason", b"").decode("latin-1") or None,
                headers.get(b"x-stainless-retry-count", b"0") != b"0",
            )
            return self._decide(call)
        except RequestError as error:
            return self._refuse(error)

    def delay(self, due: float) -> float:
        """Seconds until a piece is due."""
        return self._world.delay(due)

    def sent(self, *, last: bool) -> None:
        """A piece goes to the transport."""
        now = self._world.now()
        if self._first_byte is None:
            self._first_byte = now
        if last:
            self._last_byte = now

    def end(self) -> None:
        """All is sent, or the client is gone.  Say so once."""
        world, plan = self._world, self._plan
        world.open -= 1
        if plan:
            world.engine.abort(plan, self._last_byte or world.now())  # what is not sent is not produced either
            world.note(plan, self._endpoint, self._arrived, self._first_byte, self._last_byte)

    def _read_head(self, head: Head) -> None:
        headers = head.headers
        self._route, self._places = find_route(head.method, head.path)
        self._most, self._endpoint = self._route.max_body, self._route.endpoint
        self._tenant = _authenticate(headers, self._world.engine.settings.accounts, self._route)
        self._version = _read_version(headers)
        self._key, self._output_tokens = _read_key(headers), _read_output_tokens(headers)

    def _body(self) -> bytes:
        if self._size > self._most:
            raise too_large()
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        encoding = self._head.headers.get(b"content-encoding")
        return body if encoding is None else decode(body, encoding.decode("latin-1"), self._most)

    def _refuse(self, error: RequestError) -> Answer:
        return self._say(self._world.engine.refuse(error, self._world.now(), tenant=self._tenant))

    def _decide(self, call: Call) -> Answer:
        engine, route = self._world.engine, self._route
        if route.endpoint == "messages":
            return self._say(route.handler(engine, call))
        plan = engine.attend(route.endpoint, call.now, call.tenant, call.key)
        return self._say(plan) if plan.error else self._tell(plan, route.handler(engine, call, *self._places))

    def _say(self, plan: Plan) -> Answer:
        self._plan, head = plan, wire.head(plan)
        if plan.flaw or (plan.status == 200 and plan.stream):
            return Answer(plan.status, head, None, wire.pieces(plan), plan.is_reset, plan.is_cut)
        body = wire.body(plan)
        return Answer(plan.status, head, len(body), iter(((plan.ended, body),)))

    def _tell(self, plan: Plan, reply: Reply) -> Answer:
        """An answer that is there at once, unless its plan is spoiled."""
        self._plan, head = plan, wire.head(plan, reply.content_type)
        length = len(reply.body) if isinstance(reply.body, bytes) else None
        parts = (reply.body,) if isinstance(reply.body, bytes) else reply.body
        pieces = ((plan.last_token, part) for part in parts)
        if plan.flaw is None:
            return Answer(200, head, length, pieces)
        return Answer(200, head, None, spoiled_pieces(pieces, plan.flaw, stream=False), plan.is_reset, plan.is_cut)


class Administration:
    """One request of an admin: the same as an `Exchange`, but nobody counts it."""

    def __init__(self, server: Server, head: Head) -> None:
        self._server, self._head = server, head
        self._body = bytearray()
        self.answer: Answer | None = None
        """See `Exchange`."""
        if _declared(head) > control.MAX_BODY:
            self.answer = _admin_answer(_TOO_LARGE)

    def feed(self, part: bytes) -> None:
        """See `Exchange`."""
        if len(self._body) <= control.MAX_BODY:
            self._body += part

    def complete(self) -> Answer:
        """See `Exchange`."""
        if len(self._body) > control.MAX_BODY:
            return _admin_answer(_TOO_LARGE)
        return self.answer or _admin_answer(
            control.respond(self._server, self._head.method, self._head.path, bytes(self._body))
        )

    def delay(self, due: float) -> float:  # noqa: ARG002
        """See `Exchange`."""
        return 0.0

    def sent(self, *, last: bool) -> None:
        """See `Exchange`."""

    def end(self) -> None:
        """See `Exchange`."""


def _admin_answer(reply: control.Reply) -> Answer:
    head = b"content-type: %b\r\n" % reply.content_type.encode()
    return Answer(reply.status, head, len(reply.body), iter(((0.0, reply.body),)))


_TOO_LARGE = control.wrong(413, str(too_large()))


def begin(server: Server, head: Head) -> Exchange | Administration:
    """What a request begins."""
    if head.path.startswith(control.PREFIX):
        return Administration(server, head)
    return Exchange(server.world, head)


def _declared(head: Head) -> int:
    """Bytes of the body, as far as the head says."""
    declared = head.headers.get(b"content-length", b"")
    return int(declared) if declared.isdigit() else 0


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


def _read_query(query: bytes) -> dict[str, str]:
    return dict(parse_qsl(query.decode("latin-1"), errors="replace")) if query else {}


def _origin(head: Head) -> str:
    """Where the client found the server."""
    host = head.headers.get(b"host")
    return head.origin if host is None else f"{head.origin.partition(':')[0]}://{host.decode('latin-1')}"
