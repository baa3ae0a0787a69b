"""Rate-limit tiers as dated data: requests, input tokens and output tokens per minute for each class of models.

Sources: rate-limit page of 2026-10-08 (Start, Build, Scale), its copies of January to April 2026 (Tier 1 to 4, ended
2026-06-26), and a widely copied table of tutorials.  The numbers of the Evaluation tier are not published, so it is
not here.  Every number is a ceiling, not a promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from mock_server.models import model_class


class Limits(NamedTuple):
    """What one class of models may use per minute; None is no limit."""

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier: who said so, when, and what it allows."""

    name: str
    as_of: date
    source: str
    meaning: str
    default: Limits
    """For every class that has no row of its own."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """By class of models."""
    spend_cap_usd: float | None = None
    """US dollars a month; None is no cap."""


def _current(name: str, cap: float, default: Limits, fable: Limits) -> Tier:
    rows = {"fable-5.x": fable, "mythos-5.x": fable}
    meaning = "given by usage history and account standing"
    return Tier(name, date(2026, 10, 8), "API documentation, rate limits", meaning, default, rows, cap)


def _legacy(name: str, cap: float, meaning: str, default: Limits, haiku_4_5: Limits) -> Tier:
    source = "API documentation, rate limits, copies of January to April 2026"
    return Tier(name, date(2026, 4, 25), source, meaning, default, {"haiku-4.5": haiku_4_5}, cap)


def _tutorial(name: str, requests: int, tokens: int) -> Tier:
    """The table has one number of tokens per minute for input and output together, which the API gave up in 2024.

    It becomes a limit on each of the two, so that this tier is never stricter than the table it stands for.
    """
    meaning = f"{requests} requests and {tokens} tokens per minute, as tutorials claim"
    return Tier(name, date(2026, 11, 20), "tutorials on parallel requests", meaning, Limits(requests, tokens, tokens))


TIERS = {
    tier.name: tier
    for tier in (
        _current("start", 500, Limits(1_000, 2_000_000, 400_000), Limits(1_000, 500_000, 100_000)),
        _current("build", 1_000, Limits(5_000, 5_000_000, 1_000_000), Limits(2_000, 1_500_000, 300_000)),
        _current("scale", 200_000, Limits(10_000, 10_000_000, 2_000_000), Limits(4_000, 4_000_000, 800_000)),
        _legacy("tier-1", 100, "$5 of credit bought", Limits(50, 30_000, 8_000), Limits(50, 50_000, 10_000)),
        _legacy("tier-2", 500, "$40 of credit bought", Limits(1_000, 450_000, 90_000), Limits(1_000, 450_000, 90_000)),
        _legacy(
            "tier-3", 1_000, "$200 of credit bought", Limits(2_000, 800_000, 160_000), Limits(2_000, 1_000_000, 200_000)
        ),
        _legacy(
            "tier-4",
            200_000,
            "$400 of credit bought",
            Limits(4_000, 2_000_000, 400_000),
            Limits(4_000, 4_000_000, 800_000),
        ),
        _tutorial("tutorial-1", 50, 40_000),
        _tutorial("tutorial-2", 1_000, 80_000),
        _tutorial("tutorial-3", 2_000, 160_000),
        _tutorial("tutorial-4", 4_000, 400_000),
        Tier("unlimited", date(2026, 11, 20), "claude-bench", "no limits at all", Limits()),
    )
}
"""All tiers by name."""


def limits_for(tier_name: str, model_id: str) -> Limits:
    """What `tier_name` allows for this model.  KeyError for an unknown tier."""
    tier = TIERS[tier_name]
    return tier.limits.get(model_class(model_id), tier.default)
