"""The time a request has, over all of its attempts and waits."""

from __future__ import annotations

from scripted import play

from bench.request import RequestSpec
from bench.scenario.model import Retry


def test_the_attempt_that_runs_when_it_is_over_ends_with_it() -> None:
    def answer(_: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return (3.0, "overloaded") if attempt == 1 else (30.0, None)

    result = play(1, None, answer, retry=Retry(policy="exponential", base=1.0), longest=10.0)
    assert result.attempts(0) == [(0.0, 3.0, False, "overloaded"), (4.0, 10.0, False, "timeout")]


def test_nobody_waits_for_a_retry_that_would_come_too_late() -> None:
    result = play(1, None, lambda _spec, _attempt: (3.0, "requests"), retry_after=10.0, longest=10.0)
    assert result.attempts(0) == [(0.0, 3.0, False, "requests")]
    assert result.ended == 3.0


def test_it_also_ends_the_wait_for_a_slot() -> None:
    def answer(spec: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return (1.0, "overloaded") if (spec.seq, attempt) == (0, 1) else (15.0, None)

    retry = Retry(policy="exponential", base=1.0)
    result = play(2, 1, answer, retry=retry, hold_slot=False, longest=15.5)
    assert result.attempts(0) == [(0.0, 1.0, False, "overloaded")]
    assert result.left_in_flight == 0


def test_it_begins_with_the_first_send() -> None:
    result = play(3, 1, lambda _spec, _attempt: (4.0, None), longest=5.0)
    assert [record.response_time for record in result.records] == [4.0, 8.0, 12.0]
