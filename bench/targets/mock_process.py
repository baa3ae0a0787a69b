"""The mock server as a process of its own, for as long as a run needs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import IO

import httpx2
import msgspec

import mock_server
from bench.errors import TargetError
from mock_server.settings import Settings

_READY_WITHIN = 30.0
"""Wall-clock seconds until the server must say where it listens."""

_STOP_WITHIN = 5.0


class _Truth(msgspec.Struct):
    request_id: str
    arrived: float
    last_byte: float | None


_decode_truth = msgspec.json.Decoder(_Truth).decode_lines


class MockProcess:
    """A running mock server."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def reset(self) -> None:
        """Full buckets, time 0, no ground truth."""
        async with self._http() as http:
            (await http.post("/_mock/reset")).raise_for_status()

    async def latencies(self) -> dict[str, float]:
        """By request id, seconds from a request's arrival to its last byte as the server itself saw them."""
        async with self._http() as http:
            response = (await http.get("/_mock/truth")).raise_for_status()
        rows = _decode_truth(response.content)
        return {row.request_id: row.last_byte - row.arrived for row in rows if row.last_byte is not None}

    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, trust_env=False, verify=False, timeout=60.0)


@contextmanager
def mock_process(settings: Settings, speed: float) -> Iterator[MockProcess]:
    """Start a mock server on a free port and stop it at the end.

    It also stops when its standard input closes, so that not even a killed run leaves it behind.  It has a session of
    its own: Ctrl-C in the terminal ends the run, and the requests in flight still get their answers.  Raises
    TargetError when it does not come up.
    """
    # -P and the path: the mock_server of this installation, whatever the folder holds in which the run starts.
    command = [sys.executable, "-P", "-m", "mock_server", "--port", "0", "--settings", "-", "--with-parent"]
    path = os.pathsep.join(filter(None, [str(Path(mock_server.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    with (
        TemporaryFile() as errors,
        subprocess.Popen(
            [*command, "--speed", repr(speed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        ) as process,
    ):
        try:
            yield MockProcess(_wait_until_ready(process, settings, errors))
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], settings: Settings, errors: IO[bytes]) -> str:
    assert process.stdin
    assert process.stdout
    watchdog = Timer(_READY_WITHIN, process.kill)
    watchdog.start()
    try:
        process.stdin.write(msgspec.json.encode(settings) + b"\n")
        banner = process.stdout.readline().decode()
    except BrokenPipeError:
        banner = ""
    finally:
        watchdog.cancel()
    if not banner:
        process.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip() or "it said nothing"
        raise TargetError(f"the mock server did not start: {said}")
    return next(word for word in banner.split() if word.startswith("http://"))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
