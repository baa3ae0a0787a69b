"""What a request costs the server process, beside a bare uvicorn handler that sends the same bytes without any logic.

Requests per CPU-second of the server: steadier than the wall clock where others use the machine too.  The load comes
from `wrk`, which is never the bottleneck.  Compare the rows of one run with each other.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

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
def bare(headers: dict[str, str], pieces: list[str]) -> Iterator[Running]:
    given = {"headers": list(headers.items()), "pieces": pieces}
    with running([str(Path(__file__).with_name("bare_server.py"))], json.dumps(given).encode()) as server:
        yield server


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


def beside_bare(ask: dict[str, Any], settings: Settings, folder: Path) -> dict[str, float]:
    """Requests per CPU-second of the mock, of the bare handler, and their ratio."""
    with mock(settings) as server:
        response = httpx2.post(f"{server.url}/v1/messages", json=ask, headers=HEADERS)
        ours = per_cpu_second(server, ask, folder)
    kept = {name: value for name, value in response.headers.items() if name != "transfer-encoding"}
    pieces = re.findall(r".*?\n\n", response.text, flags=re.DOTALL) if ask.get("stream") else [response.text]
    with bare(kept, pieces) as server:
        theirs = per_cpu_second(server, ask, folder)
    return {"mock": ours, "bare": theirs, "ratio": ours / theirs}


def report(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], what: str, figures: dict[str, float]) -> None:
    benchmark.extra_info.update(figures)
    with capsys.disabled():
        said = "  ".join(f"{name} {value:,.2f}" if value < 100 else f"{name} {value:,.0f}" for name, value in figures.items())
        print(f"\n{what}: {said}")


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
