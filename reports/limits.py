"""An organisation's own limits on a terminal, for 80 columns."""

from __future__ import annotations

from textwrap import fill

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.format import DASH, count
from bench.results.own_limits import LimitGroup, OwnLimits
from reports.words import shorten

NAME = 24


def print_limits(found: OwnLimits, console: Console) -> None:
    """Print which tier they are nearest to, each limit, and where they were written."""
    console.print(Text(fill(answer(found), console.width), style="bold"))
    console.print(Text(f"Per minute, from {_SOURCES[found.source]}, {found.read_at[:16].replace('T', ' ')} UTC.\n"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, heading in enumerate(_HEADINGS):
        side = "left" if place in (0, len(_HEADINGS) - 1) else "right"
        table.add_column(heading, justify=side, no_wrap=True, vertical="bottom")  # type: ignore[arg-type]
    for group in found.groups:
        table.add_row(*map(Text, _row(group)))
    console.print(table)
    for note in found.notes:
        console.print(Text(fill(f"! {note}", console.width, initial_indent="\n", subsequent_indent="  ")))
    console.print(Text(f"\nEvery command takes them: --tier {found.file}"), soft_wrap=True)


_SOURCES = {"Rate Limits API": "the Rate Limits API", "headers": "the headers of an answer"}
_HEADINGS = ("group", "requests", "input\ntokens", "output\ntokens", "batch\nqueue", "nearest\ntier")


def answer(found: OwnLimits) -> str:
    """Which tier these limits are."""
    if found.tier is None:
        return "These limits can be compared with no published tier."
    if found.exact:
        whose = "These" if found.source == "Rate Limits API" else "Those of the models asked"
        return f"{whose} are the limits of tier {found.tier}."
    own = [one for one in found.groups if one.tier is not None and not (one.exact and one.tier == found.tier)]
    verb = "differs" if len(own) == 1 else "differ"
    return f"Tier {found.tier} is nearest, but {count(len(own), 'group')} of {len(found.groups)} {verb} from it."


def _row(group: LimitGroup) -> tuple[str, ...]:
    limits = (group.requests, group.input_tokens, group.output_tokens, group.queue)
    near = DASH if group.tier is None else group.tier if group.exact else f"near {group.tier}"
    return (shorten(group.name, NAME), *(DASH if one is None else f"{one:,}" for one in limits), near)
