"""Hours on end, with faults on: memory, file descriptors and the schedule stay where they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from played import DAY, written

from bench.engine.observe import Observers
from bench.engine.run import run_passes
from bench.engine.stop import Stop
from bench.results.batches import BatchLog
from bench.results.record import Record
from bench.scenario.model import Scenario
from bench.spending import surroundings
from bench.targets.target import open_target

pytestmark = [pytest.mark.soak, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))

FAULTS = {
    name: {"rate": "2%", "on": "1m", "off": "10m"}
    for name in ("requests", "server_error", "overloaded", "reset", "stream_error", "cut", "malformed_sse")
} | {"stall": {"rate": "1%", "delay": "20s"}, "slow_headers": {"rate": "1%", "delay": "5s"}}


@dataclass
class Sample:
    """What stands at one moment."""

    at: float
    """Scenario seconds."""
    megabytes: dict[str, float]
    """Resident memory, by process."""
    files: dict[str, int]
    """Open file descriptors, by process."""


@dataclass
class Soaked:
    """A run, looked at twenty-four times; no record is kept."""

    every: float
    samples: list[Sample] = field(default_factory=list)
    late: list[tuple[float, float]] = field(default_factory=list)
    """By how many seconds requests were sent after they were due: median and most between two looks."""
    requests: int = 0
    failed: int = 0
    _late: list[float] = field(default_factory=list)

    def keep(self, record: Record) -> None:
        """Take in a record and forget it."""
        self.requests += 1
        self.failed += not record.ok
        now = record.attempts[-1].ended
        self._late.append(record.queue_time)
        if now >= self.every * len(self.samples):
            looked = dict(processes())
            megabytes = {name: memory(process) for name, process in looked.items()}
            files = {name: len(os.listdir(process / "fd")) for name, process in looked.items()}
            self.samples.append(Sample(now, megabytes, files))
            self.late.append((median(self._late), max(self._late)))
            self._late.clear()


def processes() -> Iterator[tuple[str, Path]]:
    """This process and its child, the mock server, where there is one."""
    me = Path("/proc/self")
    yield "client", me
    for children in me.glob("task/*/children"):
        for pid in children.read_text().split():
            yield "server", Path("/proc") / pid


def memory(process: Path) -> float:
    """Megabytes that a process has in memory."""
    pages = int((process / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(scenario: Scenario, folder: Path, length: float) -> Soaked:
    soaked = Soaked(length / 24)
    with BatchLog(folder, "token") as log, open_target(scenario) as target:
        around = surroundings(scenario, soaked.keep, log, Observers(), Stop(), DAY)
        assert list(run_passes(scenario, {None: target}, around))
    assert around.budget.in_flight == 0
    return soaked


def day(length: float, rate: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "model": "claude-sonnet-5",
        "tier": "unlimited",
        "workload": {
            "duration": f"{length:g}s", "input_tokens": 500, "output_tokens": 100, "max_tokens": 200, "stream": True,
        },
        "arrivals": {"constant": rate},
        "retry": {"policy": "exponential", "attempts": 3},
        "strategies": ["gather"],
        "timeout": {"attempt": "60s", "stall": "10s"},
        "mock": {"faults": FAULTS},
        **more,
    }  # fmt: skip


def told(name: str, soaked: Soaked) -> None:
    print(f"\n{name}: {soaked.requests:,} requests, {soaked.failed:,} failed for good")
    first, last = soaked.samples[2], soaked.samples[-1]
    for process in first.megabytes:
        print(
            f"{process}: {first.megabytes[process]:.1f} -> {last.megabytes[process]:.1f} MB, "
            f"{first.files[process]} -> {last.files[process]} files"
        )
    print(f"sent after due, median: {soaked.late[2][0]:.6f} -> {soaked.late[-1][0]:.6f} s")


def test_a_day_of_virtual_time(tmp_path: Path) -> None:
    length = 86_400.0
    soaked = soak(written(tmp_path, day(length, "3/s")), tmp_path, length)
    told("24 hours of virtual time", soaked)
    assert soaked.requests == 3 * length
    assert max(most for _, most in soaked.late) < 1e-6, "the schedule drifts"
    check(soaked, megabytes=3.0, files=0)


def test_minutes_over_http_at_speed_60(tmp_path: Path) -> None:
    length = MINUTES * 60 * 60
    soaked = soak(written(tmp_path, day(length, "1/s", target="mock", speed=60)), tmp_path, length)
    told(f"{MINUTES:g} minutes over HTTP at speed 60", soaked)
    assert soaked.requests == pytest.approx(length, abs=1)
    # A busy machine is late now and then; a schedule that drifts stays late.
    assert min(typical for typical, _ in soaked.late[-6:]) < 1.0, "the schedule drifts"
    check(soaked, megabytes=30.0, files=40)


def check(soaked: Soaked, megabytes: float, files: int) -> None:
    """Memory and files after the first hours are those at the end, give or take what connections come and go with."""
    first, last = soaked.samples[2], soaked.samples[-1]
    for process in first.megabytes:
        assert last.megabytes[process] - first.megabytes[process] < megabytes, f"the {process} grows"
        assert abs(last.files[process] - first.files[process]) <= files, f"the {process} leaks files"
