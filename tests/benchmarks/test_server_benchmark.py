"""What a request costs the server process, beside a bare uvicorn handler that sends the same bytes without any logic.

Requests per CPU-second of the server: steadier than the wall clock where others use the machine too.  The load comes
from `wrk`, which is never the bottleneck.  Compare the rows of one run with each other.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx2
import pytest

from benchmarks.servers import ASK, HEADERS, NotMeasured, Running, bare, mock, per_cpu_second
from benchmarks.table import AddRow, Once
from mock_server import wire
from mock_server.engine import Engine
from mock_server.settings import Settings

KEY = (7, 1, 1)


def times_of(ask: dict[str, Any], settings: Settings) -> list[float] | None:
    """When the pieces of a stream are due, in seconds since the request; None if all are due at once."""
    plan = Engine(settings).handle(ask, 0.0, key=KEY)
    times = [due for due, _ in wire.pieces(plan)]
    return times if times[-1] > 0 else None


def beside_bare(ask: dict[str, Any], settings: Settings, folder: Path) -> tuple[float, float]:
    """Requests per CPU-second of the mock and of the bare handler."""
    with mock(settings) as server:
        response = httpx2.post(f"{server.url}/v1/messages", json=ask, headers=HEADERS)
        ours = per_cpu_second(server, ask, folder)
    with bare(response, times_of(ask, settings)) as server:
        theirs = per_cpu_second(server, ask, folder)
    return ours, theirs


CASES = {
    "JSON of 1 KB": (ASK, Settings(tier="unlimited", service_time=0.0)),
    "JSON of 1 KB, limits on": (ASK, Settings(tier="scale", burst=6e7, service_time=0.0)),
    "20 events at once": (ASK | {"stream": True}, Settings(tier="unlimited", service_time=0.0)),
    "20 events, each in its time": (ASK | {"stream": True}, Settings(tier="unlimited", service_time=0.1)),
}


@pytest.mark.parametrize("case", CASES)
def test_requests_per_cpu_second(once: Once, row: AddRow, tmp_path: Path, case: str) -> None:
    ask, settings = CASES[case]
    try:
        ours, theirs = once(lambda: beside_bare(ask, settings, tmp_path))
    except NotMeasured as why:
        pytest.skip(f"NOT MEASURED: {why}")
    row(f"mock server, {case}", ours, "requests/CPU-s", beside=("bare uvicorn", theirs))


STREAMS, SPREAD = 500, 2.0
"""How many streams, and over how many seconds they start."""
LONG = Settings(tier="unlimited", ttft=(1.0, 1.0), tokens_per_second=(25.0, 25.0))
"""Twenty events in four seconds: all streams are open at once for more than two."""


DELTA = b"event: content_block_delta"


class Listener(asyncio.Protocol):
    """One stream: how many events had come by when, by the monotonic clock."""

    def __init__(self, request: bytes) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.seen: list[tuple[float, int]] = []
        self._request, self._data = request, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        before = self._data.count(DELTA)
        self._data += data
        self.seen.append((now, self._data.count(DELTA) - before))
        if self._data.endswith(b"0\r\n\r\n") and not self.done.done():
            self.done.set_result(None)


def http(ask: dict[str, Any], number: int) -> bytes:
    body = json.dumps(ask).encode()
    lines = [f"{name}: {value}" for name, value in HEADERS.items()]
    lines += [f"x-mock-key: 7.{number}.1", f"content-length: {len(body)}", "host: mock", "", ""]
    return "\r\n".join(["POST /v1/messages HTTP/1.1", *lines]).encode() + body


async def listen(url: str, number: int, delay: float) -> Listener:
    await asyncio.sleep(delay)
    host, port = url.removeprefix("http://").split(":")
    request = http(ASK | {"stream": True}, number)
    loop = asyncio.get_running_loop()
    transport, listener = await loop.create_connection(lambda: Listener(request), host, int(port))
    try:
        await asyncio.wait_for(listener.done, 60)
    finally:
        transport.close()
    return listener


async def streams(url: str, count: int, spread: float) -> list[Listener]:
    return await asyncio.gather(*(listen(url, number, spread * number / count) for number in range(count)))


def engine_offset(url: str) -> float:
    """What to add to engine seconds to get the monotonic clock's, from the quickest of several questions."""
    found = []
    with httpx2.Client(base_url=url) as client:
        for _ in range(20):
            before = time.monotonic()
            now = float(client.get("/_mock/state").json()["now"])
            after = time.monotonic()
            found.append((after - before, (before + after) / 2 - now))
    return min(found)[1]


def lateness(server: Running) -> list[float]:
    """By how many seconds each event of 500 streams came after its due time."""
    listeners = asyncio.run(streams(server.url, STREAMS, SPREAD))
    offset = engine_offset(server.url)
    rows = httpx2.get(f"{server.url}/_mock/truth").text.splitlines()
    admitted = {row["request_id"]: row["admitted"] for row in map(json.loads, rows)}
    late = []
    for number, listener in enumerate(listeners):
        plan = Engine(LONG).handle(ASK | {"stream": True}, 0.0, key=(7, number, 1))
        due = [when for when, data in wire.pieces(plan) for _ in range(data.count(DELTA))]
        came = [when for when, events in listener.seen for _ in range(events)]
        assert len(came) == len(due)
        begin = admitted[plan.request_id] + offset
        late += [there - begin - when for when, there in zip(due, came, strict=True)]
    return late


def bare_lateness(response: httpx2.Response) -> list[float]:
    """The same of a bare handler, whose streams begin when their first byte is there."""
    times = times_of(ASK | {"stream": True}, LONG)
    assert times
    with bare(response, [when - times[0] for when in times]) as server:
        listeners = asyncio.run(streams(server.url, STREAMS, SPREAD))
    late = []
    for listener in listeners:
        came = [when for when, events in listener.seen for _ in range(events)]
        late += [there - came[0] - (when - times[0]) for when, there in zip(times, came, strict=False)]
    return late


def test_500_streams_at_once(once: Once, row: AddRow) -> None:
    def run() -> tuple[list[float], list[float]]:
        with mock(LONG) as server:
            response = httpx2.post(f"{server.url}/v1/messages", json=ASK | {"stream": True}, headers=HEADERS)
            httpx2.post(f"{server.url}/_mock/reset")
            ours = quantiles(lateness(server), n=100)
        return ours, quantiles(bare_lateness(response), n=100)

    ours, theirs = once(run)
    for name, percent in (("median", 50), ("p99", 99)):
        beside = ("bare uvicorn", theirs[percent - 1] * 1000)
        row(f"mock server, events late in {STREAMS} streams, {name}", ours[percent - 1] * 1000, "ms", beside=beside)


def test_memory(once: Once, row: AddRow) -> None:
    def run() -> tuple[float, float]:
        with mock(LONG) as server:
            idle = server.memory()

            async def main() -> float:
                running = asyncio.create_task(streams(server.url, 1_000, 1.0))
                while (await asyncio.to_thread(httpx2.get, f"{server.url}/_mock/state")).json()["open"] < 1_000:
                    assert not running.done()
                taken = server.memory()
                await running
                return taken

            return idle, asyncio.run(main())

    idle, taken = once(run)
    row("mock server, memory with 1,000 streams open", taken, "MB", beside=("idle", idle))
