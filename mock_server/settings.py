"""What the mock can be told: one frozen value that also travels as JSON."""

from __future__ import annotations

import math

import msgspec

from mock_server.profile import Profile, is_spread
from mock_server.profile import Spread as Spread
from mock_server.tiers import TIERS


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
    """Length of an answer whose request brings no hint, without its thinking."""
    profile: Profile | None = None
    """Measured speeds in place of the presets."""
    load: float = 0.0
    """By how much a hundred answers at a time slow each other down: 0.5 makes all times half as long again."""
    daily_swing: float = 0.0
    """By how much answers are slower at the busiest hour of the day and faster at the quietest: 0.3 is 30 %."""
    ping_interval: float | None = 15.0
    """Longest silence of a stream, in seconds, before a ping is sent; None sends no more than the first."""
    tool_use_rate: float = 1.0
    """How often a tool is called where the model may choose: see `content`."""
    chars_per_token: dict[str, float] = {}
    """Characters per token in place of the estimator's, by model id or line (`sonnet`); at least 1."""

    def __post_init__(self) -> None:
        if self.tier not in TIERS:
            raise ValueError(f"tier: {self.tier!r} is unknown; known are {', '.join(TIERS)}")
        for name in ("burst", "input_estimate", "chunk_tokens"):
            _check(name, getattr(self, name) > 0, "must be above 0")
        _check("service_time", self.service_time is None or 0 <= self.service_time < math.inf, "must not be negative")
        for name in ("ttft", "tokens_per_second", "output_tokens"):
            spread: Spread | None = getattr(self, name)
            _check(
                name, spread is None or is_spread(spread), "must be a median above 0 and a 95th percentile not below it"
            )
        _check("load", 0 <= self.load < math.inf, "must not be negative")
        _check("daily_swing", 0 <= self.daily_swing < 1, "must be from 0 to below 1")
        _check("ping_interval", self.ping_interval is None or self.ping_interval > 0, "must be above 0")
        _check("tool_use_rate", 0 <= self.tool_use_rate <= 1, "must be from 0 to 1")
        for name, rate in self.chars_per_token.items():
            _check(f"chars_per_token.{name}", 1 <= rate < math.inf, "must be at least 1")


def _check(name: str, fine: bool, demand: str) -> None:
    if not fine:
        raise ValueError(f"{name}: {demand}")
