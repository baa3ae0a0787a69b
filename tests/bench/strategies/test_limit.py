"""Limits that are fixed, and those that find themselves: pure, with time as an argument."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.record import Attempt, RateLimits, Usage
from bench.scenario.model import Adaptive
from bench.strategies.limit import DOUBLES_IN, START, Aimd, Gradient, limit_of


def ok(sent: float, ended: float) -> Attempt:
    return Attempt(sent, ended, status=200)


def refused(sent: float, cause: str = "requests", retry_after: float | None = None) -> Attempt:
    return Attempt(sent, sent, status=429, cause=cause, retry_after=retry_after)


def streamed(ttft: float, tpot: float = 0.01, tokens: int = 101) -> Attempt:
    last = ttft + tpot * (tokens - 1)
    return Attempt(0, last, status=200, first_token=ttft, last_token=last, usage=Usage(10, tokens))


def cut_to(value: float, at: float) -> Aimd:
    """A limit that was cut to `value` at second `at`."""
    limit = Aimd()
    limit.update(refused(at), round(value / 0.7), at)
    return limit


def test_slow_start_doubles_by_the_second_without_waiting_for_answers() -> None:
    limit = Aimd()
    assert [limit.value(k * DOUBLES_IN) for k in range(5)] == [START * 2**k for k in range(5)]


@pytest.mark.parametrize("cause", ["requests", "input_tokens", "rate_limited", "concurrency", "overloaded"])
def test_a_refusal_cuts_what_was_in_use(cause: str) -> None:
    limit = Aimd()
    limit.update(refused(10.0, cause), 100, 10.0)
    assert limit.value(10.0) == pytest.approx(70)


def test_a_limit_per_minute_that_headers_tell_of_is_no_reason_to_have_fewer_in_flight() -> None:
    limit = Aimd()
    told = Attempt(10, 10, status=429, cause="requests", retry_after=5.0, limits=RateLimits(60, 0))
    limit.update(told, 100, 10.0)
    assert limit.value(15.0) == START
    assert limit.value(15.0 + 5 * DOUBLES_IN) == 32 * START


@pytest.mark.parametrize("cause", ["timeout", "connection", "server_error", "invalid_request", "cancelled"])
def test_what_says_nothing_about_load_changes_nothing(cause: str) -> None:
    limit = Aimd()
    limit.update(Attempt(9.0, 10.0, cause=cause), 100, 10.0)
    assert limit.value(10.0) == Aimd().value(10.0)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_refusals_of_one_episode_cut_once(sent: list[float]) -> None:
    """All were sent before the first of them was refused."""
    limit = Aimd()
    for when in sent:
        limit.update(refused(when), 100, 10.0)
    assert limit.value(10.0) == pytest.approx(70)


def test_a_refusal_of_what_was_sent_after_the_cut_cuts_again() -> None:
    limit = cut_to(70, at=10.0)
    limit.update(refused(10.5), 70, 10.5)
    assert limit.value(10.5) == pytest.approx(49)


def test_after_a_cut_it_grows_by_steps_and_not_by_factors() -> None:
    limit = cut_to(70, at=10.0)
    steps = [limit.value(20.0 + 10 * k) - limit.value(10.0 + 10 * k) for k in range(4)]
    assert steps == pytest.approx([7.0] * 4)


def test_a_pause_ends_in_a_slow_start_up_to_the_cut_limit() -> None:
    limit = Aimd()
    limit.update(refused(10.0, retry_after=30), 100, 10.0)
    assert limit.value(40.0) == START
    assert limit.value(40.0 + DOUBLES_IN) == 2 * START
    assert limit.value(40.0 + 10 * DOUBLES_IN) < 1.2 * 70


def test_an_acceleration_limit_slows_the_ramp() -> None:
    limit = Aimd()
    limit.update(refused(10.0, "acceleration", retry_after=5), 200, 10.0)
    assert limit.value(15.0 + DOUBLES_IN) == pytest.approx(START * math.sqrt(2))


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    limit = Aimd()
    for second in range(1, 100):
        limit.update(ok(second - 1, second), 20, float(second))
    assert limit.value(99.0) == 40


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Attempt, int, float]]:
    """Attempts in the order they ended, each with how many were in flight and when it ended."""
    now, history = 0.0, []
    for _ in range(draw(st.integers(1, 40))):
        now += draw(st.floats(0, 20))
        sent = draw(st.floats(0, now))
        cause = draw(st.sampled_from([None, None, None, "requests", "overloaded", "acceleration", "timeout"]))
        pause = draw(st.one_of(st.none(), st.floats(0.1, 60))) if cause else None
        history.append((Attempt(sent, now, cause=cause, retry_after=pause), draw(st.integers(1, 500)), now))
    return history


@given(histories(), st.integers(1, 20), st.integers(0, 300), st.floats(0, 1000))
def test_it_keeps_its_bounds(history: list[tuple[Attempt, int, float]], least: int, span: int, later: float) -> None:
    limit = Aimd(least, least + span)
    for attempt, in_flight, now in history:
        limit.update(attempt, in_flight, now)
        for when in (now, now + later):
            assert least <= limit.value(when) <= least + span


@given(histories(), st.integers(0, 500))
def test_the_wait_ends_when_the_limit_is_there(history: list[tuple[Attempt, int, float]], in_flight: int) -> None:
    limit = Aimd(most=400)
    for attempt, used, now in history:
        limit.update(attempt, used, now)
    wait = limit.wait(in_flight, now)
    if math.isinf(wait):
        assert in_flight >= 400
    else:
        assert limit.value(now + wait) >= (in_flight + 1) * (1 - 1e-9)
        if wait > 1e-6:
            assert limit.value(now + wait / 2) < in_flight + 1


@given(histories())
def test_it_is_never_stuck_when_all_is_well(history: list[tuple[Attempt, int, float]]) -> None:
    limit = Aimd(most=400)
    for attempt, used, now in history:
        limit.update(attempt, used, now)
    for _ in range(1500):
        now += 1.0
        limit.update(ok(now - 1, now), int(limit.value(now)), now)
    assert limit.value(now + 3600) == 400


@pytest.mark.parametrize("by", ["ttft", "tpot"])
def test_the_gradient_is_one_while_answers_are_as_usual_and_falls_when_they_are_slow(by: str) -> None:
    gradient = Gradient(by)
    usual = [gradient.factor(streamed(0.5, 0.01), 20) for _ in range(200)]
    slow = [gradient.factor(streamed(1.5, 0.03), 20) for _ in range(20)]
    assert set(usual) == {1.0}
    assert slow[:-1] == [1.0] * 19
    assert slow[-1] == pytest.approx(0.5)


def test_the_gradient_takes_no_notice_of_how_long_answers_are() -> None:
    for by in ("ttft", "tpot"):
        gradient = Gradient(by)
        lengths = [50] * 100 + [2000] * 100
        assert {gradient.factor(streamed(0.5, 0.01, tokens), 10) for tokens in lengths} == {1.0}


def test_answers_that_were_not_streamed_say_nothing_to_the_gradient() -> None:
    assert {Gradient("ttft").factor(ok(0, 5), 1) for _ in range(50)} == {1.0}


def test_a_slow_window_cuts_the_limit_of_a_scenario_that_asks_for_it() -> None:
    patient, watchful = limit_of(Adaptive()), limit_of(Adaptive(by="ttft"))
    for limit in (patient, watchful):
        for ttft in [0.5] * 100 + [5.0] * 100:
            limit.update(streamed(ttft), 50, 20.0)
    assert patient.wait(99, 20.0) == 0
    assert watchful.wait(25, 20.0) > 0
