"""The figures of the report.  Each states its finding in its title and carries the table of what it draws.

Colour means the same everywhere (service blue, waiting grey, rate-limited orange, failed purple), never the only sign:
lines differ in dash, parts of bars stand in one order, and the table says it in numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES, AttemptColumns, Columns, Floats
from bench.results.format import text
from bench.results.summary import PassSummary, Quantile
from reports.svg import BAKED, DENSE, colour, drawing, grid, inline, stack

SPANS = 300
"""Requests up to which the timeline draws each as a bar from send to end; above it draws a dot."""

PANELS = 12
"""Strategies that one figure can hold and still be read."""

_BINS = 400
_RATE_LIMITED = [code for code, name in enumerate(CAUSE_NAMES) if CAUSES[name].rate_limit]


@dataclass(frozen=True, slots=True)
class Table:
    """What a figure draws, in numbers.  The first column names the row."""

    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: `look` is line, dash, area or dot."""

    colour: str
    look: str
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure as the page shows it."""

    name: str
    """Its id on the page."""
    title: str
    """The finding."""
    note: str
    """How to read it: axes, units, how many samples."""
    svg: str
    key: tuple[Key, ...]
    table: Table


@dataclass(frozen=True, slots=True)
class Pass:
    """One strategy, run once: what was found and the rows it was found in."""

    name: str
    summary: PassSummary
    columns: Columns


# Percentile curves


def percentiles(passes: Sequence[Pass]) -> Plot:
    """Latency and response time of the requests that succeeded, on an axis that gives the tail its room."""
    shown = [run for run in passes if run.columns.requests.ok.any()][:PANELS]
    title = _percentile_finding(shown)
    with drawing("percentiles"):
        figure, axes = grid(len(shown), 2.3)
        low, high = _value_range(shown)
        deepest = max(int(run.columns.requests.ok.sum()) for run in shown)
        for ax, run in zip(axes, shown, strict=True):
            _percentile_panel(ax, run, deepest, len(shown))
            _value_axis(ax, low, high)
        svg = inline(
            figure, "percentiles", f"Percentile curves, one panel a strategy. {title}. The table has the numbers."
        )
    return Plot(
        "percentiles",
        title,
        f"Seconds (up) by percentile (across, on a 1/(1\u2212p) axis: each tenfold step is one more nine); "
        f"requests that succeeded, n in each panel. The shaded gap is time spent waiting. {_left_out(shown, passes)}",
        svg,
        (
            Key("service", "line", "latency, from the last send"),
            Key("ink", "dash", "response time, from the moment the request was meant to go"),
            Key("queue", "area", "waiting"),
        ),
        _percentile_table(shown),
    )


def _percentile_panel(ax: Axes, run: Pass, deepest: int, panels: int) -> None:
    requests = run.columns.requests
    count = int(requests.ok.sum())
    depth = np.logspace(0, math.log10(max(count, 2)), 200)
    latency = np.quantile(requests.latency[requests.ok], 1 - 1 / depth)
    response = np.quantile(requests.response_time[requests.ok], 1 - 1 / depth)
    ax.fill_between(depth, latency, response, color=colour("queue"), alpha=0.22, linewidth=0)
    ax.plot(depth, response, color=colour("ink"), linestyle=(0, (4, 2)))
    ax.plot(depth, latency, color=colour("service"), linewidth=1.8)
    ax.set_title(_shorten(run.name, 24))
    ax.text(1, 1.02, f"n {count:,}", transform=ax.transAxes, ha="right", va="bottom", color=colour("muted"), fontsize=8)
    ax.set_xscale("log")
    ax.set_xlim(1, max(deepest, 20))
    marks = [p for p in (50, 90, 95, 99, 99.9, 99.99) if 100 / (100 - p) <= max(deepest, 20) * 1.01]
    if panels > 2 and deepest > 2000:
        marks.remove(95)
    ax.xaxis.set_major_locator(FixedLocator([100 / (100 - p) for p in marks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"p{p:g}" for p in marks])
    ax.grid(axis="x")


def _value_range(passes: Sequence[Pass]) -> tuple[float, float]:
    values = [
        getattr(r.columns.requests, name)[r.columns.requests.ok]
        for r in passes
        for name in ("latency", "response_time")
    ]
    return min(float(v.min()) for v in values), max(float(v.max()) for v in values)


def _value_axis(ax: Axes, low: float, high: float) -> None:
    """Seconds on a logarithmic axis where the values span more than a decade, else from zero."""
    if low > 0 and high / low > 12:
        ax.set_yscale("log")
        ax.set_ylim(low / 1.3, high * 1.3)
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.set_ylim(0, high * 1.08 or 1.0)
        ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, "s")))


def _percentile_finding(passes: Sequence[Pass]) -> str:
    p95 = {
        run.name: float(np.quantile(run.columns.requests.response_time[run.columns.requests.ok], 0.95))
        for run in passes
    }
    best, worst = min(p95, key=p95.__getitem__), max(p95, key=p95.__getitem__)
    if p95[worst] <= p95[best] * 1.02:
        return f"95 % of the answers are there within {text(p95[worst], 's')}" + (
            ", whatever the strategy" if len(p95) > 1 else ""
        )
    return f"95 % of the answers are there within {text(p95[best], 's')} with {best}, within {text(p95[worst], 's')} with {worst}"


def _percentile_table(passes: Sequence[Pass]) -> Table:
    rows = []
    for run in passes:
        for name, label in (("latency", "latency"), ("response_time", "response time")):
            found = run.summary.distributions[name]
            quantiles = (found.p50, found.p90, found.p95, found.p99)
            rows.append((f"{run.name}, {label}", f"{found.n:,}", *map(_quantile, quantiles), text(found.max, "s")))
    return Table(("", "n", "p50", "p90", "p95", "p99", "max"), rows)


def _quantile(quantile: Quantile) -> str:
    if quantile.value is None:
        return f"\u2013 (needs {quantile.needed:,})"
    return f"{text(quantile.value, 's')} ({text(quantile.lo, 's')} to {text(quantile.hi, 's')})"


# Timeline


def timeline(run: Pass, name: str) -> Plot:
    """What happened when: requests, in flight, 429s and the room left under each limit, on one time axis."""
    attempts = run.columns.attempts
    end = float(attempts.ended.max())
    scale, unit = _time_unit(end)
    rejected = np.isin(attempts.cause, _RATE_LIMITED)
    peak = int(_in_flight(attempts, np.array([0.0, end])).max())
    title = _timeline_finding(run, end, peak, rejected)
    heights = [2.1, 0.75, *([0.55] if rejected.any() else []), 0.85]
    with drawing(name):
        figure, axes = stack(heights)
        spans = len(run.columns.requests) <= SPANS
        (_span_panel if spans else _dot_panel)(axes[0], run.columns, rejected, scale)
        _in_flight_panel(axes[1], attempts, end, scale)
        if rejected.any():
            _rejected_panel(axes[2], attempts.ended[rejected], end, scale)
        limits = _limits_panel(axes[-1], attempts, end, scale)
        axes[-1].set_xlim(0, end / scale)
        axes[-1].set_xlabel(f"{unit} since the strategy began")
        svg = inline(figure, name, f"Timeline of {run.name}. {title}. The table has the numbers.")
    return Plot(
        name,
        title,
        _timeline_note(run, spans),
        svg,
        _timeline_key(spans, limits, rejected.any()),
        _timeline_table(run, end),
    )


def _timeline_finding(run: Pass, end: float, peak: int, rejected: np.ndarray) -> str:
    requests = run.columns.requests
    title = f"{run.name}: {int(requests.ok.sum()):,} of {len(requests):,} answered after {text(end, 's')}, at most {peak:,} in flight"
    if not rejected.any():
        return f"{title}, no 429"
    first = float(run.columns.attempts.ended[rejected].min())
    return f"{title}, {int(rejected.sum()):,} 429s, the first at {text(first, 's')}"


def _span_panel(ax: Axes, columns: Columns, rejected: np.ndarray, scale: float) -> None:
    """A line a request, in the order of their first sends: waiting thin, in service thick."""
    requests, attempts = columns.requests, columns.attempts
    row = np.empty(len(requests))
    row[np.argsort(requests.first_sent, kind="stable")] = np.arange(1, len(requests) + 1)
    width = max(0.9, min(6.0, 110 / len(requests)))
    rows = row[attempts.request]
    _segments(ax, requests.intended / scale, requests.first_sent / scale, row, "queue", width * 0.45)
    _segments(ax, requests.first_sent / scale, requests.last_sent / scale, row, "throttle", width * 0.45)
    good, lost = attempts.ok, ~attempts.ok & ~rejected
    _segments(ax, attempts.sent[good] / scale, attempts.ended[good] / scale, rows[good], "service", width)
    _segments(ax, attempts.sent[lost] / scale, attempts.ended[lost] / scale, rows[lost], "failed", width)
    _dots(ax, attempts.sent[rejected] / scale, rows[rejected], "throttle", min(4.5, width * 1.7))
    ax.set_ylim(len(requests) + 1, 0)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.set_title("requests, in the order of their first send")


def _dot_panel(ax: Axes, columns: Columns, rejected: np.ndarray, scale: float) -> None:
    """A dot an attempt: when it was sent, how long it took."""
    attempts = columns.attempts
    took = attempts.ended - attempts.sent
    dense = len(attempts) > DENSE
    for chosen, name, size in (
        (attempts.ok, "service", 2.2),
        (rejected, "throttle", 2.2),
        (~attempts.ok & ~rejected, "failed", 3.2),
    ):
        _dots(ax, attempts.sent[chosen] / scale, took[chosen], name, size, dense=dense)
    positive = took[took > 0]
    _value_axis(ax, float(positive.min()) if len(positive) else 0.0, float(took.max()))
    ax.set_title("attempts: how long each took, by when it was sent")


def _in_flight_panel(ax: Axes, attempts: AttemptColumns, end: float, scale: float) -> None:
    edges = np.linspace(0, end, _BINS + 1)
    levels = _in_flight(attempts, edges)
    ax.stairs(levels, edges / scale, fill=True, color=colour("service"), alpha=0.25, linewidth=0)
    ax.stairs(levels, edges / scale, color=colour("service"), linewidth=1.1, baseline=None)
    ax.set_ylim(0, levels.max() * 1.12)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.set_title("in flight")


def _rejected_panel(ax: Axes, moments: Floats, end: float, scale: float) -> None:
    width = next((w for w in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if end / w <= 120), 3600)
    counts, edges = np.histogram(moments, np.arange(0, end + width, width))
    ax.stairs(counts, edges / scale, fill=True, color=colour("throttle"), linewidth=0)
    ax.set_ylim(0, counts.max() * 1.15)
    ax.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    ax.set_title(f"429s in each {text(float(width), 's')}")


_LIMITS = (
    ("requests", "solid", "requests"),
    ("input", (0, (5, 2)), "input_tokens"),
    ("output", (0, (1, 1.5)), "output_tokens"),
)


def _limits_panel(ax: Axes, attempts: AttemptColumns, end: float, scale: float) -> list[Key]:
    """What the rate-limit headers said was left; without such headers, the requests sent per minute."""
    edges = np.linspace(0, end, _BINS + 1)
    keys = []
    for (name, dash, column), look in zip(_LIMITS, ("line", "dash", "dots"), strict=True):
        share = getattr(attempts, f"{column}_remaining") / getattr(attempts, f"{column}_limit")
        moments, least = _least(attempts.sent, share, edges)
        if len(moments):
            ax.step(moments / scale, least * 100, where="post", color=colour(name), linestyle=dash)
            keys.append(Key(name, look, f"{column.replace('_', ' ')} left"))
    if keys:
        ax.set_title("left of each limit")
        ax.set_ylim(0, 104)
        ax.yaxis.set_major_locator(FixedLocator([0, 50, 100]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        return keys
    width = max(end / 60, 1.0)
    counts, steps = np.histogram(attempts.sent, np.arange(0, end + width, width))
    ax.stairs(counts * 60 / width, steps / scale, color=colour("requests"), baseline=None)
    ax.set_ylim(0, None)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.set_title("requests sent per minute (the answers carried no rate-limit headers)")
    return [Key("requests", "line", "requests sent per minute")]


def _segments(ax: Axes, starts: Floats, ends: Floats, rows: Floats, name: str, width: float) -> None:
    """Horizontal lines as one path: a line object each would be a hundred times the bytes."""
    nothing = np.full(len(starts), np.nan)
    x, y = np.column_stack((starts, ends, nothing)), np.column_stack((rows, rows, nothing))
    ax.plot(x.ravel(), y.ravel(), color=colour(name), linewidth=width)


def _dots(ax: Axes, x: Floats, y: Floats, name: str, size: float, *, dense: bool = False) -> None:
    """Dots as one path of lines without length, whose round ends are all that shows; a picture where dense."""
    if dense:
        ax.plot(x, y, ".", color=BAKED[name], markersize=size, markeredgewidth=0, alpha=0.6, rasterized=True)
        return
    nothing = np.full(len(x), np.nan)
    xs, ys = np.column_stack((x, x, nothing)), np.column_stack((y, y, nothing))
    ax.plot(xs.ravel(), ys.ravel(), color=colour(name), linewidth=size, solid_capstyle="round")


def _in_flight(attempts: AttemptColumns, edges: Floats) -> Floats:
    """The most attempts open at once in each bin.  At one moment, ends come before sends."""
    moments = np.concatenate((attempts.ended, attempts.sent))
    change = np.concatenate((np.full(len(attempts), -1), np.full(len(attempts), 1)))
    order = np.lexsort((change, moments))
    level = np.concatenate(([0], np.cumsum(change[order]), [0]))
    seen = np.searchsorted(moments[order], edges)
    pairs = np.column_stack((seen[:-1], seen[1:] + 1)).ravel()
    return np.maximum.reduceat(level, pairs)[::2].astype(np.float64)


def _least(moments: Floats, values: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """The least value in each bin that has one, and where those bins begin."""
    known = ~np.isnan(values)
    bins = np.clip(np.searchsorted(edges, moments[known], side="right") - 1, 0, len(edges) - 2)
    least = np.full(len(edges) - 1, np.inf)
    np.minimum.at(least, bins, values[known])
    filled = np.isfinite(least)
    return edges[:-1][filled], least[filled]


def _timeline_note(run: Pass, spans: bool) -> str:
    requests = len(run.columns.requests)
    what = "one line a request, waiting thin, in service thick" if spans else "one dot an attempt"
    return f"{requests:,} requests, {len(run.columns.attempts):,} attempts; {what}. Limits as the headers of the answers told them."


def _timeline_key(spans: bool, limits: list[Key], rejected: np.bool_) -> tuple[Key, ...]:
    keys = [Key("service", "area" if spans else "dot", "answered")]
    if spans:
        keys.append(Key("queue", "line", "waiting to be sent"))
    if rejected:
        keys.append(Key("throttle", "dot", "429" + (", and the wait after it" if spans else "")))
    return (*keys, Key("failed", "area" if spans else "dot", "failed otherwise"), *limits)


def _timeline_table(run: Pass, end: float) -> Table:
    """A dozen equal parts of the time."""
    attempts, requests = run.columns.attempts, run.columns.requests
    edges = np.linspace(0, end, 13)
    edges[-1] = np.nextafter(end, np.inf)
    rejected = np.isin(attempts.cause, _RATE_LIMITED)
    counts = [
        np.histogram(values, edges)[0]
        for values in (
            attempts.sent,
            requests.ended[requests.ok],
            attempts.ended[rejected],
            requests.ended[~requests.ok],
        )
    ]
    peaks = _in_flight(attempts, edges)
    rows = [
        (
            f"{text(float(edges[i]), 's')} to {text(float(edges[i + 1]), 's')}",
            *(f"{int(c[i]):,}" for c in counts),
            f"{int(peaks[i]):,}",
        )
        for i in range(12)
    ]
    return Table(("time", "attempts sent", "answered", "429s", "failed for good", "most in flight"), rows)


def _time_unit(end: float) -> tuple[float, str]:
    """How many seconds the axis's unit has, and its name."""
    if end <= 900:
        return 1.0, "seconds"
    return (60.0, "minutes") if end <= 4 * 3600 else (3600.0, "hours")


