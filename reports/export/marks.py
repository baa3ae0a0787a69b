"""The little of Markdown that reports are written in."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from bench.results.format import count

MOST_BYTES = 60_000
"""The same text fits a comment of GitHub (65,536 characters) and a job summary (1 MiB)."""
MOST_ROWS = 100
"""Rows of a table."""

_CUT = "\n\n_Shortened; the report has all of it._\n"
_MARKS = ("\\", "|", "*", "_", "`", "[", "]")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table whose cells are Markdown; `align` is `-` or `-:` for all columns but the first."""
    lines = [headings, ["-", *[align] * (len(headings) - 1)], *rows[:MOST_ROWS]]
    more = f"\n\n{count(len(rows) - MOST_ROWS, 'more row')} in the report" if len(rows) > MOST_ROWS else ""
    return "\n".join(map(_line, lines)) + more


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """Text on one line that is taken neither for Markdown nor for HTML, and calls nobody by name."""
    escaped = html.escape(" ".join(text.split()), quote=False).replace("@", "&#64;")
    for mark in _MARKS:
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped


def fit(text: str) -> bytes:
    """The text in UTF-8, cut between two lines where it is too long."""
    whole = text.encode()
    if len(whole) <= MOST_BYTES:
        return whole
    kept = whole[: MOST_BYTES - len(_CUT.encode())].rpartition(b"\n")[0]
    return kept + _CUT.encode()
