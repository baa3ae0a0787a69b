"""Limits that responses name, beside those of the tier that was assumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bench.results.record import RateLimits
from mock_server.tiers import TIERS

LIMITERS = ("requests", "input_tokens", "output_tokens")


class Difference(NamedTuple):
    """One limit, per minute."""

    limiter: str
    named: float
    assumed: float | None
    """None is no limit."""


def differences(assumed: Mapping[str, float | None], named: Mapping[str, float]) -> Iterator[Difference]:
    """The limits that were named and are others than assumed; silent where either says nothing."""
    for limiter, limit in named.items():
        if (its := assumed.get(limiter, limit)) != limit:
            yield Difference(limiter, limit, its)


def named_by(limits: RateLimits) -> dict[str, float]:
    """The limits that the headers of one response name, by limiter."""
    found = {limiter: getattr(limits, f"{limiter}_limit") for limiter in LIMITERS}
    return {limiter: limit for limiter, limit in found.items() if limit is not None}


def right_tier(model: str, named: Mapping[str, float]) -> str:
    """What to do about it."""
    for name, tier in TIERS.items():
        limits = tier.limits_of(model)._asdict()
        if all(limits[limiter] == limit for limiter, limit in named.items()):
            return f"Run it with --tier {name}, which has the limits that were named."
    return "Let claude-bench limits write your organisation's own to a file, and run it with --tier limits.json."
