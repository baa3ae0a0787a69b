"""How much of each per-minute limit a pass used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES, AttemptColumns, Bools, Columns
from bench.results.summary import LimitUse

RATE_LIMITED = np.array([code for code, name in enumerate(CAUSE_NAMES) if CAUSES[name].rate_limit])
"""Cause numbers of the 429s that pass with time."""


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
        "requests": int((live & ~rate_limited(attempts)).sum()),
        "input_tokens": int((attempts.input_tokens + written)[live].sum()),
        "output_tokens": int(attempts.output_tokens[live].sum()),
    }


def limit_use(columns: Columns, per_minute: Mapping[str, float | None]) -> tuple[LimitUse, ...]:
    """Use of the three limits; a limiter that `per_minute` does not name has no limit, or none that is known."""
    minutes = max(1.0, columns.requests.makespan / 60)
    return tuple(
        LimitUse(
            limiter=limiter,
            per_minute=(limit := per_minute.get(limiter)),
            used=used,
            share=used / (limit * minutes) if limit else None,
        )
        for limiter, used in units_used(columns).items()
    )
