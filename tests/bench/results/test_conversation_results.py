"""What is made of conversations and of the prompt cache, from hand-made records."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_rows import DAY, attempt, backlog, record, summary_of

from bench.results.columns import Columns
from bench.results.conversations import MOST_TURNS
from bench.results.cost import standard_prices, worst_case
from bench.results.record import Attempt, Record, Usage

# claude-sonnet-5: $2 a million tokens in, $2.50 and $4 to write, $0.20 to read, $10 out (pricing page, 2026-10-08)
MILLION = 1e6


def said(
    seq: int,
    conversation: int,
    turn: int,
    start: float,
    end: float,
    usage: Usage | None = None,
    *,
    final: bool = False,
    cause: str | None = None,
) -> Record:
    return msgspec.structs.replace(
        record(seq, start, attempt(start, end, cause, usage)), conversation=conversation, turn=turn, final=final
    )


TALKS = [
    # conversation 0: a turn with two calls of tools, then a last one
    said(0, 0, 0, 0, 2, Usage(input_tokens=100, output_tokens=10, cache_write_5m=1000)),
    said(1, 0, 0, 4, 5, Usage(output_tokens=10, cache_read=1100, cache_write_5m=100)),
    said(2, 0, 0, 7, 10, Usage(output_tokens=10, cache_read=1200, cache_write_5m=100)),
    said(3, 0, 1, 30, 35, Usage(output_tokens=10, cache_read=1300, cache_write_5m=100), final=True),
    # conversation 1: its second turn fails for good
    said(4, 1, 0, 1, 3, Usage(input_tokens=100, output_tokens=10, cache_write_5m=1000)),
    said(5, 1, 1, 10, 11, cause="server_error"),
    # conversation 2: cut short by the end of the run, in the middle of its first turn
    said(6, 2, 0, 20, 21, Usage(input_tokens=100, output_tokens=10, cache_write_5m=1000)),
]


def test_turns_and_conversations_of_hand_made_records() -> None:
    summary = summary_of(TALKS)
    assert summary.values["conversations"] == 3
    assert summary.values["conversations_completed"] == pytest.approx(1 / 3)
    times = summary.distributions
    assert (times["conversation_time"].n, times["conversation_time"].mean) == (1, 35)
    assert (times["turn_time"].n, times["turn_time"].min, times["turn_time"].max) == (3, 2, 10)
    first, second = summary.turns
    assert (first.turn, first.conversations, first.requests) == (0, 3, 5)
    assert first.input_tokens == (3 * 1100 + 1200 + 1300) / 5
    assert first.cache_hit_share == pytest.approx((1100 + 1200) / (3 * 1100 + 1200 + 1300))
    assert (first.turn_time.n, second.turn_time.n, second.turn_time.mean) == (2, 1, 5)
    assert (second.conversations, second.requests, second.input_tokens) == (2, 2, 700)
    costs = [300 * 2 + 3200 * 2.5 + 2300 * 0.2 + 50 * 10, 100 * 2.5 + 1300 * 0.2 + 10 * 10]
    assert first.cost == pytest.approx(costs[0] / MILLION / 3)
    assert second.cost == pytest.approx(costs[1] / MILLION / 2)
    assert summary.values["cost_per_conversation"] == pytest.approx(sum(costs) / MILLION / 3)


def test_the_order_in_which_requests_ended_does_not_matter() -> None:
    assert summary_of(TALKS[::-1]).turns == summary_of(TALKS).turns


def test_without_conversations_there_are_no_turns() -> None:
    summary = summary_of(backlog(10, 1.0, 2))
    assert summary.turns == ()
    assert summary.values["conversations"] is None
    assert summary.distributions["turn_time"].n == summary.distributions["conversation_time"].n == 0


def test_very_long_conversations_do_not_make_summaries_very_long() -> None:
    talk = [said(turn, 0, turn, turn, turn + 1) for turn in range(MOST_TURNS + 20)]
    assert len(summary_of(talk).turns) == MOST_TURNS


def test_what_caching_saved_is_the_price_of_plain_input_less_what_was_paid() -> None:
    summary = summary_of(TALKS)
    read, written = 1100 + 1200 + 1300, 3 * 1000 + 3 * 100
    assert summary.values["cache_hit_share"] == pytest.approx(read / (read + written + 300))
    assert summary.values["cache_write_cost"] == pytest.approx(written * 2.5 / MILLION)
    assert summary.values["cache_saving"] == pytest.approx((read * (2 - 0.2) - written * (2.5 - 2)) / MILLION)
    assert not [warning for warning in summary.warnings if warning.code == "dear_cache"]


def test_caching_that_only_writes_loses_money_and_says_so() -> None:
    usage = Usage(input_tokens=100, output_tokens=10, cache_write_1h=50_000)
    summary = summary_of([record(seq, 0, attempt(0, 1, usage=usage)) for seq in range(4)])
    assert summary.values["cache_saving"] == pytest.approx(-4 * 50_000 * (4 - 2) / MILLION)
    assert summary.values["cache_hit_share"] == 0
    [warning] = [warning for warning in summary.warnings if warning.code == "dear_cache"]
    assert "$0.40 more" in warning.observed


def test_cold_and_warm_first_tokens_are_kept_apart() -> None:
    def streamed(seq: int, first: float, usage: Usage) -> Record:
        return record(seq, 0, Attempt(0, first + 1, 200, first_token=first, last_token=first + 1, usage=usage))

    rows = [
        streamed(0, 3.0, Usage(output_tokens=5, cache_write_5m=2000)),
        streamed(1, 1.0, Usage(output_tokens=5, cache_read=2000)),
        streamed(2, 1.5, Usage(output_tokens=5, cache_read=2000, cache_write_1h=300)),
        streamed(3, 9.0, Usage(input_tokens=2000, output_tokens=5)),  # nothing was asked of the cache
    ]
    times = summary_of(rows).distributions
    assert (times["ttft_cold"].n, times["ttft_cold"].mean) == (1, 3.0)
    assert (times["ttft_warm"].n, times["ttft_warm"].mean) == (2, 1.25)
    assert times["ttft"].n == 4


@pytest.mark.parametrize("cache", [None, "5m", "1h"])
def test_a_worst_case_holds_whatever_the_cache_does(cache: str | None) -> None:
    worst = worst_case("claude-sonnet-5", 1000, 100, DAY, cache)
    prices = standard_prices("claude-sonnet-5", DAY)
    assert worst is not None
    assert prices is not None
    uses = {
        None: [Usage(1000, 100)],
        "5m": [Usage(0, 100, cache_write_5m=1000), Usage(300, 100, 700), Usage(1000, 100)],
        "1h": [Usage(0, 100, cache_write_1h=1000), Usage(300, 100, 0, 0, 700), Usage(1000, 100)],
    }[cache]
    assert max(map(prices.of, uses)) == worst


@given(
    st.lists(
        st.tuples(st.integers(-1, 3), st.integers(0, 3), st.floats(0, 100), st.floats(0, 100), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_times_of_turns_are_those_that_a_plain_loop_finds(
    rows: list[tuple[int, int, float, float, bool]],
) -> None:
    records = [
        msgspec.structs.replace(
            record(seq, start, attempt(start, start + took)),
            conversation=None if talk < 0 else talk,
            turn=None if talk < 0 else turn,
            final=final and talk >= 0,
        )
        for seq, (talk, turn, start, took, final) in enumerate(rows)
    ]
    columns = Columns.of(records).requests
    for place, one in enumerate(records):
        mine = [each for each in records if each.conversation == one.conversation and each.turn == one.turn]
        all_of_it = [each for each in records if each.conversation == one.conversation]
        ended = one.attempts[-1].ended
        turn_ends = one.final or any(each.turn == (one.turn or 0) + 1 for each in all_of_it)
        is_last = ended == max(each.attempts[-1].ended for each in mine)
        whole, turn_time = columns.conversation_time[place], columns.turn_time[place]
        if one.conversation is None:
            assert np.isnan(whole)
            assert np.isnan(turn_time)
            continue
        expected = ended - min(each.intended for each in all_of_it)
        assert whole == expected if one.final else np.isnan(whole)
        expected = ended - min(each.intended for each in mine)
        assert turn_time == expected if turn_ends and is_last else np.isnan(turn_time)
