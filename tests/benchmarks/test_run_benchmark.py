"""What a run costs: simulated requests a second, memory, start-up, the token bucket.  Prints ratios, judges nothing.

CPU seconds are those of the process, so that a busy machine changes the figures little.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple, TypeVar

import pytest
from test_server_benchmark import mock

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.results.record import Attempt, Usage
from bench.strategies.admission import Admission
from bench.strategies.pacer import Cost, Pacer
from mock_server.bucket import Bucket
from mock_server.settings import Settings

T = TypeVar("T")
Benchmark = Callable[[Callable[[], T]], T]
Say = Callable[[str], None]

REQUESTS = 100_000
SCENARIO = f"""\
version: 1
question: How fast is sim?
model: claude-sonnet-5
tier: scale
workload: {{requests: {REQUESTS}, input_tokens: 1000, output_tokens: 300, max_tokens: 400}}
strategies: [{{semaphore: 50}}]
"""


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def say(words: str) -> None:
        with capsys.disabled():
            print(f"\n{words}")

    return say


class Used(NamedTuple):
    cpu: float
    """User and system seconds."""
    peak: float
    """MB of resident memory."""


def command(*arguments: str, folder: Path) -> Used:
    """Run `claude-bench` in a process of its own."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


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


def test_sim_of_100_000_requests(benchmark: Benchmark[Used], tmp_path: Path, say: Say) -> None:
    Path(tmp_path / "fast.yaml").write_text(SCENARIO)
    one = Path(tmp_path / "one.yaml")
    one.write_text(SCENARIO.replace(f"{REQUESTS}", "100"))
    cost = benchmark(lambda: command("run", "fast.yaml", "-q", folder=tmp_path))
    start = command("run", "one.yaml", "-q", folder=tmp_path)
    rate, bare = REQUESTS / (cost.cpu - start.cpu), bare_sketch()
    say(
        f"sim, semaphore(50), {REQUESTS:,} requests: {rate:,.0f} per CPU second with records, summary and report "
        f"(start-up of {start.cpu:.2f} s taken off), {rate / bare:.2f} of a bare sketch's {bare:,.0f}; "
        f"peak {cost.peak:.0f} MB"
    )


def test_one_million_requests(benchmark: Benchmark[Used], tmp_path: Path, say: Say) -> None:
    small = command("run", "one-million", "--set", f"workload.requests={REQUESTS}", "-q", folder=tmp_path)
    large = benchmark(lambda: command("run", "one-million", "-q", folder=tmp_path))
    rate = (1_000_000 - REQUESTS) / (large.cpu - small.cpu)
    say(
        f"one-million: peak {large.peak:.0f} MB with records, summary and report (of {REQUESTS:,}: "
        f"{small.peak:.0f} MB), {rate:,.0f} requests per CPU second"
    )


STREAMED = """\
version: 1
question: What does a stream of 20 events cost?
model: claude-sonnet-4-6
client: {client}
tier: unlimited
workload: {{requests: {requests}, input_tokens: 220, output_tokens: 96, max_tokens: 96, stream: true}}
strategies: [{{semaphore: 256}}]
"""


@pytest.mark.parametrize(("client", "requests"), [("sdk", 3_000), ("wire", 12_000)])
def test_streams_per_cpu_second(
    benchmark: Benchmark[Used], tmp_path: Path, say: Say, client: str, requests: int
) -> None:
    """With records, journal, summary and report; the server is a process of its own."""
    for name, count in (("few", 300), ("many", requests)):
        (tmp_path / f"{name}.yaml").write_text(STREAMED.format(client=client, requests=count))
    with mock(Settings(tier="unlimited", service_time=0.2)) as server:
        arguments = ("-q", "--target", server.url, "--max-cost", "1000")
        few = command("run", "few.yaml", *arguments, folder=tmp_path)
        many = benchmark(lambda: command("run", "many.yaml", *arguments, folder=tmp_path))
    rate = (requests - 300) / (many.cpu - few.cpu)
    say(f"{client}, 256 streams of 20 events open: {rate:,.0f} requests per CPU second; peak {many.peak:.0f} MB")


def test_help(benchmark: Benchmark[Used], tmp_path: Path, say: Say) -> None:
    began = perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    python = perf_counter() - began
    benchmark(lambda: command("--help", folder=tmp_path))
    began = perf_counter()
    command("--help", folder=tmp_path)
    shown = perf_counter() - began
    say(f"--help: {shown:.2f} s, {shown / python:.1f} times Python's own start ({python:.2f} s)")


def test_from_command_to_first_request_on_sim(benchmark: Benchmark[float], tmp_path: Path, say: Say) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    (tmp_path / "fast.yaml").write_text(SCENARIO)
    made = iter(range(1000))

    def first_record() -> float:
        folder = tmp_path / f"run-{next(made)}"
        began = perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "bench", "run", "fast.yaml", "-q", "-o", str(folder)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
        ) as process:
            journal = folder / "records.jsonl"
            while not (journal.exists() and journal.stat().st_size):
                assert process.poll() is None
            took = perf_counter() - began
            process.kill()
        return took

    say(f"command to first record on sim: {benchmark(first_record):.2f} s")


def test_token_bucket_acquire(benchmark: Benchmark[float], say: Say) -> None:
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

    bucket, slots = benchmark(paced), microseconds(None)
    say(
        f"token bucket: acquire, correct, release {bucket:.1f} us, {bucket / slots:.1f} times slots alone ({slots:.1f})"
    )
