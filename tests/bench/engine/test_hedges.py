"""A second attempt beside one that is late."""

from __future__ import annotations

import pytest
from scripted import Answer, always, play

from bench.engine.budget import BudgetGuard
from bench.request import RequestSpec
from bench.scenario.model import Retry
from bench.scenario.strategies import Hedge

ALL = Hedge(after=2.0, most=1.0)


def one_is_late(late: float, then: float = 1.0, cause: str | None = None) -> Answer:
    """Request 3 takes `late` seconds at first, `then` the second time; all others a second."""

    def answer(spec: RequestSpec, attempt: int) -> tuple[float, str | None]:
        if spec.seq != 3:
            return 1.0, None
        return (late, cause) if attempt == 1 else (then, None)

    return answer


def test_a_hedge_overtakes_an_attempt_that_is_late() -> None:
    result = play(10, None, one_is_late(60.0), hedge=ALL)
    assert result.attempts(3) == [(0.0, 3.0, False, "outrun"), (2.0, 3.0, True, None)]
    assert result.ended == 3.0
    record = next(record for record in result.records if record.seq == 3)
    assert (record.queue_time, record.throttle_wait, record.latency, record.response_time) == (0.0, 2.0, 1.0, 3.0)
    assert all(len(record.attempts) == 1 for record in result.records if record.seq != 3)


def test_a_hedge_that_is_slower_is_cancelled() -> None:
    result = play(10, None, one_is_late(4.0, then=60.0), hedge=ALL)
    assert result.attempts(3) == [(2.0, 4.0, True, "outrun"), (0.0, 4.0, False, None)]
    record = next(record for record in result.records if record.seq == 3)
    assert (record.queue_time, record.throttle_wait, record.latency) == (0.0, 0.0, 4.0)


def test_where_the_late_attempt_fails_its_hedge_goes_on() -> None:
    result = play(10, None, one_is_late(2.5, then=3.0, cause="connection"), hedge=ALL)
    assert result.attempts(3) == [(0.0, 2.5, False, "connection"), (2.0, 5.0, True, None)]


def test_where_both_fail_the_retry_policy_decides() -> None:
    def answer(_: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return (2.5, "connection") if attempt < 3 else (1.0, None)

    result = play(1, None, answer, hedge=ALL, retry=Retry(policy="exponential", attempts=2, base=1.0))
    assert result.attempts(0) == [
        (0.0, 2.5, False, "connection"),
        (2.0, 4.5, True, "connection"),
        (5.5, 6.5, False, None),
    ]


def test_a_hedge_is_no_attempt_of_the_retry_policy() -> None:
    retry = Retry(policy="exponential", attempts=3, base=0.5)
    result = play(2, None, lambda spec, _: (2.5, "connection" if spec.seq == 0 else None), hedge=ALL, retry=retry)
    assert [hedge for _, _, hedge, _ in result.attempts(0)] == [False, True, False, False]


def test_hedges_keep_to_their_share() -> None:
    result = play(200, None, always(5.0), hedge=Hedge(after=1.0, most=0.1))
    assert sum(len(record.attempts) for record in result.records) == 220


def test_a_hedge_waits_for_a_slot_like_every_attempt() -> None:
    result = play(9, 2, lambda spec, attempt: (10.0 if spec.seq == 0 and attempt == 1 else 1.0, None), hedge=ALL)
    assert result.most_in_flight == 2
    assert result.attempts(0) == [(0.0, 4.0, False, "outrun"), (3.0, 4.0, True, None)]


def test_a_hedge_that_still_waits_when_the_answer_comes_is_not_sent() -> None:
    result = play(2, 2, always(5.0), hedge=ALL)
    assert [len(record.attempts) for record in result.records] == [1, 1]
    assert result.budget.sent == 2


def test_a_hedge_that_the_budget_forbids_is_not_sent_and_stops_nothing() -> None:
    result = play(10, None, one_is_late(60.0), hedge=ALL, budget=BudgetGuard(max_requests=10))
    assert result.attempts(3) == [(0.0, 60.0, False, None)]
    assert result.stop.reason is None


def test_a_second_interrupt_gives_up_an_attempt_and_its_hedge() -> None:
    result = play(1, None, always(60.0), hedge=ALL, interrupts=(3.0, 4.0))
    assert result.ended == 4.0
    assert {one[1:] for one in result.attempts(0)} == {(4.0, False, "cancelled"), (4.0, True, "cancelled")}


@pytest.mark.parametrize("limit", [None, 2])
def test_a_first_interrupt_lets_nobody_hedge_any_more(limit: int | None) -> None:
    result = play(
        2, limit, lambda spec, _: (20.0 + spec.seq, None), hedge=ALL, interrupts=(1.0 if limit is None else 3.0,)
    )
    assert result.attempts(0) == [(0.0, 20.0, False, None)]
    assert result.attempts(1) == [(0.0, 21.0, False, None)]
