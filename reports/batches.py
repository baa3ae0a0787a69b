"""The message batches of a run: one row each, for console and page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as ConsoleTable
from rich.text import Text

from bench.results.format import DASH, count, number, pass_name, text
from bench.results.summary import BatchSummary, PassSummary
from reports.tables import Table
from reports.words import column_text, shorten

HEADINGS = (
    "strategy",
    "batch",
    "items",
    "submitted",
    "results read",
    "succeeded",
    "errored",
    "expired",
    "canceled",
    "cost",
)
SHOWN = 6
"""Batches on a console; the rest are in the report."""

NOTE = (
    "Submitted and read: time since the strategy began. A batch that had not ended when the run did has no time; "
    "claude-bench resume fetches it."
)


def batches(passes: Sequence[PassSummary]) -> Table:
    """Every batch, in the order in which it was submitted."""
    rows = [
        (pass_name(one.strategy, one.pass_, one.case), batch.id, *_cells(batch))
        for one in passes
        for batch in one.batches
    ]
    return Table(HEADINGS, rows)


def _cells(batch: BatchSummary) -> tuple[str, ...]:
    results = (batch.succeeded, batch.errored, batch.expired, batch.canceled)
    return (
        number(batch.items),
        column_text(batch.submitted, "s"),
        DASH if batch.ended is None else column_text(batch.ended, "s"),
        *map(number, results),
        text(batch.cost, "USD"),
    )


def print_batches(passes: Sequence[PassSummary], console: Console) -> None:
    """The first batches, and how many more there are; nothing without any."""
    found = [(one, batch) for one in passes for batch in one.batches]
    if not found:
        return
    table = ConsoleTable(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("batch", no_wrap=True, vertical="bottom")
    for heading in ("items", "sub-\nmitted", "results\nread", "ok", "err", "exp", "canc", "cost"):
        table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    for one, batch in found[:SHOWN]:
        name = shorten(pass_name(one.strategy, one.pass_, one.case), 12)
        table.add_row(Text(f"{name} {shorten(batch.id.removeprefix('msgbatch_'), 9)}"), *_cells(batch))
    console.print()
    console.print(table)
    if len(found) > SHOWN:
        console.print(f"{count(len(found) - SHOWN, 'more batch', 'more batches')} in the report")
