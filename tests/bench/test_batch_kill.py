"""A process that is killed at any point of submit, poll and download loses nothing and submits nothing twice.

The mock server is a process of its own that outlives the run, and is asked at the end what batches it was really given.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bench.errors import Exit
from bench.results.record import Record, read_records
from bench.targets.mock_process import mock_process
from mock_server.rng import Draws
from mock_server.settings import Settings

REQUESTS, SIZE = 60, 8

SCENARIO = f"""\
version: 1
question: Is anything lost?
model: claude-sonnet-5
tier: unlimited
workload: {{requests: {REQUESTS}, input_tokens: 8000, output_tokens: 50, max_tokens: 100}}
strategies: [{{batch: {{size: {SIZE}, poll: 100ms, hidden_for: 500ms}}}}]
"""

HEADERS = {"x-api-key": "sk-ant-none", "anthropic-version": "2026-10-21"}

KILLS = {
    "while it submits": ("intended", 0.02),
    "while it polls": ("created", 0.6),
    "while it downloads": ("ended", 0.05),
}
"""The event whose n-th line is waited for, and up to how many seconds later the process is killed."""


@pytest.fixture
def url() -> Iterator[str]:
    """A server that knows nothing of earlier tests.  A batch takes half a second and is hidden for a moment."""
    with mock_process(Settings(tier="unlimited", batch_time=(0.5, 0.9), batch_hidden=0.05), 1.0) as server:
        yield server.url


def start(*arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "bench", *arguments, "--quiet"]
    return subprocess.Popen(
        command, cwd=cwd, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill_when(process: subprocess.Popen[bytes], folder: Path, event: str, nth: int, later: float) -> bool:
    """Kill the process some time after the nth event of a kind is in its journal; False if it ended before."""
    while process.poll() is None and count(folder, event) < nth:
        _wait(process, 0.002)
    _wait(process, later)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return True


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def count(folder: Path, event: str) -> int:
    file = folder / "batches.jsonl"
    return file.read_bytes().count(f'"event":"{event}"'.encode()) if file.exists() else 0


def truth(url: str) -> Counter[int]:
    """How many batches of the server each request is in."""
    asked: Counter[int] = Counter()
    with httpx2.Client(base_url=url, headers=HEADERS, trust_env=False) as http:
        listed = http.get("/v1/messages/batches", params={"limit": 1000}).raise_for_status().json()
        assert not listed["has_more"]
        for batch in listed["data"]:
            results = http.get(f"/v1/messages/batches/{batch['id']}/results").raise_for_status().text
            asked.update(int(json.loads(line)["custom_id"].rpartition("-")[2]) for line in results.splitlines())
    return asked


def records(folder: Path) -> list[Record]:
    return list(read_records(folder / "records.jsonl"))


@pytest.mark.parametrize("moment", KILLS)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_a_killed_run_is_resumed_without_losing_or_repeating_anything(
    url: str, tmp_path: Path, moment: str, seed: int
) -> None:
    (tmp_path / "made.yaml").write_text(SCENARIO)
    folder, draws = tmp_path / "run", Draws(seed, "kill", moment)
    event, latest = KILLS[moment]
    process, killed = start("run", "made.yaml", "--target", url, "-o", "run", cwd=tmp_path), 0
    while killed < 2:
        nth = count(folder, event) + draws.integer(1, 3)
        if not kill_when(process, folder, event, nth, draws.uniform(0, latest)):
            break
        killed += 1
        process = start("resume", "run", cwd=tmp_path)
    _, said = process.communicate()
    # On a busy machine the numbers may not be believed, and the run says so; what is recorded has to hold all the same.
    assert process.returncode in (Exit.OK, Exit.NOT_VALID), said.decode()
    assert killed
    assert sorted(record.seq for record in records(folder)) == list(range(REQUESTS))
    assert all(record.ok and len(record.attempts) == 1 for record in records(folder))
    assert truth(url) == Counter(range(REQUESTS))
    print(f"\n{killed} kills; each request in one batch")
