"""The run loop on the virtual clock."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import always, play

from bench.engine.budget import BudgetGuard
from bench.engine.observe import Observers
from bench.errors import Exit
from bench.request import RequestSpec
from bench.results.record import Record
from bench.scenario.model import Retry
from bench.strategies.limit import Aimd


@given(st.integers(1, 60), st.one_of(st.none(), st.integers(1, 20)), st.sampled_from([0.125, 1.0, 5.0]))
def test_constant_service_without_limits_takes_exactly_the_closed_form(n: int, limit: int | None, s: float) -> None:
    result = play(n, limit, always(s))
    assert result.ended == math.ceil(n / (limit or n)) * s
    assert result.seqs == list(range(n))
    assert result.most_in_flight == min(n, limit or n)


def test_sequential_takes_n_times_the_service_time() -> None:
    assert play(100, 1, always(5.0)).ended == 500.0


@given(st.integers(1, 40), st.one_of(st.none(), st.integers(1, 5)), st.booleans(), st.integers(0, 3))
def test_every_request_has_one_record_and_frees_its_slot(
    n: int, limit: int | None, hold_slot: bool, failures: int
) -> None:
    def sometimes(spec: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return 1.0, "requests" if attempt <= (spec.seq * 7) % (failures + 1) else None

    result = play(n, limit, sometimes, hold_slot=hold_slot, retry=Retry(attempts=3, base=0.5))
    assert result.seqs == list(range(n))
    assert result.left_in_flight == 0
    assert result.most_in_flight <= (limit or n)
    assert result.budget.at_risk == 0
    for record in result.records:
        assert record.response_time == pytest.approx(record.queue_time + record.throttle_wait + record.latency)


@given(st.integers(1, 40), st.integers(1, 12), st.booleans(), st.integers(0, 3), st.sampled_from([None, 0.5, 7.0]))
def test_a_limit_that_changes_leaks_nothing_either(
    n: int, most: int, hold_slot: bool, failures: int, retry_after: float | None
) -> None:
    causes = ("requests", "overloaded", "acceleration", "timeout", "connection")

    def sometimes(spec: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return 1.0, causes[(spec.seq + attempt) % 5] if attempt <= (spec.seq * 7) % (failures + 1) else None

    retry = Retry(attempts=3, base=0.5)
    result = play(n, Aimd(most=most), sometimes, hold_slot=hold_slot, retry=retry, retry_after=retry_after)
    assert result.seqs == list(range(n))
    assert result.left_in_flight == 0
    assert result.most_in_flight <= most


@pytest.mark.parametrize("interrupts", [(12.0,), (12.0, 14.0)])
def test_an_interrupt_during_a_shared_pause_ends_it(interrupts: tuple[float, ...]) -> None:
    def refused(spec: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return 1.0, "requests" if attempt == 1 else None

    result = play(100, Aimd(), refused, retry_after=600, interrupts=interrupts)
    assert result.ended <= 14.0
    assert result.left_in_flight == 0


def test_a_limit_that_falls_lets_what_is_in_flight_end() -> None:
    def late_refusal(spec: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return (1.0, "overloaded") if spec.seq == 0 and attempt == 1 else (10.0, None)

    result = play(10, Aimd(), late_refusal, retry=Retry(policy="none", attempts=1))
    assert [record.ok for record in result.records] == [False] + [True] * 9
    assert result.ended == 10.0


def test_a_request_that_keeps_its_slot_while_waiting_holds_up_the_others() -> None:
    def first_fails(spec: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return 1.0, "requests" if spec.seq == 0 and attempt == 1 else None

    keeping = play(3, 1, first_fails, retry_after=10, hold_slot=True)
    freeing = play(3, 1, first_fails, retry_after=10, hold_slot=False)
    assert [record.seq for record in keeping.records] == [0, 1, 2]
    assert keeping.ended == 1 + 10 + 1 + 1 + 1
    assert [record.seq for record in freeing.records] == [1, 2, 0]
    assert freeing.ended == 1 + 10 + 1


def test_arrivals_are_deadlines_and_response_time_shows_the_wait() -> None:
    result = play(10, 1, always(2.0), every=1.0)
    by_seq = sorted(result.records, key=lambda record: record.seq)
    assert [record.intended for record in by_seq] == [float(k) for k in range(10)]
    assert [record.latency for record in by_seq] == [2.0] * 10
    assert [record.response_time for record in by_seq] == [2.0 + k for k in range(10)]


def test_first_interrupt_finishes_what_is_in_flight_and_sends_nothing_more() -> None:
    result = play(100, 5, always(10.0), interrupts=(12.0,))
    assert result.stop.exit_code == Exit.INTERRUPTED
    assert result.ended == 20.0
    assert len(result.records) == 10
    assert all(record.ok for record in result.records)


def test_second_interrupt_gives_up_what_is_in_flight() -> None:
    result = play(100, 5, always(10.0), interrupts=(12.0, 14.0))
    assert result.ended == 14.0
    assert Counter(record.attempts[-1].cause for record in result.records) == {None: 5, "cancelled": 5}
    assert result.left_in_flight == 0


def test_an_interrupt_ends_a_wait_to_retry_and_keeps_the_record() -> None:
    result = play(1, 1, lambda _spec, _attempt: (1.0, "requests"), retry_after=3600, interrupts=(5.0,))
    assert result.ended == 5.0
    assert [record.attempts[-1].cause for record in result.records] == ["requests"]


@pytest.mark.parametrize(
    ("cause", "exit_code"),
    [("spend_cap", Exit.BUDGET), ("billing", Exit.BUDGET), ("authentication", Exit.TARGET), ("not_found", Exit.TARGET)],
)
def test_what_every_request_would_meet_ends_the_run(cause: str, exit_code: Exit) -> None:
    result = play(1000, 2, lambda _spec, _attempt: (1.0, cause))
    assert result.stop.exit_code == exit_code
    assert len(result.records) <= 3
    assert result.left_in_flight == 0


@given(st.integers(1, 80), st.one_of(st.none(), st.integers(1, 20)), st.integers(0, 50))
def test_the_budget_is_never_exceeded(n: int, limit: int | None, dollars: int) -> None:
    budget = BudgetGuard(max_cost=float(dollars))
    result = play(n, limit, always(1.0), budget=budget, price=1.0)
    assert budget.spent <= dollars
    assert len(result.records) == min(n, dollars)
    assert (result.stop.exit_code == Exit.BUDGET) is (n > dollars)


def test_max_requests_counts_attempts() -> None:
    result = play(10, 1, lambda _spec, attempt: (1.0, "requests" if attempt < 3 else None),
                  budget=BudgetGuard(max_requests=7), retry=Retry(base=0.5))  # fmt: skip
    assert sum(len(record.attempts) for record in result.records) == 7
    assert result.stop.exit_code == Exit.BUDGET


def test_an_observer_that_raises_is_dropped_and_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        calls = 0

        def pass_started(
            self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None
        ) -> None: ...

        def sent(self, strategy: str) -> None:
            self.calls += len(strategy)
            raise ValueError("display gone")

        def done(self, record: Record, cost: float | None) -> None: ...

        def pass_ended(self) -> None: ...

    broken = Broken()
    observers = Observers(broken)
    observers.sent("a")
    observers.sent("b")
    assert broken.calls == 1
    assert "is dropped" in caplog.text
