from __future__ import annotations

from itertools import chain

import msgspec
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from result_rows import QUESTION, attempt, record, summary_of

from bench.results.answer import answer
from bench.results.record import Record
from bench.results.summary import Observation, PassSummary
from mock_server.rng import Draws

MIDNIGHT = 1_795_132_800.0
"""2026-11-20, 00:00 UTC."""


def rounds(*latencies: list[float], every: float = 900.0, begin: float = MIDNIGHT) -> list[Record]:
    """One round after the other, each with requests that take so long."""
    moments = [(place * every, seconds) for place, each in enumerate(latencies) for seconds in each]
    return [
        msgspec.structs.replace(record(seq, at, attempt(at, at + seconds)), at=begin + at)
        for seq, (at, seconds) in enumerate(moments)
    ]


def seen(records: list[Record]) -> tuple[PassSummary, Observation]:
    summary = summary_of(records)
    assert summary.observation is not None
    return summary, summary.observation


def test_a_run_without_rounds_observes_nothing() -> None:
    assert summary_of([record(0, 0, attempt(0, 1))]).observation is None


def test_each_hour_has_its_rounds_and_their_median() -> None:
    _, found = seen(rounds([1, 2, 9], [2, 2, 2], [5, 5, 5], [5, 6, 7], [8, 8, 8], begin=MIDNIGHT + 1800))
    assert [(one.hour, one.rounds, one.requests, one.latency) for one in found.hours] == [
        (0, 2, 6, 2.0),
        (1, 3, 9, 6.0),
    ]
    assert (found.rounds, found.requests, found.failed, found.quickest, found.slowest) == (5, 15, 0, 0, 1)
    assert (found.first, found.last) == (MIDNIGHT + 1800, MIDNIGHT + 1800 + 3600)
    assert (found.hours[0].latency_lo, found.hours[0].latency_hi) == (1.0, 9.0)


def test_a_round_that_begins_before_the_hour_and_ends_after_it_is_of_the_hour_it_began_in() -> None:
    late = rounds([1, 1], [1, 1])
    late[1] = msgspec.structs.replace(late[1], at=MIDNIGHT + 3600.5)
    late[0] = msgspec.structs.replace(late[0], at=MIDNIGHT + 3599.9)
    assert [(one.hour, one.requests) for one in seen(late)[1].hours] == [(0, 4)]


def test_days_lie_on_top_of_each_other() -> None:
    summary, found = seen(rounds(*[[1.0]] * 30, every=3600.0))
    assert [one.days for one in found.hours] == [2] * 6 + [1] * 18
    [warning] = [one for one in summary.warnings if one.code == "one_day"]
    assert warning.observed == "18 of 24 hours were seen on one day only."
    assert "one_day" not in {one.code for one in seen(rounds(*[[1.0]] * 48, every=3600.0))[0].warnings}


def test_failures_are_counted_and_take_no_part_in_latencies() -> None:
    records = rounds([1, 50], [1, 1])
    records[1] = msgspec.structs.replace(records[1], attempts=(attempt(0, 50, "overloaded"),))
    summary, found = seen(records)
    assert (found.failed, found.hours[0].failed, found.hours[0].latency) == (1, 1, 1.0)
    assert "1 of 4 requests failed" in answer(QUESTION, [summary])


def test_nothing_but_failures_is_said_to_be_so() -> None:
    records = [msgspec.structs.replace(one, attempts=(attempt(0, 1, "overloaded"),)) for one in rounds([1], [1])]
    summary, found = seen(records)
    assert (found.quickest, found.slowest, found.chance) == (None, None, None)
    assert answer(QUESTION, [summary]).startswith("Nothing succeeded in 2 rounds.")


def test_an_observation_that_was_cut_short_still_has_its_answer() -> None:
    summary = summary_of(rounds([1.0], [1.5]), stopped="interrupted")
    assert answer(QUESTION, [summary]).startswith("Answers took 1.25 s (n 2); no other hour than 00:00 UTC was seen.")


@given(
    st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=8), min_size=2, max_size=8).filter(
        lambda groups: len({*chain(*groups)}) > 1
    )
)
def test_chance_is_that_of_kruskal_and_wallis(groups: list[list[int]]) -> None:
    records = []
    for hour, group in enumerate(groups):
        records += rounds(*[[float(one)] for one in group], every=60.0, begin=MIDNIGHT + 3600 * hour)
    numbered = [
        msgspec.structs.replace(one, seq=seq, intended=float(seq), attempts=(attempt(seq, seq + one.latency),))
        for seq, one in enumerate(records)
    ]
    expected = scipy.stats.kruskal(*groups).pvalue
    assert seen(numbered)[1].chance == pytest.approx(expected, abs=1e-9)


def test_hours_that_are_alike_seldom_seem_to_differ() -> None:
    """Of 400 days without any pattern, no more than 5 % and what chance adds to that."""
    found = []
    for trial in range(400):
        draws = Draws("alike", trial)
        latencies = [[draws.lognormal(1, 3) for _ in range(2)] for _ in range(32)]
        found.append(seen(rounds(*latencies))[1].chance)
    assert sum(chance < 0.05 for chance in found if chance is not None) <= 400 * 0.05 + 3 * (400 * 0.05 * 0.95) ** 0.5


def test_a_difference_is_told_with_its_numbers() -> None:
    quick, slow = [[1.0, 1.1, 1.2]] * 4, [[2.0, 2.1, 2.2]] * 4
    assert answer(QUESTION, [seen(rounds(*quick, *slow))[0]]) == (
        "The time of day shows: answers are quickest from 00:00 UTC, 1.10 s (1.00 to 1.20 s, n 12), slowest from 01:00,"
        " 2.10 s (2.00 to 2.20 s, n 12). 8 rounds in 1 h 45 min: 0 of 24 requests failed, $0.12."
    )


def test_what_chance_would_make_is_called_chance() -> None:
    said = answer(QUESTION, [seen(rounds([1.0], [3.0], [2.0], [2.5], [1.5], [2.8], [2.2], [1.9]))[0]])
    assert said.startswith("The hours differ by no more than chance makes them (")


def test_hours_that_are_the_same_are_said_to_be() -> None:
    said = answer(QUESTION, [seen(rounds(*[[1.0] * 3] * 8))[0]])
    assert said.startswith("Answers are the same at all hours: 1.00 s (1.00 to 1.00 s, n 12) in each.")
