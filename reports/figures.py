"""The figures of the report.  Each states its finding in its title and carries the table of what it draws.

Colour means the same everywhere (service blue, waiting grey, rate-limited orange, failed purple), never the only sign:
lines differ in dash, parts of bars stand in one order, and the table says it in numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bench.results.columns import Columns, Floats
from bench.results.format import text
from bench.results.intervals import typical
from bench.results.summary import Quantile
from reports.passes import Pass, sound_or_all
from reports.svg import Hint, Key, Plot, colour, drawing, grid, inline, seconds_axis, stack
from reports.tables import Table
from reports.words import shorten

PANELS = 12
"""Strategies that one figure can hold and still be read."""


def _of_case(name: str, case: str | None) -> str:
    """The id of a figure that is drawn for each case."""
    return name if case is None else f"{name}-{case}"


def _in_case(finding: str, case: str | None) -> str:
    return finding if case is None else f"{case}: {finding[0].lower()}{finding[1:]}"


def percentiles(passes: Sequence[Pass], case: str | None = None) -> Plot:
    """Latency and response time of the requests that succeeded, on an axis that gives the tail its room."""
    shown = [run for run in passes if run.columns.requests.ok.any()][:PANELS]
    name, title = _of_case("percentiles", case), _in_case(_percentile_finding(shown), case)
    with drawing(name):
        figure, axes = grid(len(shown), 2.3)
        low, high = _value_range(shown)
        deepest = max(int(run.columns.requests.ok.sum()) for run in shown)
        hints: list[Hint] = []
        for ax, run in zip(axes, shown, strict=True):
            hints += _percentile_panel(ax, run, deepest, len(shown))
            seconds_axis(ax, low, high)
        alt = f"Percentile curves, one panel a strategy. {title}. The table has the numbers."
        svg = inline(figure, name, alt, hints)
    return Plot(
        name,
        title,
        f"Seconds (up) by percentile (across, on a 1/(1\u2212p) axis: each tenfold step is one more nine); "
        f"requests that succeeded, n in each panel. The shaded gap is time spent waiting; the short bars are "
        f"95 % intervals. {_left_out(shown, passes)}",
        svg,
        (
            Key("service", "line", "latency, from the last send"),
            Key("ink", "dash", "response time, from the moment the request was meant to go"),
            Key("queue", "area", "waiting"),
        ),
        _percentile_table(shown),
    )


def _percentile_panel(ax: Axes, run: Pass, deepest: int, panels: int) -> list[Hint]:
    requests = run.columns.requests
    count = int(requests.ok.sum())
    depth = np.logspace(0, math.log10(max(count, 2)), 200)
    latency = np.quantile(requests.latency[requests.ok], 1 - 1 / depth)
    response = np.quantile(requests.response_time[requests.ok], 1 - 1 / depth)
    ax.fill_between(depth, latency, response, color=colour("queue"), alpha=0.22, linewidth=0)
    ax.plot(depth, response, color=colour("ink"), linestyle=(0, (4, 2)))
    ax.plot(depth, latency, color=colour("service"), linewidth=1.8)
    ax.set_title(shorten(run.name, 24))
    ax.text(1, 1.02, f"n {count:,}", transform=ax.transAxes, ha="right", va="bottom", color=colour("muted"), fontsize=8)
    ax.set_xscale("log")
    ax.set_xlim(1, max(deepest, 20))
    marks = [p for p in _marks(deepest, panels) if 100 / (100 - p) <= max(deepest, 20) * 1.01]
    ax.xaxis.set_major_locator(FixedLocator([100 / (100 - p) for p in marks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"p{p:g}" for p in marks])
    ax.grid(axis="x")
    return [
        hint
        for name, label, ink, aside in (
            ("latency", "latency", "service", 0.97),
            ("response_time", "response time", "ink", 1.03),
        )
        for hint in _intervals(ax, run, name, label, ink, aside)
    ]


def _intervals(ax: Axes, run: Pass, metric: str, label: str, ink: str, aside: float) -> Iterator[Hint]:
    """The 95 % interval of each percentile that has one, as a line a little `aside` of its place."""
    found = run.summary.distributions[metric]
    for p, quantile in ((50, found.p50), (90, found.p90), (95, found.p95), (99, found.p99)):
        if quantile.value is not None and quantile.lo is not None and quantile.hi is not None:
            place = 100 / (100 - p)
            ax.vlines(place * aside, quantile.lo, quantile.hi, color=colour(ink), linewidth=3.2, alpha=0.45)
            yield Hint(ax, place, quantile.value, f"{run.name}, {label} p{p}: {_quantile(quantile)}")


def _marks(deepest: int, panels: int) -> tuple[float, ...]:
    """The percentiles to name below a panel: as many as there is room for."""
    if panels <= 2:
        return (50, 90, 95, 99, 99.9, 99.99)
    return (50, 90, 95, 99) if deepest <= 150 else (50, 95, 99, 99.9)


def _value_range(passes: Sequence[Pass]) -> tuple[float, float]:
    values = [
        getattr(r.columns.requests, name)[r.columns.requests.ok]
        for r in passes
        for name in ("latency", "response_time")
    ]
    return min(float(v.min()) for v in values), max(float(v.max()) for v in values)


def _percentile_finding(passes: Sequence[Pass]) -> str:
    compared = sound_or_all(passes)
    p95 = _by_strategy(
        (run, float(np.quantile(run.columns.requests.response_time[run.columns.requests.ok], 0.95))) for run in compared
    )
    best, worst = min(p95, key=p95.__getitem__), max(p95, key=p95.__getitem__)
    if p95[worst] <= p95[best] * 1.02:
        return f"95 % of the answers are there within {text(p95[worst], 's')}" + (
            ", whatever the strategy" if len(p95) > 1 else ""
        )
    soonest, latest = text(p95[best], "s"), text(p95[worst], "s")
    return f"95 % of the answers are there within {soonest} with {best}, within {latest} with {worst}"


def _by_strategy(found: Iterable[tuple[Pass, float]]) -> dict[str, float]:
    """What is said of each strategy: of one that was repeated, what its runs come to together."""
    runs: dict[str, list[float]] = {}
    for run, value in found:
        runs.setdefault(run.summary.strategy, []).append(value)
    together = {name: typical(values) for name, values in runs.items()}
    return {name: one.estimate if (one := together[name]) else values[0] for name, values in runs.items()}


def _percentile_table(passes: Sequence[Pass]) -> Table:
    rows = []
    for run in passes:
        for name, label in (("latency", "latency"), ("response_time", "response time")):
            found = run.summary.distributions[name]
            quantiles = (found.p50, found.p90, found.p95, found.p99)
            rows.append((f"{run.name}, {label}", f"{found.n:,}", *map(_quantile, quantiles), text(found.max, "s")))
    return Table(("strategy, metric", "n", "p50", "p90", "p95", "p99", "max"), rows)


def _quantile(quantile: Quantile) -> str:
    if quantile.value is None:
        return f"\u2013 (needs {quantile.needed:,})"
    return f"{text(quantile.value, 's')} ({text(quantile.lo, 's')} to {text(quantile.hi, 's')})"


# Where the time went

_WAITING = (
    ("queue", "waiting to be sent"),
    ("throttle", "tries that failed, 429s above all, and the waits after them"),
)
_WHOLE = ("service", "in service")
_STREAMED = (("service", "in service until the first token"), ("writing", "in service from then on"))
_SOME = ("service", "in service until the first token, or the whole answer where it is not streamed")


def _parts(passes: Sequence[Pass]) -> tuple[tuple[str, str], ...]:
    """Colours and names of the parts: the service is parted where answers tell of their first token."""
    told = [~np.isnan(run.columns.requests.ttft[run.columns.requests.ok]) for run in passes]
    if not any(one.any() for one in told):
        return (*_WAITING, _WHOLE)
    return (*_WAITING, *(_STREAMED if all(one.all() for one in told) else (_SOME, _STREAMED[1])))


def where_time_went(passes: Sequence[Pass], case: str | None = None) -> Plot:
    """The response time of a typical and of a slow request, split into its parts."""
    shown = [run for run in passes if run.columns.requests.ok.any()][:PANELS]
    rows = [(run.name, share, _time_parts(run.columns, share)) for run in shown for share in (50, 95)]
    known = _parts(shown)
    figure_name, title = _of_case("where-time-went", case), _in_case(_time_finding(shown, rows, known), case)
    with drawing(figure_name):
        figure, (ax,) = stack([0.27 * len(rows) + 0.1], left=2.2, top=0.1)
        left, hints = np.zeros(len(rows)), list[Hint]()
        y = np.arange(len(rows), dtype=np.float64) + np.repeat(np.arange(len(shown)) * 0.35, 2)
        totals = np.array([sum(parts) for _, _, parts in rows])
        for number, (name, label) in enumerate(known):
            widths = np.array([parts[number] for _, _, parts in rows]) / totals * 100
            ax.barh(y, widths, 0.78, left=left, color=colour(name), linewidth=0)
            for place, (run, share, parts) in enumerate(rows):
                if widths[place] > 0:
                    says = f"{run}, p{share}: {text(parts[number], 's')} {label}"
                    hints.append(Hint(ax, left[place] + widths[place] / 2, y[place], says))
            left += widths
        for place, total in zip(y, totals, strict=True):
            ax.text(101, place, text(float(total), "s"), va="center", ha="left")
        _bar_axis(ax, y, [f"{shorten(name, 22)}  p{share}" for name, share, _ in rows])
        ax.set_xlim(0, 112)
        ax.xaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        ax.set_xlabel("share of the response time")
        alt = f"Bars of response time by part. {title}. The table has the numbers."
        svg = inline(figure, figure_name, alt, hints)
    table = Table(
        ("strategy, percentile", "response time", *(label for _, label in known)),
        [
            (f"{name}, p{share}", text(sum(parts), "s"), *(text(part, "s") for part in parts[: len(known)]))
            for name, share, parts in rows
        ],
    )
    note = (
        "Share of the response time (across), at its p50 and its p95: the mean of the requests within two percentiles "
        f"of each, of those that succeeded. At the end of each bar, the response time. {_left_out(shown, passes)}"
    )
    return Plot(figure_name, title, note, svg, tuple(_occurring(known, rows)), table)


def _occurring(known: Sequence[tuple[str, str]], rows: Sequence[tuple[str, int, tuple[float, ...]]]) -> Iterator[Key]:
    """The parts that any request spent time in."""
    for number, (name, label) in enumerate(known):
        if any(parts[number] > 0 for _, _, parts in rows):
            yield Key(name, "area", label)


def _time_parts(columns: Columns, percentile: int) -> tuple[float, ...]:
    """Mean queue time, throttle wait and service, before and after the first token, of the requests around a
    percentile of the response time."""
    requests = columns.requests
    order = np.flatnonzero(requests.ok)[np.argsort(requests.response_time[requests.ok], kind="stable")]
    low, high = (round((len(order) - 1) * p / 100) for p in (percentile - 2, percentile + 2))
    near = order[low : high + 1]
    latency, ttft = requests.latency[near], requests.ttft[near]
    first = np.where(np.isnan(ttft), latency, ttft)
    parts = (requests.queue_time[near], requests.throttle_wait[near], first, latency - first)
    return tuple(float(part.mean()) for part in parts)


def _time_finding(
    passes: Sequence[Pass], rows: list[tuple[str, int, tuple[float, ...]]], known: tuple[tuple[str, str], ...]
) -> str:
    """Of the strategy that answers soonest: the others wait longer, which is why they are slower."""
    compared = {run.name: run.summary.strategy for run in sound_or_all(passes)}
    near = {name: parts for name, share, parts in rows if share == 50 and name in compared}
    quickest = min(near, key=lambda name: sum(near[name]))
    parts = near[quickest]
    biggest = max(range(len(known)), key=lambda number: parts[number])
    share = text(parts[biggest] / (sum(parts) or 1), "share")
    where = {"queue": "waiting to be sent", "throttle": "on tries that failed and the waits after them"}
    if known[2] == _STREAMED[0]:
        where |= {"service": "waiting for the first token", "writing": "on the rest of the answer"}
    spent = where.get(known[biggest][0], "in service")
    return f"A typical request of {compared[quickest]} spends {share} of its time {spent}"


def _bar_axis(ax: Axes, y: Floats, labels: list[str]) -> None:
    ax.set_yticks(y, labels)
    ax.tick_params(axis="y", labelcolor=colour("ink"))
    ax.set_ylim(y[-1] + 0.6, -0.6)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)


# Cost

_KINDS = (
    ("input", "input", "input"),
    ("cache-write", "cache_write", "cache write"),
    ("cache-read", "cache_read", "cache read"),
    ("output", "output", "output"),
)


def cost(passes: Sequence[Pass], case: str | None = None) -> Plot | None:
    """What each strategy cost, by kind of token; None where no price is known."""
    shown = [run for run in passes if run.summary.cost.total is not None][:PANELS]
    if not shown:
        return None
    figure_name, title = _of_case("cost", case), _in_case(_cost_finding(shown), case)
    parts = {column: np.array([getattr(run.summary.cost, column) or 0.0 for run in shown]) for _, column, _ in _KINDS}
    used = [kind for kind in _KINDS if parts[kind[1]].any()]
    with drawing(figure_name):
        figure, (ax,) = stack([0.34 * len(shown) + 0.1], left=2.2, top=0.1)
        left, y, hints = np.zeros(len(shown)), np.arange(len(shown), dtype=np.float64), list[Hint]()
        for name, column, label in used:
            ax.barh(y, parts[column], 0.72, left=left, color=colour(name), linewidth=0)
            hints += [
                Hint(ax, left[i] + dollars / 2, y[i], f"{run.name}: {text(dollars, 'USD')} {label}")
                for i, (run, dollars) in enumerate(zip(shown, parts[column].tolist(), strict=True))
                if dollars
            ]
            left += parts[column]
        for place, total in zip(y, left, strict=True):
            ax.text(total + left.max() * 0.01, place, text(float(total), "USD"), va="center", ha="left")
        _bar_axis(ax, y, [shorten(run.name, 26) for run in shown])
        ax.set_xlim(0, left.max() * 1.12 or 1)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, "USD")))
        ax.set_xlabel("US dollars")
        alt = f"Bars of cost by kind of token. {title}. The table has the numbers."
        svg = inline(figure, figure_name, alt, hints)
    rows = [
        (run.name, text(run.summary.cost.total, "USD"), *(text(float(parts[c][i]), "USD") for _, c, _ in used))
        for i, run in enumerate(shown)
    ]
    note = f"US dollars for the whole pass (across), by kind of token. {_left_out(shown, passes)}"
    return Plot(
        figure_name,
        title,
        note,
        svg,
        tuple(Key(name, "area", label) for name, _, label in used),
        Table(("strategy", "total", *(label for _, _, label in used)), rows),
    )


def _cost_finding(passes: Sequence[Pass]) -> str:
    """By success, since what failed is cheap."""
    what = "an answered prompt" if all(run.summary.fan_out for run in passes) else "a success"
    each = {run.name: _cost_of_one(run) for run in passes}
    known = {name: value for name, value in each.items() if value is not None}
    if not known:
        return "Nothing succeeded, so nothing can be said of the cost of a success"
    least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    if known[most] > known[least] * 1.02:
        return (
            f"{what.capitalize()} costs least with {least}, {text(known[least], 'USD')}; with {most} "
            f"{text(known[most], 'USD')}"
        )
    total, output = (sum(getattr(run.summary.cost, kind) or 0.0 for run in passes) for kind in ("total", "output"))
    same = ", whatever the strategy" if len(known) > 1 else ""
    part = text(output / (total or 1), "share")
    return f"{what.capitalize()} costs {text(known[least], 'USD')}{same}; {part} of it is output"


def _cost_of_one(run: Pass) -> float | None:
    """Dollars of a success; where several models are asked the same, of a prompt that got its answer."""
    if (asked := run.summary.fan_out) is None or run.summary.cost.total is None:
        return run.summary.values["cost_per_success"]
    return run.summary.cost.total / asked.answered if asked.answered else None


def _left_out(shown: Sequence[Pass], passes: Sequence[Pass]) -> str:
    missing = len(passes) - len(shown)
    return f"{missing} more are in the table of strategies." if missing else ""
