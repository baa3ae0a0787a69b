"""What a job cannot be faster than, by arithmetic alone: limits, requests in flight, arrivals, batches.

A limit is a token bucket (rate-limit page, 2026-10-08): `burst` units are there at the start, `rate` more come each
second, so the last request goes at (demand - burst) / rate at the earliest.  Two details make that a true bound:

- A request that takes more than a bucket holds fits when it is full; so the largest counts as burst where it is larger.
- Output tokens count as they are produced and a running answer is never cut, so what those in flight at the end have
  still to produce need not be waited for.  A pacer of our own reserves an answer before it is sent, and waits for it.

N requests in flight take all answers together / N, and no less than so many rounds of the shortest answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import ceil, inf

import msgspec

from bench.planning.demand import Asked, Demand
from bench.results.plan import Bound, ClosedForm
from bench.scenario.model import Strategy
from bench.scenario.strategies import Batching, TokenBucket
from bench.targets.batches_sim import batch_key
from mock_server.batch import EXPIRES_AFTER
from mock_server.profile import Spread
from mock_server.rng import Draws
from mock_server.settings import BATCH_TIME
from mock_server.tiers import Limits, Tier

LIMITERS = ("requests", "input_tokens", "output_tokens")


def closed_form(
    demand: Demand,
    strategy: Strategy,
    tier: Tier,
    *,
    burst: float = 60.0,
    batch_time: Spread = BATCH_TIME,
    seed: int = 0,
) -> ClosedForm:
    """The bounds of one strategy on one tier.

    `burst` is what a full bucket of the tier holds, in seconds of its rate; `batch_time` is how long batches take,
    drawn by `seed` as the mock does.
    """
    slots, batching = slots_of(strategy), strategy.batch
    bounds = [Bound("arrivals" if demand.span else "answers", demand.free)]
    if batching is None:
        bounds += _live(demand, strategy, tier, burst)
    else:
        through = _batches(demand, batching, tier, batch_time, seed)
        if batching.share is None:  # as much as the deadline allows: faster than its batches only if all of it is live
            alone = max((bound.seconds for bound in _live(demand, strategy, tier, burst)), default=0.0)
            bounds += [msgspec.structs.replace(bound, seconds=min(bound.seconds, alone)) for bound in through]
        else:
            bounds += [*through, *_live(demand, strategy, tier, burst, 1 - batching.share)]
    bounds.sort(key=lambda bound: -bound.seconds)
    makespan = bounds[0].seconds
    rate = demand.requests / makespan if makespan else 0.0
    return ClosedForm(
        makespan=makespan,
        binds=bounds[0].name,
        rate=rate * 60,
        in_flight=rate * demand.mean_service if slots is None else slots,
        limited_in_flight=slots is not None,
        bounds=tuple(bounds),
    )


def pools_of(models: Iterable[str], tier: Tier) -> dict[str, list[str]]:
    """The models by the limits they share."""
    pools: dict[str, list[str]] = {}
    for model in models:
        pools.setdefault(tier.pool(model), []).append(model)
    return pools


def slots_of(strategy: Strategy) -> int | None:
    """Most requests in flight that a strategy allows; None where it names no number."""
    return strategy.limit if strategy.pool is None else strategy.pool.workers


def _live(demand: Demand, strategy: Strategy, tier: Tier, burst: float, live: float = 1.0) -> Iterator[Bound]:
    """The bounds of what does not go through batches, so much of it all."""
    slots = slots_of(strategy)
    if live:
        yield from _limits(demand, strategy, tier, burst, live)
    if live and slots is not None:
        yield Bound("in_flight", live * _in_turns(demand, slots), live * demand.service_time)


def _in_turns(demand: Demand, slots: int) -> float:
    return max(demand.service_time / slots, ceil(demand.requests / slots) * demand.shortest)


def _limits(demand: Demand, strategy: Strategy, tier: Tier, burst: float, live: float) -> Iterator[Bound]:
    pools = pools_of(demand.asked, tier)
    for models in pools.values():
        asked, limits = demand.of(models), tier.limits_of(models[0])
        name = ", ".join(models) if len(pools) > 1 else ""
        for limiter in LIMITERS:
            kept = [
                *_of_tier(limiter, asked, limits, burst, slots_of(strategy), demand.longest),
                *_of_pacer(limiter, asked, limits, strategy.pacer),
            ]
            if kept:
                rate, held, keeps = max(kept, key=lambda one: (live * asked.drawn[limiter] - one[1]) / one[0])
                wanted = live * asked.drawn[limiter]
                seconds = max(0.0, wanted - held) / rate
                ends = seconds + demand.mean_service if seconds else 0.0
                yield Bound(limiter, ends, wanted, rate * 60, held, name, keeps)


_Kept = tuple[float, float, str]
"""Units a second, units that need not be waited for, and who keeps it."""


def _of_tier(
    limiter: str, asked: Asked, limits: Limits, burst: float, slots: int | None, longest: float
) -> Iterator[_Kept]:
    per_minute: int | None = getattr(limits, limiter)
    if per_minute is not None:
        held = max(per_minute / 60 * burst, asked.largest[limiter])
        if limiter == "output_tokens":
            held += _unproduced(asked, limits, burst, slots, longest)
        yield per_minute / 60, held, "tier"


def _unproduced(asked: Asked, limits: Limits, burst: float, slots: int | None, longest: float) -> float:
    """Output tokens that may still have to come from those in flight when the last request goes.

    No more are in flight than the strategy allows, nor than the other limits let in during the longest answer.
    """
    at_once = [asked.requests, inf if slots is None else slots]
    for limiter in ("requests", "input_tokens"):
        per_minute, drawn = getattr(limits, limiter), asked.drawn[limiter]
        if per_minute is not None and drawn:
            at_once.append(per_minute / 60 * (burst + longest) / (drawn / asked.requests))
    return min(at_once) * asked.output_tokens / max(1.0, asked.requests)


def _of_pacer(limiter: str, asked: Asked, limits: Limits, pacer: TokenBucket | None) -> Iterator[_Kept]:
    if pacer is None:
        return
    own, per_minute = getattr(pacer, limiter), getattr(limits, limiter)
    rate = own if own is not None else None if per_minute is None else per_minute / 60
    if rate is not None:
        rate *= pacer.share
        yield rate, max(rate * pacer.burst, asked.largest[limiter]), "strategy"


def _batches(demand: Demand, batching: Batching, tier: Tier, spread: Spread, seed: int) -> Iterator[Bound]:
    """The slowest batch, and the room in the queue that all of them need; each leaves it evenly as it is processed."""
    items = demand.requests * (1.0 if batching.share is None else batching.share)
    sizes = [min(batching.size, items - first) for first in range(0, ceil(items), batching.size)]
    if not sizes:
        return
    times = [
        min(EXPIRES_AFTER, Draws(*batch_key(seed, number), "batch_time").lognormal(*spread))
        for number in range(len(sizes))
    ]
    yield Bound("batches", demand.span + max(times), items)
    if tier.batch_queue:
        waited = sum(size * time / 2 for size, time in zip(sizes, times, strict=True))
        yield Bound("batch_queue", waited / tier.batch_queue, items, burst=float(tier.batch_queue))


def shares(demand: Demand, makespan: float, tier: Tier) -> Mapping[str, tuple[float | None, float | None]]:
    """By limiter: what the tier allows a minute, and what part of it the demand takes on average in this time.

    Of several pools, that of the one that uses most of its own; a time below a minute counts as one.
    """
    minutes = max(1.0, makespan / 60)
    found: dict[str, tuple[float | None, float | None]] = dict.fromkeys(LIMITERS, (None, None))
    for models in pools_of(demand.asked, tier).values():
        asked, limits = demand.of(models), tier.limits_of(models[0])
        for limiter in LIMITERS:
            limit = getattr(limits, limiter)
            if limit:
                share = asked.drawn[limiter] / (limit * minutes)
                if share >= (found[limiter][1] or 0.0):
                    found[limiter] = (limit, share)
    return found
