"""Runs, reports and baselines that somebody else wrote: whatever stands in them as a name is shown as text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from markupsafe import escape

from bench.cli import call

STRATEGY = '[red]<b>"x'
MODEL = 'claude-"sonnet"-<i>'
NAME = "[bold]s :smile:"
SCENARIO = """\
version: 1
name: plain-name
question: What is in a name?
model: claude-sonnet-5
workload: {requests: 80, input_tokens: 50, output_tokens: 20, max_tokens: 50}
strategies: [{semaphore: 80, name: plain-one}, {semaphore: 4, name: plain-two}]
gate: [makespan]
thresholds: {latency: ["p(95) < 1h"]}
"""


@pytest.fixture(autouse=True)
def _foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of which the files were changed by hand, and the same once more."""
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SCENARIO)
    for folder in ("run", "again"):
        assert call(["run", "s.yaml", "-q", "-o", folder]) == 0
        for file in ("run.json", "records.jsonl", "passes.json", "summary.json"):
            text = (Path(folder) / file).read_text()
            for plain, foreign in (("plain-one", STRATEGY), ("claude-sonnet-5", MODEL), ("plain-name", NAME)):
                text = text.replace(f'"{plain}"', json.dumps(foreign))
            (Path(folder) / file).write_text(text)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert call([*arguments]) == 0
    return capsys.readouterr().out


def shows(page: str, word: str) -> bool:
    """Whether a page has a word as text, and nowhere as markup."""
    visible = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    return str(escape(word)) in visible and word not in visible


def test_on_the_console_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "report", "run")
    assert f"\n{STRATEGY} " in out
    assert f"{STRATEGY} finishes first" in out.replace("\n", " ")


def test_on_the_console_of_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "report", "run", "-q")
    Path("[dim]b.html").write_bytes(Path("run/report.html").read_bytes())
    out = said(capsys, "compare", "[dim]b.html", "again")
    assert "[dim]b.html" in out
    changed = said(capsys, "compare", f"run@{STRATEGY}", "again@plain-two", "--exit-zero")
    assert STRATEGY in changed


def test_among_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "baseline", "save", "main", "run")
    assert NAME in said(capsys, "baseline", "list")
    assert f"\n{STRATEGY} " in said(capsys, "baseline", "show", "main")


def test_in_the_pages(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "report", "run", "-q", "--compare", "again")
    said(capsys, "compare", "run", "again", "--html", "compared.html", "-q")
    report, compared = Path("run/report.html").read_text(), Path("compared.html").read_text()
    assert shows(report, STRATEGY)
    assert shows(report, MODEL)
    assert shows(compared, STRATEGY)
    assert MODEL in said(capsys, "report", "run", "--json").replace('\\"', '"')
