"""Runs `claude-bench` in a process of its own, and says what that took."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Used(NamedTuple):
    """What a process took, from its start to its end."""

    wall: float
    """Seconds."""
    cpu: float
    """User and system seconds."""
    peak: float
    """MB of resident memory."""


def environ() -> dict[str, str]:
    """The environment in which Python finds this source tree from any folder."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def command(*arguments: str, folder: Path) -> Used:
    """Run it to its end in this folder.  What was found, a run that is not valid too, is no failure."""
    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        cwd=folder,
        env=environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 5), process.returncode
    return Used(perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
