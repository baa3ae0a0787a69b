"""The pacer and the admission: never more than burst + rate x t, in order, with late corrections."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.clock import Clock, run
from bench.results.record import Attempt, Usage
from bench.strategies.admission import Admission
from bench.strategies.pacer import Cost, Pacer, use
from mock_server.bucket import Bucket


def pacer(rate: float, burst: float) -> Pacer:
    """Requests at `rate` a second, input tokens at 100 times and output tokens at 10 times that."""
    return Pacer(
        Bucket.full(rate * burst, rate),
        Bucket.full(100 * rate * burst, 100 * rate),
        Bucket.full(10 * rate * burst, 10 * rate),
    )


def admitted(costs: list[Cost], gate: Pacer, limit: int | None = None) -> list[float]:
    """When each request is let through, if all arrive at second 0."""

    async def main() -> list[float]:
        clock = Clock()
        admission = Admission(limit, gate, clock)
        times = []
        for cost in costs:
            await admission.acquire(cost)
            times.append(clock.now())
            admission.release()
        return times

    return run(main(), virtual=True)


costs = st.builds(Cost, st.just(1), st.integers(0, 400), st.integers(0, 40))


@given(st.lists(costs, min_size=1, max_size=60), st.floats(0.01, 50), st.floats(0.1, 60))
@example([Cost(1, 0, 0)] * 50, 1 / 3, 0.1)
def test_no_window_admits_more_than_burst_plus_rate(sent: list[Cost], rate: float, burst: float) -> None:
    times = admitted(sent, pacer(rate, burst))
    for unit, weight in (("requests", 1), ("input_tokens", 100), ("output_tokens", 10)):
        amounts = [getattr(cost, unit) for cost in sent]
        for start in range(len(sent)):
            total = 0.0
            for end in range(start, len(sent)):
                total += amounts[end]
                # The last one may exceed the bucket and leave a debt, which is paid before the next.
                owed = max(0.0, amounts[end] - weight * rate * burst)
                window = times[end] - times[start]
                assert total - owed <= weight * rate * (burst + window) + 1e-3


@given(st.lists(costs, min_size=2, max_size=60), st.floats(0.01, 50), st.floats(0.1, 60))
def test_first_come_first_served(sent: list[Cost], rate: float, burst: float) -> None:
    times = admitted(sent, pacer(rate, burst))
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_a_large_request_is_not_overtaken_by_small_ones() -> None:
    async def main() -> list[str]:
        clock = Clock()
        admission = Admission(None, Pacer(None, Bucket.full(1000, 10), None), clock)
        order: list[str] = []

        async def one(name: str, tokens: int) -> None:
            await admission.acquire(Cost(1, tokens, 0))
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name, tokens in (("first", 900), ("large", 1000), ("small", 1), ("smaller", 1)):
                group.create_task(one(name, tokens))
        return order

    assert run(main(), virtual=True) == ["first", "large", "small", "smaller"]


def test_more_than_the_bucket_is_served_when_full_and_leaves_a_debt() -> None:
    gate = Pacer(None, Bucket.full(100, 10), None)
    times = admitted([Cost(1, 50, 0), Cost(1, 300, 0), Cost(1, 10, 0)], gate)
    assert times == pytest.approx([0, 5, 5 + 21], abs=1e-4)


def test_a_correction_lets_the_first_in_line_go_sooner() -> None:
    async def main() -> float:
        clock = Clock()
        admission = Admission(None, Pacer(None, None, Bucket.full(100, 1)), clock)
        first = await admission.acquire(Cost(1, 0, 100))
        short = Attempt(0, 5, status=200, usage=Usage(0, 20))
        asyncio.get_running_loop().call_later(5, admission.settle, first, short)
        await admission.acquire(Cost(1, 0, 60))
        return clock.now()

    assert run(main(), virtual=True) == pytest.approx(5.0)


def test_using_more_than_reserved_is_a_debt_for_those_behind() -> None:
    gate = Pacer(None, None, Bucket.full(100, 1))
    ticket = gate.take(Cost(1, 0, 10), 0)
    gate.settle(ticket, Attempt(0, 0, status=200, cause="stream_error", usage=Usage(0, 150)), 0)
    assert gate.wait(Cost(1, 0, 10), 0) == pytest.approx(60)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_expected_lengths_are_scaled_by_what_answers_had_of_theirs(factor: float) -> None:
    gate = Pacer(None, None, Bucket.full(1000, 1))
    for expected in (10, 100, 30):
        ticket = gate.take(Cost(1, 0, expected), 0)
        gate.settle(ticket, Attempt(0, 0, status=200, usage=Usage(0, round(expected * factor))), 0)
    assert gate.take(Cost(1, 0, 50), 0).reserved.output_tokens == 50 * factor
    assert gate.wait(Cost(1, 0, 1000), 0) == pytest.approx(max(0, min(1000, 1000 * factor) - 1000 + 190 * factor))


def test_at_most_limit_in_flight_and_a_cancelled_wait_gives_its_slot_back() -> None:
    async def main() -> tuple[int, int]:
        clock = Clock()
        admission = Admission(2, Pacer(Bucket(1, 0.01, 0), None, None), clock)
        waiting = [asyncio.create_task(admission.acquire(Cost(1, 0, 0))) for _ in range(5)]
        await clock.sleep_until(1)
        before = admission.in_flight
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return before, admission.in_flight

    assert run(main(), virtual=True) == (2, 0)


def test_an_exact_rate_does_not_stall_the_virtual_clock() -> None:
    times = admitted([Cost(1, 0, 0)] * 2000, Pacer(Bucket.full(1, 1 / 3), None, None))
    assert times[-1] == pytest.approx(1999 * 3, rel=1e-4)


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (Attempt(0, 1, status=200, usage=Usage(700, 90, cache_read=5000, cache_write_5m=30)), Cost(1, 730, 90)),
        (Attempt(0, 1, status=429, cause="requests"), Cost(1, 0, 0)),
        (Attempt(0, 1, cause="timeout"), Cost(1, 1000, 300)),
        (Attempt(0, 1, status=200, cause="stream_error", usage=Usage(700, 20)), Cost(1, 700, 300)),
    ],
)
def test_what_an_attempt_really_used(attempt: Attempt, expected: Cost) -> None:
    assert use(Cost(1, 1000, 300), attempt) == expected
