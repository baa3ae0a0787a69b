"""Scenario files of somebody else: they read nothing outside of their folder, name no receiver of a key, and end."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import BenchError, ScenarioError
from bench.scenario.load import load

SCENARIO = """\
version: 1
question: What does it reach?
model: claude-sonnet-5
workload: {requests: 2, input_tokens: 50, output_tokens: 5, max_tokens: 50}
strategies: [gather]
"""
OF_DATASET = "workload: {{requests: 2, dataset: {path}, output_tokens: 5, max_tokens: 50}}"
TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n1,5,5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario's folder, beside files that are none of its business."""
    (tmp_path / "private.jsonl").write_text('{"prompt": "secret"}\n')
    (tmp_path / "private.csv").write_text(TRACE)
    (tmp_path / "private.json").write_text('{"secret": 1}')
    (folder := tmp_path / "theirs").mkdir()
    (folder / "own.jsonl").write_text('{"prompt": "hello"}\n')
    (folder / "link.jsonl").symlink_to(tmp_path / "private.jsonl")
    (folder / "linked").symlink_to(tmp_path)
    return folder


def written(folder: Path, *lines: str) -> Path:
    path = folder / "job.yaml"
    replaced = {line.partition(":")[0] for line in lines}
    kept = [line for line in SCENARIO.splitlines() if line.partition(":")[0] not in replaced]
    path.write_text("\n".join([*kept, *lines, ""]))
    return path


@pytest.mark.parametrize(
    "line",
    [
        OF_DATASET.format(path="../private.jsonl"),
        OF_DATASET.format(path="{path: ../private.jsonl}"),
        OF_DATASET.format(path="link.jsonl"),
        OF_DATASET.format(path="linked/private.jsonl"),
        OF_DATASET.format(path="{tmp}/private.jsonl"),
        "arrivals: {{trace: {{path: ../private.csv}}}}",
        "arrivals: {{trace: {{path: {tmp}}}}}",
        "tier: ../private.json",
        "tier: {tmp}/private.json",
        "mock: {{latency: {{profile: ../private.json}}}}",
        "cases: {{a: {{tier: ../private.json}}}}",
    ],
)
def test_what_lies_outside(folder: Path, line: str) -> None:
    line = line.replace("{tmp}", str(folder.parent)).replace("{{", "{").replace("}}", "}")
    with pytest.raises(ScenarioError) as refused:
        load(written(folder, line))
    assert "is outside of the scenario's folder" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_a_person_names_may_lie_anywhere(folder: Path) -> None:
    path = written(folder, "cases: {usual: {}}")
    assert load(path, overrides={"workload": OF_DATASET.format(path="../private.jsonl").partition(": ")[2]})
    assert load(
        written(folder, OF_DATASET.format(path="own.jsonl")), overrides={"workload.dataset": str(folder / "own.jsonl")}
    )


@pytest.mark.parametrize("target", ["api", "https://gateway.example", "http://127.0.0.1:9"])
def test_only_a_person_says_who_gets_the_key(folder: Path, target: str) -> None:
    path = written(folder, f"target: {target}")
    with pytest.raises(ScenarioError, match="a file cannot say who gets your key"):
        load(path)
    assert load(path, flags={"target": target}).target == target
    assert load(path, flags={"target": "sim"}).target == "sim"
    assert load(path, overrides={"target": target}).target == target


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]" for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


BOMBS = [
    BOMB,
    SCENARIO + BOMB,
    "a: &a [*a]",
    "a: &a {b: *a}",
    "[" * 50_000,
    "{a: " * 50_000,
    "- " * 50_000,
    "a: " + "9" * 500_000,
    "a: 0x" + "f" * 500_000,
    "a: 1e" + "9" * 10_000,
    "a: " + "1:" * 50_000 + "1",
    "? " * 20_000,
    "a: !!python/object/apply:os.system [true]",
    "a: !!python/name:os.system",
    "!!binary " + "A" * 500_000,
    "%YAML 1.1\n---\na: 2001-01-01\n",
    "%YAML 99999999999999999999.1\n---\na: 1",
    "%TAG ! tag:" + "x" * 100_000 + "\n---\n!a b",
    "a: |" + "9" * 100,
    '"' + "\\x41" * 200_000 + '"',
    SCENARIO.replace("requests: 2", "requests: 1000000000000"),
    SCENARIO.replace("requests: 2", "requests: 1e300"),
    SCENARIO.replace("requests: 2", "requests: .inf"),
    SCENARIO.replace("requests: 2", "requests: .nan"),
    SCENARIO + "repeat: 1000000000000\n",
    SCENARIO + "arrivals: {backlog: 1000000000000}\n",
    SCENARIO + "arrivals: {rounds: {every: 1s, requests: 1000000000000}}\n",
    SCENARIO + "seed: .nan\n",
    SCENARIO + "timeout: 1e999s\n",
    SCENARIO + "pause: " + "9" * 400 + "s\n",
    SCENARIO + "budget: {max_cost: $" + "9" * 400 + "}\n",
    SCENARIO.replace("[gather]", "[{semaphore: [" + "1," * 5_000 + "1]}]"),
]


@pytest.mark.parametrize("number", range(len(BOMBS)))
def test_what_would_take_all_memory_or_time(tmp_path: Path, number: int) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(BOMBS[number])
    with pytest.raises(BenchError):
        load(path)
