"""Comparisons whose numbers are made up, for what is printed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.results.baseline import PassValues, Runs, RunValues
from bench.results.calibration import Calibration, calibrate
from bench.results.comparison import Comparison, Terms, compare
from bench.results.measures import parse_gate

TYPICAL = {
    "makespan": 146.0,
    "goodput": 154.0,
    "cost_per_success": 0.00512,
    "output_tokens_per_second": 810.0,
    "latency.p50": 5.92,
    "latency.p95": 6.93,
    "response_time.p95": 6.97,
    "ttft.p50": 0.61,
    "ttft.p95": 1.38,
}
GATE = ("ttft.p95", "goodput")


def side(
    name: str,
    count: int,
    *,
    seed: int,
    spread: float,
    factors: Mapping[str, float] = {},
    target: str = "api",
    strategies: Sequence[str] = ("paced",),
    version: str = "0.1.0",
) -> Runs:
    """Runs whose values spread around the typical ones."""
    rng = np.random.default_rng(seed)
    made = []
    for n in range(count):
        passes = []
        for strategy in strategies:
            values = {
                measure: round(value * factors.get(measure, 1.0) * float(np.exp(rng.normal(0, spread))), 6)
                for measure, value in TYPICAL.items()
            }
            rates = {"requests": 400.0, "attempts": 402.0, "error_rate": 0.0025 * (n % 2), "rate_limited_rate": 0.0}
            passes.append(PassValues(strategy, 0, n, {**rates, **values}))
        made.append(RunValues(f"{name}-{n}", versions={"claude-bench": version}, passes=tuple(passes)))
    asked = {"model": "claude-sonnet-5", "target": target, "tier": {"name": "start"}}
    return Runs("summarize-100", asked, tuple(made))


def held(base: Runs, new: Runs, gate: Sequence[str] = GATE, labels: tuple[str, str] = ("main", "this")) -> Comparison:
    terms = Terms(tuple(map(parse_gate, gate)))
    return compare(base, new, [(name, name) for name in base.strategies], terms, labels=labels)


def regressed() -> Comparison:
    """Eight runs each, of which one side's first tokens come a fifth later."""
    return held(
        side("main", 8, seed=1, spread=0.04),
        side("this", 8, seed=2, spread=0.04, factors={"ttft.p95": 1.22}, version="0.2.0"),
    )


def inconclusive() -> Comparison:
    """Three runs each that differ too much."""
    return held(side("main", 3, seed=3, spread=0.1), side("this", 3, seed=4, spread=0.1))


def no_change() -> Comparison:
    """Eight runs each of three strategies, nothing changed."""
    strategies = ("one", "four", "paced")
    return held(
        side("main", 8, seed=6, spread=0.02, strategies=strategies),
        side("this", 8, seed=7, spread=0.02, strategies=strategies),
    )


def one_night() -> Comparison:
    """One new run against ten of a history."""
    return held(
        side("nightly", 10, seed=8, spread=0.03),
        side("tonight", 1, seed=9, spread=0.03, factors={"goodput": 0.7}),
        labels=("nightly", "runs/20261120-0300-summarize-100-api-kqvd"),
    )


def simulated() -> Comparison:
    """Two simulations of one seed: two numbers differ."""
    base = side("a", 1, seed=5, spread=0, target="sim")
    new = side("b", 1, seed=5, spread=0, factors={"ttft.p95": 1.04, "makespan": 0.8}, target="sim")
    return held(base, new, ("ttft.p95",), ("runs/a", "runs/b"))


def identical() -> Comparison:
    """A simulation against itself."""
    run = side("a", 1, seed=5, spread=0, target="sim", strategies=("one", "paced"))
    return held(run, run, labels=("runs/a", "runs/a"))


def missing() -> Comparison:
    """A gate that was never measured."""
    return held(side("main", 5, seed=1, spread=0.04), side("this", 5, seed=2, spread=0.04), ("tpot.p95",))


def ungated() -> Comparison:
    """Nothing can fail."""
    return held(
        side("main", 8, seed=1, spread=0.04), side("this", 8, seed=2, spread=0.04, factors={"ttft.p95": 1.22}), ()
    )


def calibrated() -> Calibration:
    """Ten runs against themselves."""
    return calibrate(side("main", 10, seed=1, spread=0.06), tuple(map(parse_gate, GATE)), 0.1, label="main")
