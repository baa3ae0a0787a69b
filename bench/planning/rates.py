"""What limits let through a minute, and how many requests are then in flight: two divisions and a product."""

from __future__ import annotations

from collections.abc import Mapping

from bench.results.format import number, three
from mock_server.tiers import Limits

RULES = "API documentation, rate limits, 2026-10-08"
"""How limits are kept, whatever their numbers are."""
LITTLE = "Little's law: L = lambda x W (J. D. C. Little, Operations Research 9, 1961)"

LIMITER_WORDS = {"requests": "requests", "input_tokens": "input tokens", "output_tokens": "output tokens"}


def allowed(limits: Limits, each: Mapping[str, float]) -> dict[str, float]:
    """Requests a minute that each limit lets through, where one takes `each` of it.  Empty where nothing is limited."""
    return {
        limiter: limit / each[limiter]
        for limiter, limit in limits._asdict().items()
        if limit is not None and each[limiter]
    }


def binding(rates: Mapping[str, float]) -> str:
    """The limits that let through least, in words; several where they let through as much."""
    least = min(rates.values())
    return " and ".join(LIMITER_WORDS[limiter] for limiter, rate in rates.items() if rate <= least * (1 + 1e-9))


def in_flight(per_minute: float, seconds: float) -> float:
    """Requests in flight at a rate a minute where each takes so many seconds: rate x time (Little, 1961)."""
    return per_minute / 60 * seconds


def whole(value: float) -> str:
    """A count that may be large: whole numbers from a thousand on, three significant digits below."""
    return number(round(value)) if value >= 1_000 else number(value) if value == int(value) else three(value)


def smallest(rates: Mapping[str, float]) -> str:
    """The formula of the rate that all limits together allow."""
    values = [whole(rate) for rate in rates.values()]
    return f"min({'; '.join(values)})" if len(values) > 1 else ""
