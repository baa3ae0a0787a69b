"""The budget guard: who may send, who waits, who is refused, and what an attempt is taken to have cost."""

from __future__ import annotations

import asyncio

import pytest
from scripted import always, play

from bench.engine.budget import BudgetGuard, certain
from bench.results.record import Attempt, Usage
from bench.scenario.model import Retry
from bench.scenario.strategies import Pool


@pytest.mark.parametrize("limit", [1, 5, None])
@pytest.mark.parametrize("workers", [None, Pool(workers=4, queue=3)])
def test_what_does_not_fit_waits_for_what_is_in_flight(limit: int | None, workers: Pool | None) -> None:
    budget = BudgetGuard(max_cost=1.0)
    result = play(20, limit, always(1.0), budget=budget, price=0.125, worst=0.5, workers=workers)
    # After 0.5 one more fits, which could cost 0.5; after 0.625 none does.
    assert len(result.records) == 5
    assert (budget.spent, budget.at_risk, budget.in_flight) == (0.625, 0.0, 0)
    assert "could break the budget" in (result.stop.reason or "")
    assert result.most_in_flight <= 2


def test_a_retry_waits_too_and_stops_the_run_when_it_never_fits() -> None:
    budget = BudgetGuard(max_cost=1.0)
    fails = {0: "timeout", 1: "timeout"}
    result = play(
        3, None, lambda spec, _attempt: (1.0 + spec.seq, fails.get(spec.seq)),
        budget=budget, price=0.25, worst=0.5, retry=Retry(policy="exponential", base=0.1),
    )  # fmt: skip
    assert budget.in_flight == 0
    assert result.seqs == sorted({record.seq for record in result.records})
    assert budget.spent <= 1.0
    assert result.stop.reason is not None


def test_whoever_gives_up_waiting_leaves_the_line_to_the_next() -> None:
    async def main() -> None:
        budget = BudgetGuard(max_cost=1.0)
        assert budget.takes(0.9)
        large, small = (asyncio.ensure_future(budget.reserve(worst)) for worst in (0.5, 0.1))
        await asyncio.sleep(0)
        assert not small.done(), "first come, first served"
        large.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert large.cancelled()
        assert (await small, budget.in_flight) == (None, 2)

    asyncio.run(main())


def test_whoever_is_cancelled_as_the_turn_comes_reserves_nothing() -> None:
    async def main() -> None:
        budget = BudgetGuard(max_cost=1.0)
        assert budget.takes(0.9)
        waiting = asyncio.ensure_future(budget.reserve(0.5))
        await asyncio.sleep(0)
        budget.settle(0.9, 0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (budget.in_flight, budget.at_risk, budget.sent) == (0, 0.0, 1)

    asyncio.run(main())


def test_nobody_is_paid_back_by_an_answer() -> None:
    budget = BudgetGuard(max_cost=1.0)
    budget.commit(0.5)
    budget.settle(0.5, -3.0)
    assert budget.spent == 0.0


BEGUN, WHOLE = Usage(input_tokens=100, output_tokens=1), Usage(input_tokens=100, output_tokens=50)


def attempt(cause: str | None, **seen: object) -> Attempt:
    return Attempt(sent=0.0, ended=1.0, cause=cause, **seen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "cost"),
    [
        (attempt(None, status=200, usage=WHOLE), 0.1),
        (attempt("connection", status=200, usage=BEGUN), None),
        (attempt("timeout", status=200, usage=BEGUN), None),
        (attempt("outrun", status=200, usage=BEGUN, request_id="req_1"), None),
        (attempt("connection", status=200, usage=WHOLE, stop_reason="end_turn"), 0.1),
        (attempt("overloaded", status=529, request_id="req_1"), 0.1),
        (attempt("server_error", status=502), None),
        (attempt("requests", status=429), 0.1),
        (attempt("lost", batch="msgbatch_1"), 0.1),
        (attempt("unsent", usage=Usage()), 0.1),
        (attempt("timeout"), None),
    ],
)
def test_what_a_cut_off_answer_has_told_is_not_what_it_cost(seen: Attempt, cost: float | None) -> None:
    assert certain(0.1, seen) == cost
