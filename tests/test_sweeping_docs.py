"""docs/sweeping.md is true: its commands are run, and what it says they print is what they print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.cli import call

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "sweeping.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What each command of the page prints, by the command."""
    for block in blocks("yaml"):
        (folder / block.split()[1]).write_text(block)
    code, found = 0, {}
    for line in re.findall(r"^\$ (.*)", "".join(blocks("console")), flags=re.MULTILINE):
        if line == "echo $?":
            found[line] = f"{code}\n"
        else:
            code = call(shlex.split(line)[1:])
            found[line] = capsys.readouterr().out
    return found


def test_every_command_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    said = dict(step.split("\n", 1) for step in re.split(r"^\$ ", "".join(blocks("console")), flags=re.MULTILINE)[1:])
    assert printed(tmp_path, capsys) == said


def test_its_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    [program] = blocks("python")
    exec(compile(program, "docs/sweeping.md", "exec"), {})
    assert "in flight on Build" in capsys.readouterr().out
