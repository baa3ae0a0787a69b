from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import ScenarioError
from bench.scenario.gate import Gate
from bench.scenario.load import load

SCENARIO = """\
version: 1
question: Did it become slower?
model: claude-sonnet-5
workload: {requests: 4, input_tokens: 100, output_tokens: 20, max_tokens: 50}
strategies: [gather]
"""


def gate(tmp_path: Path, written: str) -> Gate | None:
    (tmp_path / "x.yaml").write_text(f"{SCENARIO}gate: {written}\n")
    return load(tmp_path / "x.yaml").gate


def test_a_gate_is_a_list_or_says_what_matters(tmp_path: Path) -> None:
    assert gate(tmp_path, "[ttft.p95, goodput]") == Gate(metrics=("ttft.p95", "goodput"), min_effect=0.1)
    assert gate(tmp_path, "{metrics: [cost.per_success, cost_per_success], min_effect: 5%}") == Gate(
        metrics=("cost_per_success",), min_effect=0.05
    )


def test_a_scenario_without_a_gate_asks_what_it_asked_before(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(SCENARIO)
    assert "gate" not in load(tmp_path / "x.yaml").resolved()


def test_every_fault_of_a_gate_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        gate(tmp_path, "{metrics: [makespn, errors.rate, ttft, requests], min_effect: 5}")
    said = str(caught.value)
    for words in (
        "x.yaml:6:18  gate.metrics[0]: `makespn` is not a metric. Did you mean makespan?",
        "error_rate cannot gate",
        "ttft has many values",
        "requests cannot gate",
        "gate.min_effect: expected a percentage",
    ):
        assert words in said


@pytest.mark.parametrize("written", ["ttft.p95", "[]", "{metrics: []}", "{min_effect: 5%}", "7"])
def test_what_is_no_gate_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(ScenarioError, match="gate"):
        gate(tmp_path, written)
