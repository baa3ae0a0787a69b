"""`claude-bench init`: what it writes runs as it stands, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from bench.cli import call
from bench.scenario.schema import schema_text


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def files() -> list[str]:
    return sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())


def test_the_first_scenario_runs_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["init"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == files() == ["scenarios/first.yaml", "scenarios/scenario.schema.json"]
    assert said[-1].startswith("Next: claude-bench run scenarios/first.yaml ")
    assert call(["run", "scenarios/first.yaml", "--strict", "--out", "run"]) == 0
    assert "thresholds met" in capsys.readouterr().out


def test_editors_find_the_schema_beside_it() -> None:
    assert call(["init", "load/chat.yaml"]) == 0
    assert Path("load/scenario.schema.json").read_text() == schema_text()
    assert Path("load/chat.yaml").read_text().startswith("# yaml-language-server: $schema=./scenario.schema.json\n")


@pytest.mark.parametrize(
    ("ci", "file", "schema"),
    [("github", ".github/workflows/claude-bench.yml", "github-workflows"), ("gitlab", ".gitlab-ci.yml", "gitlab-ci")],
)
def test_a_workflow_is_valid_and_runs_the_scenario(ci: str, file: str, schema: str) -> None:
    schemas = pytest.importorskip("check_jsonschema.builtin_schemas", reason="check-jsonschema is not installed")
    assert call(["init", "load/chat.yaml", "--ci", ci]) == 0
    text = Path(file).read_text()
    jsonschema.validate(YAML(typ="safe").load(text), schemas.get_builtin_schema(f"vendor.{schema}"))
    assert "load/chat.yaml" in text
    assert "SCENARIO" not in text


@pytest.mark.parametrize(
    ("taken", "arguments"),
    [
        ("scenarios/first.yaml", []),
        ("scenarios/scenario.schema.json", []),
        (".gitlab-ci.yml", ["--ci", "gitlab"]),
    ],
)
def test_what_is_there_stays_and_nothing_is_written_beside_it(
    taken: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(taken).parent.mkdir(exist_ok=True)
    Path(taken).write_text("mine")
    assert call(["init", *arguments]) == 2
    assert f"{taken} is there already" in capsys.readouterr().err
    assert files() == [taken]
    assert Path(taken).read_text() == "mine"


def test_a_second_scenario_shares_the_schema() -> None:
    assert call(["init"]) == 0
    assert call(["init", "scenarios/second.yaml"]) == 0
    assert len(files()) == 3


def test_what_cannot_be_written_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["init", "--ci", "githb"]) == 2
    assert "Did you mean github?" in capsys.readouterr().err
    Path("scenarios").write_text("a file")
    assert call(["init"]) == 2
    assert "cannot write scenarios/first.yaml" in capsys.readouterr().err
    assert files() == ["scenarios"]
