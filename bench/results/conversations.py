"""Conversations turn by turn: how the context grows, what of it comes from the cache, what a turn takes and costs."""

from __future__ import annotations

from datetime import date

import numpy as np

from bench.results.columns import Columns, Floats
from bench.results.cost import cost_of
from bench.results.statistics import distribution
from bench.results.summary import TurnSummary

MOST_TURNS = 100
"""Turns that are summed up; later ones are in the records."""


def turns(columns: Columns, day: date) -> tuple[TurnSummary, ...]:
    """The turns of a pass, the first one first; none where its requests belong to no conversations."""
    last = int(columns.requests.turn.max(initial=-1))
    times = columns.requests.turn_time
    return tuple(_turn(turn, columns, times, day) for turn in range(min(last + 1, MOST_TURNS)))


def _turn(turn: int, columns: Columns, times: Floats, day: date) -> TurnSummary:
    chosen = columns.requests.turn == turn
    part = columns.only(chosen)
    requests = part.requests
    conversations = len(np.unique(requests.conversation))
    written = int((requests.cache_write_5m + requests.cache_write_1h).sum())
    read, plain = int(requests.cache_read.sum()), int(requests.input_tokens.sum())
    cost = cost_of(part, day).total
    return TurnSummary(
        turn=turn,
        conversations=conversations,
        requests=len(requests),
        input_tokens=(read + written + plain) / max(1, len(requests)),
        cache_hit_share=read / (read + written + plain) if read or written else None,
        cost=None if cost is None or not conversations else cost / conversations,
        ttft=distribution(_known(requests.ttft[requests.ok])),
        turn_time=distribution(_known(times[chosen & columns.requests.ok])),
    )


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]
