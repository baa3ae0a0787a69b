"""What a million records cost a command that reads them, in a process of its own.

pytest --benchmark-only tests/benchmarks/test_scale_benchmark.py -s
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from bench.results.folder import RECORDS
from bench.results.record import Attempt, RateLimits, Record, Usage, write_records
from benchmarks.command import command
from benchmarks.table import AddRow, Once, most
from mock_server.rng import Draws

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


def test_report_of_a_million_records(once: Once, a_million: Path, row: AddRow) -> None:
    used = once(lambda: command("report", "base", folder=a_million))
    work, size = f"report of {MILLION:,} records", (a_million / "base" / "report.html").stat().st_size
    row(f"{work}, command", used.wall, "s", aim=most(20))
    row(f"{work}, HTML", size / 1e6, "MB", aim=most(3))
    row(f"{work}, memory at most", used.peak, "MB", aim=most(1000))


def test_compare_two_runs_of_a_million_records(once: Once, a_million: Path, row: AddRow) -> None:
    recorded(a_million, "new", 1.02)
    for name in ("base", "new"):
        command("report", name, folder=a_million)
    used = once(lambda: command("compare", "base", "new", "--html", "compared.html", folder=a_million))
    work = f"comparison of twice {MILLION:,} records"
    row(f"{work}, command", used.wall, "s")
    row(f"{work}, memory at most", used.peak, "MB")
