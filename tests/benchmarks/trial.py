"""Runs a load generator beside the exact server, a core each, and says what it cost and what was true meanwhile.

with truth_server() as url:
    trial = run([sys.executable, "generator.py", url], url)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median, quantiles
from threading import Event, Thread
from typing import NamedTuple
from urllib.request import Request, urlopen

_CORES = sorted(os.sched_getaffinity(0))
CLIENT, SERVER = _CORES[0], _CORES[-1]
"""A core each, where there are two."""

_LOOK_EVERY = 0.5
"""Seconds between two looks at the memory."""


class Spread(NamedTuple):
    """Of latencies, in seconds."""

    p50: float
    p99: float

    def over(self, truth: Spread) -> Spread:
        """By what part of it these are longer than the truth."""
        return Spread(self.p50 / truth.p50 - 1, self.p99 / truth.p99 - 1)


def spread(seconds: Sequence[float]) -> Spread:
    """The median and p99 of at least two."""
    return Spread(median(seconds), quantiles(seconds, n=100, method="inclusive")[-1])


class Trial(NamedTuple):
    """One run of a load generator."""

    said: str
    """On its standard output."""
    first_request: float
    """Seconds from its start until the server had its first request."""
    cpu: float
    """Seconds of user and system time, of all its processes that were waited for."""
    peak: float
    """MB at most, of all its processes together, pages that several share counted once (PSS)."""
    requests: int
    """That the server answered to the end."""
    truth: Spread
    """What they really took, from the last byte of the request to the last write of the answer."""


@contextmanager
def truth_server() -> Iterator[str]:
    """The URL of an exact server on a core of its own; see `truth_server.py`."""
    command = [sys.executable, str(Path(__file__).with_name("truth_server.py")), str(SERVER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def run(command: Sequence[str], url: str, *, folder: Path, environ: Mapping[str, str] | None = None) -> Trial:
    """Run it to its end, in this folder.  CalledProcessError, with what it said, if it fails."""
    urlopen(Request(f"{url}/forget", method="POST")).close()
    before, began = getrusage(RUSAGE_CHILDREN), time.monotonic()
    with (
        subprocess.Popen(
            ["taskset", "-c", str(CLIENT), *command],
            cwd=folder,
            env={**os.environ, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
        _peak_of(process.pid) as peak,
    ):
        said, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, said)
    after = getrusage(RUSAGE_CHILDREN)
    with urlopen(f"{url}/truth") as answer:
        truth: list[tuple[float, float]] = json.load(answer)
    return Trial(
        said,
        min(received for received, _ in truth) - began,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        max(peak),
        len(truth),
        spread([ended - received for received, ended in truth]),
    )


@contextmanager
def _peak_of(pid: int) -> Iterator[list[float]]:
    """MB that a process and all under it had, every now and then until the context is left."""
    seen, over = [0.0], Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY):
            seen.append(sum(map(_megabytes, _with_children(pid))))

    thread = Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            yield from _with_children(int(child))


def _megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
