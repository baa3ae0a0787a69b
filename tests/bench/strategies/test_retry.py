from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.causes import CAUSES
from bench.results.record import Attempt
from bench.scenario.model import Retry
from bench.strategies.retry import retry_delay
from mock_server.rng import Draws


def failed(
    cause: str = "requests",
    status: int | None = 429,
    retry_after: float | None = None,
    should_retry: bool | None = None,
) -> Attempt:
    return Attempt(sent=0, ended=1, status=status, cause=cause, retry_after=retry_after, should_retry=should_retry)


def delay(policy: Retry, made: int, attempt: Attempt) -> float | None:
    return retry_delay(policy, made, attempt, lambda: Draws(7, "retry", made))


@pytest.mark.parametrize("policy", ["retry_after", "exponential", "sdk"])
def test_gives_up_when_the_attempts_are_used_up(policy: str) -> None:
    retry = Retry.model_validate({"policy": policy, "attempts": 3})
    assert delay(retry, 2, failed()) is not None
    assert delay(retry, 3, failed()) is None


def test_none_never_retries() -> None:
    assert delay(Retry(policy="none"), 1, failed(retry_after=1)) is None


def test_retry_after_is_obeyed_exactly_without_jitter() -> None:
    assert delay(Retry(policy="retry_after"), 4, failed(retry_after=17)) == 17


@given(st.floats(0.1, 1e4), st.floats(0, 1))
def test_jitter_only_ever_adds_to_a_retry_after(asked: float, jitter: float) -> None:
    waited = delay(Retry(policy="retry_after", jitter=jitter), 1, failed(retry_after=asked))
    assert waited is not None
    assert asked <= waited <= asked * (1 + jitter) * (1 + 1e-12)


@pytest.mark.parametrize(("made", "expected"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (400, 60.0)])
def test_without_the_header_the_wait_doubles_up_to_the_cap(made: int, expected: float) -> None:
    for policy in ("retry_after", "exponential"):
        assert delay(Retry.model_validate({"policy": policy, "attempts": 1000}), made, failed()) == expected


def test_exponential_ignores_the_header() -> None:
    assert delay(Retry(policy="exponential"), 1, failed(retry_after=30)) == 1.0


@given(st.integers(1, 9), st.floats(0, 1))
def test_jitter_only_ever_shortens_an_exponential_wait(made: int, jitter: float) -> None:
    full = delay(Retry(policy="exponential"), made, failed())
    jittered = delay(Retry(policy="exponential", jitter=jitter), made, failed())
    assert full is not None
    assert jittered is not None
    assert full * (1 - jitter) <= jittered <= full


@pytest.mark.parametrize("cause", [c.name for c in CAUSES.values() if not c.retryable])
def test_what_cannot_be_helped_is_not_retried(cause: str) -> None:
    assert delay(Retry(policy="retry_after"), 1, failed(cause, status=400)) is None
    assert delay(Retry(policy="exponential"), 1, failed(cause, status=400)) is None


@pytest.mark.parametrize(
    ("attempt", "retries"),
    [
        (failed(status=429), True),
        (failed("conflict", status=409), True),
        (failed("overloaded", status=529), True),
        (failed("connection", status=None), True),
        (failed("timeout", status=None), True),
        (failed("cancelled", status=None), False),
        (failed("invalid_request", status=400), False),
        (failed("stream_error", status=200), False),
        (failed("spend_cap", status=429), True),
        (failed(status=429, should_retry=False), False),
        (failed("invalid_request", status=400, should_retry=True), True),
    ],
)
def test_sdk_policy_decides_as_the_sdk_does(attempt: Attempt, retries: bool) -> None:
    assert (delay(Retry(policy="sdk"), 1, attempt) is not None) is retries


@pytest.mark.parametrize("made", [1, 2, 3, 4, 5, 9])
def test_sdk_waits_half_a_second_doubling_to_eight_less_up_to_a_quarter(made: int) -> None:
    waited = delay(Retry(policy="sdk"), made, failed())
    longest = min(0.5 * 2 ** (made - 1), 8)
    assert waited is not None
    assert longest * 0.75 <= waited <= longest


def test_sdk_obeys_a_long_retry_after() -> None:
    assert delay(Retry(policy="sdk"), 1, failed(retry_after=3600)) == 3600


def test_the_same_draws_give_the_same_wait() -> None:
    policy = Retry(policy="exponential", jitter=1.0)
    assert delay(policy, 2, failed()) == delay(policy, 2, failed())
    assert delay(policy, 2, failed()) != retry_delay(policy, 2, failed(), lambda: Draws(8, "retry", 2))
