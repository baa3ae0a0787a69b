"""How long 100,000 records take to read and to summarise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.results.columns import read_passes, split_passes
from bench.results.question import Question
from bench.results.record import Attempt, RateLimits, Record, Usage, write_records
from bench.results.summarize import summarize_pass
from benchmarks.table import AddRow, seconds

N = 100_000
USAGE = Usage(input_tokens=1000, output_tokens=300)
LIMITS = RateLimits(1000, 900, 2_000_000, 1_999_000, 400_000, 399_000)
QUESTION = Question(
    "speed", "How fast?", "claude-sonnet-5", "sim", "start", date(2026, 11, 20), limits={"requests": 1000.0}
)


def _records() -> Iterator[Record]:
    for k in range(N):
        sent = k * 0.06
        yield Record(
            "pool",
            k,
            "claude-sonnet-5",
            0.0,
            (
                Attempt(
                    sent,
                    sent + 1 + k % 977 / 100,
                    200,
                    first_token=sent + 0.5,
                    first_text=sent + 0.5,
                    last_token=sent + 0.9,
                    request_id=f"req_{k:024d}",
                    stop_reason="end_turn",
                    usage=USAGE,
                    limits=LIMITS,
                ),
            ),
        )


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "records.jsonl"
    write_records(path, _records())
    return path


def _seconds(benchmark: BenchmarkFixture) -> float:
    return float(seconds(benchmark))


def test_read_a_journal(benchmark: BenchmarkFixture, row: AddRow, journal: Path) -> None:
    passes = benchmark(read_passes, journal)
    assert len(passes[0].requests) == N
    row("a journal of 100,000 records read", seconds(benchmark), "s")


def test_build_columns_from_records(benchmark: BenchmarkFixture, row: AddRow) -> None:
    passes = benchmark(split_passes, list(_records()))
    assert len(passes[0].requests) == N
    row("columns of 100,000 records", seconds(benchmark), "s")


def test_summarise_a_pass(benchmark: BenchmarkFixture, row: AddRow, journal: Path) -> None:
    (columns,) = read_passes(journal)
    summary = benchmark(summarize_pass, columns, QUESTION, kind="semaphore")
    assert summary.values["succeeded"] == N
    row("a pass of 100,000 requests summarised", seconds(benchmark), "s")
