"""What a million records, twenty thousand waiters and ten thousand streams cost, each command a process of its own.

pytest --benchmark-only tests/benchmarks/test_scale_benchmark.py -s
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import NamedTuple, TypeVar

import msgspec
import pytest
from test_server_benchmark import mock

from bench.results.folder import RECORDS
from bench.results.record import Attempt, RateLimits, Record, Usage, write_records
from mock_server.rng import Draws
from mock_server.settings import Settings

T = TypeVar("T")
Benchmark = Callable[[Callable[[], T]], T]
Say = Callable[[str], None]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def say(words: str) -> None:
        with capsys.disabled():
            print(f"\n{words}")

    return say


class Used(NamedTuple):
    wall: float
    cpu: float
    """User and system seconds."""
    peak: float
    """MB of resident memory."""


def command(*arguments: str, folder: Path) -> Used:
    """Run `claude-bench` in a process of its own, to its end."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 5), process.returncode
    return Used(perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


MILLION = 1_000_000
STRATEGIES = ("semaphore-10", "semaphore-20", "semaphore-40", "semaphore-80")
RECORDED = """\
version: 1
question: What does a report of a million records cost?
model: claude-sonnet-5
tier: scale
workload: {requests: 10, input_tokens: 1000, output_tokens: 300, max_tokens: 400, stream: true}
strategies: [{semaphore: [10, 20, 40, 80]}]
"""


def streamed(strategy: str, requests: int, stretch: float) -> Iterator[Record]:
    """Streams of varying times with rate-limit headers, one in fifty refused once, in the order of their sends."""
    draws, moment = Draws(7, strategy), 0.0
    for seq in range(requests):
        moment += draws.exponential(0.05)
        first, service = moment, draws.lognormal(4.0, 9.0) * stretch
        refused = (Attempt(first, first + 0.08, 429, "requests", retry_after=2.0),) if seq % 50 == 0 else ()
        sent = first + 2.08 * len(refused)
        token, end = sent + 0.1 * service, sent + service
        yield Record(
            strategy,
            seq,
            "claude-sonnet-5",
            first,
            (
                *refused,
                Attempt(
                    sent,
                    end,
                    200,
                    headers=token,
                    first_event=token,
                    first_token=token,
                    first_text=token,
                    last_token=end,
                    request_id=f"req_{seq:024d}",
                    stop_reason="end_turn",
                    usage=Usage(1000, 300),
                    limits=RateLimits(10_000, int(draws.uniform(0, 10_000)), 2_000_000, 1_900_000, 400_000, 390_000),
                ),
            ),
            expected_output=300,
        )


def recorded(folder: Path, name: str, stretch: float) -> Path:
    """A run folder of a million records, as a run of four strategies leaves it."""
    (folder / "recorded.yaml").write_text(RECORDED)
    command("run", "recorded.yaml", "-q", "-o", name, folder=folder)
    rows = (streamed(strategy, MILLION // len(STRATEGIES), stretch) for strategy in STRATEGIES)
    write_records(folder / name / RECORDS, chain.from_iterable(rows))
    return folder / name


@pytest.fixture(scope="module")
def a_million(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("million")
    recorded(folder, "base", 1.0)
    yield folder
    shutil.rmtree(folder)  # half a gigabyte


def test_report_of_a_million_records(benchmark: Benchmark[Used], a_million: Path, say: Say) -> None:
    used = benchmark(lambda: command("report", "base", folder=a_million))
    size = (a_million / "base" / "report.html").stat().st_size
    journal = (a_million / "base" / RECORDS).stat().st_size
    say(
        f"report of {MILLION:,} records ({journal / 1e6:,.0f} MB): {used.wall:.1f} s, {used.cpu:.1f} s of CPU; "
        f"{size / 1e6:.2f} MB of HTML; peak {used.peak:,.0f} MB"
    )


def test_compare_two_runs_of_a_million_records(benchmark: Benchmark[Used], a_million: Path, say: Say) -> None:
    recorded(a_million, "new", 1.02)
    command("report", "base", folder=a_million)
    command("report", "new", folder=a_million)
    used = benchmark(lambda: command("compare", "base", "new", "--html", "compared.html", folder=a_million))
    size = (a_million / "compared.html").stat().st_size
    say(
        f"compare of twice {MILLION:,} records: {used.wall:.1f} s, {used.cpu:.1f} s of CPU; {size / 1e6:.2f} MB of "
        f"HTML; peak {used.peak:,.0f} MB"
    )


HERD = """\
version: 1
question: What does a herd cost?
model: claude-sonnet-5
tier: start
workload: {{requests: {requests}, input_tokens: 1000, output_tokens: 300, max_tokens: 400}}
strategies:
  - {strategy}
"""
GATHER = "{gather: {retry: {policy: retry_after, attempts: 100000}}}"


def test_a_herd_on_the_start_tier(benchmark: Benchmark[Used], tmp_path: Path, say: Say) -> None:
    """Twenty thousand at once, refused and told when to come back, against the same work with 50 in flight.

    A herd that were quadratic in its size would show in the second ratio, of twice as many.
    """

    def run(strategy: str, requests: int) -> float:
        (tmp_path / "herd.yaml").write_text(HERD.format(requests=requests, strategy=strategy))
        out = tmp_path / f"run-{strategy[1:5]}-{requests}"
        shutil.rmtree(out, ignore_errors=True)
        return command("run", "herd.yaml", "-q", "-o", str(out), folder=tmp_path).cpu

    start = run("{semaphore: 50}", 20)
    alone = run("{semaphore: 50}", 20_000) - start
    half = run(GATHER, 10_000) - start
    herd = benchmark(lambda: Used(0.0, run(GATHER, 20_000), 0.0)).cpu - start
    lines = (tmp_path / "run-gath-20000" / RECORDS).read_bytes().splitlines()
    attempts = sum(len(msgspec.json.decode(line)["attempts"]) for line in lines)
    say(
        f"gather of 20,000 on the start tier with retry-after: {herd:.1f} s of CPU, {attempts:,} attempts, "
        f"{herd / alone:.1f} times semaphore(50) ({alone:.1f} s); {herd / half:.1f} times a herd of 10,000"
    )


STREAMED = """\
version: 1
question: What does a stream of 20 events cost?
model: claude-sonnet-4-6
client: wire
tier: unlimited
workload: {requests: 10000, input_tokens: 220, output_tokens: 96, max_tokens: 96, stream: true}
strategies: [{semaphore: 256}]
"""


def test_memory_of_ten_thousand_streams(benchmark: Benchmark[Used], tmp_path: Path, say: Say) -> None:
    (tmp_path / "streams.yaml").write_text(STREAMED)
    with mock(Settings(tier="unlimited", service_time=0.2)) as server:
        arguments = ("run", "streams.yaml", "-q", "--target", server.url, "--max-cost", "1000")
        used = benchmark(lambda: command(*arguments, folder=tmp_path))
    say(f"10,000 streams with the wire client, report included: peak {used.peak:.0f} MB")
