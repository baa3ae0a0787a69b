"""Conversations in the reports."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench import api
from bench.results.statistics import distribution
from bench.results.summary import TurnSummary
from reports.console import print_summary
from reports.turns import HEADINGS, turn_table


def turns(count: int) -> list[TurnSummary]:
    none = distribution(np.array([]))
    return [TurnSummary(turn, count - turn, count - turn, 1000.0, None, None, none, none) for turn in range(count)]


@given(st.integers(1, 100), st.integers(2, 20))
def test_of_many_turns_the_first_ones_and_the_last_are_shown(count: int, most: int) -> None:
    table = turn_table(turns(count), most)
    shown = [int(row[0]) for row in table.rows]
    assert shown == sorted(set(shown))
    assert (shown[0], shown[-1], len(shown)) == (1, count, min(count, most))
    steps = [after - before for before, after in pairwise(shown)]
    assert all(after >= before - 1 for before, after in pairwise(steps))
    assert all(len(row) == len(HEADINGS) for row in table.rows)


TALK = """\
version: 1
question: Does it show?
model: claude-sonnet-5
workload:
  conversations: {count: 8, turns: 3, think: 20s}
  system_tokens: 2000
  input_tokens: 100
  output_tokens: 50
  max_tokens: 500
  cache: 5m
  stream: true
strategies: [gather]
"""


@pytest.fixture
def finished(tmp_path: Path) -> api.Finished:
    (tmp_path / "talk.yaml").write_text(TALK)
    return api.run(api.load(str(tmp_path / "talk.yaml")), out=tmp_path / "run")


def test_the_page_shows_conversations_caching_and_turns(finished: api.Finished) -> None:
    page = (finished.folder / "report.html").read_text()
    for words in ("Conversations, turn by turn", "saved by caching", "turn, from what was said to its answer"):
        assert words in page


def test_the_console_shows_them_within_80_columns(finished: api.Finished) -> None:
    shown = StringIO()
    print_summary(finished.summary, finished.page, Console(file=shown, width=80))
    lines = shown.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines if "report.html" not in line) <= 80
    [first] = [line for line in lines if line.startswith("   1 ")]
    assert first.split()[1:4] == ["8", "8", "2,100"]


def test_metrics_that_nobody_measured_have_no_row(tmp_path: Path) -> None:
    plain = TALK.replace("conversations: {count: 8, turns: 3, think: 20s}", "requests: 8").replace("cache: 5m", "")
    (tmp_path / "plain.yaml").write_text(plain)
    page = (api.run(api.load(str(tmp_path / "plain.yaml")), out=tmp_path / "run").folder / "report.html").read_text()
    assert "Conversations, turn by turn" not in page
    assert ">saved by caching<" not in page.partition("Definitions")[0]
