"""What a run costs: simulated requests a second, memory, start-up, the token bucket.

CPU seconds are those of the process, so that a busy machine changes the figures little.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from timeit import repeat

import pytest

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.results.record import Attempt, Usage
from bench.strategies.admission import Admission
from bench.strategies.pacer import Cost, Pacer
from benchmarks.command import command, environ
from benchmarks.table import AddRow, Once, least, most
from mock_server.bucket import Bucket

REQUESTS = 100_000
SCENARIO = f"""\
version: 1
question: How fast is sim?
model: claude-sonnet-5
tier: scale
workload: {{requests: {REQUESTS}, input_tokens: 1000, output_tokens: 300, max_tokens: 400}}
strategies: [{{semaphore: 50}}]
"""


def bare_sketch() -> float:
    """Requests per CPU second of the least that could be called a simulation: a semaphore and a sleep."""

    async def main() -> None:
        clock, slots = Clock(), asyncio.Semaphore(50)

        async def one() -> None:
            await clock.sleep_until(clock.now() + 5.0)
            slots.release()

        async with asyncio.TaskGroup() as group:
            for _ in range(REQUESTS):
                await slots.acquire()
                group.create_task(one())

    began = process_time()
    run_loop(main(), virtual=True)
    return REQUESTS / (process_time() - began)


def test_sim_of_100_000_requests(once: Once, tmp_path: Path, row: AddRow) -> None:
    Path(tmp_path / "fast.yaml").write_text(SCENARIO)
    one = Path(tmp_path / "one.yaml")
    one.write_text(SCENARIO.replace(f"{REQUESTS}", "100"))
    cost = once(lambda: command("run", "fast.yaml", "-q", folder=tmp_path))
    start = command("run", "one.yaml", "-q", folder=tmp_path)
    rate, bare = REQUESTS / (cost.cpu - start.cpu), bare_sketch()
    beside = ("bare sketch", bare)
    row(f"sim, semaphore(50), {REQUESTS:,} requests", rate, "requests/CPU-s", beside=beside, aim=least(25_000))
    row(f"sim, semaphore(50), {REQUESTS:,} requests, memory at most", cost.peak, "MB", beside=("100", start.peak))


HERD = """\
version: 1
question: What does a herd cost?
model: claude-sonnet-5
tier: start
workload: {requests: 20000, input_tokens: 100, output_tokens: 50, max_tokens: 100}
strategies: [{STRATEGY}]
"""


def test_sim_of_a_herd(once: Once, tmp_path: Path, row: AddRow) -> None:
    """All are refused at once, wait for as long as they are told, and come back together."""
    for name, strategy in (("gather", "gather"), ("semaphore", "{semaphore: 50}")):
        (tmp_path / f"{name}.yaml").write_text(HERD.replace("{STRATEGY}", strategy))
    pool = command("run", "semaphore.yaml", "-q", folder=tmp_path)
    herd = once(lambda: command("run", "gather.yaml", "-q", folder=tmp_path))
    beside = ("semaphore(50)", pool.cpu)
    row("sim, gather of 20,000 on the start tier", herd.cpu, "CPU-s", beside=beside, aim=most(5, ratio=True))


def test_one_million_requests(once: Once, tmp_path: Path, row: AddRow) -> None:
    small = command("run", "one-million", "--set", f"workload.requests={REQUESTS}", "-q", folder=tmp_path)
    large = once(lambda: command("run", "one-million", "-q", folder=tmp_path))
    rate = (1_000_000 - REQUESTS) / (large.cpu - small.cpu)
    row("sim, one-million", rate, "requests/CPU-s")
    row("sim, one-million, memory at most", large.peak, "MB", beside=(f"{REQUESTS:,}", small.peak))


def _start_of_python() -> float:
    """Seconds, the least of a few."""
    return min(repeat(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), number=1))


def test_help(once: Once, tmp_path: Path, row: AddRow) -> None:
    python = _start_of_python()
    once(lambda: command("--help", folder=tmp_path))
    row("--help", command("--help", folder=tmp_path).wall, "s", beside=("Python's own start", python))


@pytest.mark.parametrize(("target", "seconds"), [("sim", 0.5), ("mock", 1.0)])
def test_from_command_to_first_request(once: Once, tmp_path: Path, row: AddRow, target: str, seconds: float) -> None:
    """Until the record of an answer that takes a millisecond is written."""
    (tmp_path / "fast.yaml").write_text(f"{SCENARIO}target: {target}\nmock: {{latency: {{service_time: 1ms}}}}\n")
    made = iter(range(1000))

    def first_record() -> float:
        folder = tmp_path / f"run-{next(made)}"
        began = perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "bench", "run", "fast.yaml", "-q", "-o", str(folder)],
            cwd=tmp_path,
            env=environ(),
            stdout=subprocess.DEVNULL,
        ) as process:
            journal = folder / "records.jsonl"
            while not (journal.exists() and journal.stat().st_size):
                assert process.poll() is None
            took = perf_counter() - began
            process.terminate()
        return took

    took, python = once(lambda: median(first_record() for _ in range(5))), _start_of_python()
    beside = ("Python's own start", python)
    row(f"command to first request, {target}", took, "s", beside=beside, aim=most(seconds))


def test_token_bucket_acquire(once: Once, row: AddRow) -> None:
    times = 10_000

    def microseconds(pacer: Pacer | None) -> float:
        async def main() -> float:
            admission = Admission(50, pacer, Clock())
            cost = Cost(1, 1000, 300)
            attempt = Attempt(0, 0, status=200, usage=Usage(1000, 300))
            began = process_time()
            for _ in range(times):
                admission.settle(await admission.acquire(cost), attempt)
                admission.release()
            return (process_time() - began) / times * 1e6

        return run_loop(main(), virtual=True)

    def paced() -> float:
        return microseconds(Pacer(*(Bucket.full(1e9, 1e6) for _ in range(3))))

    bucket, slots = once(paced), microseconds(None)
    row("token bucket: acquire, correct, release", bucket, "us", beside=("slots alone", slots))
