"""The table of `make bench` says what was measured and whether it is what was aimed at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.table import HEADERS, Row, cells, least, most, render

HERE = Path(__file__).parent
BARE = ("bare", 4_000.0)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("w", 3_000, "req/s", aim=least(3_000)), True),
        (Row("w", 2_999, "req/s", aim=least(3_000)), False),
        (Row("w", 0.5, "s", aim=most(0.5)), True),
        (Row("w", 0.51, "s", aim=most(0.5)), False),
        (Row("w", 3_600, "req/s", BARE, least(0.9, ratio=True)), True),
        (Row("w", 3_599, "req/s", BARE, least(0.9, ratio=True)), False),
        (Row("w", 3_599, "req/s", BARE), None),
        (Row("w", 3_599, "req/s", aim=least(0.9, ratio=True)), None),
        (Row("w", 3_599, "req/s", ("nothing", 0.0), least(0.9, ratio=True)), None),
    ],
)
def test_whether_an_aim_is_met(row: Row, met: bool | None) -> None:
    assert row.is_met is met


def test_a_row_says_figure_reference_ratio_and_aim() -> None:
    row = Row("streams", 2_000, "requests/CPU-s", BARE, least(3_000))
    assert cells(row) == ("streams", "2,000", "requests/CPU-s", "bare", "4,000", "0.50", ">= 3,000", "MISSED")


def test_parts_are_shown_in_per_cent() -> None:
    row = Row("over-report", 0.012, "%", ("bare", -0.001), most(0.02))
    assert cells(row)[1:] == ("+1.2", "%", "bare", "-0.1", "", "<= +2.0", "met")


def test_what_was_not_held_against_anything_is_left_open() -> None:
    assert cells(Row("size", 61.25, "MB")) == ("size", "61.2", "MB", "", "", "", "", "")


def test_columns_of_figures_are_flush_right() -> None:
    rows = [Row("long", 12_345, "s"), Row("short", 1.5, "s", ("bare", 2.0))]
    table = render(HEADERS, [cells(row) for row in rows])
    assert "\n| long  | 12,345 | s    |" in table
    assert "\n| short |    1.5 | s    | bare      |      2 |  0.75 |" in table
    assert len({len(line) for line in table.splitlines()}) == 1


def test_a_run_of_benchmarks_ends_with_the_table(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((HERE / "conftest.py").read_text())
    (tmp_path / "test_one.py").write_text("def test_one(row): row('work', 2.0, 's', beside=('bare', 1.0))")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    assert said.count("| work") == 2
    assert "| work |    2 | s    | bare      |      1 |  2.00 |" in said
