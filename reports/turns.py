"""Conversations turn by turn, as console and page show them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.format import number, text
from bench.results.summary import TurnSummary
from reports.tables import Table
from reports.words import column_text

HEADINGS = (
    "turn",
    "conver-\nsations",
    "requests",
    "input\ntokens",
    "from\ncache",
    "TTFT\np50",
    "TTFT\np95",
    "turn\np50",
    "turn\np95",
    "cost",
)

NOTE = (
    "Conversations that came to each turn, the requests they sent in it, and how many input tokens each of these had "
    "on average. A turn lasts from the moment it was meant to begin to the answer that ended it; its cost is that of "
    "one conversation."
)


def turn_table(turns: Sequence[TurnSummary], most: int) -> Table:
    """A row for each turn; of more than `most`, the first, the last and some between."""
    return Table(HEADINGS, [_row(turn) for turn in _spread(turns, most)])


def _spread(turns: Sequence[TurnSummary], most: int) -> list[TurnSummary]:
    if len(turns) <= most:
        return list(turns)
    return [turns[round(place * (len(turns) - 1) / (most - 1))] for place in range(most)]


def _row(one: TurnSummary) -> tuple[str, ...]:
    return (
        number(one.turn + 1),
        number(one.conversations),
        number(one.requests),
        number(round(one.input_tokens)),
        text(one.cache_hit_share, "share"),
        column_text(one.ttft.p50.value, "s"),
        column_text(one.ttft.p95.value, "s"),
        column_text(one.turn_time.p50.value, "s"),
        column_text(one.turn_time.p95.value, "s"),
        text(one.cost, "USD"),
    )
