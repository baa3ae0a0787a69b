"""A live run that is killed at any moment loses nothing, and sends nothing again that has its record.

The mock server is a process of its own that outlives the run, and is asked at the end what it really answered.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bench import api
from bench.errors import Exit
from bench.results.record import Record, read_records
from bench.targets.mock_process import mock_process
from mock_server.faults import Fault
from mock_server.rng import Draws
from mock_server.settings import Settings

WORKLOADS = {
    "backlog": ("workload: {requests: 120, input_tokens: 300, output_tokens: 20, max_tokens: 50}", 120),
    "users": (
        "workload: {requests: 100, input_tokens: 300, output_tokens: 20, max_tokens: 50}\n"
        "arrivals: {users: 8, think: 10ms}",
        100,
    ),
    "conversations": (
        "workload: {input_tokens: 100, output_tokens: 20, max_tokens: 50, conversations: {count: 25, turns: 4,"
        " think: 10ms}}\narrivals: {users: 8, think: 10ms}",
        100,
    ),
    "poisson": (
        "workload: {requests: 120, input_tokens: 300, output_tokens: 20, max_tokens: 50}\narrivals: {poisson: 100/s}",
        120,
    ),
}
"""What is asked, and how many requests that comes to."""

STRATEGIES = ("semaphore: 8", "pool: {workers: 8, queue: 4}", "adaptive: {max_in_flight: 10}")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    settings = Settings(tier="unlimited", service_time=0.08, faults={"overloaded": Fault(rate=0.05)})
    with mock_process(settings, 1.0) as server:
        yield server.url


def start(*arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "bench", *arguments, "--quiet"]
    return subprocess.Popen(
        command, cwd=cwd, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill_after(process: subprocess.Popen[bytes], folder: Path, lines: int, later: float) -> bool:
    """Kill the process some time after so many lines are in its journal; False if it ended before."""
    records = folder / "records.jsonl"
    while process.poll() is None and (not records.exists() or records.read_bytes().count(b"\n") < lines):
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


def answered(url: str) -> set[str]:
    """The requests that the server has answered with a message, by their id."""
    rows = httpx2.get(f"{url}/_mock/truth", trust_env=False).raise_for_status().text.splitlines()
    found = [json.loads(row) for row in rows]
    return {row["request_id"] for row in found if row["status"] == 200 and row.get("endpoint") == "messages"}


def lines_of(folder: Path) -> int:
    file = folder / "records.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 25))])
def test_a_killed_live_run_is_resumed_without_losing_or_repeating_anything(
    url: str, tmp_path: Path, workload: str, seed: int
) -> None:
    asked, requests = WORKLOADS[workload]
    draws = Draws(seed, "kill", workload)
    strategy = STRATEGIES[draws.integer(0, len(STRATEGIES) - 1)]
    (tmp_path / "made.yaml").write_text(
        "version: 1\nquestion: Is anything lost?\nmodel: claude-sonnet-5\ntier: unlimited\npause: 0s\n"
        f"{asked}\nstrategies: [{{{strategy}}}]\ntimeout: 10s\nretry: {{policy: exponential, base: 20ms}}\n"
    )
    httpx2.post(f"{url}/_mock/reset", trust_env=False).raise_for_status()
    folder, killed = tmp_path / "run", 0
    process = start("run", "made.yaml", "--target", url, "-o", "run", cwd=tmp_path)
    while killed < 2:
        wanted = lines_of(folder) + draws.integer(1, requests // 3)
        if not kill_after(process, folder, wanted, draws.uniform(0, 0.05)):
            break
        killed += 1
        if draws.integer(0, 1):
            api.report(folder)  # it can be read in between
        process = start("resume", "run", cwd=tmp_path)
    _, said = process.communicate()
    # On a busy machine the numbers may not be believed, and the run says so; what is recorded has to hold all the same.
    assert process.returncode in (Exit.OK, Exit.NOT_VALID), said.decode()
    assert killed
    records = list(read_records(folder / "records.jsonl"))
    assert sorted(record.seq for record in records) == list(range(requests))
    assert all(record.ok for record in records)
    kept, unknown = ids(records)
    assert len(kept) == len(set(kept))
    assert set(kept) <= answered(url)
    assert len(answered(url)) <= len(kept) + unknown
    print(f"\n{killed} kills; {unknown} attempts that nobody knows the end of")
    assert not (folder / "sends.jsonl").exists()


def ids(records: list[Record]) -> tuple[list[str], int]:
    """The requests that were answered according to the records, and how many attempts nobody knows about."""
    attempts = [attempt for record in records for attempt in record.attempts]
    unknown = sum(attempt.status is None or attempt.cause == "killed" for attempt in attempts)
    return [one.request_id for one in attempts if one.status == 200 and one.request_id is not None], unknown
