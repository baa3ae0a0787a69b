"""The end of a run on a terminal: the answer, what to believe, the strategies side by side, where the rest is.

Written for 80 columns, and for no colours at all: `!`, `ok` and `FAIL` say what bold and red only repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.format import count
from bench.results.metrics import METRICS
from bench.results.summary import PassSummary, StreamSummary, Summary
from reports.batches import print_batches
from reports.words import Notice, column_text, measured, notices, pass_name, shorten, thresholds_met

COLUMNS = (
    ("wall\nclock", "makespan", ""),
    ("latency\np50", "latency", "p50"),
    ("latency\np95", "latency", "p95"),
    ("response\np95", "response_time", "p95"),
    ("per\nmin", "throughput", ""),
    ("429s", "rate_limited", ""),
    ("failed", "failed", ""),
    ("cost", "cost", ""),
    ("per\nsuccess", "cost_per_success", ""),
)
"""Heading, metric, and for a distribution which percentile."""

STREAM_COLUMNS = (
    ("requests", "requests", ""),
    ("latency\np50", "latency", "p50"),
    ("latency\np95", "latency", "p95"),
    ("response\np50", "response_time", "p50"),
    ("response\np95", "response_time", "p95"),
    ("TTFT\np95", "ttft", "p95"),
    ("429s", "rate_limited", ""),
    ("failed", "failed", ""),
)
"""The same, of one stream of traffic."""

LEGEND = "latency: from the last send · response: from the moment it should have been sent"

MOST_NOTICES = 4
MOST_THRESHOLDS = 12
SHORTEST_NAME = 8

_VERDICTS = {"ok": "ok", "inconclusive": "?"}
_STYLES = {"ok": "green", "?": "yellow", "FAIL": "bold red"}


def print_summary(summary: Summary, folder: Path, console: Console) -> None:
    """Print what a run found; `folder` holds its report."""
    console.print(Text(fill(summary.answer, console.width), style="bold"))
    _print_notices(notices(summary), console)
    if summary.thresholds:
        _print_thresholds(summary, console)
    _print_table("strategy", [(pass_name(one.strategy, one.pass_), one) for one in summary.passes], COLUMNS, console)
    for name in dict.fromkeys(stream.name for one in summary.passes for stream in one.streams):
        _print_table(f"stream {name}", _of_stream(summary.passes, name), STREAM_COLUMNS, console)
    console.print(Text(LEGEND, style="dim"))
    print_batches(summary.passes, console)
    console.print(Text(f"\n{folder / 'report.html'}"), soft_wrap=True)


def _print_notices(found: list[Notice], console: Console) -> None:
    for notice in found[:MOST_NOTICES]:
        first, *others = notice.observed
        like = f" ({count(len(others), 'more', 'more')} like it)" if others else ""
        console.print()
        console.print(_paragraph(f"  ! {first}{like}", console))
        console.print(_paragraph(f"    Why it matters: {notice.why}", console))
        console.print(_paragraph(f"    What to do: {notice.todo}", console))
    if len(found) > MOST_NOTICES:
        console.print(f"\n  ! {count(len(found) - MOST_NOTICES, 'more warning')} in the report")


def _paragraph(line: str, console: Console) -> Text:
    paragraph = Text(fill(line, console.width, subsequent_indent="    "))
    paragraph.highlight_words(["  ! "], "bold yellow")
    return paragraph


def _print_thresholds(summary: Summary, console: Console) -> None:
    """All of them where they are few; where they are many, those that are not met."""
    results = summary.thresholds
    if len(results) > MOST_THRESHOLDS:
        results = tuple(result for result in results if result.verdict != "ok")[:MOST_THRESHOLDS]
    console.print(f"\n{thresholds_met(summary)}")
    for result in results:
        verdict = _VERDICTS.get(result.verdict, "FAIL")
        condition = shorten(f"{result.metric} {result.expression}", 30)
        name = shorten(pass_name(result.strategy, result.pass_), 16)
        said = result.detail if result.value is None else measured(result)
        line = Text.assemble("  ", (f"{verdict:<5}", _STYLES[verdict]), f" {condition:<30}  {name:<16}  {said}")
        console.print(line, no_wrap=True, overflow="ellipsis")


def _of_stream(passes: Sequence[PassSummary], name: str) -> list[tuple[str, StreamSummary]]:
    return [(pass_name(one.strategy, one.pass_), own) for one in passes for own in one.streams if own.name == name]


def _print_table(
    title: str,
    rows: Sequence[tuple[str, PassSummary | StreamSummary]],
    columns: Sequence[tuple[str, str, str]],
    console: Console,
) -> None:
    """One line a pass.  Only names give way where the width does not suffice."""
    cells = [[_cell(run, metric, part) for _, metric, part in columns] for _, run in rows]
    headings = [heading for heading, _, _ in columns]
    widths = [
        max(map(len, (*heading.split("\n"), *column)))
        for heading, column in zip(headings, zip(*cells, strict=True), strict=True)
    ]
    room = max(SHORTEST_NAME, console.width - sum(widths) - len(widths))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(Text(shorten(title, room)), no_wrap=True, vertical="bottom")
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width, vertical="bottom")
    for (name, _), row in zip(rows, cells, strict=True):
        table.add_row(Text(shorten(name, room)), *row)
    console.print()
    console.print(table)


def _cell(run: PassSummary | StreamSummary, metric: str, part: str) -> str:
    value = run.values[metric] if not part else getattr(run.distributions[metric], part).value
    return column_text(value, METRICS[metric].unit)
