"""A calibration on a terminal: how much runs of the same thing differ, and the smallest change that would be seen."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.calibration import POWER, SIZES, Calibration, Noise
from bench.results.format import share
from bench.results.measures import parse_measure
from reports.changes import MAIN, fold, percent, percent_in_column, place, signed
from reports.words import column_text, shorten

NAME = 19


def print_calibration(found: Calibration, console: Console) -> None:
    """Print what the set-up can see."""
    for line in _said(found):
        console.print(Text(fold(line, console.width), style="bold"))
    for strategy in dict.fromkeys(one.strategy for one in found.noise):
        rows = [one for one in found.noise if one.strategy == strategy and (one.gate or one.measure in MAIN)]
        rows.sort(key=lambda one: (not one.gate, place(one.measure)))
        console.print()
        console.print(_table(strategy, rows))
    console.print()
    for line in _legend(found):
        console.print(Text(fold(line, console.width), style="dim"))


def _said(found: Calibration) -> list[str]:
    if found.exact:
        return [
            "CALIBRATED  on sim equal seeds are compared exactly: every change can be seen. What follows holds between "
            "seeds."
        ]
    gates = [one for one in found.noise if one.gate] or [one for one in found.noise if one.measure in MAIN]
    widest = max(gates, key=lambda one: one.smallest[-1])
    what = f"{widest.strategy}: {parse_measure(widest.measure).title}"
    seen = ", ".join(f"{percent(change)} with {size}" for size, change in zip(SIZES, widest.smallest, strict=True))
    alarms = sum(one.verdict in ("regressed", "improved") for one in gates)
    alarm = f" Held against itself, {alarms} of {len(gates)} called it a change." if alarms else ""
    return [f"CALIBRATED  the smallest change seen is {seen} runs each ({what}, the noisiest).{alarm}"]


def _table(strategy: str, rows: list[Noise]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(Text(shorten(strategy, NAME)), no_wrap=True, min_width=NAME, vertical="bottom")
    table.add_column("\ntypical", justify="right", no_wrap=True, min_width=8)
    table.add_column("", no_wrap=True, min_width=4)
    for heading in ("run to\nrun", "against\nitself", *(f"{size} runs\nsee" for size in SIZES)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=8)
    for one in rows:
        measure = parse_measure(one.measure)
        table.add_row(
            Text(shorten(measure.title, NAME)),
            column_text(one.typical, measure.unit),
            "gate" if one.gate else "",
            percent_in_column(one.spread),
            f"{signed(one.change * 100)} %",
            *(percent_in_column(change) for change in one.smallest),
        )
    return table


def _legend(found: Calibration) -> list[str]:
    return [
        f"{found.label}: {found.runs} {found.unit}s of {found.scenario}",
        "run to run: standard deviation · against itself: every second one against the others · "
        f"see: the smallest change that so many a side find {share(POWER)} of the time, "
        f"where {percent(found.min_effect)} is the least that matters",
    ]
