"""The list of scenarios on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_scenarios(entries: Iterable[tuple[str, str, Sequence[str]]], console: Console) -> None:
    """Print names and questions side by side, and the cases of those that have some."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, question, cases in entries:
        table.add_row(Text(name, style="bold"), Text(question))
        if cases:
            table.add_row("", Text(f"cases: {', '.join(cases)}", style="dim"))
    console.print(table)
    console.print("\nRun one with claude-bench run NAME, or give the path of a file of your own.", highlight=False)
