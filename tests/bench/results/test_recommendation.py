"""The rule by which a number is recommended, and the search for it: pure, so held by tables and by any series."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import Exit
from bench.planning.knee import STEP, grid, next_number
from bench.results.recommendation import answer, judge, recommend
from bench.results.summary import Warning
from bench.results.sweep import Estimate, Point, Series


def estimate(value: float, around: float = 0.0) -> Estimate:
    return Estimate(value, value - around, value + around, (value, value, value))


def point(
    at: float,
    goodput: float,
    refused: float = 0.0,
    *,
    p95: tuple[float, float] | None = (2.0, 0.1),
    failed: float = 0.0,
    cause: str = "requests",
    uses: dict[str, float] | None = None,
) -> Point:
    return Point(
        at=at,
        strategy=f"semaphore-{at:g}",
        passes=3,
        requests=3000,
        succeeded=2990,
        goodput=estimate(goodput, goodput / 100),
        p95={"latency": None if p95 is None else estimate(*p95)},
        refused={cause: refused} if refused else {},
        failed=failed,
        cost_per_success=0.005,
        uses=uses or {},
        bounds={},
    )


def series(*points: Point, slo: float | None = None, own_times: bool = False) -> Series:
    demands = {} if slo is None else {"latency": slo}
    return Series("start", "semaphore", demands, "latency", own_times, points)


DOUBLING = (point(16, 155), point(32, 308), point(64, 612), point(128, 630, 0.06))


def test_the_sentence_says_what_to_use_what_speaks_for_it_and_what_more_would_give() -> None:
    found = answer(series(*DOUBLING, slo=3.0))
    assert found.sentence == (
        "Use 64 in flight on Start: 612 a minute within the SLO, p95 latency 2.00 s (1.90-2.10, 2,990 requests), "
        "$0.0050 each; at 128 goodput rises 2.94 % and 6 % of attempts are refused (requests per minute bind)."
    )
    assert (found.at, found.runner_up, found.binds) == (64, 128, "requests per minute bind")


def test_a_higher_number_that_is_refused_still_sets_what_is_best() -> None:
    found = answer(series(*DOUBLING[:2], point(64, 600, 0.30)))
    assert found.found == "no"
    assert found.closest == 32
    assert "goodput is 48.7 % below the best (600 a minute at 64)" in found.sentence
    assert [[check.condition for check in one.faults] for one in found.judged] == [["goodput"], ["goodput"], ["429s"]]


def test_an_interval_that_holds_the_slo_is_not_enough_and_said_to_be_unsure() -> None:
    found = recommend("run", [series(*(point(n, 10 * n, p95=(2.0, 0.5)) for n in (1, 2, 4)), slo=2.2)])
    assert found.exit_code == Exit.INCONCLUSIVE
    assert "It cannot be told" in found.answers[0].sentence
    assert any("narrower" in line for line in found.answers[0].advice)


def test_too_few_answers_for_a_p95_are_unsure_and_say_how_many_it_takes() -> None:
    found = answer(series(point(1, 10), point(2, 20, p95=None), slo=5.0))
    assert found.found == "unsure"
    assert "A p95 needs 72 answers a pass: send more requests." in found.advice


def test_an_slo_that_no_number_keeps_says_what_it_would_have_to_be() -> None:
    found = recommend("run", [series(point(1, 0.1), point(2, 0.2), slo=1.0)])
    assert found.exit_code == Exit.THRESHOLDS
    assert any("allow 2.10 s" in line for line in found.answers[0].advice)


def test_failing_fast_is_neither_best_nor_recommended() -> None:
    found = answer(series(point(1, 10), point(2, 19), point(4, 60, failed=0.5)))
    assert found.at == 2


def test_no_goodput_at_all_is_no_answer() -> None:
    assert answer(series(point(1, 0.0), point(2, 0.0))).found == "no"


@pytest.mark.parametrize(
    ("last", "own_times", "said"),
    [
        (point(4, 41, 0.5, cause="output_tokens"), False, "output tokens per minute bind"),
        (point(4, 41, uses={"input_tokens": 0.93, "requests": 0.2}), False, "input tokens per minute bind"),
        (point(4, 40.1), True, "no more requests come"),
        (point(4, 80), True, None),
    ],
)
def test_what_binds_is_what_holds_the_largest_numbers_back(last: Point, own_times: bool, said: str | None) -> None:
    assert answer(series(point(1, 20), point(2, 40), last, own_times=own_times)).binds == said


def test_the_largest_number_tried_may_not_be_the_best_there_is() -> None:
    assert any("largest that was tried" in line for line in answer(series(point(1, 10), point(2, 20))).advice)


def test_a_smaller_number_that_may_do_is_named() -> None:
    found = answer(series(point(1, 100, p95=(2.0, 0.5)), point(2, 100), slo=2.2))
    assert found.at == 2
    assert any(line.startswith("1 may do as well") for line in found.advice)


def test_classes_have_no_say_in_the_exit_code() -> None:
    bad = msgspec.structs.replace(series(point(1, 0.0), point(2, 0.0)), of="long")
    assert recommend("run", [series(*DOUBLING), bad]).exit_code == Exit.OK
    elsewhere = msgspec.structs.replace(bad, of=None, tier="build")
    assert recommend("run", [series(*DOUBLING), elsewhere]).exit_code == Exit.THRESHOLDS


def test_one_strategy_with_a_number_is_enough_and_those_that_have_one_stand_beside_each_other() -> None:
    bad = msgspec.structs.replace(series(point(1, 0.0), point(2, 0.0)), kind="pool")
    found = recommend("run", [series(*DOUBLING), bad])
    assert (found.exit_code, found.beside) == (Exit.OK, ())
    paced = msgspec.structs.replace(series(point(80, 400), point(100, 500, p95=(1.0, 0.1))), kind="token_bucket")
    assert recommend("run", [series(*DOUBLING), paced]).beside == (
        "Of the strategies on Start, semaphore at 64 gives the most: 612 a minute, p95 latency 2.00 s (1.90-2.10, "
        "2,990 requests); token_bucket at 100 % gives 500 a minute, p95 latency 1.00 s (900 ms to 1.10 s, "
        "2,990 requests).",
    )
    near = msgspec.structs.replace(series(point(80, 400), point(100, 600)), kind="token_bucket")
    [words] = recommend("run", [series(*DOUBLING), near]).beside
    assert "semaphore at 64 gives hardly more than the others" in words


def test_what_the_client_spoiled_is_not_valid_whatever_it_says() -> None:
    doubt = Warning("client_bottleneck", "semaphore-64: the client was the bottleneck.", "why", "todo")
    found = recommend("run", [series(*DOUBLING)], [doubt])
    assert (found.exit_code, found.warnings) == (Exit.NOT_VALID, (doubt,))
    mild = msgspec.structs.replace(doubt, code="client_strained")
    assert recommend("run", [series(*DOUBLING)], [mild]).exit_code == Exit.OK


# Whatever the series


points = st.builds(
    point,
    st.just(0),
    st.floats(0, 1e4),
    st.sampled_from([0.0, 0.004, 0.0099, 0.01, 0.3]),
    p95=st.none() | st.tuples(st.floats(0.1, 10), st.floats(0, 2)),
    failed=st.sampled_from([0.0, 0.005, 0.2]),
)
any_series = st.builds(
    lambda several, slo: series(
        *(msgspec.structs.replace(one, at=float(2**place)) for place, one in enumerate(several)), slo=slo
    ),
    st.lists(points, min_size=1, max_size=9),
    st.none() | st.floats(0.1, 10),
)


@given(any_series)
def test_it_is_the_smallest_number_that_meets_the_rule_as_it_is_written(one: Series) -> None:
    sound = [each for each in one.points if each.failed <= 0.01] or list(one.points)
    best = max(each.goodput.value for each in sound)

    def meets(each: Point) -> bool:
        p95 = each.p95["latency"]
        within = not one.demands or (p95 is not None and p95.hi is not None and p95.hi <= one.demands["latency"])
        enough = best > 0 and 1 - each.goodput.value / best <= 0.05
        return enough and each.refused_share < 0.01 and each.failed <= 0.01 and within

    assert answer(one).at == next((each.at for each in one.points if meets(each)), None)


@given(any_series)
def test_an_answer_has_a_sentence_and_every_number_a_reason(one: Series) -> None:
    found = answer(one)
    assert found.sentence.endswith(".")
    assert not re.search(r"nan|None|inf\b", found.sentence)
    assert (found.at is None) == (found.closest is not None) == (found.found != "yes")
    if found.found == "no":
        assert all(each.faults for each in found.judged)
    assert [each.at for each in found.judged] == [each.at for each in one.points]


@given(any_series, st.floats(0.001, 1000))
def test_the_unit_of_goodput_does_not_matter(one: Series, factor: float) -> None:
    scaled = tuple(msgspec.structs.replace(each, goodput=estimate(each.goodput.value * factor)) for each in one.points)
    verdicts = [[check.verdict for check in each.checks[1:]] for each in judge(one)]
    assert [
        [check.verdict for check in each.checks[1:]] for each in judge(msgspec.structs.replace(one, points=scaled))
    ] == verdicts


@given(any_series, st.floats(0, 1))
def test_a_larger_number_that_gives_no_more_changes_nothing(one: Series, part: float) -> None:
    best = max(each.goodput.value for each in one.points)
    more = msgspec.structs.replace(point(2**12, best * part), failed=0.2)
    assert answer(msgspec.structs.replace(one, points=(*one.points, more))).at == answer(one).at or all(
        each.failed > 0.01 for each in one.points
    )


# The search


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_grid_goes_from_end_to_end_by_doubling(first: int, width: int) -> None:
    found = grid(first, first + width)
    assert (found[0], found[-1]) == (first, first + width)
    assert all(small < large <= 2 * small for small, large in pairwise(found))


def search(plant: Callable[[int], Point], last: int) -> tuple[Series, int]:
    """Try the numbers that the search asks for until it asks for none; the series, and how many were tried."""
    known = {number: plant(number) for number in grid(1, last)}
    while True:
        found = series(*(known[number] for number in sorted(known)))
        number = next_number(found)
        if number is None:
            return found, len(known)
        assert number not in known
        assert 1 < number < last
        known[number] = plant(number)


@given(st.integers(2, 256), st.sampled_from([1.0, 1.02, 1.04]))
def test_the_search_comes_within_a_step_of_the_smallest_number_that_meets_the_rule(knee: int, rise: float) -> None:
    """Of a service that gives as much as is in flight up to the knee, then little more, and refuses beyond it."""

    def plant(number: int) -> Point:
        over = number > knee
        return point(number, knee * rise if over else float(number), 0.3 if over else 0.0)

    found, tried = search(plant, 256)
    best = max(each.goodput.value for each in found.points)
    smallest = next((number for number in range(1, knee + 1) if 1 - number / best <= 0.05), None)
    at = answer(found).at
    if at is None:  # too few whole numbers between what is too little and what is refused
        assert smallest is None or knee - smallest < max(2, knee * (STEP - 1))
    else:
        assert smallest is not None
        assert smallest <= at <= max(smallest + 1, smallest * STEP)
    assert tried <= 9 + 2 * 4


def test_the_search_ends_where_goodput_cannot_be_told_apart() -> None:
    def noisy(number: int, each: tuple[float, ...]) -> Point:
        value = sum(each) / len(each)
        return msgspec.structs.replace(point(number, value), goodput=Estimate(value, value - 30, value + 30, each))

    below, above = noisy(8, (80, 120, 90)), noisy(16, (110, 100, 104))
    assert next_number(series(below, above)) is None
    assert next_number(series(noisy(8, (80, 80, 81)), above)) == 11
