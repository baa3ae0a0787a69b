"""docs/comparing.md is true: its commands are run, and what it says they print is what they print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.cli import call

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "comparing.md").read_text()
GOLDEN = ROOT / "tests" / "reports" / "golden"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_every_command_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for block in blocks("yaml"):
        if name := re.match(r"# (\S+\.yaml)\n", block):
            Path(name[1]).write_text(block)
    code, checked = 0, 0
    for step in re.split(r"^\$ ", "".join(blocks("console")), flags=re.MULTILINE)[1:]:
        line, _, said = step.partition("\n")
        if line == "echo $?":
            assert said.strip() == str(code)
        else:
            code = call(shlex.split(line)[1:])
            printed = capsys.readouterr()
            if said:  # what a command prints that the page is not about is left out
                assert printed.out + printed.err == said, line
                checked += 1
    assert checked >= 4


@pytest.mark.parametrize(("place", "name"), [(0, "compare-regressed"), (1, "calibration")])
def test_what_is_shown_is_what_is_printed(place: int, name: str) -> None:
    assert blocks("text")[place] == (GOLDEN / f"{name}.txt").read_text()
