"""An observation by the hours of the day, as rows of a table and on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.format import DASH, number, text
from bench.results.observation import hour_name
from bench.results.summary import Hour, PassSummary

HEADINGS = ("hour, UTC", "days", "rounds", "requests", "failed", "latency p50", "95 % interval", "TTFT p50")
_CONSOLE_HEADINGS = ("", "hour\nUTC", "rounds", "requests", "failed", "latency\np50", "95 % interval", "TTFT\np50")


def print_observations(passes: Sequence[PassSummary], console: Console) -> None:
    """The quickest and the slowest hour of each pass whose requests came in rounds."""
    for seen in (one.observation for one in passes if one.observation):
        if seen.quickest == seen.slowest:
            continue
        named = {seen.quickest: "quickest", seen.slowest: "slowest"}
        hours = {one.hour: one for one in seen.hours}
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for heading in _CONSOLE_HEADINGS:
            grid.add_column(heading, justify="right" if heading else "left", no_wrap=True, vertical="bottom")
        for hour, name in named.items():
            if hour is not None:
                at, _days, *cells = row(hours[hour])
                grid.add_row(*map(Text, (name, at, *cells)))
        console.print()
        console.print(grid)


def row(hour: Hour) -> tuple[str, ...]:
    """An hour, a cell for each of `HEADINGS`."""
    known = hour.latency_lo is not None
    interval = f"{text(hour.latency_lo, 's')} to {text(hour.latency_hi, 's')}" if known else DASH
    counts = (hour.days, hour.rounds, hour.requests, hour.failed)
    return (hour_name(hour.hour), *map(number, counts), text(hour.latency, "s"), interval, text(hour.ttft, "s"))
