"""What a streamed request costs the client, and how much longer than the truth it is reported to have taken.

Whole runs of claude-bench, with records, journal, summary and report, beside loops that do nothing but send; the server
is exact and keeps what really happened.  Client and server have a core each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.peers import bare, ours
from benchmarks.peers.generator import Generator, Measured, Work, measure, per_cpu_second
from benchmarks.table import AddRow, Once, least, most
from benchmarks.trial import truth_server

OPEN = 256
FEW = 300
"""Requests of a run that is taken off the others: it shows what start and end cost."""
UNIT = "requests/CPU-s"
LOOPS = (bare.AIOHTTP, bare.HTTPTOOLS)


@pytest.fixture
def url() -> Iterator[str]:
    with truth_server() as url:
        yield url


def _few_and_many(generator: Generator, url: str, requests: int, folder: Path) -> tuple[Measured, Measured]:
    few, many = (measure(generator, Work(url, OPEN, n, folder / generator.name / str(n))) for n in (FEW, requests))
    return few, many


def test_the_wire_client(once: Once, url: str, tmp_path: Path, row: AddRow) -> None:
    def run() -> list[tuple[Measured, Measured]]:
        return [_few_and_many(one, url, 10_000, tmp_path) for one in (ours.WIRE, *LOOPS)]

    wire, *loops = once(run)
    for generator, loop in zip(LOOPS, loops, strict=True):
        beside = (generator.name, per_cpu_second(*loop))
        row(f"streams of 20 events, {OPEN} open, wire", per_cpu_second(*wire), UNIT, beside=beside, aim=least(3_000))
    name, (few, many) = LOOPS[0].name, loops[0]
    peak, first = wire[1].trial.peak, wire[0].trial.first_request
    row("memory at most, 10,000 streamed requests", peak, "MB", beside=(name, many.trial.peak), aim=most(120))
    row("command to first request, a URL", first, "s", beside=(name, few.trial.first_request))


def test_the_sdk_client(once: Once, url: str, tmp_path: Path, row: AddRow) -> None:
    def run() -> list[float]:
        return [per_cpu_second(*_few_and_many(one, url, 2_500, tmp_path)) for one in (ours.SDK, bare.SDK)]

    rate, loop = once(run)
    beside = (bare.SDK.name, loop)
    row(f"streams of 20 events, {OPEN} open, SDK", rate, UNIT, beside=beside, aim=least(0.9, ratio=True))


@pytest.mark.parametrize(("streams", "p50", "p99"), [(200, 0.02, 0.35), (500, 0.05, None)])
def test_over_report(
    once: Once,
    url: str,
    tmp_path: Path,
    row: AddRow,
    streams: int,
    p50: float,
    p99: float | None,
) -> None:
    """By how much longer than the server knows an answer is said to have taken."""

    def run() -> list[Measured]:
        return [measure(one, Work(url, streams, 25 * streams, tmp_path / one.name)) for one in (ours.WIRE, *LOOPS)]

    wire, *loops = once(run)
    for generator, loop in zip(LOOPS, loops, strict=True):
        work, aim = f"over-report at {streams} open, wire", most(p99) if p99 else None
        row(f"{work}, median", wire.over.p50, "%", beside=(generator.name, loop.over.p50), aim=most(p50))
        row(f"{work}, p99", wire.over.p99, "%", beside=(generator.name, loop.over.p99), aim=aim)
    truth = wire.trial.truth
    row(f"the server's own stream at {streams} open, median", truth.p50 * 1000, "ms", beside=("asked for", 200.0))
    row(f"the server's own stream at {streams} open, p99", truth.p99 * 1000, "ms", beside=("asked for", 200.0))
