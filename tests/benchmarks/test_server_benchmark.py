"""What a request costs the server process, beside a bare uvicorn handler that sends the same bytes without any logic.

Requests per CPU-second of the server: steadier than the wall clock where others use the machine too.  The load comes
from `wrk`, which is never the bottleneck.  Compare the rows of one run with each other.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

import httpx2
import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mock_server import wire
from mock_server.engine import Engine
from mock_server.models import text_of_tokens
from mock_server.settings import Settings

SECONDS = 4
CONNECTIONS = 64
MODEL = "claude-sonnet-4-6"
HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01", "content-type": "application/json"}
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 96,
    "messages": [{"role": "user", "content": text_of_tokens(220, MODEL)}],
}
"""About 1 KB; streamed, 96 tokens are 20 events with text."""
KEY = (7, 1, 1)


class Running(NamedTuple):
    url: str
    pid: int

    def cpu(self) -> float:
        """CPU seconds that the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident memory, MB."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def running(command: list[str], first_line: bytes) -> Iterator[Running]:
    with subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(first_line + b"\n")
        process.stdin.flush()
        url = next(word for word in process.stdout.readline().decode().split() if word.startswith("http://"))
        try:
            yield Running(url, process.pid)
        finally:
            process.terminate()


@contextmanager
def mock(settings: Settings) -> Iterator[Running]:
    with running(["-m", "mock_server", "--port", "0", "--settings", "-"], msgspec.json.encode(settings)) as server:
        yield server


@contextmanager
def bare(response: httpx2.Response, times: list[float] | None = None) -> Iterator[Running]:
    """Sends what `response` says, as often as it is asked; the pieces of a stream at these times if there are any."""
    headers = [(name, value) for name, value in response.headers.items() if name != "transfer-encoding"]
    stream = response.headers["content-type"].startswith("text/event-stream")
    pieces = re.findall(r".*?\n\n", response.text, flags=re.DOTALL) if stream else [response.text]
    if times:
        pieces = _gathered(pieces, len(times))
    given = {"headers": headers, "pieces": pieces, "times": times}
    with running([str(Path(__file__).with_name("bare_server.py"))], json.dumps(given).encode()) as server:
        yield server


def _gathered(events: list[str], count: int) -> list[str]:
    """As many pieces as there are times, the first and the last of several events."""
    middle = count - 2
    begin = (len(events) - middle) // 2
    return ["".join(events[:begin]), *events[begin : begin + middle], "".join(events[begin + middle :])]


def per_cpu_second(server: Running, ask: dict[str, Any], folder: Path) -> float:
    """Requests that the server answers in a second of its CPU time."""
    wrk = shutil.which("wrk")
    if wrk is None:
        pytest.skip("NOT MEASURED: there is no `wrk` on this machine; apt-get install wrk")
    script = folder / "post.lua"
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in HEADERS.items()]
    script.write_text(f'wrk.method = "POST"\nwrk.body = [==[{json.dumps(ask)}]==]\n' + "\n".join(lines))
    command = [wrk, "-t1", f"-c{CONNECTIONS}", "-s", str(script), f"{server.url}/v1/messages"]
    subprocess.run([*command, "-d1s"], capture_output=True, check=True)  # warm
    before = server.cpu()
    said = subprocess.run([*command, f"-d{SECONDS}s"], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said
    found = re.search(r"(\d+) requests in", said)
    assert found
    return int(found[1]) / (server.cpu() - before)


def times_of(ask: dict[str, Any], settings: Settings) -> list[float] | None:
    """When the pieces of a stream are due, in seconds since the request; None if all are due at once."""
    plan = Engine(settings).handle(ask, 0.0, key=KEY)
    times = [due for due, _ in wire.pieces(plan)]
    return times if times[-1] > 0 else None


def beside_bare(ask: dict[str, Any], settings: Settings, folder: Path) -> dict[str, float]:
    """Requests per CPU-second of the mock, of the bare handler, and their ratio."""
    with mock(settings) as server:
        response = httpx2.post(f"{server.url}/v1/messages", json=ask, headers=HEADERS)
        ours = per_cpu_second(server, ask, folder)
    with bare(response, times_of(ask, settings)) as server:
        theirs = per_cpu_second(server, ask, folder)
    return {"mock": ours, "bare": theirs, "ratio": ours / theirs}


def report(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], what: str, figures: dict[str, float]
) -> None:
    benchmark.extra_info.update(figures)
    with capsys.disabled():
        said = [f"{name} {value:,.2f}" if value < 100 else f"{name} {value:,.0f}" for name, value in figures.items()]
        print(f"\n{what}: {'  '.join(said)}")


CASES = {
    "JSON of 1 KB": (ASK, Settings(tier="unlimited", service_time=0.0)),
    "JSON of 1 KB, limits on": (ASK, Settings(tier="scale", burst=6e7, service_time=0.0)),
    "20 events at once": (ASK | {"stream": True}, Settings(tier="unlimited", service_time=0.0)),
    "20 events, each in its time": (ASK | {"stream": True}, Settings(tier="unlimited", service_time=0.1)),
}


@pytest.mark.parametrize("case", CASES)
def test_requests_per_cpu_second(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path, case: str
) -> None:
    ask, settings = CASES[case]
    figures = benchmark.pedantic(beside_bare, args=(ask, settings, tmp_path), rounds=1)  # type: ignore[no-untyped-call]
    report(benchmark, capsys, f"requests per CPU-second, {case}", figures)


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


def test_500_streams_at_once(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> dict[str, float]:
        with mock(LONG) as server:
            response = httpx2.post(f"{server.url}/v1/messages", json=ASK | {"stream": True}, headers=HEADERS)
            httpx2.post(f"{server.url}/_mock/reset")
            before = server.cpu()
            ours = quantiles(lateness(server), n=100)
            used = server.cpu() - before
        theirs = quantiles(bare_lateness(response), n=100)
        return {
            "median_ms": ours[49] * 1000,
            "p99_ms": ours[98] * 1000,
            "bare_p99_ms": theirs[98] * 1000,
            "cpu_seconds": used,
        }

    figures = benchmark.pedantic(run, rounds=1)  # type: ignore[no-untyped-call]
    report(benchmark, capsys, f"lateness of the events of {STREAMS} streams", figures)


def test_memory(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> dict[str, float]:
        with mock(LONG) as server:
            idle = server.memory()

            async def main() -> float:
                running = asyncio.create_task(streams(server.url, 1_000, 1.0))
                while (await asyncio.to_thread(httpx2.get, f"{server.url}/_mock/state")).json()["open"] < 1_000:
                    assert not running.done()
                taken = server.memory()
                await running
                return taken

            return {"idle_MB": idle, "with_1000_streams_MB": asyncio.run(main())}

    figures = benchmark.pedantic(run, rounds=1)  # type: ignore[no-untyped-call]
    report(benchmark, capsys, "memory of the server process", figures)
