from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from bench.results.statistics import TAIL, distribution, quantile, samples_needed, wilson


@pytest.mark.parametrize(
    ("p", "needed"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3688), (0.05, 72), (0.01, 368)]
)
def test_samples_needed(p: float, needed: int) -> None:
    assert samples_needed(p) == needed


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9, 0.95, 0.99])
def test_the_interval_exists_from_the_needed_number_on_and_not_before(p: float) -> None:
    needed = samples_needed(p)
    short, enough = quantile(np.arange(needed - 1.0), p), quantile(np.arange(float(needed)), p)
    assert (short.value, short.lo, short.hi, short.needed) == (None, None, None, needed)
    assert enough.value is not None
    assert enough.lo is not None
    assert enough.hi is not None
    assert enough.lo <= enough.value <= enough.hi


@pytest.mark.parametrize("p", [0.25, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [400, 401, 999, 1997, 20_000])
def test_the_bounds_are_the_narrowest_with_equal_tails(n: int, p: float) -> None:
    result = quantile(np.arange(1.0, n + 1), p)  # the k-th smallest sample is k
    assert result.lo is not None
    assert result.hi is not None
    below = scipy.stats.binom(n, p)
    assert below.cdf(result.lo - 1) <= TAIL < below.cdf(result.lo)
    assert below.sf(result.hi - 1) <= TAIL < below.sf(result.hi - 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=72, max_size=200), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_value_is_definition_7_of_hyndman_and_fan(values: list[float], p: float) -> None:
    expected = scipy.stats.mstats.mquantiles(values, [p], alphap=1, betap=1)[0]
    assert quantile(np.array(values), p).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("p", "n"), [(0.5, 30), (0.95, 100), (0.99, 400)])
def test_the_interval_covers_the_true_quantile_95_times_in_a_hundred(p: float, n: int) -> None:
    rng = np.random.default_rng(20261120)
    truth = float(scipy.stats.lognorm(s=0.35).ppf(p))
    results = [quantile(rng.lognormal(0, 0.35, n), p) for _ in range(2000)]
    covered = sum(r.lo is not None and r.hi is not None and r.lo <= truth <= r.hi for r in results)
    assert (
        0.94 <= covered / 2000 <= 0.985
    )  # order statistics are discrete: at least 95 %, a little more when n is small


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(trial: tuple[int, int]) -> None:
    k, n = trial
    expected = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_share_of_nothing_has_no_interval() -> None:
    assert wilson(0, 0) is None


def test_distribution_of_five_has_a_mean_but_no_percentile() -> None:
    result = distribution(np.array([3.0, 1.0, 2.0, 5.0, 4.0]))
    assert (result.n, result.mean, result.min, result.max, result.p50.value) == (5, 3.0, 1.0, 5.0, None)


def test_distribution_of_nothing_is_not_known() -> None:
    result = distribution(np.array([]))
    assert (result.n, result.mean, result.min, result.max, result.p50.value) == (0, None, None, None, None)
