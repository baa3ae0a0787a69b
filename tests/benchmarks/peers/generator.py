"""What there is to know of a load generator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.trial import Spread, Trial, run

ENVIRONMENTS = Path(__file__).parents[3] / ".peers"
"""A folder for each that is installed."""


class Work(NamedTuple):
    """Streams of 20 events over 200 ms, from the server at `url`."""

    url: str
    streams: int
    """Kept open at once."""
    requests: int
    folder: Path
    """Where the generator runs and leaves what it writes; empty before."""


def _nothing(_work: Work) -> None:
    """What most have to prepare."""


class Generator(NamedTuple):
    """A load generator as data."""

    name: str
    command: Callable[[Work], list[str]]
    reported: Callable[[Work, str], Spread]
    """The latencies that it reports of its run, in seconds, from the files it wrote or what it said."""
    prepare: Callable[[Work], None] = _nothing
    """Writes the files that it wants to read."""
    environ: Mapping[str, str] = {}
    packages: tuple[str, ...] = ()
    """What pip installs; none for what runs in this environment."""
    python: tuple[int, int] = (3, 11)
    """It needs at least."""


class Measured(NamedTuple):
    """What a run cost, what was true and what was said."""

    trial: Trial
    reported: Spread

    @property
    def over(self) -> Spread:
        """By what part the reported latencies are longer than the true ones."""
        return self.reported.over(self.trial.truth)


def measure(generator: Generator, work: Work) -> Measured:
    """Let it do the work.  CalledProcessError, with what it said, if it fails."""
    work.folder.mkdir(parents=True)
    generator.prepare(work)
    trial = run(generator.command(work), work.url, folder=work.folder, environ=generator.environ)
    return Measured(trial, generator.reported(work, trial.said))


def per_cpu_second(few: Measured, many: Measured) -> float:
    """Requests per CPU second of what the larger run did more: without start-up and end."""
    return (many.trial.requests - few.trial.requests) / (many.trial.cpu - few.trial.cpu)


def environment(name: str) -> Path:
    """The folder of a generator's own environment."""
    return ENVIRONMENTS / name.lower().replace(" ", "-")


def script(name: str) -> str:
    """The path of a script of ours that runs beside this package."""
    return str(Path(__file__).parents[1] / name)


PYTHON = sys.executable
