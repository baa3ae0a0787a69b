"""A bare uvicorn handler that sends given bytes without any logic: what the mock server is measured against.

Reads one line of JSON from standard input: {"headers": [[name, value], ...], "pieces": [...], "times": [...]}; without
times (seconds since the request) all pieces are sent at once.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn


def main() -> None:
    """Serve until killed; prints its URL."""
    given = json.loads(sys.stdin.readline())
    headers = [(name.encode(), value.encode()) for name, value in given["headers"]]
    pieces = [piece.encode() for piece in given["pieces"]]
    times = given["times"] or [0.0] * len(pieces)
    start = {"type": "http.response.start", "status": 200, "headers": headers}

    async def app(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        while (await receive()).get("more_body"):
            pass
        began = time.monotonic()
        await send(start)
        for due, piece in zip(times, pieces, strict=True):
            if (wait := began + due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"bare server on http://127.0.0.1:{listener.getsockname()[1]} ", flush=True)
    config = uvicorn.Config(app, log_config=None, log_level="critical", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
