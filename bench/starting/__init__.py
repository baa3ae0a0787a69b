"""`claude-bench init`: a first scenario that explains itself, its schema for editors, and a workflow for CI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.errors import UsageError
from bench.scenario.problems import nearest
from bench.scenario.schema import schema_text

TEMPLATES = Path(__file__).parent
WORKFLOWS = {"github": Path(".github/workflows/claude-bench.yml"), "gitlab": Path(".gitlab-ci.yml")}
SCHEMA = "scenario.schema.json"


def begin(scenario: Path, ci: str | None) -> list[Path]:
    """Write what a project begins with, and say which files those are; the scenario comes first.

    UsageError where one is there already, before anything is written: nothing is ever overwritten.
    """
    files = {scenario: _template("first.yaml"), scenario.parent / SCHEMA: schema_text()}
    if ci is not None:
        workflow = _workflow(ci)
        files[workflow] = _template(f"{ci}.yml").replace("SCENARIO", scenario.as_posix())
    _refuse_to_overwrite(files)
    for path, text in files.items():
        _write(path, text)
    return list(files)


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _workflow(ci: str) -> Path:
    try:
        return WORKFLOWS[ci]
    except KeyError:
        raise UsageError(
            f"--ci: no workflow for `{ci}`.{nearest(ci, WORKFLOWS)}", "There are github and gitlab."
        ) from None


def _refuse_to_overwrite(files: Mapping[Path, str]) -> None:
    """An equal file, such as the schema of another scenario beside it, is as good as a new one."""
    for path, text in files.items():
        if path.exists() and not (path.is_file() and path.read_bytes() == text.encode()):
            raise UsageError(f"{path} is there already", "Nothing was written. Give another name, or move it away.")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
