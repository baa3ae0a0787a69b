"""What happened when: requests, in flight, their rate, 429s and the room left under each limit, on one time axis."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from bench.results.columns import CAUSE_NAMES, AttemptColumns, Bools, Columns, Floats, unneeded
from bench.results.format import text
from bench.results.limits import rate_limited
from reports.passes import Pass
from reports.svg import BAKED, DENSE, Hint, Key, Plot, colour, drawing, inline, seconds_axis, stack
from reports.tables import Table

SPANS = 300
"""Requests up to which the timeline draws each as a bar from send to end; above it draws a dot."""

_BINS = 400

FEW = 50
"""Dots up to which each is large enough to be seen alone."""

THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")

HINTS = 50
"""Places of the timeline at which the pointer is told how many were in flight."""


def timeline(run: Pass, name: str) -> Plot:
    """Requests, in flight, their rate, 429s and the room left under each limit, one below the other."""
    attempts = run.columns.attempts
    end = float(attempts.ended.max()) or 1.0
    scale, unit = _time_unit(end)
    rejected = rate_limited(attempts)
    peak = int(_in_flight(attempts, np.array([0.0, end])).max())
    title = _timeline_finding(run, end, peak, rejected)
    told = any(np.isfinite(getattr(attempts, f"{column}_remaining")).any() for _, _, column in _LIMITS)
    heights = [2.1, 0.75, 0.75, *([0.55] if rejected.any() else []), *([0.85] if told else [])]
    with drawing(name):
        figure, axes = stack(heights)
        spans = len(run.columns.requests) <= SPANS
        (_span_panel if spans else _dot_panel)(axes[0], run.columns, rejected, scale)
        hints = _in_flight_panel(axes[1], attempts, end, scale)
        _rate_panel(axes[2], run.columns, end, scale)
        keys = _rejected_panel(axes[3], attempts, end, scale) if rejected.any() else []
        limits = _limits_panel(axes[-1], attempts, end, scale) if told else []
        axes[-1].set_xlim(0, end / scale)
        axes[-1].set_xlabel(f"{unit} since the strategy began")
        svg = inline(figure, name, f"Timeline of {run.name}. {title}. The table has the numbers.", hints)
    return Plot(
        name,
        title,
        _timeline_note(run, spans, told),
        svg,
        _timeline_key(
            spans, [*keys, *limits], *(bool(some(attempts).any()) for some in (rate_limited, _lost, unneeded))
        ),
        _timeline_table(run, end),
    )


def _timeline_finding(run: Pass, end: float, peak: int, rejected: Bools) -> str:
    requests = run.columns.requests
    answered = f"{int(requests.ok.sum()):,} of {len(requests):,} answered after {text(end, 's')}"
    title = f"{run.name}: {answered}, at most {peak:,} in flight"
    if not rejected.any():
        return f"{title}, no 429"
    first = float(run.columns.attempts.ended[rejected].min())
    return f"{title}, {int(rejected.sum()):,} 429s, the first at {text(first, 's')}"


def _span_panel(ax: Axes, columns: Columns, rejected: Bools, scale: float) -> None:
    """A line a request, in the order of their first sends: waiting thin, in service thick."""
    requests, attempts = columns.requests, columns.attempts
    row = np.empty(len(requests))
    row[np.argsort(requests.first_sent, kind="stable")] = np.arange(1, len(requests) + 1)
    width = max(0.9, min(6.0, 110 / len(requests)))
    rows = row[attempts.request]
    _segments(ax, requests.intended / scale, requests.first_sent / scale, row, "queue", width * 0.45)
    _segments(ax, requests.first_sent / scale, requests.last_sent / scale, row, "throttle", width * 0.45)
    good, lost, spare = attempts.ok, _lost(attempts), unneeded(attempts)
    _segments(ax, attempts.sent[good] / scale, attempts.ended[good] / scale, rows[good], "service", width)
    _segments(ax, attempts.sent[lost] / scale, attempts.ended[lost] / scale, rows[lost], "failed", width)
    _segments(ax, attempts.sent[spare] / scale, attempts.ended[spare] / scale, rows[spare], "queue", width)
    _dots(ax, attempts.sent[rejected] / scale, rows[rejected], "throttle", min(4.5, width * 1.7))
    ax.set_ylim(len(requests) + 0.5, 0.5)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.set_title("requests, in the order of their first send")


def _lost(attempts: AttemptColumns) -> Bools:
    """Which attempts failed otherwise than with a 429."""
    return ~attempts.ok & ~rate_limited(attempts) & ~unneeded(attempts)


def _dot_panel(ax: Axes, columns: Columns, rejected: Bools, scale: float) -> None:
    """A dot an attempt: when it was sent, how long it took."""
    attempts = columns.attempts
    took = attempts.ended - attempts.sent
    for chosen, name, size in (
        (unneeded(attempts), "queue", 2.2),
        (attempts.ok, "service", 2.2),
        (rejected, "throttle", 2.2),
        (_lost(attempts), "failed", 3.2),
    ):
        _dots(ax, *_distinct(attempts.sent[chosen] / scale, took[chosen]), name, size)
    positive = took[took > 0]
    seconds_axis(ax, float(positive.min()) if len(positive) else 0.0, float(took.max()))
    ax.tick_params(axis="y", pad=7)  # a dot at the very beginning is whole
    ax.set_title("attempts: how long each took, by when it was sent")


def _in_flight_panel(ax: Axes, attempts: AttemptColumns, end: float, scale: float) -> list[Hint]:
    edges = np.linspace(0, end, _BINS + 1)
    levels = _in_flight(attempts, edges)
    ax.stairs(levels, edges / scale, fill=True, color=colour("service"), alpha=0.25, linewidth=0)
    ax.stairs(levels, edges / scale, color=colour("service"), linewidth=1.1, baseline=None)
    ax.set_ylim(0, max(1, levels.max()) * 1.12)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.yaxis.set_major_formatter(THOUSANDS)
    ax.set_title("in flight")
    moments = (edges[:-1] + edges[1:]) / 2
    return [
        Hint(ax, moments[i] / scale, levels[i], f"{levels[i]:,.0f} in flight at {text(float(moments[i]), 's')}")
        for i in range(0, _BINS, _BINS // HINTS)
    ]


def _rate_panel(ax: Axes, columns: Columns, end: float, scale: float) -> None:
    """Attempts sent and requests answered, by the minute."""
    width = _width(end, 60, least=1.0)
    edges = np.arange(0, end + width, width)
    for moments, name, dash in (
        (columns.attempts.sent, "ink", (0, (4, 2))),
        (columns.requests.ended[columns.requests.ok], "service", "solid"),
    ):
        counts, _ = np.histogram(moments, edges)
        ax.stairs(counts * 60 / width, edges / scale, color=colour(name), linestyle=dash, baseline=None)
    ax.set_ylim(0, None)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.yaxis.set_major_formatter(THOUSANDS)
    ax.set_title(f"sent (dashed) and answered per minute, in each {width:g} s")


_CAUSES = {"requests": "requests", "input_tokens": "input", "output_tokens": "output"}
"""Colours of 429s whose limit is known."""


def _rejected_panel(ax: Axes, attempts: AttemptColumns, end: float, scale: float) -> list[Key]:
    """429s by the limit that said no, one upon the other."""
    width = _width(end, 120, least=0.1)
    edges = np.arange(0, end + width, width)
    below, said, keys = np.zeros(len(edges) - 1), [], []
    for code in np.unique(attempts.cause[rate_limited(attempts)]):
        cause = CAUSE_NAMES[code]
        words, name = cause.replace("_", " "), _CAUSES.get(cause, "throttle")
        counts, _ = np.histogram(attempts.ended[attempts.cause == code], edges)
        ax.stairs(below + counts, edges / scale, baseline=below, fill=True, color=colour(name), linewidth=0)
        below = below + counts
        said.append(f"{words} {int(counts.sum()):,}")
        keys.append(Key(name, "area", f"429: {words}"))
    ax.set_ylim(0, below.max() * 1.15)
    ax.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    ax.yaxis.set_major_formatter(THOUSANDS)
    ax.set_title(f"429s in each {width:g} s: {', '.join(said)}")
    return keys


def _width(end: float, most: int, *, least: float) -> float:
    """Round seconds that part the time into so many bins at most."""
    widths = (w for w in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0) if w >= least)
    return next((w for w in widths if end / w <= most), 3600.0)


_LIMITS = (
    ("requests", "solid", "requests"),
    ("input", (0, (5, 2)), "input_tokens"),
    ("output", (0, (1, 1.5)), "output_tokens"),
)


def _limits_panel(ax: Axes, attempts: AttemptColumns, end: float, scale: float) -> list[Key]:
    """What the rate-limit headers said was left."""
    edges = np.linspace(0, end, _BINS + 1)
    keys = []
    for (name, dash, column), look in zip(_LIMITS, ("line", "dash", "dots"), strict=True):
        share = getattr(attempts, f"{column}_remaining") / getattr(attempts, f"{column}_limit")
        moments, least = _least(attempts.sent, share, edges)
        if len(moments):
            ax.step(moments / scale, least * 100, where="post", color=colour(name), linestyle=dash)
            keys.append(Key(name, look, f"{column.replace('_', ' ')} left"))
    ax.set_title("left of each limit")
    ax.set_ylim(-4, 104)
    ax.yaxis.set_major_locator(FixedLocator([0, 50, 100]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    return keys


def _segments(ax: Axes, starts: Floats, ends: Floats, rows: Floats, name: str, width: float) -> None:
    """Horizontal lines as one path: a line object each would be a hundred times the bytes."""
    nothing = np.full(len(starts), np.nan)
    x, y = np.column_stack((starts, ends, nothing)), np.column_stack((rows, rows, nothing))
    ax.plot(x.ravel(), y.ravel(), color=colour(name), linewidth=width)


def _distinct(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Places without those upon each other, where there are few moments: a batch sends thousands at one."""
    if not len(x) or len(np.unique(x)) > FEW:
        return x, y
    places = np.unique(np.column_stack((x, y)), axis=0)
    return places[:, 0], places[:, 1]


