from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from result_rows import QUESTION, asking, attempt, backlog, record, refused, summary_of

from bench.results.columns import Columns
from bench.results.health import pass_warnings, run_warnings
from bench.results.question import Question
from bench.results.record import Attempt, RateLimits, Record, Usage
from bench.results.summary import Overhead, Warning


def _warnings(records: list[Record], question: Question = QUESTION) -> dict[str, Warning]:
    return {warning.code: warning for warning in summary_of(records, question).warnings}


def test_a_sound_pass_has_no_warnings() -> None:
    assert _warnings(backlog(100, 1, 10)) == {}


@pytest.mark.parametrize(("failed", "warned"), [(5, False), (6, True)])
def test_more_than_five_per_cent_failed(failed: int, warned: bool) -> None:
    rows = [*backlog(100 - failed, 1, 10), *(record(k, 0, attempt(0, 1, "timeout")) for k in range(failed))]
    warnings = _warnings(rows)
    assert ("many_failed" in warnings) == warned
    if warned:
        assert warnings["many_failed"].observed == "6 of 100 requests failed for good (timeout 6)."


@pytest.mark.parametrize(("n", "warned"), [(71, True), (72, False)])
def test_too_few_for_a_p95(n: int, warned: bool) -> None:
    warnings = _warnings(backlog(n, 1, 10))
    assert ("few_samples" in warnings) == warned
    if warned:
        assert warnings["few_samples"].observed == "71 requests succeeded; a p95 needs 72."


def test_429s_are_counted() -> None:
    assert _warnings(refused(backlog(100, 1, 10), 7))["rate_limited"].observed == (
        "7 of 107 attempts were refused with a 429."
    )


def test_a_pass_cut_short_comes_first() -> None:
    summary = summary_of(backlog(3, 1, 1), stopped="the budget is used up")
    assert [warning.code for warning in summary.warnings] == ["stopped", "few_samples"]
    assert summary.warnings[0].observed == "The pass ended early: the budget is used up."


@pytest.mark.parametrize(("added", "warned"), [(0.01, False), (0.02, True)])
def test_overhead_that_is_large_beside_the_servers_own_time(added: float, warned: bool) -> None:
    records = backlog(100, 0.2, 50)
    overhead = Overhead(n=100, median=added, p95=0.03, client_median=0.2 + added, server_median=0.2)
    summary = msgspec.structs.replace(summary_of(records), overhead=overhead)
    warnings = {one.code: one for one in pass_warnings(Columns.of(records), QUESTION, summary)}
    assert ("client_overhead" in warnings) == warned
    if warned:
        assert "20.0 ms to the server's 200 ms (median), 10 % of it" in warnings["client_overhead"].observed


TIER = {"requests": 1000.0, "input_tokens": 2e6, "output_tokens": 4e5}


def told(limits: Mapping[str, float | None], *named: RateLimits) -> dict[str, Warning]:
    rows = [record(k, 0, Attempt(0, 1, 200, usage=Usage(1, 1), limits=named[k % len(named)])) for k in range(72)]
    return {one.observed: one for one in summary_of(rows, asking(limits=limits)).warnings if one.code == "other_limit"}


def test_limits_in_the_headers_that_are_not_the_tiers() -> None:
    [(observed, warning)] = told(TIER, RateLimits(requests_limit=50, input_tokens_limit=2_000_000)).items()
    assert observed == "The responses name a limit of 50 requests a minute; the tier has 1,000."
    assert "claude-bench limits" in warning.todo


def test_the_tier_that_has_the_limits_in_the_headers_is_named() -> None:
    build = RateLimits(requests_limit=5_000, input_tokens_limit=5_000_000, output_tokens_limit=1_000_000)
    warnings = told(TIER, build)
    assert len(warnings) == 3
    assert {one.todo for one in warnings.values()} == {
        "Run it with --tier build, which has the limits that were named."
    }


def test_limits_that_agree_or_are_not_named_are_no_news() -> None:
    start = RateLimits(requests_limit=1_000, input_tokens_limit=2_000_000, output_tokens_limit=400_000)
    assert not told(TIER, start)
    assert not told(TIER, start, RateLimits())
    assert not told(TIER, RateLimits(requests_limit=1_000))
    assert not told({}, start)  # a run of which nobody noted the limits


def test_a_limit_where_the_tier_has_none_is_told() -> None:
    unlimited = dict.fromkeys(TIER)
    assert [*told(unlimited, RateLimits(requests_limit=50))] == [
        "The responses name a limit of 50 requests a minute; the tier has none."
    ]


def test_traffic_that_no_strategy_can_keep_up_with() -> None:
    rows = [record(k, k * 0.5, attempt(k * 0.5, k * 0.5 + 1)) for k in range(241)]  # 120 a minute for two minutes
    question = asking(own_times=True, limits={"requests": 100.0, "input_tokens": 1e6, "output_tokens": 30_000.0})
    observed = [one.observed for one in summary_of(rows, question).warnings]
    assert observed == [
        "120 requests a minute come in; the limit is 100.",
        "36,150 output tokens a minute come in; the limit is 30,000.",
    ]


def test_a_backlog_is_not_too_much_offered() -> None:
    assert "too_much_offered" not in _warnings(backlog(200, 1, 200), asking(limits={"requests": 100.0}))


def test_an_unknown_price_and_scaled_time_concern_the_whole_run() -> None:
    summary = summary_of([record(0, 0, attempt(0, 1), model="mine")])
    warnings = run_warnings(asking(model="mine", speed=60.0), [summary])
    assert [one.code for one in warnings] == ["unknown_price", "scaled_time"]
    assert warnings[0].observed == "The price of mine is not known."
    assert warnings[1].why.startswith("Each millisecond that this machine added counts as 60 ms")


def test_a_run_on_sim_of_a_known_model_has_no_warnings() -> None:
    assert run_warnings(QUESTION, [summary_of(backlog(1, 1, 1))]) == ()


@pytest.mark.parametrize(("late", "warned"), [(0.04, False), (0.06, True)])
def test_sends_that_nothing_but_this_machine_held_back(late: float, warned: bool) -> None:
    rows = [record(k, 0, attempt(late, late + 1)) for k in range(100)]
    summary = msgspec.structs.replace(summary_of(rows), kind="gather")
    codes = {one.code for one in pass_warnings(Columns.of(rows), QUESTION, summary)}
    assert ("late_sends" in codes) == warned
    paced = msgspec.structs.replace(summary, kind="semaphore")
    assert "late_sends" not in {one.code for one in pass_warnings(Columns.of(rows), QUESTION, paced)}
