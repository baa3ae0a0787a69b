"""Calls an ASGI application without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from mock_server.app import App

HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01"}


@dataclass
class Response:
    """What came back; the status is None if nothing did."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    def json(self) -> Any:  # noqa: ANN401
        """The body, read."""
        return json.loads(self.body)


async def request(
    app: App,
    method: str,
    path: str,
    content: object = None,
    *,
    headers: Mapping[str, str] = HEADERS,
    leave: asyncio.Event | None = None,
) -> Response:
    """One request.  Content that is not bytes goes as JSON; at `leave` the client closes the connection."""
    body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
    response, asked = Response(), False

    async def receive() -> MutableMapping[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}
        await (leave or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            response.status = message["status"]
            response.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            assert response.status is not None
            assert not response.complete
            response.body += message.get("body", b"")
            response.complete = not message.get("more_body", False)

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    return response


def call(app: App, method: str, path: str, content: object = None, *, headers: Mapping[str, str] = HEADERS) -> Response:
    """One request, from code that is not asynchronous."""
    return asyncio.run(request(app, method, path, content, headers=headers))
