"""What let in and refused requests say of a bucket, held against buckets whose size is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.planning.burst import Event, bounds, estimate
from bench.results.columns import Columns
from bench.results.record import Attempt, RateLimits, Record, Usage
from mock_server.bucket import Bucket


@given(
    capacity=st.floats(1, 50),
    rate=st.floats(0.01, 10),
    asked=st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 1)), min_size=1, max_size=80),
)
def test_the_bounds_hold_the_size_of_any_bucket(capacity: float, rate: float, asked: list[tuple[float, float]]) -> None:
    bucket, now, events = Bucket.full(capacity, rate), 0.0, []
    for gap, amount in asked:
        now += gap
        refused = bucket.wait(amount, now) > 0
        events.append(Event(now, refused, amount, 0.0 if refused else amount))
        if not refused:
            bucket.take(amount, now)
    least, most = bounds(events, rate)
    assert least <= capacity + 1e-4
    assert most >= capacity - 1e-4


def test_many_requests_at_once_tell_the_size_to_one_request() -> None:
    events = [Event(0.0, place >= 12, 1.0, float(place < 12)) for place in range(40)]
    assert bounds(events, 1.0) == (12.0, 13.0)
    assert bounds(events[:12], 1.0) == (12.0, math.inf)


def columns(refused: str | None, *, header: int | None = None) -> Columns:
    """Twenty requests at once of which ten come in, and two, at 6 a minute, ten seconds later."""
    limits = RateLimits(requests_limit=header) if header else None
    usage = Usage(input_tokens=100, output_tokens=10)
    rows = []
    for place in range(20):
        last = Attempt(20.0, 21.0, 200, usage=usage, limits=limits)
        first = Attempt(0.0, 0.1, 429, cause=refused, retry_after=10.0)
        attempts = (Attempt(0.0, 1.0, 200, usage=usage, limits=limits),) if place < 10 else (first, last)
        rows.append(Record("gather", place, "claude-sonnet-5", 0.0, attempts if refused else attempts[-1:]))
    return Columns.of(rows[:12])


@pytest.mark.parametrize(("limiter", "unit"), [("requests", 1), ("input_tokens", 100)])
def test_a_burst_is_said_in_seconds_of_its_limit(limiter: str, unit: int) -> None:
    found = estimate([columns(limiter)], {limiter: 6.0 * unit})
    assert found is not None
    assert (found.limiter, found.refused, found.per_minute) == (limiter, 2, 6.0 * unit)
    assert (found.seconds, found.lo, found.hi) == pytest.approx((100.0, 100.0, 110.0))


def test_headers_win_over_the_tier() -> None:
    found = estimate([columns("requests", header=12)], {"requests": 6.0})
    assert found is not None
    assert found.per_minute == 12


def test_without_a_429_or_a_limit_it_is_not_known() -> None:
    assert estimate([columns(None)], {"requests": 6.0}) is None
    assert estimate([columns("requests")], {}) is None


def test_bounds_that_pass_each_other_are_an_interval_all_the_same() -> None:
    early = Record("gather", 0, "claude-sonnet-5", 0.0, (Attempt(0.0, 0.1, 429, cause="requests"),))
    rest = [
        Record("gather", k, "claude-sonnet-5", 0.0, (Attempt(0.5, 1.0, 200, usage=Usage(1, 1)),)) for k in (1, 2, 3)
    ]
    found = estimate([Columns.of([early, *rest])], {"requests": 6.0})
    assert found is not None
    assert found.lo < found.seconds < found.hi
