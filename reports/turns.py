"""Conversations turn by turn, as console and page show them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.format import number, text
from bench.results.summary import TurnSummary
from reports.tables import Table
from reports.words import column_text

HEADINGS = (
    "turn",
    "conversations",
    "requests",
    "input tokens",
    "from cache",
    "TTFT p50",
    "TTFT p95",
    "turn p50",
    "turn p95",
    "cost",
)

NOTE = (
    "Conversations that came to each turn, the requests they sent in it, and how many input tokens each of these had "
    "on average. A turn lasts from the moment it was meant to begin to the answer that ended it; its cost is that of "
    "one conversation."
)


def turn_table(turns: Sequence[TurnSummary], most: int) -> Table:
    """A row for each turn; of more than `most`, the first ones, the last one, and fewer and fewer between."""
    return Table(HEADINGS, [_row(turns[place]) for place in _places(len(turns), most)])


def _places(turns: int, most: int) -> list[int]:
    if turns <= most:
        return list(range(turns))
    places = [0]
    for left in range(most - 1, 0, -1):  # each step as large as would lead to the end, if all were of this ratio
        ratio = (turns / (places[-1] + 1)) ** (1 / left)
        places.append(max(places[-1] + 1, round((places[-1] + 1) * ratio) - 1))
    return places


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
