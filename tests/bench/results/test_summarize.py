from __future__ import annotations

import msgspec
import numpy as np
import pytest
from result_rows import QUESTION, asking, attempt, backlog, record, summary_of

from bench.errors import Exit
from bench.results.cost import prices_as_of
from bench.results.summarize import overhead, summarize
from bench.results.summary import Summary, ThresholdResult


def _threshold(verdict: str) -> ThresholdResult:
    return ThresholdResult("pool", 0, "latency", "p(95) < 2s", None, verdict)


def test_a_summary_says_what_was_asked_and_what_came_out() -> None:
    summary = summarize(asking(claim="58 s", seed=7), [summary_of(backlog(100, 5, 10))])
    assert (summary.question, summary.claim, summary.seed, summary.tier_as_of) == ("Which?", "58 s", 7, "2026-10-08")
    assert summary.answer == "pool: 50.0 s for 100 requests, no 429s, $0.50."
    assert summary.prices_as_of == prices_as_of()
    assert (summary.exit_code, summary.reasons, summary.warnings) == (0, (), ())


def test_a_summary_survives_json() -> None:
    summary = summarize(QUESTION, [summary_of(backlog(100, 5, 10))], [_threshold("ok")])
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


def test_prices_that_were_not_used_have_no_date() -> None:
    summary = summarize(QUESTION, [summary_of([record(0, 0, attempt(0, 1), model="mine")])])
    assert summary.prices_as_of is None
    assert summary.passes[0].cost.total is None


@pytest.mark.parametrize(
    ("verdict", "code"), [("ok", 0), ("inconclusive", 0), ("failed", Exit.THRESHOLDS), ("no samples", Exit.THRESHOLDS)]
)
def test_thresholds_decide_the_exit_code(verdict: str, code: int) -> None:
    summary = summarize(QUESTION, [summary_of(backlog(1, 1, 1))], [_threshold(verdict)])
    assert summary.exit_code == code
    assert summary.reasons == ((f"pool: latency p(95) < 2s: {verdict}",) if code else ())


def test_the_most_basic_reason_wins_and_all_are_told() -> None:
    summary = summarize(
        QUESTION, [summary_of(backlog(1, 1, 1))], [_threshold("failed")], [(Exit.BUDGET, "the budget is used up")]
    )
    assert summary.exit_code == Exit.BUDGET
    assert summary.reasons == ("the budget is used up", "pool: latency p(95) < 2s: failed")


def test_a_run_in_which_nothing_succeeded_is_not_valid() -> None:
    summary = summarize(QUESTION, [summary_of([record(0, 0, attempt(0, 1, "timeout"))])])
    assert summary.exit_code == Exit.NOT_VALID
    assert summary.reasons == ("nothing was measured: no request succeeded",)
    assert summarize(QUESTION, []).exit_code == Exit.NOT_VALID


def test_overhead_is_what_the_client_saw_beyond_the_servers_own_time() -> None:
    result = overhead(np.array([0.203, 0.202, 0.210]), np.array([0.2, 0.2, 0.2]))
    assert result is not None
    assert result.n == 3
    assert (result.median, result.client_median, result.server_median) == pytest.approx((0.003, 0.203, 0.2))
    assert overhead(np.array([]), np.array([])) is None