# Where the time went

_PARTS = (("queue", "waiting to be sent"), ("throttle", "429s and the waits after them"), ("service", "in service"))


def where_time_went(passes: Sequence[Pass]) -> Plot:
    """The response time of a typical and of a slow request, split into its three parts."""
    shown = [run for run in passes if run.columns.requests.ok.any()][:PANELS]
    rows = [(run.name, share, _time_parts(run.columns, share)) for run in shown for share in (50, 95)]
    title = _time_finding(rows)
    with drawing("where-time-went"):
        figure, (ax,) = stack([0.3 * len(rows) + 0.1], left=2.2)
        left = np.zeros(len(rows))
        y = np.arange(len(rows)) + np.repeat(np.arange(len(shown)) * 0.35, 2)
        totals = np.array([sum(parts) for _, _, parts in rows])
        for number, (name, _) in enumerate(_PARTS):
            widths = np.array([parts[number] for _, _, parts in rows]) / totals * 100
            ax.barh(y, widths, 0.78, left=left, color=colour(name), linewidth=0)
            left += widths
        for place, total in zip(y, totals, strict=True):
            ax.text(101, place, text(float(total), "s"), va="center", ha="left")
        _bar_axis(ax, y, [f"{_shorten(name, 22)}  p{share}" for name, share, _ in rows])
        ax.set_xlim(0, 112)
        ax.xaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        ax.set_xlabel("share of the response time")
        svg = inline(figure, "where-time-went", f"Bars of response time by part. {title}. The table has the numbers.")
    table = Table(
        ("", "response time", *(label for _, label in _PARTS)),
        [
            (f"{name}, p{share}", text(sum(parts), "s"), *(text(part, "s") for part in parts))
            for name, share, parts in rows
        ],
    )
    note = (
        "Share of the response time (across), at its p50 and its p95: the mean of the requests within two percentiles of each, "
        f"of those that succeeded. At the end of each bar, the response time. {_left_out(shown, passes)}"
    )
    return Plot("where-time-went", title, note, svg, tuple(Key(name, "area", label) for name, label in _PARTS), table)


