"""aimock, a mock server on node: beside ours, under the same load."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.generator import environment
from benchmarks.servers import Running

NAME = "aimock"
PACKAGE = "@copilotkit/aimock@1.43.0"

_UP_WITHIN = 30.0
"""Seconds."""


@contextmanager
def aimock(folder: Path) -> Iterator[Running]:
    """It answers everything with 20 words; streamed, these are 20 events at once."""
    fixtures = folder / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": [{"match": {}, "response": {"content": "word " * 20}}]}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = environment(NAME) / "node_modules" / ".bin" / "llmock"
    options = ["--port", str(port), "--fixtures", str(fixtures), "--chunk-size", "5", "--log-level", "silent"]
    with subprocess.Popen(["node", str(program), *options], stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield Running(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _UP_WITHIN
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"aimock is not there after {_UP_WITHIN:g} s")
