"""What the mock can be told: one frozen value that also travels as JSON."""

from __future__ import annotations

import math

import msgspec

from mock_server.faults import Fault, Faults
from mock_server.profile import Profile, is_spread
from mock_server.profile import Spread as Spread
from mock_server.tenants import Accounts
from mock_server.tiers import check_tier

BATCH_TIME: Spread = (900.0, 3_600.0)
"""Seconds until a batch has been processed, where nobody says.  The API says: most within 1 hour (2026-10-08)."""


class Ramp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast use may grow.  The API publishes no numbers (2026-10-08); this is a model to test clients with.

    The input tokens of one minute may reach `factor` times those of the busiest of the five minutes before, and always
    `floor`.
    """

    factor: float = 2.0
    floor: int = 50_000

    def __post_init__(self) -> None:
        _check("factor", self.factor >= 1, "must be at least 1")
        _check("floor", self.floor > 0, "must be above 0")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the mock behaves.  Raises ValueError for values that make no sense."""

    tier: str = "start"
    """A name from `tiers.TIERS`, or a JSON file with the answer of the Rate Limits API."""
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
    """By how much a hundred answers at a time slow each other down: 0.5 makes all times half as long again.  0 is what
    the profile says."""
    daily_swing: float = 0.0
    """By how much answers are slower at the busiest hour of the day and faster at the quietest: 0.3 is 30 %."""
    ping_interval: float | None = 15.0
    """Longest silence of a stream, in seconds, before a ping is sent; None sends no more than the first."""
    tool_use_rate: float = 1.0
    """How often a tool is called where the model may choose: see `content`."""
    chars_per_token: dict[str, float] = {}
    """Characters per token in place of the estimator's, by model id or line (`sonnet`); at least 1."""
    faults: dict[str, Fault] = {}
    """What goes wrong on purpose, by a name of `faults.KINDS`."""
    accounts: Accounts | None = None
    """Keys and what they belong to; None accepts every key."""
    concurrency: int | None = None
    """Messages requests of one organisation that may be open at once.  Not documented; None is no limit."""
    ramp: Ramp | None = None
    """How fast the use of one organisation and class of models may grow; None is as fast as it likes."""
    spend_cap: float | None = None
    """US dollars a month until 429 `enforced_spend_limit_reached`, as the API caps its tiers; None is no cap."""
    spend_limit: float | None = None
    """US dollars a month until 400, as an organisation may limit itself; None is no limit."""
    credit: float | None = None
    """US dollars of prepaid credit, until 402; None is without end."""
    batch_time: Spread = BATCH_TIME
    """Seconds until a batch has been processed."""
    batch_hidden: float = 0.0
    """Seconds after its creation in which a batch is not found, as was seen in public (2026-04-21)."""

    def __post_init__(self) -> None:
        check_tier(self.tier)
        for name in ("spend_cap", "spend_limit", "credit", "batch_hidden"):
            _check(name, (getattr(self, name) or 0) >= 0, "must not be negative")
        _check("concurrency", self.concurrency is None or self.concurrency > 0, "must be above 0")
        for name in ("burst", "input_estimate", "chunk_tokens"):
            _check(name, getattr(self, name) > 0, "must be above 0")
        _check("service_time", self.service_time is None or 0 <= self.service_time < math.inf, "must not be negative")
        for name in ("ttft", "tokens_per_second", "output_tokens", "batch_time"):
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
        Faults(self.faults, self.seed)


def _check(name: str, fine: bool, demand: str) -> None:
    if not fine:
        raise ValueError(f"{name}: {demand}")
