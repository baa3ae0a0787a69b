"""What the mock can be told: one frozen value that also travels as JSON."""

from __future__ import annotations

import math

import msgspec

from mock_server.faults import Fault, Faults
from mock_server.tiers import TIERS

Spread = tuple[float, float]
"""Median and 95th percentile of a lognormal distribution; equal values are a constant."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the mock behaves.  Raises ValueError for values that make no sense."""

    tier: str = "start"
    """A name from `tiers.TIERS`."""
    burst: float = 60.0
    """Seconds' worth of each limit that a full bucket holds.  Not published: from 1 (strictest) to 60 (loosest)."""
    reserve_max_tokens: bool = False
    """Take max_tokens from the output bucket at the start, as the API did before 2026-02-19."""
    rejected_count: bool = False
    """Whether a 429 itself uses up a request.  The API does not say."""
    input_estimate: float = 1.0
    """Input tokens assumed at the start, as a multiple of the true number, until the answer begins and corrects it."""
    chunk_tokens: int = 5
    """Tokens per streamed event."""
    seed: int = 0
    service_time: float | None = None
    """Every answer takes exactly this many seconds, its tokens evenly spread over them."""
    ttft: Spread | None = None
    """Seconds to the first token; None is the preset of the model's family."""
    tokens_per_second: Spread | None = None
    """Speed of one answer; None is the preset of the model's family."""
    output_tokens: Spread = (300.0, 1_000.0)
    """Length of an answer whose request brings no hint."""
    faults: dict[str, Fault] = {}
    """What goes wrong on purpose, by a name of `faults.KINDS`."""

    def __post_init__(self) -> None:
        if self.tier not in TIERS:
            raise ValueError(f"tier: {self.tier!r} is unknown; known are {', '.join(TIERS)}")
        for name in ("burst", "input_estimate", "chunk_tokens"):
            _check(name, getattr(self, name) > 0, "must be above 0")
        _check("service_time", self.service_time is None or 0 <= self.service_time < math.inf, "must not be negative")
        for name in ("ttft", "tokens_per_second", "output_tokens"):
            spread: Spread | None = getattr(self, name)
            fine = spread is None or 0 < spread[0] <= spread[1] < math.inf
            _check(name, fine, "must be a median above 0 and a 95th percentile not below it")
        Faults(self.faults, self.seed)


def _check(name: str, fine: bool, demand: str) -> None:
    if not fine:
        raise ValueError(f"{name}: {demand}")
