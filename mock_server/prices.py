"""What tokens cost, for spend caps alone: whoever wants to know the cost of a run asks a maintained price list.

Source: pricing page of 2026-10-08 and the SDK's release of Fable 5.2 of 2026-11-09.  Left out: the surcharge for one
geography, fast mode and web searches.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from mock_server.models import describe
from mock_server.plan import Plan, Usage

AS_OF = date(2026, 10, 8)

WRITE_5M, WRITE_1H, BATCH = 1.25, 2.0, 0.5
"""Multiples of the input price for cache writes, and of every price in a batch."""

BILLED_REFUSALS = ("bio", "frontier_llm", "reasoning_extraction")
"""Categories of refusals whose prompt is paid for (since 2026-09-24); that of others is not."""

HAIKU_STEP = 100_000
"""Prompt tokens above which Haiku 5.5 costs five times as much."""


class Price(NamedTuple):
    """US dollars per million tokens: input, output, cache read."""

    input: float
    output: float
    read: float


_FABLE_5_2 = Price(8, 40, 0.20)
_FABLE_5_1 = Price(10, 50, 0.25)
_FABLE_5 = Price(10, 50, 1.00)
_OPUS = Price(5, 25, 0.50)
_SONNET_4 = Price(3, 15, 0.30)

PRICES = {
    "claude-fable-5-2": _FABLE_5_2,
    "claude-mythos-5-2": _FABLE_5_2,
    "claude-fable-5-1": _FABLE_5_1,
    "claude-mythos-5-1": _FABLE_5_1,
    "claude-fable-5": _FABLE_5,
    "claude-mythos-5": _FABLE_5,
    "claude-opus-5-5": Price(4, 20, 0.20),
    "claude-opus-5": _OPUS,
    "claude-opus-4-8": _OPUS,
    "claude-opus-4-7": _OPUS,
    "claude-opus-4-6": _OPUS,
    "claude-opus-4-5": _OPUS,
    "claude-sonnet-5-5": Price(2, 10, 0.10),
    "claude-sonnet-5": Price(2, 10, 0.20),
    "claude-sonnet-4-6": _SONNET_4,
    "claude-sonnet-4-5": _SONNET_4,
    "claude-haiku-5-5": Price(0.10, 0.50, 0.01),
    "claude-haiku-4-5": Price(1, 5, 0.10),
}
"""By model without its date."""


def is_billed(plan: Plan) -> bool:
    """Whether it costs anything at all."""
    return plan.stop_reason != "refusal" or plan.refusal in BILLED_REFUSALS


def cost(model_id: str, usage: Usage, *, batch: bool = False) -> float:
    """US dollars that a request cost.  An unknown model costs what the newest of its family does."""
    name = describe(model_id).id or "claude-sonnet-5-5"
    price = PRICES[name]
    written = usage.cache_write_5m * WRITE_5M + usage.cache_write_1h * WRITE_1H
    dollars = (
        (usage.input_tokens + written) * price.input
        + usage.output_tokens * price.output
        + usage.cache_read * price.read
    ) / 1e6
    prompt = usage.input_tokens + usage.cache_write_5m + usage.cache_write_1h + usage.cache_read
    if name == "claude-haiku-5-5" and prompt > HAIKU_STEP:
        dollars *= 5
    return dollars * BATCH if batch else dollars
