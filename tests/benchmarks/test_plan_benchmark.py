"""How long a full plan takes, and how near plans of every shipped scenario come to runs over HTTP.

pytest --benchmark-only tests/benchmarks/test_plan_benchmark.py -s
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench import api
from bench.planning.plan import plan
from bench.planning.tiers import CURRENT
from bench.scenario.load import shipped
from bench.scenario.model import Scenario
from benchmarks.table import AddRow, Once

FULL = ("batch-or-live", "one-million", "interactive-and-background", "adaptive-or-fixed")
"""Scenarios of 10,000 requests a cell, or nearly; two of them are worked out from so many."""

LESS: dict[str, list[str]] = {
    "adaptive-or-fixed": [
        "cases.start.workload.requests=250",
        "cases.build.workload.requests=250",
        "cases.scale.workload.requests=250",
    ],
    "agents-growing-context": ["workload.conversations.count=4", "arrivals.users=4"],
    "batch-or-live": ["workload.requests=600"],
    "chat-users": ["workload.duration=3m", "arrivals.users=40", "arrivals.ramp_up=10s"],
    "chat-with-history": ["workload.conversations.count=10"],
    "classify-500": ["workload.requests=150"],
    "fan-out-three-models": ["workload.requests=60"],
    "hedge-or-wait": ["workload.requests=400"],
    "hold-slot": ["workload.requests=150"],
    "interactive-and-background": ["streams[0].workload.duration=1m", "streams[1].workload.requests=150"],
    "one-million": ["workload.requests=3000"],
    "output-classes": [
        "workload.requests=200",
        "cases.long.workload.requests=60",
        "cases.thinking.workload.requests=60",
    ],
    "replay-conversation": ["arrivals.trace.window=1m"],
    "retry-storm": ["workload.duration=4m", "arrivals={poisson: 1/s}"],
    "summarize-100": [],
    "thundering-herd": ["workload.requests=600"],
}
"""What is run less of, so that hundreds of runs in scaled real time end today."""

SECONDS = 6.0
"""What a run over HTTP should take: its speed follows."""
FASTEST = 600.0
"""How many times faster than life at most: a call that may take 10 min has then a second."""
REQUESTS_A_SECOND = 100.0
"""Requests a second of real time that a run is scaled up to at most, so that this machine is not what is measured."""
ANSWER = 0.25
"""Seconds of real time that a typical answer takes at least, for the same reason: each has some of ours."""


@pytest.mark.parametrize("name", FULL)
def test_a_full_plan(name: str, once: Once, row: AddRow) -> None:
    scenario = api.load(name)
    began = time.perf_counter()
    found = once(lambda: plan(scenario, tiers=CURRENT))
    taken = time.perf_counter() - began
    simulated = sum(cell.simulated.simulated for cell in found.cells if cell.simulated)
    row(f"plan of {name}: {len(found.cells)} cells, {simulated:,} requests", taken, "s")


@pytest.mark.parametrize("name", [entry.name for entry in shipped()])
def test_plan_against_execution(name: str, once: Once, row: AddRow, tmp_path: Path) -> None:
    scenario = api.load(name, settings=LESS.get(name, ()))
    cells = plan(scenario, tiers=()).cells
    once(lambda: None)
    for cell in cells:
        one = _alone(scenario, cell.case, cell.strategy)
        rate = (cell.closed_form.rate if cell.simulated is None else cell.simulated.throughput) / 60
        answer = (cell.simulated.latency_p50 if cell.simulated else None) or ANSWER * FASTEST
        speed = max(1.0, min(FASTEST, cell.makespan / SECONDS, REQUESTS_A_SECOND / max(rate, 1e-9), answer / ANSWER))
        real = one.model_copy(update={"target": "mock", "speed": speed})
        finished = api.run(real, out=tmp_path / f"{cell.case}-{cell.strategy}")
        assert finished.passes, finished.summary.reasons
        (ran,) = finished.passes
        work = f"plan of {name} {cell.case or ''} {cell.strategy}".replace("  ", " ")
        row(f"{work}, makespan", cell.makespan, "s", beside=("run over HTTP", ran.values["makespan"] or 0.0))
        row(f"{work}, cost", cell.spending.expected or 0.0, "$", beside=("run over HTTP", ran.cost.total or 0.0))


def _alone(scenario: Scenario, case: str | None, strategy: str) -> Scenario:
    variant = dict(scenario.variants)[case]
    chosen = tuple(one for one in variant.strategies if one.name == strategy)
    return variant.model_copy(update={"strategies": chosen, "cases": (), "thresholds": ()})
