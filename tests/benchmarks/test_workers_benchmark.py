"""Four workers beside one, on one machine of two cores: do they send more, and do they report the same?

The exact server has one of the two cores and leaves most of it; one worker has the other, four have both.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.generator import PYTHON
from benchmarks.peers.ours import SCENARIO
from benchmarks.table import AddRow, Once, least, most
from benchmarks.trial import truth_server

pytest.importorskip("ray", reason="RAY IS NOT INSTALLED")

SATURATED, EASY = 900, 150
"""Streams of 200 ms at once: more than one worker can keep up with, and what it does with ease."""


@pytest.fixture
def url() -> Iterator[str]:
    with truth_server() as url:
        yield url


def _run(folder: Path, url: str, streams: int, requests: int, *more: str) -> dict[str, Any]:
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SCENARIO.format(client="wire", requests=requests, streams=streams))
    command = [PYTHON, "-m", "bench", "run", "scenario.yaml", "-q", "--exit-zero", "--max-cost", "100000", "-o", "run"]
    subprocess.run([*command, "--target", url, *more], cwd=folder, check=True, capture_output=True)
    (one,) = json.loads((folder / "run" / "summary.json").read_text())["passes"]
    found: dict[str, Any] = one
    return found


def _rate(found: dict[str, Any]) -> float:
    return float(found["values"]["requests"] / found["values"]["makespan"])


def _latency(found: dict[str, Any], name: str) -> float:
    return float(found["distributions"]["latency"][name]["value"])


def test_four_workers_send_more_than_one(once: Once, url: str, tmp_path: Path, row: AddRow) -> None:
    def run() -> tuple[float, float]:
        alone = _run(tmp_path / "one", url, SATURATED, 30_000)
        four = _run(tmp_path / "four", url, SATURATED, 30_000, "--workers", "4")
        return _rate(four), _rate(alone)

    four, alone = once(run)
    beside = ("one worker", alone)
    row(
        f"streams a second, {SATURATED} open, four workers",
        four,
        "requests/s",
        beside=beside,
        aim=least(1.6, ratio=True),
    )


def test_four_workers_report_what_one_does(once: Once, url: str, tmp_path: Path, row: AddRow) -> None:
    def run() -> tuple[dict[str, Any], dict[str, Any]]:
        four = _run(tmp_path / "four", url, EASY, 10_000, "--workers", "4")
        return four, _run(tmp_path / "one", url, EASY, 10_000)

    four, alone = once(run)
    for name in ("p50", "p95"):
        work, beside = f"latency {name} at {EASY} open, four workers", ("one worker", _latency(alone, name))
        row(work, _latency(four, name), "s", beside=beside, aim=most(1.02, ratio=True))
