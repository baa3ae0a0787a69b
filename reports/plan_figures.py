"""The pictures of a plan: what costs how much and is done when, what the limits leave, and what bad luck would do.

Tiers differ in the shape of their marks, never in colour alone; the table of each figure says it in numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bench.results.format import DASH, dollars, seconds, share
from bench.results.plan import Cell, WhatIf
from reports.svg import Hint, Key, Plot, colour, drawing, grid, inline, stack
from reports.tables import Table
from reports.words import shorten

SAME = 0.005
"""Costs and times this close are called equal: between them nothing is to be gained."""

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""A mark for each tier."""

LIMITERS = {"requests": "requests", "input_tokens": "input", "output_tokens": "output"}
"""The colours of the limits, as in the report of a run."""


def frontier(name: str, cells: Sequence[Cell], case: str | None = None) -> Plot | None:
    """Cost by the time at which all is done; None where fewer than two cells have a price."""
    priced = [cell for cell in cells if cell.spending.expected is not None and cell.makespan > 0]
    if len(priced) < 2:
        return None
    best = efficient(priced)
    title = _in_case(_frontier_finding(best), case)
    tiers = list(dict.fromkeys(cell.tier for cell in priced))
    with drawing(name):
        figure, (ax,) = stack([3.1], left=0.9, top=0.12)
        ax.plot(
            [cell.makespan for cell in best],
            [_cost(cell) for cell in best],
            color=colour("muted"),
            linestyle=(0, (3, 2)),
            drawstyle="steps-post",
            linewidth=1.1,
            zorder=1,
        )
        for cell in priced:
            _mark(ax, cell, SHAPES[tiers.index(cell.tier) % len(SHAPES)], on_frontier=cell in best)
        _time_axis(ax, [cell.makespan for cell in priced])
        ax.set_ylim(0, max(map(_cost, priced)) * 1.15 or 1.0)
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: dollars(value)))
        ax.set_xlabel("until all is done")
        _name(ax, best)
        alt = f"Cost by completion time, a mark for each strategy on each tier. {title}. The table has the numbers."
        svg = inline(figure, name, alt, [Hint(ax, cell.makespan, _cost(cell), _says(cell)) for cell in priced])
    return Plot(
        name,
        title,
        "US dollars of one run (up) by the time until all of it is done (across, logarithmic). The dashed line joins "
        "what nothing else beats in both: the efficient frontier. Hollow marks fail or are refused more than a little. "
        f"n {len(priced)}.",
        svg,
        (
            Key("good", "dot", "recommended"),
            Key("cache-write", "dot", "through message batches"),
            Key("service", "dot", "live"),
            *(Key("muted", "dot", f"{_SHAPE_WORDS[SHAPES[n % len(SHAPES)]]}: {tier}") for n, tier in enumerate(tiers)),
        ),
        _frontier_table(priced, best),
    )


def efficient(cells: Iterable[Cell]) -> list[Cell]:
    """Those clean cells that no other beats both in cost and in time, the soonest first.

    Of equals the first, which is on the lowest tier.
    """
    ranked = sorted((cell for cell in cells if cell.clean), key=lambda cell: (cell.makespan, _cost(cell)))
    kept: list[Cell] = []
    for cell in ranked:
        if not kept or _cost(cell) < _cost(kept[-1]) * (1 - SAME):
            kept.append(cell)
    return kept


def _cost(cell: Cell) -> float:
    return cell.spending.expected or 0.0


_SHAPE_WORDS = {
    "o": "circle", "s": "square", "^": "triangle", "D": "diamond", "v": "triangle down", "P": "plus", "X": "cross",
    "<": "triangle left", ">": "triangle right",
}  # fmt: skip


def _mark(ax: Axes, cell: Cell, shape: str, *, on_frontier: bool) -> None:
    ink = "good" if cell.recommended else "cache-write" if cell.kind in ("batch", "hybrid") else "service"
    ax.plot(
        [cell.makespan],
        [_cost(cell)],
        marker=shape,
        markersize=9 if cell.recommended else 7,
        color=colour(ink),
        markerfacecolor=colour(ink if cell.clean else "paper"),
        alpha=1.0 if on_frontier or cell.recommended else 0.6,
        zorder=3 if cell.recommended else 2,
    )


def _name(ax: Axes, best: Sequence[Cell]) -> None:
    """The names of the two ends of the frontier and of what is recommended: the others are told under the pointer."""
    for cell in best:
        last = cell is best[-1] and len(best) > 1
        if cell.recommended or cell is best[0] or last:
            ax.annotate(
                f"{shorten(cell.strategy, 22)} ({cell.tier})",
                (cell.makespan, _cost(cell)),
                xytext=(0, -15 if last else 9),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
            )


