"""The buckets against a slow, obvious model of them that goes in small steps."""

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from mock_server.bucket import TOLERANCE
from mock_server.limits import Drain, DrainedBucket, Gate
from mock_server.tiers import Limits

STEP = 0.125
"""All times of these tests are on this grid, where steps are exact."""

ticks = st.integers(0, 400)


@st.composite
def drains(draw: st.DrawFn) -> Drain:
    begin, lasts = draw(ticks), draw(st.integers(0, 200))
    rate = draw(st.integers(1, 50)) if lasts else 0
    return Drain(begin * STEP, (begin + lasts) * STEP, draw(st.integers(0, 20)), rate)


@dataclass
class SteppedBucket:
    capacity: float
    rate: float
    drains: list[Drain]

    def levels(self, steps: int) -> list[float]:
        """The level at each step, after what happens at its moment."""
        level, levels = self.capacity, []
        for step in range(steps):
            now = step * STEP
            if step:
                running = sum(d.rate for d in self.drains if d.begin < now <= d.end)
                level = min(self.capacity, level + STEP * (self.rate - running))
            level -= sum(d.at_once for d in self.drains if d.begin == now)
            levels.append(level)
        return levels


@given(
    st.integers(1, 500), st.integers(1, 100), st.lists(drains(), max_size=12), st.lists(ticks, min_size=1, max_size=8)
)
def test_the_level_is_that_of_small_steps(capacity: int, rate: int, scheduled: list[Drain], looks: list[int]) -> None:
    bucket = DrainedBucket.full(capacity, rate)
    for drain in scheduled:
        bucket.schedule(drain)
    levels = SteppedBucket(capacity, rate, scheduled).levels(max(looks) + 1)
    for look in sorted(looks):
        assert math.isclose(bucket.settle(look * STEP), levels[look], abs_tol=1e-6)


@given(st.integers(1, 500), st.integers(1, 100), st.lists(drains(), max_size=12), ticks, st.integers(1, 700))
def test_seconds_until_is_the_first_whole_second_that_fits(
    capacity: int, rate: int, scheduled: list[Drain], tick: int, amount: int
) -> None:
    bucket = DrainedBucket.full(capacity, rate)
    for drain in scheduled:
        bucket.schedule(drain)
    seconds = bucket.seconds_until(amount, tick * STEP, 1)
    per_second = round(1 / STEP)
    levels = SteppedBucket(capacity, rate, scheduled).levels(tick + seconds * per_second + 1)
    fits = [levels[tick + k * per_second] >= min(amount, capacity) - TOLERANCE for k in range(1, seconds + 1)]
    assert fits == [False] * (seconds - 1) + [True]


@given(st.lists(drains(), min_size=1, max_size=8), st.data())
def test_a_stopped_drain_takes_nothing_more(scheduled: list[Drain], data: st.DataObject) -> None:
    stopped = data.draw(st.sampled_from(scheduled))
    now = data.draw(ticks) * STEP
    bucket = DrainedBucket.full(100, 7)
    for drain in scheduled:
        bucket.schedule(drain)
    bucket.stop(stopped, now)
    others = list(scheduled)
    others.remove(stopped)
    if stopped.begin <= now:
        cut = min(stopped.end, now)
        others.append(Drain(stopped.begin, cut, stopped.at_once, stopped.rate if cut > stopped.begin else 0))
    expected = SteppedBucket(100, 7, others).levels(601)
    for tick in range(round(now / STEP), 601, 50):
        assert math.isclose(bucket.settle(tick * STEP), expected[tick], abs_tol=1e-6)


def test_a_bucket_may_fall_below_zero_while_answers_run() -> None:
    bucket = DrainedBucket.full(10, 1)
    bucket.schedule(Drain(0, 10, 1, 5))
    assert bucket.settle(10) == 10 - 1 - 10 * 4


def test_what_is_given_back_does_not_overfill() -> None:
    bucket = DrainedBucket.full(10, 1)
    bucket.take(4, 0)
    bucket.schedule(Drain(1, 1, -100))
    assert bucket.settle(1) == 10


@given(
    st.builds(Limits, st.integers(1, 200), st.integers(1, 40_000), st.integers(1, 9_000)),
    st.sampled_from([1.0, 7.5, 60.0]),
    st.lists(st.tuples(st.floats(0, 4), st.integers(1, 5_000), st.integers(1, 400)), min_size=1, max_size=30),
)
def test_headers_never_promise_more_than_the_buckets_have(
    limits: Limits, burst: float, rows: list[tuple[float, int, int]]
) -> None:
    gate, now = Gate(limits, burst), 0.0
    assert gate.requests
    assert gate.input
    assert gate.output
    for gap, tokens, answer in rows:
        now += gap
        if gate.admit(tokens, 1, now) is None:
            gate.output.schedule(Drain(now + 1, now + 3, 1, answer / 2))
        state = gate.state(now)
        assert state.requests
        assert state.input_tokens
        assert state.output_tokens
        assert [w.limit for w in (state.requests, state.input_tokens, state.output_tokens)] == list(limits)
        assert state.requests.remaining == max(0, math.floor(gate.requests.level + TOLERANCE))
        for window, bucket in ((state.input_tokens, gate.input), (state.output_tokens, gate.output)):
            assert window.remaining % 1_000 == 0
            assert abs(window.remaining - max(0.0, bucket.level)) <= 500
            assert math.isclose(window.reset, now + (bucket.capacity - bucket.level) / bucket.rate)
