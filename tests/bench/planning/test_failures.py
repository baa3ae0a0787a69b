"""What failed, as shares of what was left over, and the faults that do the same."""

from __future__ import annotations

import pytest
from scipy import stats

from bench.planning.failures import failures, faults, retry_after
from bench.results.causes import CAUSES
from bench.results.columns import Columns
from bench.results.record import Attempt, Record, Usage
from mock_server.faults import Faults

OK = Attempt(0.0, 1.0, 200, first_token=0.5, first_text=0.5, last_token=1.0, usage=Usage(10, 10))


def columns(*attempts: Attempt) -> Columns:
    return Columns.of(Record("gather", k, "claude-sonnet-5", 0.0, (one,)) for k, one in enumerate(attempts))


def failed(cause: str, status: int | None = None, retry_after: float | None = None) -> Attempt:
    return Attempt(0.0, 0.2, status, cause=cause, retry_after=retry_after)


def test_each_share_is_of_what_those_before_it_left_over() -> None:
    seen = columns(
        *[OK] * 60,
        *[failed("overloaded", 529, retry_after=7.0)] * 20,
        *[failed("requests", 429, retry_after=2.0)] * 10,
        *[failed("connection")] * 5,
        *[failed("connection", 200)] * 5,
    )
    found = failures([seen], ["requests"])
    assert [(one.cause, one.fault, one.count, one.of) for one in found] == [
        ("overloaded", "overloaded", 20, 100),
        ("requests", None, 10, 80),
        ("connection", "reset", 5, 70),
        ("connection", "cut", 5, 65),
    ]
    for one in found:
        bounds = stats.binomtest(one.count, one.of).proportion_ci(method="wilson")
        assert (one.lo, one.hi) == pytest.approx((bounds.low, bounds.high))
    told = faults(found, retry_after([seen]))
    assert {name: (fault.rate, fault.retry_after) for name, fault in told.items()} == {
        "overloaded": (0.2, 7), "reset": (0.0714, None), "cut": (0.0769, None),
    }  # fmt: skip


def test_a_429_of_a_limit_that_is_not_there_is_a_fault() -> None:
    [found] = failures([columns(OK, failed("requests", 429, retry_after=3.0))], ["input_tokens"])
    assert (found.fault, found.retry_after) == ("requests", 3.0)


def test_what_429s_say_of_waiting() -> None:
    waits = [1.0] * 8 + [11.0]
    seen = columns(OK, failed("requests", 429), *(failed("requests", 429, retry_after=wait) for wait in waits))
    found = retry_after([seen])
    assert found is not None
    assert (found.refused, found.said, found.median, found.p95) == (10, 9, 1.0, pytest.approx(7.0))  # type: ignore[comparison-overlap]
    assert faults([], found)["retry_after_missing"].rate == 0.1
    assert retry_after([columns(OK)]) is None
    unsaid = retry_after([columns(OK, failed("requests", 429))])
    assert unsaid is not None
    assert (unsaid.said, unsaid.median) == (0, None)


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("streamed", [True, False])
def test_every_cause_can_be_told_and_every_fault_be_set(cause: str, streamed: bool) -> None:
    whole = OK if streamed else Attempt(0.0, 1.0, 200, usage=Usage(10, 10))
    seen = columns(whole, whole, failed(cause))
    found = failures([seen], [])
    Faults(faults(found, retry_after([seen])), 1)
    if CAUSES[cause].unneeded or cause == "cancelled":
        assert found == ()
    else:
        assert [(one.cause, one.count, one.of) for one in found] == [(cause, 1, 3)]


def test_batches_have_no_part_in_it() -> None:
    batched = Attempt(0.0, 1.0, None, cause="expired", batch="msgbatch_1")
    assert failures([columns(OK, batched)], []) == ()
