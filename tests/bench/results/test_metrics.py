from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_rows import QUESTION, asking, attempt, backlog, record, records, refused, summary_of

from bench.results.causes import CAUSES
from bench.results.columns import ColumnsBuilder
from bench.results.metrics import DISTRIBUTIONS, METRICS, SCALARS
from bench.results.record import Attempt, Record, Usage
from bench.results.slo import Slo
from bench.results.summarize import summarize_pass

START = {"requests": 1000.0, "input_tokens": 2e6, "output_tokens": 4e5}


def test_a_hand_made_pass() -> None:
    """Four requests at second 0: one clean, one after a 429, one given up after two 429s, one broken."""
    rows = [
        record(0, 0, attempt(0, 30)),
        record(1, 0, attempt(0, 1, "requests"), attempt(10, 40)),
        record(2, 0, attempt(0, 1, "requests"), attempt(11, 12, "output_tokens")),
        record(3, 0, attempt(60, 120, "server_error")),
    ]
    summary = summary_of(rows, asking(limits=START))
    expected = {
        "requests": 4,
        "succeeded": 2,
        "failed": 2,
        "unneeded": 0,
        "error_rate": 0.5,
        "attempts": 6,
        "attempts_per_request": 1.5,
        "retried_share": 0.5,
        "rate_limited": 3,
        "rate_limited_rate": 0.5,
        "expired_share": None,
        "errored_share": None,
        "makespan": 120,
        "time_to_first_result": 30,
        "throughput": 1,
        "input_tokens": 2000,
        "output_tokens": 600,
        "output_tokens_per_second": 5,
        "requests_use": 3 / 2000,
        "input_tokens_use": 2000 / 4e6,
        "output_tokens_use": 600 / 8e5,
        "cost": 0.01,
        "cost_per_success": 0.005,
        "goodput": None,
        "goodput_share": None,
        "cache_hit_share": None,
        "cache_write_cost": None,
        "cache_saving": None,
        "conversations": None,
        "conversations_completed": None,
        "cost_per_conversation": None,
        "wasted_attempts": 0,
        "wasted_unknown": 0,
        "wasted_tokens": 0,
        "wasted_cost": 0,
        "hedged_share": 0,
        "hedge_wins": None,
        "hedge_cost": 0,
    }
    assert summary.values == pytest.approx(expected)
    assert summary.failures == {"output_tokens": 1, "server_error": 1}
    assert summary.attempts == {"requests": 2, "output_tokens": 1, "server_error": 1}
    assert (summary.distributions["latency"].n, summary.distributions["latency"].mean) == (2, 30)
    assert summary.distributions["response_time"].max == 40
    assert summary.distributions["throttle_wait"].max == 10
    assert summary.distributions["ttft"].n == 0


@pytest.mark.parametrize(
    ("in_flight", "makespan"), [(1, 500), (5, 100), (10, 50), (100, 5)], ids=["1", "5", "10", "all"]
)
def test_a_hundred_requests_of_five_seconds(in_flight: int, makespan: float) -> None:
    values = summary_of(backlog(100, 5.0, in_flight)).values
    assert values["makespan"] == makespan
    assert values["throughput"] == pytest.approx(100 / makespan * 60)


def test_the_wall_clock_begins_with_the_first_intended_moment() -> None:
    assert summary_of([record(0, 100, attempt(103, 110))]).values["makespan"] == 10


def test_a_pass_of_seconds_is_held_against_a_whole_minute_of_the_limit() -> None:
    summary = summary_of(backlog(100, 5.0, 100), asking(limits={"requests": 50}))
    assert [(use.limiter, use.used, use.share) for use in summary.limits] == [
        ("requests", 100, 2.0),
        ("input_tokens", 100_000, None),
        ("output_tokens", 30_000, None),
    ]


