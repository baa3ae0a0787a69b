"""A bare uvicorn handler that sends given bytes without any logic: what the mock server is measured against.

Reads one line of JSON from standard input: {"headers": [[name, value], ...], "pieces": [...]}.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn


def main() -> None:
    """Serve until killed; prints its URL."""
    given = json.loads(sys.stdin.readline())
    headers = [(name.encode(), value.encode()) for name, value in given["headers"]]
    *pieces, last = [piece.encode() for piece in given["pieces"]]
    start = {"type": "http.response.start", "status": 200, "headers": headers}

    async def app(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        while (await receive()).get("more_body"):
            pass
        await send(start)
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": last})

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"bare server on http://127.0.0.1:{listener.getsockname()[1]} ", flush=True)
    config = uvicorn.Config(app, log_config=None, log_level="critical", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
