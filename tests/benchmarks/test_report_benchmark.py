"""How large the report of many requests is and how long it takes; what progress costs a request."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from rich.console import Console

from bench.results.columns import Columns
from bench.results.environment import Machine
from bench.results.folder import LoadedRun, RunInfo
from bench.results.question import Question
from bench.results.record import Attempt, RateLimits, Record, Usage
from bench.results.summarize import summarize, summarize_pass
from benchmarks.table import AddRow, most, seconds
from mock_server.rng import Draws
from reports.html import render
from reports.live import Progress

MODEL = "claude-sonnet-5"
QUESTION = Question("load", "How does it go?", MODEL, "sim", "scale", date(2026, 11, 20), own_times=True)
INFO = RunInfo(
    "id",
    "2026-11-20T10:41:07Z",
    ("claude-bench",),
    {"strategies": ["gather"]},
    "hash",
    {},
    Machine("", "", 2),
    7,
    "sim",
    "scale",
)


def open_loop(strategy: str, requests: int) -> list[Record]:
    """Poisson arrivals at 20 a second, one in fifty refused once, in the order of their sends."""
    draws, moment, records = Draws(7, strategy), 0.0, []
    for seq in range(requests):
        moment += draws.exponential(0.05)
        first, service = moment, draws.lognormal(4.0, 9.0)
        refused = (Attempt(first, first + 0.08, 429, "requests", retry_after=2.0),) if seq % 50 == 0 else ()
        sent = first + 2.08 * len(refused)
        limits = RateLimits(10_000, int(draws.uniform(0, 10_000)))
        answered = Attempt(sent, sent + service, 200, usage=Usage(1000, 300), limits=limits, first_token=sent + 0.6)
        records.append(Record(strategy, seq, MODEL, first, (*refused, answered)))
    return records


@pytest.mark.parametrize(("requests", "megabytes"), [(100_000, 2), (1_000_000, 3)])
def test_report_of_many_requests(benchmark: BenchmarkFixture, row: AddRow, requests: int, megabytes: int) -> None:
    passes = [Columns.of(open_loop(strategy, requests // 4)) for strategy in ("a", "b", "c", "d")]
    summary = summarize(QUESTION, [summarize_pass(one, QUESTION, kind="gather") for one in passes])
    run = LoadedRun(Path(), INFO, summary, passes, torn=0)
    size = len(benchmark(render, run).encode())
    row(f"page of {requests:,} requests", seconds(benchmark), "s")
    row(f"page of {requests:,} requests, its size", size / 1e6, "MB", aim=most(megabytes))
    row(f"page of {requests:,} requests, memory at most", getrusage(RUSAGE_SELF).ru_maxrss / 1024, "MB")
    assert size < megabytes * 1e6


def test_progress_of_one_request(benchmark: BenchmarkFixture, row: AddRow) -> None:
    progress = Progress(Console(file=io.StringIO()))
    progress.pass_started("a", 0, None, 1.0)
    record = open_loop("a", 2)[1]

    def one() -> None:
        progress.sent("a")
        progress.done(record, 0.005)

    benchmark(one)
    row("progress shown, of one request", seconds(benchmark) * 1e6, "us")