def test_cache_reads_cost_less_and_use_no_input_limit() -> None:
    usage = Usage(input_tokens=100, cache_read=900, cache_write_5m=10, cache_write_1h=1, output_tokens=0)
    summary = summary_of([record(0, 0, attempt(0, 60, usage=usage))], asking(limits={"input_tokens": 1110}))
    assert summary.values["input_tokens"] == 1011
    assert summary.values["input_tokens_use"] == pytest.approx(111 / 1110)


def test_goodput_counts_what_met_every_demand() -> None:
    def streamed(seq: int, first: float, ended: float, tokens: int = 11) -> Record:
        usage = Usage(input_tokens=10, output_tokens=tokens)
        return record(seq, 0, Attempt(0, ended, 200, first_token=first, last_token=ended, usage=usage))

    rows = [
        streamed(0, 1.0, 2.0),
        streamed(1, 3.0, 4.0),  # late first token
        streamed(2, 1.0, 9.0),  # slow tokens
        streamed(3, 1.0, 60.0, tokens=1),  # no time per token to miss
        record(4, 0, attempt(0, 1, "overloaded")),
    ]
    values = summary_of(rows, asking(slo=Slo(ttft=2.0, tpot=0.5))).values
    assert values["goodput"] == pytest.approx(2)
    assert values["goodput_share"] == pytest.approx(2 / 5)


def test_goodput_against_a_time_that_was_never_measured_is_not_known() -> None:
    assert summary_of(backlog(3, 1, 1), asking(slo=Slo(ttft=2.0))).values["goodput"] is None


def test_goodput_of_a_pass_in_which_all_failed_is_nothing() -> None:
    values = summary_of([record(0, 0, attempt(0, 1, "timeout"))], asking(slo=Slo(ttft=2.0))).values
    assert (values["goodput"], values["goodput_share"]) == (0, 0)


@given(st.lists(records(), min_size=1, max_size=12))
def test_every_request_and_attempt_is_counted_once(rows: list[Record]) -> None:
    summary = summary_of(rows, asking(slo=Slo(response_time=10.0)))
    values = summary.values
    attempts = [one for row in rows for one in row.attempts]
    ends = [values[name] or 0 for name in ("succeeded", "failed", "unneeded")]
    assert values["requests"] == len(rows) == sum(ends)
    assert values["failed"] == sum(summary.failures.values())
    assert values["attempts"] == sum(one.cause != "unsent" for one in attempts)
    assert sum(summary.attempts.values()) == sum(
        one.cause is not None and not CAUSES[one.cause].unneeded for one in attempts
    )
    assert values["output_tokens"] == sum(one.usage.output_tokens for one in attempts if one.usage)
    assert values["input_tokens"] == sum(one.usage.total_input for one in attempts if one.usage)
    assert all(one.n <= (values["succeeded"] or 0) for one in summary.distributions.values())
    good, share = values["goodput_share"], values["error_rate"]
    if values["unneeded"] == values["requests"]:
        assert (good, share) == (None, 0)  # nothing was wanted: none of it was good, none of it failed
    else:
        assert good is not None
        assert share is not None
        assert good <= 1 - share + 1e-12


def test_rate_limited_attempts_are_counted_although_all_succeed() -> None:
    values = summary_of(refused(backlog(10, 1, 1), 3)).values
    assert (values["failed"], values["rate_limited"], values["attempts"]) == (0, 3, 13)


def test_a_pass_that_sent_nothing_has_no_rates() -> None:
    values = summarize_pass(ColumnsBuilder("pool", 0).columns(), QUESTION, kind="semaphore").values
    assert values["requests"] == 0
    unknown = ("error_rate", "makespan", "throughput", "cost_per_success", "attempts_per_request")
    assert {values[name] for name in unknown} == {None}


def test_the_table_declares_each_metric_once_and_says_what_it_means() -> None:
    assert len(METRICS) == len(SCALARS) + len(DISTRIBUTIONS)
    for metric in METRICS.values():
        assert metric.meaning.endswith(".")
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
