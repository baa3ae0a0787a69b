"""What a request must meet to count as goodput."""

from __future__ import annotations

import math

import msgspec

from bench.results.record import Attempt, Record


class Slo(msgspec.Struct, frozen=True):
    """What a request must meet to count as goodput, in seconds; None is no demand."""

    ttft: float | None = None
    tpot: float | None = None
    latency: float | None = None
    response_time: float | None = None

    def demands(self) -> dict[str, float]:
        """The demands there are, by the metric they are made on."""
        return {name: bound for name, bound in msgspec.structs.asdict(self).items() if bound is not None}

    def met_by(self, record: Record) -> bool:
        """Whether an answer misses none of the demands.  What was never measured is not missed."""
        last = record.attempts[-1]
        seen = {
            "ttft": math.nan if last.first_token is None else last.first_token - last.sent,
            "tpot": seconds_per_token(last),
            "latency": record.latency,
            "response_time": record.response_time,
        }
        return not any(seen[name] > bound for name, bound in self.demands().items())


def seconds_per_token(attempt: Attempt) -> float:
    """Seconds per output token that was shown after the first; NaN with fewer than two."""
    tokens = attempt.seen_tokens
    if tokens < 2 or attempt.first_token is None or attempt.last_token is None:
        return math.nan
    return (attempt.last_token - attempt.first_token) / (tokens - 1)
