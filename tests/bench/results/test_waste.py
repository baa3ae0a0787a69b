from __future__ import annotations

from datetime import date

import msgspec
import pytest
from result_rows import record

from bench.results.columns import Columns
from bench.results.record import Attempt, Record, Usage
from bench.results.waste import Waste, waste_of

DAY = date(2026, 11, 20)
SAID = Usage(input_tokens=1_000, output_tokens=1)
"""What a stream says at its beginning."""
SAID_COST = (1_000 * 2 + 1 * 10) / 1e6
"""At the list price of claude-sonnet-5."""
WHOLE = Usage(input_tokens=1_000, output_tokens=300)


def attempt(sent: float, ended: float, cause: str | None = None, usage: Usage | None = None, **more: object) -> Attempt:
    plain = Attempt(sent, ended, 200 if usage else None, cause=cause, usage=usage)
    return msgspec.structs.replace(plain, **more)


def waste(*rows: Record) -> Waste:
    return waste_of(Columns.of(rows), DAY)


def test_an_answer_wastes_nothing() -> None:
    assert waste(record(0, 0, attempt(0, 5, usage=WHOLE))) == Waste()


def test_a_refusal_is_free() -> None:
    refused = attempt(0, 1, "requests", status=429)
    assert waste(record(0, 0, refused, attempt(2, 5, usage=WHOLE))) == Waste()


@pytest.mark.parametrize("cause", ["timeout", "stalled", "connection", "stream_error", "cancelled", "outrun"])
def test_what_a_stream_said_before_it_was_given_up_is_the_least_it_cost(cause: str) -> None:
    found = waste(record(0, 0, attempt(0, 5, cause, SAID), attempt(6, 9, usage=WHOLE)))
    assert (found.attempts, found.silent, found.tokens) == (1, 0, 1_001)
    assert found.cost == pytest.approx(SAID_COST)
    assert found.hedge_cost == 0


def test_an_attempt_that_said_nothing_is_counted_and_costs_nobody_knows_what() -> None:
    found = waste(record(0, 0, attempt(0, 600, "timeout")))
    assert (found.attempts, found.silent, found.tokens, found.cost) == (1, 1, 0, 0.0)


def test_a_request_that_failed_in_a_batch_is_not_billed() -> None:
    assert waste(record(0, 0, attempt(0, 60, "cancelled", batch="msgbatch_1"))).attempts == 0


def test_a_hedge_costs_what_the_loser_said_whoever_it_was() -> None:
    won = record(0, 0, attempt(0, 5, "outrun", SAID), attempt(3, 9, usage=WHOLE, hedge=True))
    lost = record(1, 0, attempt(3, 5, "outrun", SAID, hedge=True), attempt(0, 9, usage=WHOLE))
    plain = record(2, 0, attempt(0, 5, "stalled", SAID), attempt(6, 9, usage=WHOLE))
    found = waste(won, lost, plain)
    assert (found.hedged, found.hedges, found.hedges_won, found.attempts) == (2, 2, 1, 3)
    assert found.hedge_cost == pytest.approx(2 * SAID_COST)
    assert found.cost == pytest.approx(3 * SAID_COST)


def test_a_loser_that_had_said_nothing_had_the_prompt_of_the_winner() -> None:
    won = record(0, 0, attempt(0, 5, "outrun"), attempt(3, 9, usage=WHOLE, hedge=True))
    lost = record(1, 0, attempt(3, 5, "outrun", hedge=True), attempt(0, 9, usage=WHOLE))
    neither = record(2, 0, attempt(3, 5, "connection", hedge=True), attempt(0, 9, "timeout"))
    found = waste(neither, won, lost)
    assert (found.attempts, found.silent, found.tokens) == (4, 2, 2_000)
    assert found.cost == found.hedge_cost == pytest.approx(2_000 * 2 / 1e6)


def test_who_is_outrun_without_a_hedge_is_no_cost_of_hedging() -> None:
    found = waste(record(0, 0, attempt(0, 5, "outrun", SAID)))
    assert (found.attempts, found.hedged, found.hedge_cost) == (1, 0, 0.0)


def test_without_a_price_the_cost_is_not_known() -> None:
    stranger = msgspec.structs.replace(record(0, 0, attempt(0, 5, "timeout", SAID)), model="nobody-knows")
    found = waste(stranger)
    assert (found.tokens, found.cost, found.hedge_cost) == (1_001, None, None)
