"""The least that could be called a load generator, on three building blocks: what ours is measured against.

    python bare_clients.py httptools|aiohttp|sdk URL OPEN REQUESTS     prints latencies as JSON

Each keeps OPEN streams open until REQUESTS are answered and takes two stamps of each, send and end.  Nothing is read.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

Send = Callable[[], Awaitable[None]]

ASK = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 96,
    "messages": [{"role": "user", "content": "word " * 200}],
    "stream": True,
}
HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01", "content-type": "application/json"}


async def _drive(send: Send, many: int, requests: int, latencies: list[float]) -> None:
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            began = time.perf_counter()
            await send()
            latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(worker() for _ in range(many)))


async def with_httptools(url: str, many: int, requests: int, latencies: list[float]) -> None:
    import httptools

    class Connection(asyncio.Protocol):
        def __init__(self) -> None:
            self.parser = httptools.HttpResponseParser(self)
            self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_message_complete(self) -> None:
            self.done.set_result(None)

    loop, address = asyncio.get_running_loop(), urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    body = json.dumps(ASK).encode()
    lines = [f"{name}: {value}" for name, value in HEADERS.items()]
    lines += [f"content-length: {len(body)}", f"host: {address.netloc}", "", ""]
    request = "\r\n".join(["POST /v1/messages HTTP/1.1", *lines]).encode() + body
    idle: list[Connection] = []

    async def send() -> None:
        connection = idle.pop() if idle else None
        if connection is None:
            _, connection = await loop.create_connection(Connection, host, port)
        connection.done = loop.create_future()
        connection.transport.write(request)
        await connection.done
        idle.append(connection)

    await _drive(send, many, requests, latencies)


async def with_aiohttp(url: str, many: int, requests: int, latencies: list[float]) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send() -> None:
            async with session.post(f"{url}/v1/messages", json=ASK, headers=HEADERS) as response:
                async for _ in response.content.iter_any():
                    pass

        await _drive(send, many, requests, latencies)


async def with_sdk(url: str, many: int, requests: int, latencies: list[float]) -> None:
    import anthropic
    import httpx2

    limits = httpx2.Limits(max_connections=10_000, max_keepalive_connections=10_000)
    http = anthropic.DefaultAioHttpClient(limits=limits)
    async with anthropic.AsyncAnthropic(api_key="any", base_url=url, max_retries=0, http_client=http) as client:

        async def send() -> None:
            async with await client.messages.create(**ASK) as stream:  # type: ignore[call-overload]
                async for _ in stream:
                    pass

        await _drive(send, many, requests, latencies)


CLIENTS = {"httptools": with_httptools, "aiohttp": with_aiohttp, "sdk": with_sdk}

if __name__ == "__main__":
    kind, address, open_streams, wanted = sys.argv[1:]
    found: list[float] = []
    asyncio.run(CLIENTS[kind](address, int(open_streams), int(wanted), found))
    print(json.dumps(found))
