"""The picture of a sweep: goodput, 429s and p95 over the number, with what the tier lets through.

A page of a sweep has one for each tier and case; so has the report of a run that tried several numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bench.results.answer import MAX_FAILED
from bench.results.folder import RunInfo
from bench.results.format import text, three
from bench.results.metrics import METRICS
from bench.results.recommendation import LIMITS, MOST_REFUSED, Answer, answer, best_of, number_name
from bench.results.sweep import KINDS, Estimate, Series, of_run
from reports.passes import Pass
from reports.svg import Hint, Key, Plot, colour, drawing, inline, seconds_axis, stack
from reports.sweep import cells, headings, named, times, verdict
from reports.tables import Table

FEWEST = 3
"""Numbers of which the report of a run draws a curve."""

TICKS = 9
"""Numbers that are named below the axis."""

COLOURS = ("service", "failed", "requests", "input")
"""Of the times, in the order of the SLO; dashes tell them apart too."""

DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1, 2)))


def sweep_figure(series: Series, found: Answer, name: str) -> Plot:
    """What was measured at each number, and which of them is recommended; `name` is the figure's id."""
    with drawing(name):
        figure, (goodput, refused, p95) = stack([1.9, 0.8, 1.5], gap=0.42)
        hints = [*_goodput(goodput, series), *_refused(refused, series), *_times(p95, series)]
        for ax in (goodput, refused, p95):
            if found.at is not None:
                ax.axvline(found.at, color=colour("good"), linewidth=5, alpha=0.25, zorder=0)
        _number_axis(p95, series)
        alt = f"{found.sentence} Goodput, 429s and p95 by number. The table has the numbers."
        svg = inline(figure, name, alt, hints)
    return Plot(name, _title(series, found), _note(series), svg, tuple(_key(series, found)), _table(series, found))


def sweep_figures(info: RunInfo, passes: Sequence[Pass]) -> list[Plot]:
    """A figure for each strategy of a run that was tried at three numbers or more, case by case, with its answer."""
    series = of_run(info, [(one.summary, one.columns) for one in passes], classes=False)
    drawn = [(one, answer(one), f"sweep-{place}") for place, one in enumerate(series) if len(one.points) >= FEWEST]
    plots = [(found, sweep_figure(one, found, name)) for one, found, name in drawn]
    return [replace(plot, note=f"{found.sentence} {plot.note}") for found, plot in plots]


def _title(series: Series, found: Answer) -> str:
    if found.at is None:
        return f"{named(series)}: no number qualifies" + (" for certain" if found.found == "unsure" else "")
    best = best_of(series)
    assert best is not None
    mine = next(point for point in series.points if point.at == found.at)
    of = mine.goodput.value / best.goodput.value
    gives = "gives the most" if mine is best else f"gives {text(of, 'share')} of the most"
    binds = f"; {found.binds}" if found.binds else ""
    return f"{named(series)}: {number_name(series, found.at)} {gives}{binds}"


def _note(series: Series) -> str:
    bound = ""
    if series.bound is not None:
        rate, limiter = series.bound
        bound = (
            f" The dashed line is what the tier lets through for long, {three(rate)} a minute ({LIMITS[limiter]}); a "
            "short job may go beyond it while the first burst lasts."
        )
    demands = " The thin lines at the p95 are the SLO." if series.demands else ""
    passes = max(point.passes for point in series.points)
    of = f"over {passes} passes of a number" if passes > 1 else "within the one pass of a number"
    failing = any(point.failed > MAX_FAILED for point in series.points)
    hollow = f" Hollow marks: more than {text(MAX_FAILED, 'share')} of the requests fail for good." if failing else ""
    return f"By number {KINDS[series.kind]} (across). The bars are 95 % intervals {of}.{bound}{demands}{hollow}"


def _key(series: Series, found: Answer) -> list[Key]:
    keys = [Key("ink", "line", "succeeded a minute" + (", within the SLO" if series.demands else ""))]
    if series.bound is not None:
        keys.append(Key("throttle", "dash", "what the tier lets through"))
    keys.append(Key("throttle", "area", "429s"))
    keys += [
        Key(ink, "line" if place == 0 else "dash", f"p95 {METRICS[metric].title}")
        for place, (metric, ink) in enumerate(zip(times(series), COLOURS, strict=False))
    ]
    if found.at is not None:
        keys.append(Key("good", "area", "recommended"))
    return keys