def _time_parts(columns: Columns, percentile: int) -> tuple[float, float, float]:
    """Mean queue time, throttle wait and latency of the requests around a percentile of the response time."""
    requests = columns.requests
    order = np.flatnonzero(requests.ok)[np.argsort(requests.response_time[requests.ok], kind="stable")]
    low, high = (round((len(order) - 1) * p / 100) for p in (percentile - 2, percentile + 2))
    near = order[low : high + 1]
    return (
        float(requests.queue_time[near].mean()),
        float(requests.throttle_wait[near].mean()),
        float(requests.latency[near].mean()),
    )


def _time_finding(rows: list[tuple[str, int, tuple[float, float, float]]]) -> str:
    typical = {name: parts for name, share, parts in rows if share == 50}
    quickest = min(typical, key=lambda name: sum(typical[name]))
    parts = typical[quickest]
    biggest = max(range(3), key=lambda number: parts[number])
    share = parts[biggest] / (sum(parts) or 1)
    return f"A typical request of {quickest} spends {text(share, 'share')} of its time {('waiting to be sent', 'on 429s', 'in service')[biggest]}"


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


def cost(passes: Sequence[Pass]) -> Plot | None:
    """What each strategy cost, by kind of token; None where no price is known."""
    shown = [run for run in passes if run.summary.cost.total is not None][:PANELS]
    if not shown:
        return None
    title = _cost_finding(shown)
    parts = {column: np.array([getattr(run.summary.cost, column) or 0.0 for run in shown]) for _, column, _ in _KINDS}
    used = [kind for kind in _KINDS if parts[kind[1]].any()]
    with drawing("cost"):
        figure, (ax,) = stack([0.34 * len(shown) + 0.1], left=2.2)
        left, y = np.zeros(len(shown)), np.arange(len(shown), dtype=np.float64)
        for name, column, _ in used:
            ax.barh(y, parts[column], 0.72, left=left, color=colour(name), linewidth=0)
            left += parts[column]
        for place, total in zip(y, left, strict=True):
            ax.text(total + left.max() * 0.01, place, text(float(total), "USD"), va="center", ha="left")
        _bar_axis(ax, y, [_shorten(run.name, 26) for run in shown])
        ax.set_xlim(0, left.max() * 1.12 or 1)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"${value:g}"))
        ax.set_xlabel("US dollars")
        svg = inline(figure, "cost", f"Bars of cost by kind of token. {title}. The table has the numbers.")
    rows = [
        (run.name, text(run.summary.cost.total, "USD"), *(text(float(parts[c][i]), "USD") for _, c, _ in used))
        for i, run in enumerate(shown)
    ]
    note = f"US dollars for the whole pass (across), by kind of token. {_left_out(shown, passes)}"
    return Plot(
        "cost",
        title,
        note,
        svg,
        tuple(Key(name, "area", label) for name, _, label in used),
        Table(("", "total", *(label for _, _, label in used)), rows),
    )


def _cost_finding(passes: Sequence[Pass]) -> str:
    totals = {run.name: run.summary.cost.total or 0.0 for run in passes}
    least, most = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
    if totals[most] <= totals[least] * 1.02:
        share = (passes[0].summary.cost.output or 0.0) / (totals[passes[0].name] or 1)
        same = (
            "Every strategy costs about the same" if len(totals) > 1 else f"{least} costs {text(totals[least], 'USD')}"
        )
        return f"{same}; output is {text(share, 'share')} of it"
    return f"{least} costs least, {text(totals[least], 'USD')}; {most} costs {text(totals[most], 'USD')}"


def _left_out(shown: Sequence[Pass], passes: Sequence[Pass]) -> str:
    missing = len(passes) - len(shown)
    return f"{missing} more are in the table of strategies." if missing else ""


def _shorten(name: str, length: int) -> str:
    """The name, its middle left out where it is too long: what tells strategies apart is often at the end."""
    if len(name) <= length:
        return name
    tail = length // 3
    return f"{name[: length - tail - 1]}\u2026{name[-tail:]}"
