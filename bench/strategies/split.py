"""How much of a job can go through batches if all of it is to be done by a deadline.  Closed form, pure.

Batches are half the price and nobody knows when they end, so as much as possible goes there that could still be done
live if they did not come back in time.  Let L be the seconds that all of the job takes live (demand over rate, for the
limit that binds), D the deadline and G how long batches are given.  With a share b in batches, giving up on them at
D - bL leaves time to do their requests live.  That is late enough if D - bL >= G, so b = (D - G) / L.  Where even that
live part cannot be done in time, whatever cannot be live must be in batches: b = 1 - D / L.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.strategies.headers import KEPT_BACK
from bench.strategies.pacer import Cost

if TYPE_CHECKING:
    from bench.scenario.model import Strategy
    from mock_server.tiers import Limits

GIVEN = 3_600.0
"""Seconds in which most batches end (batch page, 2026-10-08)."""

RESERVE = 300.0
"""Seconds before the deadline that are kept free: for a cancelled batch to end, and for the last answers."""


def rates_of(strategy: Strategy, limits: Limits) -> Cost:
    """What the live part may use a second; 0 is no limit.  A strategy without a pacer is taken to reach the tier's."""
    pacer = strategy.pacer
    own = (pacer.requests, pacer.input_tokens, pacer.output_tokens) if pacer else (None, None, None)
    share = pacer.share if pacer else 1 - KEPT_BACK
    return Cost(*(share * (mine or (tier or 0) / 60) for mine, tier in zip(own, limits, strict=True)))


def live_time(demand: Cost, rates: Cost) -> float:
    """Seconds that requests take live, by the limit that binds."""
    pairs = (
        (demand.requests, rates.requests),
        (demand.input_tokens, rates.input_tokens),
        (demand.output_tokens, rates.output_tokens),
    )
    return max(amount / rate if rate else 0.0 for amount, rate in pairs)


def batch_share(live: float, deadline: float) -> float:
    """How much of a job that takes `live` seconds live goes through batches, from 0 to 1."""
    time = max(0.0, deadline - RESERVE)
    if live <= 0:
        return 1.0 if time >= GIVEN else 0.0
    return min(1.0, max(0.0, (time - GIVEN) / live, 1 - time / live))


def spread(seq: int, share: float) -> bool:
    """Whether the request of this number is of a share that is spread evenly over all of them."""
    return int((seq + 1) * share + _ROUNDING) > int(seq * share + _ROUNDING)


_ROUNDING = 1e-9
