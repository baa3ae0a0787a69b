"""What is fitted to answers whose truth is known, with scipy as the judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.planning.fit import (
    FEWEST,
    REFUSED,
    Answers,
    Shaped,
    anderson_darling,
    correlation,
    distance,
    fit,
    shaped,
    slope,
    slowing,
)
from bench.results.columns import Floats
from bench.results.intervals import Interval
from mock_server.profile import Quantiles, value_at
from mock_server.rng import Draws

PRESET = 0.85, 75.0


def first_tokens(shape: str, z: Floats) -> Floats:
    """Times to first token as far out as `z`."""
    share = stats.norm.cdf(z)
    match shape:
        case "lognormal":
            return np.asarray(0.8 * np.exp(0.6 * z))
        case "gamma":
            return np.asarray(stats.gamma(4, scale=0.2).ppf(share))
    quick, slow = stats.lognorm(0.1, scale=0.5), stats.lognorm(0.15, scale=3.0)
    return np.where(share < 0.7, quick.ppf(share / 0.7), slow.ppf((share - 0.7) / 0.3))


def made(shape: str, n: int, seed: int, *, load: float = 0.3, prefill: float = 0.1, rho: float = -0.4) -> Answers:
    """Answers of a service that is known, drawn by numpy."""
    rng = np.random.default_rng(seed)
    early = rng.normal(size=n)
    quick = rho * early + np.sqrt(1 - rho**2) * rng.normal(size=n)
    others, extra = rng.integers(0, 60, n).astype(float), np.maximum(0.0, rng.lognormal(0, 1, n) - 1)
    strain = 1 + load * others / 100
    ttft = (first_tokens(shape, early) + prefill * extra) * strain
    interval, tokens = strain / (80 * np.exp(0.2 * quick)), rng.integers(50, 600, n).astype(float)
    return Answers(ttft, interval, ttft + (tokens - 1) * interval, tokens, extra, others)


def truth(shape: str, *, load: float, prefill: float, rho: float) -> dict[str, float]:
    """What fitting to endless answers would give."""
    z = stats.norm.ppf(np.array([0.5, 0.95]))
    p50, p95 = first_tokens(shape, z)
    return {
        "ttft.p50": p50, "ttft.p95": p95, "rate.p50": 80.0, "rate.p95": 80 * np.exp(0.2 * z[1]),
        "load": load, "prefill": prefill, "correlation": rho,
    }  # fmt: skip


def intervals(answers: Answers, seed: int) -> dict[str, Interval]:
    found = fit(answers, PRESET, Draws(seed))
    assert found.rate is not None
    assert found.load is not None
    assert found.prefill is not None
    assert found.correlation is not None
    return {
        "ttft.p50": found.ttft.p50, "ttft.p95": found.ttft.p95, "rate.p50": found.rate.p50, "rate.p95": found.rate.p95,
        "load": found.load.found, "prefill": found.prefill.found, "correlation": found.correlation,
    }  # fmt: skip


@pytest.mark.parametrize("shape", ["lognormal", "gamma", "two modes"])
@pytest.mark.parametrize(
    "effects", [{"load": 0.3, "prefill": 0.1, "rho": -0.4}, {"load": 0.0, "prefill": 0.0, "rho": 0.0}]
)
def test_the_intervals_hold_the_truth_in_at_least_90_of_100_trials(shape: str, effects: dict[str, float]) -> None:
    true = truth(shape, **effects)
    held = dict.fromkeys(true, 0)
    for trial in range(100):
        for name, found in intervals(made(shape, 400, 1_000 + trial, **effects), trial).items():
            held[name] += found.lo <= true[name] <= found.hi
    assert min(held.values()) >= 90, held


@pytest.mark.parametrize(("shape", "kind"), [("lognormal", "lognormal"), ("gamma", "table"), ("two modes", "table")])
def test_a_lognormal_is_told_from_what_is_none(shape: str, kind: str) -> None:
    found = fit(made(shape, 1_000, 3), PRESET, Draws(1))
    assert found.ttft.kind == kind
    assert found.ttft.distance < 0.03


@pytest.mark.parametrize("shape", ["lognormal", "gamma", "two modes"])
def test_what_is_fitted_is_what_was_there(shape: str) -> None:
    found = fit(made(shape, 20_000, 5), PRESET, Draws(1))
    for share in (0.05, 0.25, 0.5, 0.65, 0.8, 0.95, 0.99):
        z = float(stats.norm.ppf(share))
        assert value_at(found.ttft.distribution, z) == pytest.approx(float(first_tokens(shape, np.array(z))), rel=0.04)


def test_an_effect_that_may_be_none_is_none() -> None:
    found = fit(made("gamma", 500, 8, load=0.0, prefill=0.0, rho=0.0), PRESET, Draws(1))
    assert found.load is not None
    assert found.prefill is not None
    assert found.correlation is not None
    assert (found.load.value, found.prefill.value, found.correlation.estimate) == (0.0, 0.0, 0.0)
    assert found.load.found.lo < 0 < found.load.found.hi


def test_what_does_not_vary_tells_nothing() -> None:
    answers = made("gamma", 300, 8, load=0.0, prefill=0.0)
    found = fit(replace(answers, others=np.full(300, 7.0), extra=np.zeros(300)), PRESET, Draws(1))
    assert found.load is None
    assert found.prefill is None


def test_a_service_that_is_always_alike_is_constant() -> None:
    tokens, others = np.arange(50.0, 250.0), np.tile(np.arange(20.0), 10)
    answers = Answers(np.full(200, 0.5), np.full(200, 0.02), 0.5 + (tokens - 1) * 0.02, tokens, tokens / 10, others)
    found = fit(answers, PRESET, Draws(1))
    assert found.ttft.distribution == (0.5, 0.5)
    assert found.rate is not None
    assert found.rate.distribution == (50.0, 50.0)
    assert found.correlation is None
    assert found.load is not None
    assert found.load.value == 0.0


def unstreamed(answers: Answers) -> Answers:
    unseen = np.full(len(answers), np.nan)
    return replace(answers, ttft=unseen, interval=unseen)


def test_whole_times_of_answers_of_many_lengths_tell_the_two_parts() -> None:
    rng = np.random.default_rng(4)
    tokens, slow = rng.integers(20, 900, 2_000).astype(float), np.exp(0.2 * rng.normal(size=2_000))
    whole = slow * (0.9 + (tokens - 1) / 60)
    found = fit(unstreamed(Answers(tokens, tokens, whole, tokens, 0 * tokens, 0 * tokens)), PRESET, Draws(1))
    assert found.known == "lengths"
    assert found.rate is not None
    assert found.ttft.p50.estimate == pytest.approx(0.9, rel=0.05)
    assert found.rate.p50.estimate == pytest.approx(60, rel=0.05)


@pytest.mark.parametrize("shape", ["lognormal", "gamma", "two modes"])
def test_whole_times_of_answers_of_one_length_are_reproduced_although_their_parts_are_the_preset_s(shape: str) -> None:
    answers = replace(made(shape, 1_000, 6, load=0.0), tokens=np.full(1_000, 200.0))
    found = fit(unstreamed(replace(answers, latency=answers.ttft + 199 * answers.interval)), PRESET, Draws(1))
    assert (found.known, found.prefill) == ("preset", None)
    assert found.rate is not None
    z = stats.norm.ppf((np.arange(1_000) + 0.5) / 1_000)
    again = [value_at(found.ttft.distribution, one) + 199 / value_at(found.rate.distribution, -one) for one in z]
    seen = answers.ttft + 199 * answers.interval
    for share in (0.05, 0.5, 0.95):
        assert np.quantile(again, share) == pytest.approx(np.quantile(seen, share), rel=0.03)


def sample(values: Floats) -> Shaped:
    return shaped(lambda rows, _: values[rows], np.arange(len(values)), Draws(2))


@given(st.lists(st.floats(0.001, 1e4), min_size=FEWEST, max_size=300))
def test_any_sample_of_positive_numbers_has_a_shape(values: list[float]) -> None:
    found = sample(np.array(values))
    assert found.p50.lo <= found.p50.hi
    median = value_at(found.distribution, 0.0)
    if isinstance(found.distribution, Quantiles):
        assert min(values) * 0.999 <= median <= max(values) * 1.001


def test_distances_and_statistics_are_scipy_s() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.gamma(2, size=300), rng.gamma(2.4, size=170)
    assert distance(one, other) == pytest.approx(stats.ks_2samp(one, other).statistic)
    logs = np.sort(np.log(one))
    below = stats.norm.cdf((logs - logs.mean()) / logs.std(ddof=0))
    n, weights = len(logs), 2 * np.arange(1, len(logs) + 1) - 1
    plain = -n - (weights * (np.log(below) + np.log(1 - below[::-1]))).sum() / n
    assert anderson_darling(below) == pytest.approx(plain * (1 + 0.75 / n + 2.25 / n**2))
    assert sample(one).distance <= 0.02, "a table is near its sample"
    normal = rng.lognormal(size=500)
    logs = np.log(normal)
    expected = stats.ks_1samp(logs, stats.norm(logs.mean(), logs.std()).cdf).statistic
    assert sample(normal).distance == pytest.approx(expected, abs=1e-5)


def test_a_lognormal_is_refused_as_often_as_said() -> None:
    rng, refused = np.random.default_rng(2), 0
    for _ in range(1_000):
        z = np.sort(rng.normal(size=200))
        refused += anderson_darling(np.asarray(stats.norm.cdf((z - z.mean()) / z.std()))) > REFUSED
    assert refused == pytest.approx(250, abs=40)


def test_slopes_are_those_of_least_rank_dispersion() -> None:
    rng = np.random.default_rng(3)
    by = rng.uniform(0, 10, 400)
    values = 3 + 0.7 * by + rng.standard_t(2, 400)
    found = slope(values, by)
    assert found is not None
    theil = stats.theilslopes(values, by)
    assert found.found.estimate == pytest.approx(theil.slope, abs=0.03)
    assert found.found.lo < 0.7 < found.found.hi
    assert (found.found.lo, found.found.hi) == pytest.approx((theil.low_slope, theil.high_slope), abs=0.05)
    grown = slowing(np.log((1 + 0.2 * by) * rng.lognormal(0, 0.1, 400)), by)
    assert grown is not None
    assert grown.found.lo < 0.2 < grown.found.hi
    assert grown.found.half_width < 0.05


@pytest.mark.parametrize("rho", [-0.95, -0.3, 0.6])
def test_the_correlation_is_that_of_normal_scores(rho: float) -> None:
    rng = np.random.default_rng(9)
    one, other = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 2_000).T
    found = correlation(np.exp(one), other**3)
    scores: list[Any] = [stats.norm.ppf((stats.rankdata(each) - 0.5) / 2_000) for each in (one, other)]
    assert found.estimate == pytest.approx(np.corrcoef(*scores)[0, 1], abs=1e-3)
    assert found.lo < rho < found.hi
