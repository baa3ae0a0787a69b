from __future__ import annotations

import math

import numpy as np
import pytest
from run_values import repeats, runs

from bench.errors import UsageError
from bench.results.calibration import SIZES, calibrate
from bench.results.measures import parse_gate

RNG = np.random.default_rng(5)
VALUES = list(RNG.lognormal(0.5, 0.1, 12))


def test_the_spread_is_that_of_the_runs() -> None:
    [noise] = calibrate(runs({"makespan": VALUES}), [parse_gate("makespan")], 0.1, label="x").noise
    assert noise.spread == pytest.approx(np.std(np.log(VALUES), ddof=1))
    assert (noise.runs, noise.gate) == (12, True)
    assert noise.verdict not in ("regressed", "improved")
    assert noise.typical == pytest.approx(math.exp(np.mean(np.log(VALUES))))


def test_more_runs_see_less_and_nothing_sees_less_than_matters() -> None:
    for min_effect in (0.0, 0.1, 0.3):
        [noise] = calibrate(runs({"makespan": VALUES}), [], min_effect, label="x").noise
        assert len(noise.smallest) == len(SIZES)
        assert sorted(noise.smallest, reverse=True) == list(noise.smallest)
        assert min(noise.smallest) > min_effect


def test_each_strategy_is_calibrated_and_zeros_are_passed_over() -> None:
    values = {"a": [{"makespan": x, "failed": 0.0} for x in VALUES], "b": [{"makespan": x} for x in VALUES]}
    found = calibrate(repeats(values), [], 0.1, label="x")
    assert [(one.strategy, one.measure) for one in found.noise] == [("a", "makespan"), ("b", "makespan")]
    assert (found.runs, found.unit) == (12, "repeat")


def test_what_drifts_is_seen_not_to_be_itself() -> None:
    """Every second run is slower: whatever the others are compared with, this is no one thing."""
    [noise] = calibrate(runs({"makespan": [1.0, 1.5] * 4}), [parse_gate("makespan")], 0.1, label="x").noise
    assert noise.verdict == "regressed"


def test_three_runs_are_too_few() -> None:
    with pytest.raises(UsageError, match="x has 3 runs: a calibration needs at least 4"):
        calibrate(runs({"makespan": VALUES[:3]}), [], 0.1, label="x")
