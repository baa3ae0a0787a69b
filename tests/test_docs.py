"""What the documentation names exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from bench.results.bottleneck import BOTTLENECK, STRAINED
from mock_server.faults import KINDS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "mock-server.md").read_text()
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_each_test_that_holds_a_fact_exists(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / "tests" / "mock_server" / file).read_text()


def test_every_row_of_the_tables_of_facts_names_its_test() -> None:
    facts = PAGE.partition("## What it does")[2]
    rows = [line for line in facts.splitlines() if line.startswith("| ") and not re.match(r"\| (the API|it) \|", line)]
    assert len(rows) > 40
    assert [row for row in rows if "::test_" not in row] == []


def test_every_fault_is_described() -> None:
    faults = PAGE.partition("## Faults")[2].partition("## Control")[0]
    assert [name for name in KINDS if f"`{name}`" not in faults] == []


def test_every_format_and_every_instrument_is_described() -> None:
    from bench.results.semconv import INSTRUMENTS, prometheus_name
    from reports.export import FORMATS

    page = (ROOT / "docs" / "export.md").read_text()
    assert [name for name in FORMATS if f"`{name}`" not in page] == []
    for one in INSTRUMENTS:
        name = prometheus_name(one) + "_total" * (one.kind == "counter")
        assert f"| `{one.name}` | `{name}` |" in page


def test_every_warning_is_in_the_table_of_warnings() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "bench" / "results").glob("*.py"))
    codes = {*re.findall(r'Warning\(\s*"(\w+)"', sources), BOTTLENECK, STRAINED}
    table = (ROOT / "docs" / "report.md").read_text().partition("## Warnings")[2].partition("\n## ")[0]
    assert len(codes) > 15
    assert codes == set(re.findall(r"`(\w+)`", table)) - {"code"}


def test_every_variable_of_the_environment_that_is_read_is_in_one_table() -> None:
    table = (ROOT / "docs" / "environment.md").read_text()
    read = {
        name
        for package in ("bench", "mock_server", "reports")
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(
            r'"((?:ANTHROPIC|GITHUB|GITLAB|XDG|NO_|FORCE_|LOCALAPP|CLAUDE|BENCH)\w*)"', path.read_text()
        )
        if name.isupper()
    }
    assert len(read) > 7
    assert [name for name in read if f"`{name}`" not in table] == []


def test_every_option_of_the_pytest_plugin_is_described() -> None:
    page = (ROOT / "docs" / "pytest.md").read_text()
    options = re.findall(r'"(--claude-bench-[a-z-]+)"', (ROOT / "bench" / "pytest_plugin.py").read_text())
    assert len(options) > 8
    assert [option for option in options if f"`{option}" not in page] == []


def _ci_files() -> list[tuple[str, object]]:
    page = (ROOT / "docs" / "ci.md").read_text()
    read = YAML(typ="safe").load
    return [
        ("gitlab-ci" if "claude-bench:\n  image" in block else "github-workflows", read(block))
        for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    ]


@pytest.mark.parametrize(("kind", "content"), _ci_files(), ids=["pull request", "merge", "nightly", "gitlab"])
def test_every_workflow_to_copy_is_valid(kind: str, content: object) -> None:
    schemas = pytest.importorskip("check_jsonschema.builtin_schemas", reason="check-jsonschema is not installed")
    jsonschema.validate(content, schemas.get_builtin_schema(f"vendor.{kind}"))


def test_all_workflows_name_the_repository_in_the_one_way_that_is_explained_first() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    named = set(re.findall(r"[\w.-]+/claude-bench@\w+", page))
    assert named == {"your-organisation/claude-bench@v0"}
    assert f"written\n`{named.pop()}` here" in page.partition("```")[0]
    assert "pip install claude-bench" not in page, "of that name there is nothing of ours on PyPI"


def test_workflows_give_the_action_only_inputs_that_it_has() -> None:
    inputs = YAML(typ="safe").load((ROOT / "action.yml").read_text())["inputs"]
    page = (ROOT / "docs" / "ci.md").read_text()
    given = [
        name
        for block in re.findall(r"claude-bench@v0\n\s+with:\n((?:\s{10}.*\n)+)", page)
        for name in re.findall(r"^\s+([\w-]+):", block, re.MULTILINE)
    ]
    assert len(given) > 4
    assert [name for name in given if name not in inputs] == []
    assert [name for name in inputs if f"`{name}`" not in page] == []


def test_the_turns_of_the_merge_workflow_run_as_they_stand(tmp_path: Path) -> None:
    """With both environments in place of those that its first step makes, and on the simulation."""
    [workflow] = [content for _, content in _ci_files() if isinstance(content, dict) and content.get("name") == "merge"]
    steps = {step.get("name"): step.get("run") for step in workflow["jobs"]["mock"]["steps"]}
    command = f'#!/bin/sh\nexec "{sys.executable}" -m bench "$@"\n'
    for side in (tmp_path, tmp_path / "base"):
        (side / ".venv" / "bin").mkdir(parents=True)
        (side / ".venv" / "bin" / "claude-bench").write_text(command)
        (side / ".venv" / "bin" / "claude-bench").chmod(0o755)
        (side / "load").mkdir()
        (side / "load" / "chat.yaml").write_text(
            (ROOT / "scenarios" / "summarize-100.yaml").read_text() + "gate: [makespan]"
        )
    for name in ("Run them in turns", "Compare"):
        script = steps[name].replace("--target mock", "--target sim --strategy gather").replace("1 2 3 4 5", "1 2")
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SCENARIO": "load/chat.yaml"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("IDENTICAL")
