"""What a comparison and a calibration print, letter by letter at 80 columns."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from made_comparisons import (
    calibrated,
    held,
    identical,
    inconclusive,
    missing,
    no_change,
    one_night,
    regressed,
    side,
    simulated,
    ungated,
)
from rich.console import Console

from bench.results.comparison import Comparison
from reports.calibration import print_calibration
from reports.comparison import print_comparison

GOLDEN = Path(__file__).parent / "golden"
COMPARISONS = {
    made.__name__: made
    for made in (regressed, inconclusive, no_change, one_night, simulated, identical, missing, ungated)
}


def printed(found: Comparison, width: int = 80, *, terminal: bool = False) -> str:
    file = io.StringIO()
    print_comparison(found, Console(file=file, width=width, force_terminal=terminal))
    return file.getvalue()


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_is_printed_as_agreed(name: str) -> None:
    assert printed(COMPARISONS[name]()) == (GOLDEN / f"compare-{name.replace('_', '-')}.txt").read_text()


def test_a_calibration_is_printed_as_agreed() -> None:
    file = io.StringIO()
    print_calibration(calibrated(), Console(file=file, width=80))
    assert file.getvalue() == (GOLDEN / "calibration.txt").read_text()


@pytest.mark.parametrize("made", COMPARISONS.values())
def test_no_line_is_wider_than_the_console_or_ends_in_blanks(made: Callable[[], Comparison]) -> None:
    lines = printed(made()).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []


def test_what_is_far_out_still_fits() -> None:
    wild = held(side("main", 2, seed=1, spread=2.0), side("this", 2, seed=2, spread=2.0))
    lines = printed(wild).splitlines()
    assert max(map(len, lines)) <= 80
    assert ">+999" in printed(wild)
    assert all("gate" in line or "inconclusive" not in line for line in lines if line.startswith("goodput"))


def test_the_verdict_says_which_way_in_words() -> None:
    for measure, factor, words in (
        ("makespan", 1.5, "wall clock is 50 % slower"),
        ("makespan", 0.5, "wall clock is 50 % faster"),
        ("cost_per_success", 1.5, "cost per success is 50 % dearer"),
        ("cost_per_success", 0.5, "cost per success is 50 % cheaper"),
        ("goodput", 0.5, "goodput is 50 % lower"),
        ("goodput", 1.5, "goodput is 50 % higher"),
    ):
        base = side("x", 3, seed=1, spread=0)
        new = side("y", 3, seed=1, spread=0, factors={measure: factor})
        assert words in printed(held(base, new, (measure,)))


def test_only_gates_have_a_colour() -> None:
    coloured = [line for line in printed(regressed(), terminal=True).splitlines() if "\x1b[1;31m" in line]
    assert len(coloured) == 2  # the verdict, and the row of the gate
    assert "regressed" in coloured[1]


def test_a_strategy_may_be_called_anything() -> None:
    found = regressed()
    strange = tuple(msgspec.structs.replace(one, strategy="[bold]x[/] $1") for one in found.changes)
    assert "[bold]x[/] $1" in printed(msgspec.structs.replace(found, changes=strange))