def _time_axis(ax: Axes, times: Sequence[float]) -> None:
    low, high = min(times) / 1.8, max(times) * 1.8
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    shown = [tick for tick in TICKS if low <= tick <= high]
    ax.xaxis.set_major_locator(FixedLocator(shown if len(shown) < 9 else shown[:: len(shown) // 8 + 1]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _round_time(value)))
    ax.grid(axis="x")


TICKS = tuple(
    unit * times for unit, multiples in ((0.01, (1, 3)), (0.1, (1, 3)), (1, (1, 3, 10, 30)), (60, (1, 3, 10, 30)),
    (3_600, (1, 3, 8)), (86_400, (1, 3, 10, 30, 100))) for times in multiples
)  # fmt: skip
"""Seconds that people have a word for."""


def _round_time(value: float) -> str:
    return f"{value / 60:g} min" if value in (60, 180, 600, 1_800) else seconds(value)


def _frontier_finding(best: Sequence[Cell]) -> str:
    if not best:
        return "Nothing gets through cleanly, at whatever cost"
    soonest, cheapest = best[0], best[-1]
    if soonest is cheapest:
        return (
            f"{_where(soonest)} is the soonest and the cheapest: {dollars(_cost(soonest))}, {seconds(soonest.makespan)}"
        )
    saved = 1 - _cost(cheapest) / _cost(soonest)
    return (
        f"{_where(cheapest)} costs {share(saved)} less than {_where(soonest)} and takes "
        f"{seconds(cheapest.makespan)} instead of {seconds(soonest.makespan)}"
    )


def _where(cell: Cell) -> str:
    return f"{cell.strategy} on {cell.tier}"


def _says(cell: Cell) -> str:
    dirty = "" if cell.clean else ", not clean"
    return f"{_where(cell)}: {dollars(_cost(cell))}, {seconds(cell.makespan)}{dirty}"


def _frontier_table(cells: Sequence[Cell], best: Sequence[Cell]) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            _where(cell),
            dollars(_cost(cell)),
            seconds(cell.makespan),
            "yes" if cell in best else "no",
            "yes" if cell.clean else "no",
        )
        for cell in sorted(cells, key=lambda cell: (cell.makespan, _cost(cell)))
    ]
    return Table(("strategy and tier", "cost", "done after", "on the frontier", "clean"), rows)


def limits_used(name: str, cells: Sequence[Cell], case: str | None = None) -> Plot | None:
    """How much the best strategy of each tier uses of each limit; None where nothing was simulated or limited."""
    best = [cell for cell in cells if cell.best and cell.simulated is not None and any(map(_known, _shares(cell)))]
    if not best:
        return None
    title = _in_case(_limits_finding(best), case)
    top = max(value for cell in best for _, value in _shares(cell) if value is not None)
    with drawing(name):
        figure, axes = grid(len(best), 1.9)
        hints: list[Hint] = []
        for ax, cell in zip(axes, best, strict=True):
            hints += _limits_panel(ax, cell, max(1.1, top * 1.15))
        alt = f"Share of each limit per minute, one panel a tier. {title}. The table has the numbers."
        svg = inline(figure, name, alt, hints)
    rows = [(_where(cell), *(DASH if value is None else share(value) for _, value in _shares(cell))) for cell in best]
    return Plot(
        name,
        title,
        "Mean use of each limit over the run (up, share of what the tier allows a minute), for the best strategy on "
        "each tier. The line is all of it; a run may pass it by what a full bucket held at its start.",
        svg,
        tuple(Key(ink, "area", limiter.replace("_", " ")) for limiter, ink in LIMITERS.items()),
        Table(("strategy and tier", *(limiter.replace("_", " ") for limiter in LIMITERS)), rows),
    )


def _shares(cell: Cell) -> list[tuple[str, float | None]]:
    found = {} if cell.simulated is None else {one.limiter: one.share for one in cell.simulated.limits}
    return [(limiter, found.get(limiter)) for limiter in LIMITERS]


def _known(share_of: tuple[str, float | None]) -> bool:
    return share_of[1] is not None


def _limits_panel(ax: Axes, cell: Cell, top: float) -> list[Hint]:
    ax.set_title(cell.tier)
    ax.axhline(1.0, color=colour("muted"), linewidth=0.9)
    ax.set_ylim(0, top)
    ax.set_xticks(range(len(LIMITERS)), [limiter.partition("_")[0] for limiter in LIMITERS])
    ax.set_xlim(-0.6, len(LIMITERS) - 0.4)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: share(value) if value else "0"))
    hints = []
    for place, (limiter, value) in enumerate(_shares(cell)):
        if value is None:
            ax.text(place, top * 0.03, "no limit", ha="center", color=colour("muted"), fontsize=8)
            continue
        ax.bar([place], [value], width=0.62, color=colour(LIMITERS[limiter]))
        ax.text(place, value + top * 0.02, share(value), ha="center", fontsize=8.5)
        hints.append(Hint(ax, place, value, f"{_where(cell)}: {share(value)} of {limiter.replace('_', ' ')} a minute"))
    return hints


