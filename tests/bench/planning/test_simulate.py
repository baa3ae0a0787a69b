"""Simulating in memory gives what a run on `sim` gives, in one process or in several."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench import api
from bench.errors import UsageError
from bench.planning.simulate import simulate
from bench.planning.workers import simulate_many
from bench.results.summary import Summary
from bench.scenario.model import Scenario


def small(**settings: object) -> Scenario:
    changes = [f"{key.replace('__', '.')}={value}" for key, value in {"workload__requests": 40, **settings}.items()]
    return api.load("summarize-100", settings=changes)


def told(summary: Summary) -> dict[str, object]:
    """What it came to, without what only runs on disk know."""
    plain: dict[str, object] = msgspec.to_builtins(summary)
    return plain


def test_what_is_kept_in_memory_is_what_a_run_records(tmp_path: Path) -> None:
    scenario = small()
    finished = api.run(scenario, out=tmp_path / "run", html=False)
    found = simulate(scenario)
    assert told(found.summary) == told(finished.summary)
    assert [len(columns.requests) for columns in found.columns] == [40] * 4


def test_a_scenario_for_the_api_is_simulated_without_its_budget() -> None:
    found = simulate(small(target="api", budget__max_cost="$0.01"))
    assert found.summary.target == "sim"
    assert all(one.values["succeeded"] == 40 for one in found.summary.passes)


def test_cases_batches_and_repeats_are_simulated() -> None:
    scenario = api.load("batch-or-live", settings=["workload.requests=300", "repeat=2"])
    found = simulate(scenario)
    assert len(found.summary.passes) == 2 * sum(len(variant.strategies) for _, variant in scenario.variants)
    assert all(one.stopped is None for one in found.summary.passes)


def test_several_processes_find_the_same_as_one() -> None:
    scenarios = [small(seed=seed, workload__requests=20) for seed in (1, 2, 3)]
    alone = dict(simulate_many(scenarios, processes=1))
    together = dict(simulate_many(scenarios, processes=2))
    assert alone == together
    assert alone[0] != alone[1]


def test_who_stops_listening_stops_what_goes_on() -> None:
    several = simulate_many([small(seed=seed) for seed in range(6)], processes=2)
    place, summary = next(several)
    assert summary.seed == place
    several.close()


def test_a_scenario_that_cannot_be_played_says_why() -> None:
    broken = small().model_copy(update={"tier": "nowhere.json"})
    with pytest.raises((UsageError, ValueError)):
        list(simulate_many([broken, broken], processes=2))


SCRIPT = """\
import bench.api
from bench.planning.workers import simulate_many

scenarios = [bench.api.load("summarize-100", settings=["workload.requests=20", f"seed={seed}"]) for seed in (1, 2)]
print(sorted(place for place, _ in simulate_many(scenarios, processes=2)))
"""


def test_a_script_without_a_main_guard_may_ask(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    said = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True
    )
    assert said.stdout == b"[0, 1]\n", said.stderr.decode()