def _dots(ax: Axes, x: Floats, y: Floats, name: str, size: float) -> None:
    """Dots as one path of lines without length, whose round ends are all that shows; a picture where dense."""
    if len(x) > DENSE:
        ax.plot(x, y, ".", color=BAKED[name], markersize=size * 1.3, markeredgewidth=0, alpha=0.7, rasterized=True)
        return
    if len(x) <= FEW:
        size = max(size, 5.0)
    nothing = np.full(len(x), np.nan)
    xs, ys = np.column_stack((x, x, nothing)), np.column_stack((y, y, nothing))
    ax.plot(xs.ravel(), ys.ravel(), color=colour(name), linewidth=size, solid_capstyle="round", clip_on=False)


def _in_flight(attempts: AttemptColumns, edges: Floats) -> Floats:
    """The most attempts open at once in each bin: at its beginning or after one of its sends.

    At one moment, ends come before sends.
    """
    sent, ended = np.sort(attempts.sent), np.sort(attempts.ended)
    after_send = np.arange(1, len(sent) + 1) - np.searchsorted(ended, sent, side="right")
    first = np.searchsorted(sent, edges)
    most = (first - np.searchsorted(ended, edges))[:-1]
    within = np.flatnonzero(first[:-1] < first[1:])
    if len(within):
        most[within] = np.maximum(most[within], np.maximum.reduceat(after_send[: first[-1]], first[within]))
    return most.astype(np.float64)


