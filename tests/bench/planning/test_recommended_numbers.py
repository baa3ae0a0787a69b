"""What a sweep on the simulation recommends is what trying every number finds: twelve cells, four workloads by three
tiers, in which requests, input tokens, output tokens, and arrivals with an SLO bind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import api
from bench.planning.knee import STEP
from bench.planning.recommend import recommend_swept
from bench.planning.simulate import simulate
from bench.planning.sweep import numbers, sweep
from bench.scenario.model import Scenario

MOST = 36
"""In flight: the range that is swept, and every number of which is tried."""

SLO = 40.0
"""Seconds of response time."""

WORKLOADS = {
    "labels": {"requests": 150, "input_tokens": 200, "output_tokens": 20},
    "summaries": {"requests": 120, "input_tokens": 900, "output_tokens": 100},
    "answers": {"requests": 150, "input_tokens": 200, "output_tokens": 180},
    "visitors": {"requests": 150, "input_tokens": 300, "output_tokens": 100},
}

OWN = {"requests_per_minute": 44, "input_tokens_per_minute": 36_000, "output_tokens_per_minute": 10_000}
"""An organisation's own limits, from a file."""


def scenario_of(workload: str, tier: str, folder: Path) -> Scenario:
    if tier == "own":
        limits = [{"type": name, "value": value} for name, value in OWN.items()]
        group = {"type": "rate_limit", "group_type": "model_group", "models": ["claude-sonnet-5"], "limits": limits}
        (folder / "own.json").write_text(json.dumps({"data": [group]}))
        tier = str(folder / "own.json")
    own_times = ["arrivals={poisson: 14/min}", f"slo={{response_time: {SLO:g}s}}"] if workload == "visitors" else []
    settings = [
        *(f"workload.{key}={value}" for key, value in WORKLOADS[workload].items()),
        "workload.max_tokens=1000",
        "mock.latency={ttft: {median: 25s, p95: 30s}, tokens_per_second: {median: 50, p95: 60}}",
        "retry={policy: exponential, base: 5s, cap: 40s, jitter: 50%, attempts: 1000}",
        *own_times,
    ]
    return api.load("summarize-100", flags={"tier": tier}, settings=settings)


def tried(scenario: Scenario) -> dict[int, tuple[float, float, float | None]]:
    """Goodput, 429 share and the upper bound of the p95 response time at every number."""
    base = scenario.strategies[-1]
    found = {}
    for number in range(1, MOST + 1):
        one = base.model_copy(update={"name": f"semaphore-{number}", "limit": number})
        [summary] = simulate(scenario.model_copy(update={"strategies": (one,)})).summary.passes
        goodput = summary.values["goodput" if scenario.slo.response_time else "throughput"]
        refused = summary.values["rate_limited_rate"]
        assert goodput is not None
        assert refused is not None
        found[number] = goodput, refused, summary.distributions["response_time"].p95.hi
    return found


@pytest.mark.parametrize("tier", ["tier-1", "tutorial-1", "own"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_sweep_recommends_what_trying_every_number_finds(workload: str, tier: str, tmp_path: Path) -> None:
    scenario = scenario_of(workload, tier, tmp_path)
    exhaustive = tried(scenario)
    best = max(goodput for goodput, _, _ in exhaustive.values())
    smallest = min(
        number
        for number, (goodput, refused, p95) in exhaustive.items()
        if goodput >= 0.95 * best
        and refused < 0.01
        and (scenario.slo.response_time is None or (p95 is not None and p95 <= SLO))
    )
    swept = sweep([scenario], numbers("semaphore", f"1..{MOST}"), seeds=1, out=tmp_path / "sweep", processes=1)
    [answer, *_] = recommend_swept(swept.sweep, swept.folder)[0].answers
    assert answer.at is not None, answer.sentence
    recommended = int(answer.at)
    assert min(smallest - 1, smallest / STEP) <= recommended <= max(smallest + 1, smallest * STEP)
    assert exhaustive[recommended][1] < 0.01
    assert len(swept.sweep.series[0].points) < MOST / 2
