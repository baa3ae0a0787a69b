"""How a plan's strategies do by their number in flight: goodput and p95, with what each tier lets through."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import inf

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bench.results.format import DASH, seconds, three
from bench.results.plan import Cell, Played
from reports.svg import Hint, Key, Plot, colour, drawing, grid, inline, seconds_axis
from reports.tables import Table

FEWEST = 3
"""Numbers in flight of which a curve is drawn."""

ACROSS = 4
"""Tiers beside each other in one figure."""

LIMITS = ("requests", "input_tokens", "output_tokens")


def flights(name: str, cells: Sequence[Cell], case: str | None = None) -> Iterator[Plot]:
    """A figure for each strategy that a plan has at three numbers in flight or more, four tiers in each."""
    families: dict[str, dict[str, list[Cell]]] = {}
    for cell in cells:
        if cell.closed_form.limited_in_flight and cell.simulated is not None and cell.kind != "hybrid":
            families.setdefault(_family(cell), {}).setdefault(cell.tier, []).append(cell)
    for place, (family, tiers) in enumerate(families.items()):
        curves = [sorted(each, key=_number) for each in tiers.values() if len({*map(_number, each)}) >= FEWEST]
        for part, few in enumerate(_by_four(curves)):
            yield _figure(f"{name}-{place}-{part}", family, few, case)


def _by_four(curves: Sequence[list[Cell]]) -> Iterator[list[list[Cell]]]:
    yield from (list(curves[first : first + ACROSS]) for first in range(0, len(curves), ACROSS))


def _family(cell: Cell) -> str:
    """What strategies are called in common that differ in their number."""
    return re.sub(r"-\d+$", "", cell.strategy)


def _number(cell: Cell) -> float:
    return cell.closed_form.in_flight


def _figure(name: str, family: str, curves: Sequence[list[Cell]], case: str | None) -> Plot:
    title = "; ".join(_finding(curve) for curve in curves)
    title = f"{family}{f', {case}' if case else ''}: {title}"
    time = _time(curves[0][0])
    with drawing(name):
        figure, axes = grid(2 * len(curves), 1.7, across=len(curves))
        hints: list[Hint] = []
        upper, lower = axes[: len(curves)], axes[len(curves) :]
        for above, below, curve in zip(upper, lower, curves, strict=True):
            hints += [*_goodput(above, curve), *_times(below, curve)]
        _alike(upper, lower, curves)
        alt = f"Goodput above, p95 below, by requests in flight, a column a tier. {title}. The table has the numbers."
        svg = inline(figure, name, alt, hints)
    return Plot(
        name,
        title,
        f"By number in flight (across, logarithmic), a column for each tier: what succeeds a minute, within the SLO "
        f"where there is one, above; the p95 {time} below. The dashed line, where it is near, is what the tier lets "
        "through for long; a job may pass it by what full buckets hold at the start. Hollow marks fail or are refused "
        "more than a little.",
        svg,
        (
            Key("ink", "line", "goodput, a minute"),
            Key("throttle", "dash", "what the tier lets through"),
            Key("service", "line", f"p95 {time}"),
            Key("good", "area", "the one to use, or the best of its tier"),
        ),
        _table(curves, time),
    )


def _finding(curve: Sequence[Cell]) -> str:
    clean = [cell for cell in curve if cell.clean]
    if not clean:
        return f"on {curve[0].tier} no number gets through cleanly"
    most = max(map(_given, clean))
    enough = next(cell for cell in clean if _given(cell) >= 0.95 * most)
    return f"on {enough.tier} {_number(enough):g} in flight give {three(_given(enough))} a minute"


def _given(cell: Cell) -> float:
    """Goodput a minute."""
    one = _played(cell)
    return one.throughput * (1.0 if one.goodput_share is None else one.goodput_share)


def _played(cell: Cell) -> Played:
    assert cell.simulated is not None
    return cell.simulated


def _bound(cell: Cell) -> float:
    """Requests a minute that the limits of the tier let through for long; inf where it has none."""
    form = cell.closed_form
    requests = form.rate / 60 * form.makespan
    return min(
        (
            bound.per_minute * requests / bound.demand
            for bound in form.bounds
            if bound.name in LIMITS and bound.keeps == "tier" and bound.per_minute and bound.demand
        ),
        default=inf,
    )


def _time(cell: Cell) -> str:
    """The time that is shown: of a backlog, all of which waits from the start, that of the answer itself."""
    own_times = any(bound.name == "arrivals" for bound in cell.closed_form.bounds)
    return "response time" if own_times else "latency"


def _p95(cell: Cell) -> float | None:
    one = _played(cell)
    return one.response_p95 if _time(cell) == "response time" else one.latency_p95


def _goodput(ax: Axes, curve: Sequence[Cell]) -> Iterator[Hint]:
    bound = _bound(curve[0])
    ax.set_title(f"{curve[0].tier}: {'no limit' if bound == inf else f'{three(bound)} a minute for long'}")
    _line(ax, [(cell, _given(cell)) for cell in curve], "ink")
    if bound < inf:
        ax.axhline(bound, color=colour("throttle"), linestyle=(0, (5, 2)), linewidth=1.3)
    for cell in curve:
        refused = _played(cell).rate_limited
        more = f", {round(refused):,} 429s" if refused else ""
        yield Hint(
            ax, _number(cell), _given(cell), f"{cell.strategy} on {cell.tier}: {three(_given(cell))} a minute{more}"
        )


def _times(ax: Axes, curve: Sequence[Cell]) -> Iterator[Hint]:
    known = [(cell, p95) for cell in curve if (p95 := _p95(cell)) is not None]
    _line(ax, known, "service")
    for cell, p95 in known:
        yield Hint(ax, _number(cell), p95, f"{cell.strategy} on {cell.tier}: p95 {_time(cell)} {seconds(p95)}")


def _line(ax: Axes, points: Sequence[tuple[Cell, float]], ink: str) -> None:
    ax.plot([_number(cell) for cell, _ in points], [value for _, value in points], color=colour(ink))
    for cell, value in points:
        ax.plot(
            [_number(cell)], [value], color=colour(ink), marker="o", markersize=4.5,
            markerfacecolor=colour(ink if cell.clean else "paper"),
        )  # fmt: skip
        if cell.recommended or cell.best:
            ax.axvline(_number(cell), color=colour("good"), linewidth=5, alpha=0.25, zorder=0)


def _alike(upper: Sequence[Axes], lower: Sequence[Axes], curves: Sequence[Sequence[Cell]]) -> None:
    """One scale for all tiers; the bound may lie above it, where nothing comes near."""
    most = max(_given(cell) for curve in curves for cell in curve)
    bounds = [bound for curve in curves if (bound := _bound(curve[0])) < 1.6 * most]
    times = [p95 for curve in curves for cell in curve if (p95 := _p95(cell)) is not None]
    for ax, curve in zip((*upper, *lower), (*curves, *curves), strict=True):
        numbers = sorted({*map(_number, curve)})
        ax.set_xscale("log")
        ax.set_xlim(numbers[0] / 1.4, numbers[-1] * 1.4)
        ax.xaxis.set_major_locator(FixedLocator(numbers))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for ax in upper:
        ax.set_ylim(0, max(most, *bounds, 0.0) * 1.12 or 1.0)
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    for ax in lower:
        seconds_axis(ax, min(times, default=1.0), max(times, default=1.0))


def _table(curves: Sequence[Sequence[Cell]], time: str) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            f"{cell.strategy} on {cell.tier}",
            three(_given(cell)),
            DASH if (bound := _bound(cell)) == inf else three(bound),
            DASH if (p95 := _p95(cell)) is None else seconds(p95),
            f"{round(_played(cell).rate_limited):,}",
            "yes" if cell.clean else "no",
        )
        for curve in curves
        for cell in curve
    ]
    return Table(
        ("strategy and tier", "goodput, a minute", "what the tier lets through", f"p95 {time}", "429s", "clean"), rows
    )