def _goodput(ax: Axes, series: Series) -> list[Hint]:
    at = [point.at for point in series.points]
    ax.plot(at, [point.goodput.value for point in series.points], color=colour("ink"), marker="o", markersize=4)
    for point in series.points:
        _bar(ax, point.at, point.goodput, "ink")
        if point.failed > MAX_FAILED:
            ax.plot([point.at], [point.goodput.value], color=colour("ink"), marker="o", markerfacecolor=colour("paper"))
    most = max(point.goodput.value for point in series.points)
    top = min(1.5 * most, max(point.goodput.hi or point.goodput.value for point in series.points))
    if series.bound is not None and series.bound[0] < 3 * top:
        ax.axhline(series.bound[0], color=colour("throttle"), linestyle=(0, (5, 2)), linewidth=1.3)
        top = max(top, series.bound[0])
    ax.set_title("goodput, a minute" if series.demands else "succeeded a minute")
    ax.set_ylim(0, top * 1.12 or 1.0)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    return [
        Hint(ax, point.at, value, f"{number_name(series, point.at)}: {three(value)} a minute")
        for point in series.points
        for value in (point.goodput.value,)
    ]


def _refused(ax: Axes, series: Series) -> list[Hint]:
    at = [point.at for point in series.points]
    shares = [point.refused_share * 100 for point in series.points]
    ax.fill_between(at, shares, color=colour("throttle"), alpha=0.25, linewidth=0)
    ax.plot(at, shares, color=colour("throttle"), marker="o", markersize=3)
    ax.axhline(MOST_REFUSED * 100, color=colour("muted"), linewidth=0.8)
    ax.set_title("429s, share of attempts")
    ax.set_ylim(0, max(4.0, *shares) * 1.15)
    ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    return [
        Hint(ax, x, y, f"{number_name(series, x)}: {text(y / 100, 'share')} of attempts met a 429")
        for x, y in zip(at, shares, strict=True)
    ]


def _times(ax: Axes, series: Series) -> list[Hint]:
    hints: list[Hint] = []
    seen: list[float] = []
    for metric, ink, dash in zip(times(series), COLOURS, DASHES, strict=False):
        known = [(point.at, p95) for point in series.points if (p95 := point.p95.get(metric)) is not None]
        seen += [bound for _, p95 in known for bound in (p95.value, p95.lo, p95.hi) if bound]
        ax.plot(
            [at for at, _ in known], [p95.value for _, p95 in known], color=colour(ink), linestyle=dash, marker="o",
            markersize=4,
        )  # fmt: skip
        for at, p95 in known:
            _bar(ax, at, p95, ink)
            says = f"{number_name(series, at)}: p95 {METRICS[metric].title} {text(p95.value, 's')}"
            hints.append(Hint(ax, at, p95.value, says))
        if (demand := series.demands.get(metric)) is not None:
            ax.axhline(demand, color=colour(ink), linewidth=0.8)
            seen.append(demand)
    ax.set_title("p95, seconds" if hints else "p95: too few answers for one")
    seconds_axis(ax, min(seen, default=1.0), max(seen, default=1.0))
    return hints


def _bar(ax: Axes, at: float, estimate: Estimate, ink: str) -> None:
    if estimate.lo is not None and estimate.hi is not None:
        ax.vlines(at, estimate.lo, estimate.hi, color=colour(ink), linewidth=3.2, alpha=0.4)


def _number_axis(ax: Axes, series: Series) -> None:
    at = [point.at for point in series.points]
    ax.set_xscale("log")
    ax.set_xlim(at[0] / 1.1, at[-1] * 1.1)
    ax.xaxis.set_major_locator(FixedLocator(_ticks(at)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel(KINDS[series.kind])


def _ticks(at: Sequence[float]) -> list[float]:
    """The numbers to name: from the largest down, those that are far enough from the one named before."""
    apart = (at[-1] / at[0]) ** (1 / TICKS) if at[0] else 1.0
    kept = [at[-1]]
    for number in reversed(at[:-1]):
        if kept[-1] / number >= apart:
            kept.append(number)
    return kept[::-1]


def _table(series: Series, found: Answer) -> Table:
    rows = [
        (f"{point.at:g}", *cells(series, point), verdict(judged, found))
        for point, judged in zip(series.points, found.judged, strict=True)
    ]
    return Table((KINDS[series.kind], *headings(series), "verdict: use, or what fails"), rows)
