"""action.yml, by the schema of actions and by running its steps in a shell as a runner does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = YAML(typ="safe").load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]

POOL = """\
version: 1
question: How fast?
model: claude-sonnet-5
workload: {requests: 80, input_tokens: 100, output_tokens: 20, max_tokens: 50}
strategies: [{semaphore: 10, name: pool}]
gate: [makespan]
thresholds:
  latency: ["p(95) < 1s"]
mock: {latency: {service_time: 100ms}}
"""


def schema(name: str) -> Any:  # noqa: ANN401
    """The schema that schemastore.org has, as check-jsonschema carries it."""
    builtin = pytest.importorskip("check_jsonschema.builtin_schemas", reason="check-jsonschema is not installed")
    return builtin.get_builtin_schema(f"vendor.{name}")


def test_it_is_an_action() -> None:
    jsonschema.validate(ACTION, schema("github-actions"))


def test_inputs_never_become_part_of_a_script() -> None:
    assert [step["name"] for step in STEPS if "${{" in step["run"]] == []


def test_no_input_is_a_key() -> None:
    assert not [name for name in ACTION["inputs"] if re.search("key|token|secret", name)]


class Runner:
    """Runs the steps in a folder with a checkout, with claude-bench on the path as its first step puts it there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        command = folder / "bin" / "claude-bench"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bench "$@"\n')
        command.chmod(0o755)
        self.said = ""
        self.summary = folder / "summary.md"
        self.outputs: dict[str, str] = {}

    def use(self, **inputs: str) -> list[int]:
        """The exit codes of the steps that ran."""
        given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        self.said = ""
        return [self._step(step, given) for step in STEPS[1:] if "if" not in step or given["compare"]]

    def _step(self, step: dict[str, Any], given: dict[str, str]) -> int:
        output = self.folder / "output"
        output.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "GITHUB_ACTIONS": "true",
                "GITHUB_WORKSPACE": str(self.folder),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                **{name: self._value(value, given) for name, value in step["env"].items()},
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += done.stdout + done.stderr
        self.outputs |= dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode

    def _value(self, written: str, given: dict[str, str]) -> str:
        [(kind, name)] = re.findall(r"^\$\{\{ (inputs\.|steps\.run\.outputs\.)([\w-]+) \}\}$", written)
        return given[name] if kind == "inputs." else self.outputs[name]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "pool.yaml").write_text(POOL)
    return Runner(tmp_path)


def test_a_run_leaves_its_folder_and_a_job_summary(runner: Runner) -> None:
    assert runner.use(scenario="pool.yaml", target="sim", repeat="2") == [0], runner.said
    info = json.loads((runner.folder / runner.outputs["folder"] / "run.json").read_text())
    assert (info["target"], info["scenario"]["repeat"]) == ("sim", 2)
    assert runner.summary.read_text().startswith("### PASSED: pool\n")


def test_a_failed_threshold_fails_the_step_and_is_annotated(runner: Runner) -> None:
    (runner.folder / "pool.yaml").write_text(POOL.replace("p(95) < 1s", "p(95) < 1ms"))
    assert runner.use(scenario="pool.yaml") == [99]
    assert "::error file=pool.yaml,line=8,title=latency::" in runner.said


def test_a_regression_since_a_baseline_fails(runner: Runner) -> None:
    assert runner.use(scenario="pool.yaml") == [0]
    before = runner.outputs["folder"]
    (runner.folder / "pool.yaml").write_text(POOL.replace("semaphore: 10", "semaphore: 5"))
    assert runner.use(scenario="pool.yaml", compare=before, across="strategies") == [0, 3]
    assert "::error title=makespan::" in runner.said
    assert "### REGRESSED: pool" in runner.summary.read_text()
    assert (runner.folder / runner.outputs["folder"] / "gates.xml").is_file()


def test_the_api_is_not_used_without_a_cap(runner: Runner) -> None:
    assert runner.use(scenario="pool.yaml", target="api") == [2]
    assert "::error title=claude-bench::the API costs money" in runner.said


@pytest.mark.parametrize("scenario", ['pool.yaml"; touch broken; "', "$(touch broken)", "--help"])
def test_whatever_an_input_holds_it_is_only_a_name(runner: Runner, scenario: str) -> None:
    assert runner.use(scenario=scenario) == [2]
    assert not (runner.folder / "broken").exists()
