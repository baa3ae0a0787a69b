"""Intervals between runs, held against scipy and against simulations with fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from bench.results.intervals import (
    newcombe,
    paired,
    prediction,
    runs_needed,
    smallest_change,
    t_quantile,
    welch,
)

NUMBERS = st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=2, max_size=12)
LEVELS = st.sampled_from([0.8, 0.95, 0.99, 0.998])


@given(st.floats(0.5, 0.99999), st.floats(0.6, 1e5))
def test_the_quantile_of_t_is_scipys(p: float, degrees: float) -> None:
    assert t_quantile(p, degrees) == pytest.approx(float(scipy.stats.t.ppf(p, degrees)), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("p", "degrees", "table"), [(0.975, 4, 2.7764451), (0.995, 9, 3.2498355), (0.9, 1, 3.0776835)])
def test_the_quantile_of_t_is_that_of_printed_tables(p: float, degrees: float, table: float) -> None:
    assert t_quantile(p, degrees) == pytest.approx(table, abs=1e-6)


def test_with_infinite_degrees_of_freedom_t_is_normal() -> None:
    assert t_quantile(0.975, math.inf) == pytest.approx(1.959963985)


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # scipy's, where a side hardly spreads
@given(NUMBERS, NUMBERS, LEVELS)
def test_welch_is_scipys(base: list[float], new: list[float], level: float) -> None:
    found = welch(base, new, level)
    assert found is not None
    if np.std(base) + np.std(new) < 1e-6:  # scipy has nothing to say where nothing spreads
        assert found.half_width == pytest.approx(0, abs=1e-3)
        return
    expected = scipy.stats.ttest_ind(new, base, equal_var=False).confidence_interval(level)
    assert (found.lo, found.hi) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)
    assert found.estimate == pytest.approx(np.mean(new) - np.mean(base), abs=1e-9)


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=12), LEVELS)
def test_pairs_are_scipys(pairs: list[tuple[float, float]], level: float) -> None:
    base, new = [round(a, 3) for a, _ in pairs], [round(b, 3) for _, b in pairs]
    found = paired(base, new, level)
    assert found is not None
    if np.std(np.subtract(new, base)) < 1e-6:
        assert found.half_width == pytest.approx(0, abs=1e-3)
        return
    expected = scipy.stats.ttest_rel(new, base).confidence_interval(level)
    assert (found.lo, found.hi) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)


def test_too_few_runs_give_no_interval() -> None:
    assert welch([1.0], [1.0, 2.0], 0.95) is None
    assert paired([1.0], [2.0], 0.95) is None
    assert prediction([1.0], 2.0, 0.95) is None


def test_runs_that_do_not_spread_leave_no_doubt() -> None:
    found = welch([1.0, 1.0, 1.0], [1.5, 1.5], 0.95)
    assert found is not None
    assert (found.estimate, found.lo, found.hi) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("n", [3, 10])
def test_a_prediction_interval_holds_the_next_run_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(20261120)
    found = [prediction(list(rng.normal(5, 2, n)), float(rng.normal(5, 2)), 0.99) for _ in range(4000)]
    inside = np.mean([one is not None and one.lo <= 0 <= one.hi for one in found])
    assert inside == pytest.approx(0.99, abs=0.005)


@pytest.mark.parametrize(
    ("base", "new", "lo", "hi"),
    [
        ((48, 80), (56, 70), 0.0524, 0.3339),  # Newcombe 1998, table II, case (a), method 10
        ((3, 10), (9, 10), 0.1705, 0.8090),  # case (b)
        ((0, 10), (10, 10), 0.6075, 1.0),  # case (h)
    ],
)
def test_the_difference_of_two_shares_is_that_of_the_paper(
    base: tuple[int, int], new: tuple[int, int], lo: float, hi: float
) -> None:
    found = newcombe(base, new)
    assert found is not None
    assert (found.lo, found.hi) == pytest.approx((lo, hi), abs=1e-4)


def test_a_share_of_nothing_has_no_difference() -> None:
    assert newcombe((0, 0), (1, 2)) is None


@pytest.mark.parametrize(("spread", "half_width"), [(0.05, 0.0953), (0.1, 0.0953), (0.2, 0.05)])
def test_as_many_runs_as_are_needed_bring_the_interval_there_and_one_less_does_not(
    spread: float, half_width: float
) -> None:
    needed = runs_needed(spread, spread, half_width, 0.95)
    assert needed is not None
    for n, narrow in ((needed, True), (needed - 1, False)):
        values = np.linspace(-1, 1, n)
        values *= spread / np.std(values, ddof=1)
        found = welch(list(values), list(values), 0.95)
        assert found is not None
        assert (found.half_width <= half_width) is narrow


def test_what_spreads_too_much_has_no_number_of_runs() -> None:
    assert runs_needed(5.0, 5.0, 0.001, 0.95) is None


@pytest.mark.parametrize(("spread", "runs"), [(0.02, 5), (0.1, 5), (0.1, 8), (0.2, 8)])
def test_the_smallest_change_is_found_about_as_often_as_it_says(spread: float, runs: int) -> None:
    least = math.log1p(0.1)
    change = smallest_change(spread, runs, 0.95, 0.8, least)
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(2000):
        one = welch(list(rng.normal(0, spread, runs)), list(rng.normal(change, spread, runs)), 0.95)
        found += one is not None and one.lo > 0 and one.estimate > least
    assert found / 2000 == pytest.approx(0.8, abs=0.06)
