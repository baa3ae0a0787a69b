"""How long a full plan takes, and how near plans of every shipped scenario come to runs over HTTP.

pytest --benchmark-only tests/benchmarks/test_plan_benchmark.py -s
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import api
from bench.planning.plan import plan
from bench.planning.tiers import CURRENT, tiers_of
from bench.results.plan import Cell
from bench.scenario.load import shipped
from bench.scenario.model import Scenario
from benchmarks.table import AddRow, Once, most

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
    "chat-users": ["workload.duration=10m", "arrivals.users=40", "arrivals.ramp_up=10s"],
    "chat-with-history": ["workload.conversations.count=10"],
    "classify-500": ["workload.requests=150"],
    "fan-out-three-models": ["workload.requests=60"],
    "hedge-or-wait": ["workload.requests=400"],
    "hold-slot": ["workload.requests=150"],
    "interactive-and-background": ["streams[0].workload.duration=1m", "streams[1].workload.requests=150"],
    "one-million": ["workload.requests=3000"],
    "output-classes": [
        "cases.short.workload.requests=200",
        "cases.medium.workload.requests=200",
        "cases.long.workload.requests=60",
        "cases.thinking.workload.requests=60",
    ],
    "replay-conversation": ["arrivals.trace.window=1m"],
    "retry-storm": ["workload.duration=4m", "arrivals={poisson: 1/s}"],
    "summarize-100": [],
    "thundering-herd": ["workload.requests=600"],
    "time-of-day": ["workload.duration=3h"],
}
"""What is run less of, so that hundreds of runs in scaled real time end today."""

WHOLE_ON = {"thundering-herd": "scale"}
"""The tier on which it is run whole: of 600 requests, three rounds there, the second that a refused one waits is a
twelfth, and whether any is refused is a matter of how fast this machine sends two hundred."""

SECONDS = 6.0
"""What a run over HTTP should take: its speed follows."""
FASTEST = 120.0
"""How many times faster than life at most: a call that may take 10 min has then five seconds."""
REQUESTS_A_SECOND = 60.0
"""Attempts a second of real time that a run is scaled up to at most, so that this machine is not what is measured."""
ANSWER = 0.6
"""Seconds of real time that a typical answer takes at least, for the same reason: each has some of ours.  A tenth of it
where requests come at times of their own: only the last answer is late then."""
AT_ONCE = 0.1
"""Seconds of real time that a run has at least for each request in flight, all of which may begin in one instant."""
WITHIN = 0.05
"""How near a plan is to come."""
TRIES = 3
"""Runs of a cell at most, of which the nearest counts: other work on the machine only makes one longer."""


@pytest.mark.parametrize("name", FULL)
def test_a_full_plan(name: str, once: Once, row: AddRow) -> None:
    scenario = api.load(name)
    began = time.perf_counter()
    found = once(lambda: plan(scenario, tiers=CURRENT))
    taken = time.perf_counter() - began
    simulated = sum(cell.simulated.simulated for cell in found.cells if cell.simulated)
    row(f"plan of {name}: {len(found.cells)} cells, {simulated:,} requests", taken, "s")


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's, of batches beyond 1 MB
@pytest.mark.parametrize("name", [entry.name for entry in shipped()])
def test_plan_against_execution(name: str, once: Once, row: AddRow, tmp_path: Path) -> None:
    """Every strategy of every shipped scenario, in each case, on each tier that `plan` shows unasked.

    A run in which no tier is felt is the same on each of them, and is made once.
    """
    less, whole = api.load(name, settings=LESS.get(name, ())), api.load(name)
    cells = [cell for cell in _cells(less) if cell.tier != WHOLE_ON.get(name)]
    once(lambda: None)
    alike: dict[object, list[Cell]] = {}
    for place, cell in enumerate(cells):
        alike.setdefault((cell.case, cell.strategy, cell.makespan) if _feels_no_tier(cell) else place, []).append(cell)
    groups = [(less, each) for each in alike.values()]
    if name in WHOLE_ON:
        groups += [(whole, [cell]) for cell in _cells(whole) if cell.tier == WHOLE_ON[name]]
    off = [_against_execution(one, each, tmp_path / str(place)) for place, (one, each) in enumerate(groups)]
    worst = {part: max((abs(one[part]), one["cell"]) for one in off) for part in ("makespan", "cost")}
    many = sum(len(each) for _, each in groups)
    for part, (away, cell) in worst.items():
        row(f"plan of {name}, {part}, worst of {many}: {cell}", away, "%", aim=most(0.05))


def _cells(scenario: Scenario) -> Sequence[Cell]:
    return plan(scenario, tiers=tiers_of(None, scenario)).cells


def _feels_no_tier(cell: Cell) -> bool:
    """Whether nothing was refused, and the strategy neither reads the limits nor waits for batches."""
    blind = cell.kind in ("sequential", "gather", "semaphore", "pool")
    return blind and cell.simulated is not None and not cell.simulated.rate_limited


def _against_execution(scenario: Scenario, alike: Sequence[Cell], folder: Path) -> dict[str, Any]:
    """By how much a run over HTTP differs from its plan: the nearest of a few, as other work only makes it longer."""
    cell = alike[0]
    speed = _speed(cell)
    one = _alone(scenario, cell).model_copy(update={"target": "mock", "speed": speed, "client": "wire"})
    spent = cell.spending.expected or 1.0
    label = "/".join(filter(None, (cell.case, "+".join(same.tier for same in alike), cell.strategy)))
    tried: list[dict[str, Any]] = []
    for number in range(TRIES):
        began = time.perf_counter()
        finished = api.run(one, out=folder / str(number))
        assert finished.passes, finished.summary.reasons
        (ran,) = finished.passes
        makespan = (ran.values["makespan"] or 0.0) / cell.makespan - 1
        tried.append({"cell": label, "makespan": makespan, "cost": (ran.cost.total or 0.0) / spent - 1})
        print(
            f"\n{scenario.name:26} {label:40} planned {cell.makespan:9.1f} s {makespan:+7.2%}  "
            f"cost {tried[-1]['cost']:+7.2%}  speed {speed:7.1f}, {time.perf_counter() - began:.1f} s",
            end="",
        )
        if abs(makespan) <= WITHIN:
            break
    return min(tried, key=lambda one: abs(one["makespan"]))


def _speed(cell: Cell) -> float:
    one = cell.simulated
    assert one is not None
    rate = (one.requests + one.rate_limited) / cell.makespan
    least = ANSWER / 10 if cell.closed_form.binds == "arrivals" else ANSWER
    answer = one.latency_p50 or least * FASTEST
    seconds = max(SECONDS, AT_ONCE * _at_once(cell))
    return max(1.0, min(FASTEST, cell.makespan / seconds, REQUESTS_A_SECOND / max(rate, 1e-9), answer / least))


def _at_once(cell: Cell) -> float:
    """How many requests may begin in one instant: all, where nothing but a full bucket holds them back."""
    form = cell.closed_form
    if form.limited_in_flight or form.binds == "arrivals" or cell.kind in ("batch", "hybrid"):
        return form.in_flight
    return form.rate / 60 * form.makespan


def _alone(scenario: Scenario, cell: Cell) -> Scenario:
    variant = dict(scenario.variants)[cell.case]
    chosen = tuple(one for one in variant.strategies if one.name == cell.strategy)
    return variant.model_copy(update={"tier": cell.tier, "strategies": chosen, "cases": (), "thresholds": ()})
