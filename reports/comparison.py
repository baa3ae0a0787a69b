"""A comparison on a terminal: the verdict, strategy by strategy what changed, by what it was judged.

Written for 80 columns.  Colour only repeats what words say, and only gates have one: nothing else can fail.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.changes import Change
from bench.results.comparison import Comparison
from bench.results.format import DASH, count
from bench.results.measures import parse_measure
from reports.changes import advice, bounds_text, change_text, fold, headline, settings, shown, sides, terms
from reports.words import column_text, shorten

NAME = 17
"""Columns for the name of a metric."""

_STYLES = {
    "regressed": "bold red",
    "no data": "bold red",
    "NOT VALID": "bold red",
    "inconclusive": "yellow",
    "improved": "green",
}


def print_comparison(found: Comparison, console: Console) -> None:
    """Print what was found when two sides were held against each other."""
    word, about = headline(found)
    first = Text(fold(f"{word}  {about}", console.width), style="bold")
    first.highlight_words([word], _STYLES.get(word, _STYLES.get(word.lower(), "bold")))
    console.print(first)
    for line in advice(found):
        console.print(Text(fold(f"  {line}", console.width)))
    for strategy in found.strategies:
        _print_strategy(found, strategy, console)
    console.print()
    for name, side in sides(found):
        console.print(Text(f"{name:<5} {side}"), soft_wrap=True)
    for line in (terms(found), *settings(found)):
        console.print(Text(fold(line, console.width), style="dim"))


def _print_strategy(found: Comparison, strategy: str, console: Console) -> None:
    rows, left_out = shown(found, strategy)
    if not rows:
        return
    console.print()
    console.print(_table(strategy, rows, exact=found.exact))
    if left_out:
        said = "differ" if found.exact else "did not change, or cannot be told"
        console.print(Text(f"{count(left_out, 'more metric')} {said} (--json has all)", style="dim"))


def _table(strategy: str, rows: list[Change], *, exact: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(Text(shorten(strategy, NAME)), no_wrap=True, min_width=NAME)
    for heading, width in (("base", 8), ("new", 8), ("change", 8), ("over the seeds" if exact else "interval", 16)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    table.add_column("", no_wrap=True, min_width=4)
    table.add_column("verdict", justify="right", no_wrap=True, min_width=12)
    for one in rows:
        measure = parse_measure(one.measure)
        style = _STYLES.get(one.verdict, "") if one.gate else "dim"
        table.add_row(
            Text(shorten(measure.title, NAME)),
            column_text(one.base, measure.unit),
            column_text(one.new, measure.unit),
            change_text(one),
            bounds_text(one) or DASH,
            "gate" if one.gate else "",
            Text(one.verdict, style=style),
        )
    return table
