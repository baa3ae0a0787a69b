"""Servers in processes of their own, what they use, and what a request costs them under the load of `wrk`."""

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


class NotMeasured(Exception):  # noqa: N818  (nothing is wrong)
    """What is needed is not there."""


class Running(NamedTuple):
    """A server that was started here."""

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
    """A server in Python that is told what to do by a line and says its URL."""
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
    """The mock server with these settings."""
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
        raise NotMeasured("there is no `wrk` on this machine; apt-get install wrk")
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
