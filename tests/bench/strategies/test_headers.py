"""The pacer that learns its limits, against the mock's own gate and in tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.record import Attempt, RateLimits, Usage
from bench.strategies.headers import HeaderPacer
from bench.strategies.pacer import Cost, Ticket

COST = Cost(1, 1000, 100)


def answer(sent: float, ended: float, limits: RateLimits | None, output: int = 100) -> Attempt:
    return Attempt(sent, ended, status=200, usage=Usage(1000, output), limits=limits)


def limits(requests: int | None = None, input_tokens: int | None = None, output: int | None = None) -> RateLimits:
    """60 requests, 600,000 input tokens and 60,000 output tokens a minute, of which these remain."""
    return RateLimits(
        60 if requests is not None else None, requests,
        600_000 if input_tokens is not None else None, input_tokens,
        60_000 if output is not None else None, output,
    )  # fmt: skip


def sent(pacer: HeaderPacer, count: int, now: float) -> list[Ticket]:
    return [pacer.take(COST, now) for _ in range(count)]


def fitting(pacer: HeaderPacer, now: float) -> int:
    """How many fit at `now`, at most 500.  They are taken."""
    count = 0
    while count < 500 and pacer.wait(COST, now) <= 0:
        pacer.take(COST, now)
        count += 1
    return count


def test_without_headers_everything_fits() -> None:
    pacer = HeaderPacer()
    for ticket in sent(pacer, 100, 0.0):
        pacer.settle(ticket, answer(0, 1, None), 1.0)
    assert fitting(pacer, 1.0) == 500


def test_what_remains_less_what_was_sent_since_is_what_fits() -> None:
    pacer = HeaderPacer()
    first, *_ = sent(pacer, 11, 0.0)
    pacer.settle(first, answer(0, 0, limits(requests=59)), 0.0)
    # A tenth of the 59 stays; ten more were sent since the request that the header tells of.
    assert fitting(pacer, 0.0) == int(59 * 0.9) - 10


def test_a_header_is_believed_once_however_many_answers_repeat_it() -> None:
    """Others took forty: each answer of a burst says so, and it must not count forty times over."""
    pacer = HeaderPacer()
    (first,) = sent(pacer, 1, 0.0)
    pacer.settle(first, answer(0, 0, limits(requests=59)), 0.0)
    burst = sent(pacer, 10, 0.0)
    for place, ticket in enumerate(burst):
        pacer.settle(ticket, answer(0, 0, limits(requests=18 - place)), 0.0)
    assert fitting(pacer, 0.0) == int(9 - 5.9)


@pytest.mark.parametrize(("told", "least", "most"), [(200_000, 138, 140), (199_000, 137, 139)])
def test_input_tokens_are_trusted_to_the_thousand_they_are_rounded_to(told: int, least: int, most: int) -> None:
    pacer = HeaderPacer()
    (first,) = sent(pacer, 1, 0.0)
    pacer.settle(first, answer(0, 0, limits(input_tokens=600_000)), 0.0)
    (second,) = sent(pacer, 1, 0.0)
    pacer.settle(second, answer(0, 0, limits(input_tokens=told)), 0.0)
    assert least <= fitting(pacer, 0.0) <= most


def test_output_tokens_in_flight_are_taken_off_what_remains_and_their_refill_is_added() -> None:
    pacer = HeaderPacer()
    (first,) = sent(pacer, 1, 0.0)
    pacer.settle(first, answer(0, 4, limits(output=60_000)), 4.0)
    *_, last = sent(pacer, 100, 4.0)
    pacer.settle(last, answer(4, 8, limits(output=20_000)), 8.0)
    # 20,000 - a tenth of 60,000 - 10,000 in flight then + 4 s of refill while that is produced; 4 s more since.
    free = 20_000 - 6_000 - 10_000 + 4_000 + 4_000
    assert fitting(pacer, 8.0) == pytest.approx(free / 100, abs=1)


def test_expected_lengths_are_scaled_by_what_answers_had_of_theirs() -> None:
    pacer = HeaderPacer()
    for _ in range(200):
        (ticket,) = sent(pacer, 1, 0.0)
        pacer.settle(ticket, answer(0, 0, limits(output=60_000), output=50), 0.0)
    assert pacer.take(COST, 0.0).reserved.output_tokens == pytest.approx(50)


@pytest.mark.parametrize("cause", ["requests", "acceleration", "overloaded"])
def test_a_refusal_with_retry_after_pauses_all(cause: str) -> None:
    pacer = HeaderPacer()
    ticket, *_ = sent(pacer, 10, 0.0)
    pacer.settle(ticket, Attempt(0, 1, status=429, cause=cause, retry_after=20.0), 1.0)
    assert pacer.wait(COST, 1.0) == 20.0
    assert pacer.wait(COST, 20.5) == 0.5


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    pacer = HeaderPacer()
    one, other = sent(pacer, 2, 0.0)
    pacer.settle(one, Attempt(0, 0, status=429, cause="requests", retry_after=20.0), 0.0)
    pacer.settle(other, Attempt(0, 0, status=429, cause="requests", retry_after=2.0), 0.0)
    assert pacer.wait(COST, 0.0) == 20.0


def test_after_a_refusal_nothing_has_gathered_during_the_pause() -> None:
    pacer = HeaderPacer()
    one, other = sent(pacer, 2, 0.0)
    pacer.settle(one, answer(0, 0, limits(requests=59)), 0.0)
    pacer.settle(other, Attempt(0, 0, status=429, cause="requests", retry_after=20.0), 0.0)
    assert fitting(pacer, 20.0) == 0
    assert fitting(pacer, 21.1) == 1


def test_headers_of_a_long_answer_do_not_undo_what_newer_ones_told() -> None:
    pacer = HeaderPacer()
    (old,) = sent(pacer, 1, 0.0)
    (new,) = sent(pacer, 1, 30.0)
    pacer.settle(new, answer(30, 31, limits(requests=10)), 31.0)
    pacer.settle(old, answer(0, 31, limits(requests=59)), 31.0)
    assert fitting(pacer, 31.0) < 12


@given(
    st.lists(
        st.tuples(
            st.floats(0, 5), st.integers(0, 100), st.integers(0, 700_000), st.integers(0, 70_000),
            st.sampled_from([None, "requests", "input_tokens", "output_tokens", "timeout"]),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_it_is_never_stuck_whatever_it_was_told(history: list[tuple[float, int, int, int, str | None]]) -> None:
    pacer, now = HeaderPacer(), 0.0
    for seconds, requests, input_tokens, output, cause in history:
        (ticket,) = sent(pacer, 1, now)
        now += seconds
        told = limits(requests, input_tokens, output)
        failed = Attempt(now - seconds, now, status=429, cause=cause, retry_after=seconds or None, limits=told)
        pacer.settle(ticket, failed if cause else answer(now - seconds, now, told), now)
    # The deepest debt is what forty requests took of buckets that were told to be empty each time.
    waited = 0.0
    while (wait := pacer.wait(COST, now)) > 1e-6:
        waited, now = waited + wait, now + wait
    assert waited < 300
