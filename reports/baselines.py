"""Baselines on a terminal: the list of them, and what one holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import stdev

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.baseline import Runs
from bench.results.changes import typical
from bench.results.format import DASH, count, share
from bench.results.measures import parse_measure
from reports.changes import MAIN
from reports.words import column_text, shorten

NAME = 19


def print_baselines(found: Sequence[tuple[str, Runs]], folder: Path, console: Console) -> None:
    """Print one line a baseline."""
    if not found:
        console.print(
            f"No baselines in {folder}.  Save one with claude-bench baseline save NAME RUN...", highlight=False
        )
        return
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), header_style="bold")
    for heading in ("baseline", "scenario", "target"):
        table.add_column(heading, no_wrap=True)
    table.add_column("runs", justify="right", no_wrap=True)
    table.add_column("last began, UTC", justify="right", no_wrap=True)
    for name, runs in found:
        shown = (name, runs.name, runs.asked["target"], str(len(runs.runs)), _began(runs))
        table.add_row(*map(Text, shown))
    console.print(table)


def print_baseline(name: str, runs: Runs, console: Console) -> None:
    """Print what a baseline holds."""
    console.print(Text(f"{name}  {count(len(runs.runs), 'run')} of {runs.name}", style="bold"))
    asked = runs.asked
    facts = (asked["model"], f"target {asked['target']}", f"tier {asked['tier']['name']}", f"last began {_began(runs)}")
    console.print(Text(" · ".join(facts)))
    if runs.gate:
        console.print(Text(f"gate: {', '.join(runs.gate['metrics'])}, {share(runs.gate['min_effect'])} and more"))
    for strategy in runs.strategies:
        console.print()
        console.print(_table(runs, strategy))
    console.print()
    for run in runs.runs:
        console.print(Text(run.id, style="dim"), soft_wrap=True)


def _table(runs: Runs, strategy: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), header_style="bold")
    table.add_column(Text(shorten(strategy, NAME)), no_wrap=True, min_width=NAME)
    for heading in ("typical", "least", "most", "spread", "passes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for measure in map(parse_measure, MAIN):
        values = [
            one.values[str(measure)]
            for run in runs.runs
            for one in run.passes
            if one.name == strategy and str(measure) in one.values
        ]
        if values:
            shown = (typical(values), min(values), max(values))
            table.add_row(
                measure.title, *(column_text(value, measure.unit) for value in shown), _spread(values), str(len(values))
            )
    return table


def _spread(values: Sequence[float]) -> str:
    """The standard deviation of the logarithms, which is about that of the values as a share of them."""
    return share(stdev(map(math.log, values))) if len(values) > 1 and min(values) > 0 else DASH


def _began(runs: Runs) -> str:
    return runs.runs[-1].started_at.replace("T", " ").removesuffix("Z") or DASH