def _least(moments: Floats, values: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """The least value in each bin that has one, and where those bins begin."""
    known = ~np.isnan(values)
    bins = np.clip(np.searchsorted(edges, moments[known], side="right") - 1, 0, len(edges) - 2)
    least = np.full(len(edges) - 1, np.inf)
    np.minimum.at(least, bins, values[known])
    filled = np.isfinite(least)
    return edges[:-1][filled], least[filled]


def _timeline_note(run: Pass, spans: bool, told: bool) -> str:
    requests = len(run.columns.requests)
    what = "one line a request, waiting thin, in service thick" if spans else "one dot an attempt"
    attempts = len(run.columns.attempts)
    limits = "Limits as the headers of the answers told them." if told else "The answers carried no rate-limit headers."
    return f"{requests:,} requests, {attempts:,} attempts; {what}. {limits}"


def _timeline_key(spans: bool, limits: list[Key], rejected: bool, failed: bool, spare: bool) -> tuple[Key, ...]:
    keys = [Key("service", "area" if spans else "dot", "answered")]
    if spans:
        keys.append(Key("queue", "line", "waiting to be sent"))
    if rejected:
        keys.append(Key("throttle", "dot", "429" + (", and the wait after it" if spans else "")))
    if failed:
        keys.append(Key("failed", "area" if spans else "dot", "failed otherwise"))
    if spare:
        keys.append(Key("queue", "area" if spans else "dot", "given up: another answer was there first"))
    return (*keys, *limits)


def _timeline_table(run: Pass, end: float) -> Table:
    """A dozen equal parts of the time."""
    attempts, requests = run.columns.attempts, run.columns.requests
    edges = np.linspace(0, end, 13)
    edges[-1] = np.nextafter(end, np.inf)
    rejected = rate_limited(attempts)
    counts = [
        np.histogram(values, edges)[0]
        for values in (
            attempts.sent,
            requests.ended[requests.ok],
            attempts.ended[rejected],
            requests.ended[~requests.ok & ~unneeded(requests)],
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
