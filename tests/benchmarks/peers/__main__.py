"""Lets our peers do the work that we do, one after another, and prints what it cost them and what they reported.

python -m benchmarks.peers [--requests 10000] [NAME ...]      all, or those whose names have one of these in them
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers import bare, ours
from benchmarks.peers.aimock import NAME as AIMOCK
from benchmarks.peers.aimock import aimock
from benchmarks.peers.aiperf import AIPERF
from benchmarks.peers.generator import Generator, Measured, Work, measure, per_cpu_second
from benchmarks.peers.guidellm import GUIDELLM
from benchmarks.peers.inference_perf import INFERENCE_PERF
from benchmarks.peers.install import install, install_aimock, size
from benchmarks.peers.llmeter import LLMETER
from benchmarks.servers import ASK, NotMeasured, Running, mock
from benchmarks.servers import per_cpu_second as answers_per_cpu_second
from benchmarks.table import render
from benchmarks.trial import truth_server
from mock_server.settings import Settings

GENERATORS = (
    bare.HTTPTOOLS,
    bare.AIOHTTP,
    bare.SDK,
    ours.WIRE,
    ours.SDK,
    INFERENCE_PERF,
    LLMETER,
    AIPERF,
    GUIDELLM,
)
HEADERS = (
    "load generator",
    "first request, s",
    "requests/CPU-s",
    "memory, MB",
    "p50 / p99 at 50, ms",
    "too long by, %",
    "p50 / p99 at 200, ms",
    "too long by, %",
    "disk, MB",
)
SERVER_HEADERS = ("mock server", "JSON/CPU-s", "20 events/CPU-s", "memory, MB")

FEW, SOME = 200, 2_000
"""Requests of the runs with 50 open: one that shows what start and end cost, one that shows the latencies."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description="What peers cost, and what they report."
    )
    parser.add_argument("names", nargs="*", help="all, or those whose names have one of these in them")
    parser.add_argument("--requests", type=int, default=10_000, help="of the run with 200 open (10000)")
    asked = parser.parse_args()

    def is_wanted(name: str) -> bool:
        return not asked.names or any(part.lower() in name.lower() for part in asked.names)

    wanted = [generator for generator in GENERATORS if is_wanted(generator.name)]
    lines = [_line(one.name, partial(_generator, one, asked.requests), HEADERS) for one in wanted]
    if lines:
        print(f"Streams of 20 events over 200 ms; 200 open: {asked.requests:,} requests\n\n{render(HEADERS, lines)}\n")
    if is_wanted(AIMOCK):
        servers = (("claude-bench serve", _mock), (AIMOCK, _aimock))
        print(render(SERVER_HEADERS, [_line(name, work, SERVER_HEADERS) for name, work in servers]))


def _line(name: str, work: Callable[[], Sequence[str]], headers: Sequence[str]) -> tuple[str, ...]:
    """What was measured of one, or why nothing was."""
    print(f"{name} ...", flush=True)
    try:
        return (name, *work())
    except (OSError, LookupError, ValueError, NotMeasured, subprocess.CalledProcessError) as error:
        said = (getattr(error, "output", None) or str(error) or type(error).__name__).strip()
        return (name, f"not measured: {said.splitlines()[-1][:160]}", *[""] * (len(headers) - 2))


def _generator(generator: Generator, requests: int) -> tuple[str, ...]:
    install(generator)
    with TemporaryDirectory() as folder, truth_server() as url:
        works = ((50, FEW), (50, SOME), (200, requests))
        few, at_50, at_200 = (
            measure(generator, Work(url, streams, many, Path(folder) / f"{streams}-{many}")) for streams, many in works
        )
    return (
        f"{few.trial.first_request:.1f}",
        f"{per_cpu_second(few, at_200):,.0f}",
        f"{at_200.trial.peak:,.0f}",
        *_latencies(at_50),
        *_latencies(at_200),
        f"{size(generator.name):,.0f}" if generator.packages else "",
    )


def _latencies(measured: Measured) -> tuple[str, str]:
    reported, over = measured.reported, measured.over
    return f"{reported.p50 * 1000:.0f} / {reported.p99 * 1000:.0f}", f"{over.p50 * 100:+.1f} / {over.p99 * 100:+.0f}"


def _mock() -> tuple[str, ...]:
    with TemporaryDirectory() as folder, mock(Settings(tier="unlimited", service_time=0.0)) as server:
        return _server(server, Path(folder))


def _aimock() -> tuple[str, ...]:
    install_aimock()
    with TemporaryDirectory() as folder, aimock(Path(folder)) as server:
        return _server(server, Path(folder))


def _server(server: Running, folder: Path) -> tuple[str, ...]:
    whole = answers_per_cpu_second(server, ASK, folder)
    streamed = answers_per_cpu_second(server, ASK | {"stream": True}, folder)
    return f"{whole:,.0f}", f"{streamed:,.0f}", f"{server.memory():.0f}"


if __name__ == "__main__":
    main()
