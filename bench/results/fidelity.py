"""What was fitted to a run, and how near a simulation with it comes to what was recorded.  schema_version 1.

Intervals are of 95 % and hold within this run: its requests share an hour, a region and a queue.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA_VERSION = 1

MEASURES = (
    *(f"{name}.p{p}" for name in ("ttft", "latency", "tpot") for p in (50, 95, 99)),
    "makespan",
    "rate_limited",
)
"""What recorded and simulated are compared by, in the notation of `measures.py`."""


class Estimate(msgspec.Struct, frozen=True):
    """One number of the profile, with the interval in which the truth lies."""

    name: str
    """`prefill`, `load`, `correlation`, or a percentile: `ttft.p50`, `ttft.p95`, and so for `rate` and `length`."""
    family: str
    """Of models; of `load`, which holds for all, the one it was fitted to."""
    value: float
    """Seconds, tokens per second, a multiple of what was expected, seconds per 1,000 tokens, the slow-down by a hundred
    answers at a time as a share, a correlation.  An effect whose interval holds 0 is 0."""
    lo: float
    hi: float
    n: int
    """Answers that it rests on."""


class Shape(msgspec.Struct, frozen=True):
    """Which kind of distribution describes something."""

    name: str
    """`ttft`, `rate` or `length`."""
    family: str
    kind: Literal["constant", "lognormal", "table"]
    distance: float
    """Largest difference between the distribution fitted and that of the answers (Kolmogorov and Smirnov)."""
    n: int


class Failure(msgspec.Struct, frozen=True):
    """How often attempts ended for one cause."""

    cause: str
    count: int
    of: int
    """Attempts that could have."""
    share: float
    lo: float
    hi: float
    fault: str | None
    """The fault that does so on mock and sim; None for what follows from limits or timeouts, or has no fault."""
    retry_after: float | None = None
    """Seconds the server asked to wait, at the median; None where it did not say."""


class RetryAfter(msgspec.Struct, frozen=True):
    """What 429s said of waiting."""

    refused: int
    said: int
    """How many of them said how long."""
    median: float | None
    p95: float | None


class Burst(msgspec.Struct, frozen=True):
    """How much a full bucket holds, by what was let in and what was refused."""

    limiter: str
    per_minute: float
    seconds: float
    """As seconds' worth of the limit."""
    lo: float
    hi: float
    refused: int
    """429s of this limit: without any there is no telling."""


class Row(msgspec.Struct, frozen=True):
    """One measure of one strategy: as recorded, and as simulated with the profile."""

    strategy: str
    """With its case, where there are several."""
    measure: str
    recorded: float
    simulated: float
    """In the middle of the simulations."""
    lo: float
    """The least of them ..."""
    hi: float
    """... and the most."""
    n: int
    """Requests, or for a percentile answers, that were recorded."""

    @property
    def by_chance(self) -> bool:
        """Whether what was recorded lies between the least and the most: other answers would have been as far off."""
        return self.lo <= self.recorded <= self.hi

    @property
    def difference(self) -> float | None:
        """By which share of what was recorded the simulation is off; None where that is nothing."""
        return self.simulated / self.recorded - 1 if self.recorded else None


class Curve(msgspec.Struct, frozen=True):
    """One distribution, recorded and simulated, quantile by quantile."""

    strategy: str
    metric: str
    shares: tuple[float, ...]
    recorded: tuple[float, ...]
    """Seconds."""
    simulated: tuple[float, ...]
    distance: float
    """Largest difference between the two distributions (Kolmogorov and Smirnov)."""
    n: int
    """Answers recorded."""
    simulated_n: int


class Fidelity(msgspec.Struct, frozen=True):
    """A calibration: what was fitted, and how well it does."""

    schema_version: int
    run: str
    """The run's id."""
    scenario: str
    target: str
    models: tuple[str, ...]
    profile: str
    """The file that was written."""
    estimates: tuple[Estimate, ...]
    shapes: tuple[Shape, ...]
    failures: tuple[Failure, ...]
    retry_after: RetryAfter | None
    """None without 429s."""
    burst: Burst | None
    """None where nothing was refused, so that it is not known."""
    settings: str
    """What to put into a scenario, as YAML."""
    simulations: int
    """How often the run was played with the profile; 0 where it could not be."""
    rows: tuple[Row, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know before believing it."""

    @property
    def farthest(self) -> Row | None:
        """The median, 95th percentile or makespan that the simulation misses by most."""
        judged = [row for row in self.rows if row.difference is not None and _judged(row.measure)]
        return max(judged, key=lambda row: abs(row.difference or 0.0), default=None)


def _judged(measure: str) -> bool:
    """Whether a run fixes it well enough to be judged by: not the 99th percentile, nor a count of few."""
    return not measure.endswith("p99") and measure != "rate_limited"
