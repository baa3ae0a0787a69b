"""How much of each per-minute limit a pass used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES, AttemptColumns, Bools, Columns, ended_by
from bench.results.summary import LimitUse

RATE_LIMITED = np.array([code for code, name in enumerate(CAUSE_NAMES) if CAUSES[name].rate_limit])
"""Cause numbers of the 429s that pass with time."""


class Pool(msgspec.Struct, frozen=True):
    """Models that share their limits."""

    models: tuple[str, ...]
    limits: Mapping[str, float | None]
    """Per minute, by limiter: `requests`, `input_tokens`, `output_tokens`; None or absent is no known limit."""


def rate_limited(attempts: AttemptColumns) -> Bools:
    """Which attempts were refused by a rate limit."""
    return np.isin(attempts.cause, RATE_LIMITED)


def units_used(columns: Columns) -> dict[str, int]:
    """What a pass took from each limiter's bucket: requests let in, input tokens but for cache reads, output tokens.

    The API's rules as of 2026-10-08.  Whether a request that is refused counts is not published; here it does not.
    What goes through message batches takes nothing.
    """
    attempts = columns.attempts
    live = ~attempts.batch
    written = attempts.cache_write_5m + attempts.cache_write_1h
    return {
        "requests": int((live & ~rate_limited(attempts) & ~ended_by("unsent", of=attempts)).sum()),
        "input_tokens": int((attempts.input_tokens + written)[live].sum()),
        "output_tokens": int(attempts.output_tokens[live].sum()),
    }


def limit_use(columns: Columns, pools: Sequence[Pool]) -> tuple[LimitUse, ...]:
    """Use of the three limits; of several pools, each time of the one that used most of its own."""
    minutes = max(1.0, columns.requests.makespan / 60)
    if len(pools) == 1:
        return _use(columns, pools[0].limits, minutes)
    each = [_use(columns.of_models(pool.models), pool.limits, minutes) for pool in pools]
    return tuple(max(uses, key=lambda use: use.share or 0.0) for uses in zip(*each, strict=True))


def _use(columns: Columns, per_minute: Mapping[str, float | None], minutes: float) -> tuple[LimitUse, ...]:
    return tuple(
        LimitUse(
            limiter=limiter,
            per_minute=(limit := per_minute.get(limiter)),
            used=used,
            share=used / (limit * minutes) if limit else None,
        )
        for limiter, used in units_used(columns).items()
    )