def _limits_finding(best: Sequence[Cell]) -> str:
    parts = []
    for cell in best:
        value, limiter = max((value, limiter) for limiter, value in _shares(cell) if value is not None)
        parts.append((cell.tier, limiter.replace("_", " "), value))
    said = []
    for limiter, group in groupby(parts, key=lambda part: part[1]):
        uses = [f"{share(value)} on {tier}" for tier, _, value in group]
        said.append(f"{', '.join(uses)} of {limiter}")
    return f"The limit that is nearest: {'; '.join(said)}"


def sensitivity(name: str, base: Cell, others: Sequence[WhatIf], case: str | None = None) -> Plot | None:
    """How much longer and dearer the recommended strategy would get; None where nothing was tried."""
    drawn = [one for one in others if one.makespan > 0]
    if not drawn or base.makespan <= 0:
        return None
    title = _in_case(_sensitivity_finding(base, drawn), case)
    with drawing(name):
        figure, (ax,) = stack([0.55 * len(drawn) + 0.2], left=2.1, top=0.1)
        hints = []
        for place, one in enumerate(drawn):
            for aside, ink, what, value in (
                (-0.17, "service", "time", one.makespan / base.makespan - 1),
                (0.17, "output", "cost", _dearer(base, one)),
            ):
                if value is not None:
                    ax.barh([place + aside], [value], height=0.3, color=colour(ink))
                    hints.append(Hint(ax, value, place + aside, f"{one.name}: {what} {_percent(value)}"))
        ax.axvline(0, color=colour("muted"), linewidth=0.9)
        ax.set_yticks(range(len(drawn)), [shorten(one.name, 28) for one in drawn])
        ax.tick_params(axis="y", labelcolor=colour("ink"))
        ax.set_ylim(len(drawn) - 0.5, -0.5)
        ax.grid(axis="y", visible=False)
        ax.grid(axis="x")
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, -0.05), max(high, 0.1))
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:+.0f} %" if value else "0"))
        ax.set_xlabel("change from the plan")
        alt = f"Change of time and cost, a row for each assumption that fails. {title}. The table has the numbers."
        svg = inline(figure, name, alt, hints)
    return Plot(
        name,
        title,
        f"Change against the plan of {_where(base)} if an assumption fails (across). Simulated like the plan itself.",
        svg,
        (Key("service", "area", "time until all is done"), Key("output", "area", "cost")),
        what_if_table(base, drawn),
    )


def what_if_table(base: Cell, others: Iterable[WhatIf]) -> Table:
    """The recommended strategy first, then the same in other circumstances."""
    first = WhatIf(
        f"{_where(base)}, as planned", "", base.case, base.makespan, base.spending.expected,
        None if base.simulated is None else base.simulated.response_p95,
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            one.name,
            seconds(one.makespan),
            DASH if one.cost is None else dollars(one.cost),
            DASH if one.response_p95 is None else seconds(one.response_p95),
            one.note or DASH,
        )
        for one in (first, *others)
    ]
    return Table(("what if", "done after", "cost", "response time p95", "what else"), rows)


def _dearer(base: Cell, one: WhatIf) -> float | None:
    return None if one.cost is None or not base.spending.expected else one.cost / base.spending.expected - 1


def _percent(change: float) -> str:
    return "no change" if abs(change) < SAME else f"{change * 100:+.2g} %"


def _sensitivity_finding(base: Cell, others: Sequence[WhatIf]) -> str:
    slowest = max(others, key=lambda one: one.makespan)
    longer = slowest.makespan / base.makespan - 1
    priced = [(change, one) for one in others if (change := _dearer(base, one)) is not None]
    dearest = max(priced, key=lambda pair: pair[0], default=(0.0, slowest))
    later = "no later" if longer < SAME else f"{share(longer)} later ({slowest.name})"
    dearer = "no dearer" if dearest[0] < SAME else f"{share(dearest[0])} dearer ({dearest[1].name})"
    return f"If an assumption fails: at worst {later}, and {dearer}"


def _in_case(finding: str, case: str | None) -> str:
    return finding if case is None else f"{case}: {finding[0].lower()}{finding[1:]}"
