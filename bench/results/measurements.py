"""What one record adds to each instrument: the same numbers while a run goes on and when it is exported.

Nothing here knows who asks; times are the record's own, so of a simulation they are virtual ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from bench.results import semconv
from bench.results.causes import CAUSES
from bench.results.record import Attempt, Record
from bench.results.semconv import Instrument

Attributes: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, in a fixed order, so that they can be a key."""
Measurement: TypeAlias = tuple[Instrument, float, Attributes]

_LIMITERS = ("requests", "input_tokens", "output_tokens")


def measurements(record: Record) -> Iterator[Measurement]:
    """All that can be said of a request once it has ended, except its cost."""
    of = _of_strategy(record)
    last = record.attempts[-1]
    yield semconv.REQUESTS, 1, _failing(of, last)
    if len(record.attempts) > 1:
        yield semconv.RETRIED, 1, of
    if last.ok:
        yield semconv.RESPONSE_TIME, record.response_time, of
        yield semconv.QUEUE_TIME, record.queue_time, of
    if last.ok and last.first_token is not None:
        yield semconv.TIME_TO_FIRST_CHUNK, last.first_token - last.sent, _called(of)
        if (seconds := seconds_per_token(last)) is not None:
            yield semconv.TIME_PER_OUTPUT_TOKEN, seconds, of
    for attempt in record.attempts:
        yield from _of_attempt(attempt, of)


def seconds_per_token(attempt: Attempt) -> float | None:
    """Seconds per output token that was shown after the first; None with fewer than two."""
    tokens = attempt.seen_tokens
    if tokens < 2 or attempt.first_token is None or attempt.last_token is None:
        return None
    return (attempt.last_token - attempt.first_token) / (tokens - 1)


def _of_attempt(attempt: Attempt, of: Attributes) -> Iterator[Measurement]:
    called = _called(of)
    yield semconv.OPERATION_DURATION, attempt.ended - attempt.sent, _failing(called, attempt)
    if attempt.usage is not None:
        yield semconv.TOKEN_USAGE, attempt.usage.total_input, (*called, (semconv.TOKEN_TYPE, "input"))
        yield semconv.TOKEN_USAGE, attempt.usage.output_tokens, (*called, (semconv.TOKEN_TYPE, "output"))
    if attempt.cause is not None and CAUSES[attempt.cause].rate_limit:
        yield semconv.RATE_LIMITED, 1, (*of, (semconv.CAUSE, attempt.cause))
    if attempt.limits is not None:
        for limiter in _LIMITERS:
            remaining = getattr(attempt.limits, f"{limiter}_remaining")
            if remaining is not None:
                yield semconv.REMAINING, remaining, ((semconv.MODEL, _model(of)), (semconv.LIMITER, limiter))


def _of_strategy(record: Record) -> Attributes:
    stream = () if record.stream is None else ((semconv.STREAM, record.stream),)
    return ((semconv.MODEL, record.model), (semconv.STRATEGY, record.strategy), *stream)


def _called(of: Attributes) -> Attributes:
    return (*semconv.CALLED, *of)


def _failing(of: Attributes, attempt: Attempt) -> Attributes:
    return of if attempt.cause is None else (*of, (semconv.ERROR, attempt.cause))


def _model(of: Attributes) -> str:
    return of[0][1]
