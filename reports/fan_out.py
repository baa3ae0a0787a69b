"""Several models asked the same: whose answers were taken, who was last, and what waiting for the last one cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from bench.results.format import DASH, number, pass_name, share, text
from bench.results.summary import FanOutSummary, PassSummary
from reports.passes import Pass
from reports.tables import Table

FAN_OUT_HEADINGS = ("strategy", "model", "answer\ntaken", "was\nlast", "adds to\nthe mean")
FAN_OUT_SIDES: tuple[Literal["left", "right"], ...] = ("left", "left", "right", "right", "right")

NOTE = (
    "Of the prompts that were answered: when every answer is there (all), the first success (first), or the acceptable "
    "answer of the model with the lowest list price, once no cheaper one can come (cheapest). Adds to the mean: by how "
    "much the mean time to the answer would be shorter without the model."
)


def fan_out_rows(one: PassSummary) -> Iterator[tuple[str, ...]]:
    """A row for each model of a pass, the cheapest first; none where one model is asked."""
    if one.fan_out is not None:
        for member in one.fan_out.members:
            yield (
                pass_name(one.strategy, one.pass_, one.case),
                member.model,
                _of(member.taken, one.fan_out),
                DASH if member.last is None else _of(member.last, one.fan_out),
                text(member.added, "s"),
            )


def fan_out(passes: Sequence[Pass]) -> dict[str, object] | None:
    """The section of the page; None where no pass asks several models the same."""
    rows = [row for one in passes for row in fan_out_rows(one.summary)]
    if not rows:
        return None
    headings = tuple(heading.replace("\n", " ") for heading in FAN_OUT_HEADINGS)
    return {"times": Table(_TIMES, [_times(one) for one in passes]), "table": Table(headings, rows), "note": NOTE}


_TIMES = ("strategy", "takes", "prompts", "answered", "time to the answer p50", "p95", "p99", "cost", "cost per answer")


def _times(one: Pass) -> tuple[str, ...]:
    asked, time, cost = one.summary.fan_out, one.summary.distributions["group_time"], one.summary.cost.total
    if asked is None:
        return (one.name, *[DASH] * (len(_TIMES) - 1))
    each = cost / asked.answered if cost is not None and asked.answered else None
    quantiles = (text(quantile.value, "s") for quantile in (time.p50, time.p95, time.p99))
    counts = (number(asked.prompts), _of(asked.answered, asked, asked.prompts))
    return (one.name, asked.take, *counts, *quantiles, text(cost, "USD"), text(each, "USD"))


def _of(count: int, asked: FanOutSummary, whole: int | None = None) -> str:
    """A number of prompts as a share of those that were answered."""
    whole = asked.answered if whole is None else whole
    return share(count / whole) if whole else DASH
