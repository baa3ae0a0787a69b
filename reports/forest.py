"""The picture of a comparison: a row a metric, its change with the interval, and the band that is no change."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.results.changes import Change
from bench.results.format import DASH
from bench.results.measures import parse_measure
from reports.changes import bounds_text, change_text, percent
from reports.svg import Hint, Key, Plot, colour, drawing, inline, stack
from reports.tables import Table
from reports.words import column_text, shorten

TICKS = (-0.9, -0.75, -0.5, -0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.4, 1.0, 3.0, 9.0)
"""Changes that may be named below the axis."""

WIDEST = math.log(10)
"""Where the axis ends at the latest: ten times as much, or a tenth."""

COLOURS = {"regressed": "bad", "improved": "good", "inconclusive": "caution", "no change": "ink"}


def forest(name: str, title: str, rows: list[Change], min_effect: float) -> Plot | None:
    """The changes of one strategy; None where none of them is a ratio."""
    drawn = [one for one in rows if one.change is not None and not one.difference]
    if not drawn:
        return None
    reach = min(WIDEST, max(math.log1p(min_effect) * 2, *(_reach(one) for one in drawn)) * 1.08)
    with drawing(name):
        figure, (ax,) = stack([0.3 * len(drawn) + 0.15], left=2.45, top=0.1)
        ax.axvspan(math.log1p(-min(min_effect, 0.99)), math.log1p(min_effect), color=colour("muted"), alpha=0.13, lw=0)
        ax.axvline(0, color=colour("muted"), linewidth=0.9)
        hints = [_row(ax, y, one, reach) for y, one in enumerate(drawn)]
        _axis(ax, drawn, reach, min_effect)
        alt = f"Changes with their intervals, a row a metric. {title}. The table has the numbers."
        svg = inline(figure, name, alt, hints)
    return Plot(
        name,
        title,
        f"Change from base to new (across, each step to the right as much as the same to the left takes back), with "
        f"its interval. Within the shaded band, less than {percent(min_effect)}, nothing is called a change. Filled "
        "marks are gates, the others are shown for what they tell.",
        svg,
        tuple(Key(colour_, "dot", word) for word, colour_ in COLOURS.items()),
        table(rows),
    )


def table(rows: list[Change]) -> Table:
    """The same in numbers, rates included, of which there is no ratio to draw."""
    headings = ("metric", "base", "new", "change", "interval", "runs", "by", "verdict")
    return Table(headings, [_cells(one) for one in rows])


def _cells(one: Change) -> tuple[str, ...]:
    measure = parse_measure(one.measure)
    return (
        f"{measure.title} (gate)" if one.gate else measure.title,
        column_text(one.base, measure.unit),
        column_text(one.new, measure.unit),
        change_text(one),
        bounds_text(one) or DASH,
        f"{one.base_runs} and {one.new_runs}",
        one.method,
        one.verdict,
    )


def _reach(one: Change) -> float:
    """How far from "no change" a row goes."""
    return max(abs(math.log1p(max(bound, -0.99))) for bound in (one.change, one.lo, one.hi) if bound is not None)


def _row(ax: Axes, y: int, one: Change, reach: float) -> Hint:
    """An interval and its estimate, which the hint tells.  What lies beyond the axis ends in an arrow."""
    look = colour(COLOURS.get(one.verdict, "ink") if one.gate else "muted")
    at = min(max(math.log1p(max(one.change or 0.0, -0.99)), -reach), reach)
    if one.lo is not None and one.hi is not None:
        lo, hi = (math.log1p(max(bound, -0.999999)) for bound in (one.lo, one.hi))
        ax.plot([max(lo, -reach), min(hi, reach)], [y, y], color=look, linewidth=2.2 if one.gate else 1.3)
        for bound, end, mark in ((lo, -reach, "<"), (hi, reach, ">")):
            if abs(bound) > reach and bound * end > 0:
                ax.plot([end], [y], marker=mark, color=look, markersize=6, clip_on=False)
    ax.plot(
        [at],
        [y],
        marker="o",
        markersize=7 if one.gate else 5.5,
        color=look,
        markerfacecolor=look if one.gate else colour("paper"),
        clip_on=False,
    )
    interval = f" ({bounds})" if (bounds := bounds_text(one)) else ""
    return Hint(ax, at, y, f"{parse_measure(one.measure).title}: {change_text(one)}{interval}, {one.verdict}")


def _label(one: Change) -> str:
    """The metric, and of a gate what became of it, so that colour is not the only sign."""
    title = shorten(parse_measure(one.measure).title, 24)
    return f"{title}, {one.verdict}" if one.gate else title


def _axis(ax: Axes, drawn: list[Change], reach: float, min_effect: float) -> None:
    ax.set_yticks(range(len(drawn)), [_label(one) for one in drawn])
    ax.tick_params(axis="y", labelcolor=colour("ink"))
    ax.set_ylim(len(drawn) - 0.45, -0.55)
    ax.set_xlim(-reach, reach)
    ax.grid(axis="y", visible=False)
    ax.xaxis.set_major_locator(FixedLocator([math.log1p(tick) for tick in _ticks(reach, min_effect)]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{math.expm1(value) * 100:+.0f} %" if value else "0"))
    ax.set_xlabel("change from base to new")


def _ticks(reach: float, min_effect: float) -> list[float]:
    """No change, the ends of the band, and those of `TICKS`, as far as there is room between them."""
    kept: list[float] = []
    for tick in (0.0, min_effect, -min_effect, *TICKS):
        at = math.log1p(max(tick, -0.99))
        if abs(at) <= reach and all(abs(at - math.log1p(other)) > reach / 8 for other in kept):
            kept.append(tick)
    return sorted(kept)
