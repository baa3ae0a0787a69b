"""What a change is called: by hand-made values, and by simulated runs whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from run_values import repeats, runs

from bench.results.baseline import Runs
from bench.results.changes import Change, Held, judge, verdict
from bench.results.measures import parse_measure

SLOW, FAST = [1.3, 1.32, 1.28, 1.31, 1.29], [1.0, 1.02, 0.98, 1.01, 0.99]


def change(base: Runs, new: Runs, measure: str = "makespan", **held: object) -> Change:
    options = {"pair": ("pool", "pool"), "min_effect": 0.1, "gates": 1, **held}
    return judge(Held(base=base, new=new, measure=parse_measure(measure), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "lo", "hi", "better", "said"),
    [
        (0.21, 0.12, 0.32, "lower", "regressed"),
        (0.21, 0.12, 0.32, "higher", "improved"),
        (-0.21, -0.32, -0.12, "lower", "improved"),
        (-0.21, -0.32, -0.12, "higher", "regressed"),
        (0.08, 0.02, 0.15, "lower", "inconclusive"),  # a change for sure, but is it one that matters?
        (0.21, -0.01, 0.45, "lower", "inconclusive"),  # if it is so large at all
        (0.05, 0.01, 0.09, "lower", "no change"),  # for sure a small one
        (0.0, -0.10, 0.10, "lower", "no change"),
        (0.0, -0.11, 0.10, "lower", "inconclusive"),
        (0.10, 0.10, 0.10, "lower", "no change"),  # not beyond
        (0.0, 0.0, 0.0, "lower", "no change"),
        (0.21, 0.12, 0.32, None, ""),
    ],
)
def test_the_verdict_follows_from_interval_and_minimum_effect(
    change: float, lo: float, hi: float, better: str | None, said: str
) -> None:
    assert verdict(change, lo, hi, 0.10, better) == said


def test_runs_are_compared_by_welch_on_logarithms() -> None:
    found = change(runs({"makespan": FAST}), runs({"makespan": SLOW}))
    expected = scipy.stats.ttest_ind(np.log(SLOW), np.log(FAST), equal_var=False).confidence_interval(0.95)
    assert (found.verdict, found.method, found.base_runs, found.new_runs) == ("regressed", "welch", 5, 5)
    assert found.lo == pytest.approx(math.expm1(expected.low))
    assert found.hi == pytest.approx(math.expm1(expected.high))
    assert found.change == pytest.approx(scipy.stats.gmean(SLOW) / scipy.stats.gmean(FAST) - 1)
    assert found.base == pytest.approx(scipy.stats.gmean(FAST))


def test_the_other_way_round_it_has_improved() -> None:
    assert change(runs({"makespan": SLOW}), runs({"makespan": FAST})).verdict == "improved"
    assert change(runs({"throughput": SLOW}), runs({"throughput": FAST}), "throughput").verdict == "regressed"


def test_runs_in_turns_are_compared_in_pairs() -> None:
    hour = np.array([1.0, 2.0, 1.5, 3.0, 0.7])  # what the hour does to both
    base, new = runs({"makespan": list(hour)}), runs({"makespan": list(hour * [1.19, 1.21, 1.2, 1.2, 1.22])})
    assert change(base, new).verdict == "inconclusive"
    found = change(base, new, interleaved=True)
    assert (found.verdict, found.method) == ("regressed", "paired")


def test_a_pair_without_its_other_half_is_no_pair() -> None:
    base, new = repeats({"pool": [{"makespan": x} for x in FAST]}), repeats({"pool": [{"makespan": x} for x in SLOW]})
    lacking = repeats({"pool": [{"makespan": SLOW[0]}, {}, *({"makespan": x} for x in SLOW[2:])]})
    assert change(base, new, interleaved=True).new_runs == 5
    found = change(base, lacking, interleaved=True)
    assert (found.base_runs, found.new_runs) == (4, 4)
    expected = scipy.stats.ttest_rel(np.log(np.delete(SLOW, 1)), np.log(np.delete(FAST, 1))).confidence_interval(0.95)
    assert found.lo == pytest.approx(math.expm1(expected.low))


@pytest.mark.parametrize(("one", "said"), [(1.0, "no change"), (1.03, "no change"), (1.5, "regressed")])
def test_one_new_run_is_held_against_what_the_history_expects(one: float, said: str) -> None:
    found = change(runs({"makespan": FAST * 2}), runs({"makespan": [one]}))
    assert (found.verdict, found.method, found.level) == (said, "prediction", 0.99)


def test_a_history_may_also_be_what_is_new() -> None:
    there = change(runs({"makespan": FAST}), runs({"makespan": [1.5]}))
    back = change(runs({"makespan": [1.5]}), runs({"makespan": FAST}))
    assert (there.verdict, back.verdict) == ("regressed", "improved")
    assert there.hi is not None
    assert back.lo == pytest.approx(1 / (1 + there.hi) - 1)


def test_one_run_a_side_says_nothing() -> None:
    found = change(runs({"makespan": [1.0]}), runs({"makespan": [1.5]}))
    assert (found.verdict, found.method, found.change, found.lo) == ("inconclusive", "none", 0.5, None)
    assert "one run a side" in found.detail


def test_what_is_inconclusive_says_how_many_runs_it_would_take() -> None:
    rng = np.random.default_rng(3)
    base, new = (runs({"makespan": list(rng.lognormal(0, 0.15, 4))}) for _ in range(2))
    found = change(base, new)
    assert found.verdict == "inconclusive"
    assert found.runs_needed is not None
    assert 10 < found.runs_needed < 60


def test_several_gates_share_the_chance_of_a_false_alarm() -> None:
    one, four = (change(runs({"makespan": FAST}), runs({"makespan": SLOW}), gates=gates) for gates in (1, 4))
    assert [one.level, four.level] == pytest.approx([0.95, 0.9875])
    assert one.hi is not None
    assert four.hi is not None
    assert four.hi > one.hi


def test_a_run_is_a_unit_and_its_repeats_are_not() -> None:
    """Two runs whose repeats hardly differ, but which differ from each other, leave it open what a third would be."""

    def two(first: float, second: float) -> Runs:
        each = [repeats({"pool": [{"makespan": x * y} for y in FAST]}, ids=str(x)) for x in (first, second)]
        return Runs("made", each[0].asked, (each[0].runs[0], each[1].runs[0]))

    found = change(two(1.0, 1.3), two(1.2, 1.5))
    assert (found.base_runs, found.new_runs, found.verdict) == (2, 2, "inconclusive")
    base, new = (repeats({"pool": [{"makespan": x} for x in side]}) for side in (FAST, SLOW))
    alone = change(base, new)
    assert (alone.base_runs, alone.new_runs, alone.verdict) == (5, 5, "regressed")


def test_passes_that_ended_early_do_not_count() -> None:
    base, new = runs({"makespan": FAST}), runs({"makespan": [*FAST[:4], 0.1]}, stopped=[4])
    assert change(base, new).new_runs == 4
    assert change(base, new).verdict == "no change"


@pytest.mark.parametrize(
    ("base", "new", "said"),
    [
        ([1.0, 1.1], [], "the new side has no value"),
        ([], [1.0], "the base has no value"),
        ([], [], "there is no value"),
    ],
)
def test_what_was_not_measured_is_not_a_pass(base: list[float], new: list[float], said: str) -> None:
    before, after = (runs({"cost": [1.0, 1.0], "makespan": side}) for side in (base, new))
    found = change(before, after)
    assert found.verdict == "no data"
    assert said in found.detail


# Simulated runs


@pytest.mark.parametrize(
    ("base", "new", "said"),
    [
        ([2.0], [2.0], "no change"),
        ([2.0], [2.1], "no change"),
        ([2.0], [2.5], "regressed"),
        ([2.0], [1.5], "improved"),
        ([2.0, 3.0], [2.5, 3.6], "regressed"),
        ([2.0, 3.0], [2.5, 2.5], "inconclusive"),  # the seeds disagree
    ],
)
def test_on_sim_seed_is_held_against_seed(base: list[float], new: list[float], said: str) -> None:
    found = change(runs({"makespan": base}, target="sim"), runs({"makespan": new}, target="sim"), exact=True)
    assert (found.verdict, found.method, found.level) == (said, "exact", None)
    changes = [b / a - 1 for a, b in zip(base, new, strict=True)]
    assert [found.lo, found.hi] == pytest.approx([min(changes), max(changes)])


def test_the_least_difference_of_a_simulation_is_seen() -> None:
    base = runs({"makespan": [2.0]}, target="sim")
    found = change(base, runs({"makespan": [np.nextafter(2.0, 3.0)]}, target="sim"), exact=True, min_effect=0.0)
    assert found.verdict == "regressed"


def test_a_count_that_was_0_is_compared_by_difference() -> None:
    base, new = (runs({"rate_limited": [n]}, target="sim") for n in (0.0, 12.0))
    found = change(base, new, "rate_limited", exact=True)
    assert (found.verdict, found.change, found.difference) == ("regressed", 12.0, True)


# Rates


def rates(values: list[float], requests: float = 100) -> Runs:
    return runs({"error_rate": values, "requests": [requests] * len(values)})


def test_few_runs_pool_their_requests() -> None:
    found = change(rates([0.0, 0.02]), rates([0.2, 0.22]), "error_rate")
    assert (found.verdict, found.method, found.difference) == ("regressed", "pooled", True)
    assert found.change == pytest.approx(0.2)  # points


def test_many_runs_are_compared_by_run() -> None:
    found = change(rates([0.0, 0.01, 0.0, 0.02, 0.01]), rates([0.2, 0.22, 0.18, 0.2, 0.21]), "error_rate")
    expected = scipy.stats.ttest_ind(
        [0.2, 0.22, 0.18, 0.2, 0.21], [0.0, 0.01, 0.0, 0.02, 0.01], equal_var=False
    ).confidence_interval(0.95)
    assert (found.verdict, found.method) == ("regressed", "welch")
    assert (found.lo, found.hi) == pytest.approx((expected.low, expected.high))


def test_nothing_fails_and_still_nothing_does() -> None:
    assert change(rates([0.0] * 5), rates([0.0] * 5), "error_rate").verdict == "no change"
    assert change(rates([0.0], 500), rates([0.0], 500), "error_rate").verdict == "no change"
    assert change(rates([0.0], 50), rates([0.0], 50), "error_rate").verdict == "inconclusive"  # of so few, nobody knows


def test_less_than_a_point_is_no_change_of_a_rate() -> None:
    found = change(rates([0.001] * 5, 10_000), rates([0.004] * 5, 10_000), "error_rate")
    assert found.verdict == "no change"


# Runs whose truth is known: the requests of a run depend on one another, and runs differ by 10 %


def simulated(rng: np.random.Generator, runs_: int, factor: float = 1.0) -> Runs:
    """The p95 of runs of 200 requests: log-normal, each request like the one before it (autocorrelation 0.3)."""
    noise = rng.normal(0, 0.35, (runs_, 200))
    for n in range(1, 200):
        noise[:, n] = 0.3 * noise[:, n - 1] + math.sqrt(1 - 0.3**2) * noise[:, n]
    level = rng.normal(0, 0.10, (runs_, 1))
    return runs({"ttft.p95": list(np.quantile(factor * np.exp(level + noise), 0.95, axis=1))})


def share_of(verdict: str, trials: int, runs_: int, factor: float, **held: object) -> float:
    rng = np.random.default_rng(20261120)
    found = [
        change(simulated(rng, runs_), simulated(rng, runs_, factor), "ttft.p95", **held).verdict for _ in range(trials)
    ]
    return sum(one == verdict for one in found) / trials


@pytest.mark.parametrize("min_effect", [0.10, 0.0])
def test_of_identical_runs_at_most_one_in_twenty_is_called_a_regression(min_effect: float) -> None:
    assert share_of("regressed", trials=400, runs_=5, factor=1.0, min_effect=min_effect) <= 0.05


def test_eight_runs_each_find_a_change_of_a_quarter_in_four_of_five_cases() -> None:
    assert share_of("regressed", trials=400, runs_=8, factor=1.25) >= 0.80


def test_a_change_that_is_there_is_never_called_none() -> None:
    assert share_of("no change", trials=400, runs_=5, factor=1.25) == 0
