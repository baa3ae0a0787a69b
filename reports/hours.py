"""The figure of an observation: its requests by the time of day, with the table of its hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from bench.results.columns import Floats, Ints
from bench.results.format import count, text
from bench.results.observation import BY_CHANCE, hour_name, rounds_of
from bench.results.summary import Observation
from reports.observation import HEADINGS, row
from reports.passes import Pass
from reports.svg import Hint, Key, Plot, colour, drawing, inline, seconds_axis, stack
from reports.tables import Table

_DAY = 86_400


def observations(passes: Sequence[Pass]) -> list[Plot]:
    """A figure for each pass whose requests came in rounds."""
    found = [(one, one.summary.observation) for one in passes if one.summary.observation]
    return [
        _plot(f"hours-{place}", f"{one.name}: " if len(found) > 1 else "", one, seen)
        for place, (one, seen) in enumerate(found)
    ]


def _plot(name: str, whose: str, run: Pass, seen: Observation) -> Plot:
    requests = run.columns.requests
    round_of = rounds_of(run.columns)
    hour = requests.at % _DAY / 3_600
    shown = [("latency", requests.latency, "service")]
    if not np.isnan(requests.ttft).all():
        shown.append(("time to first token", requests.ttft, "output"))
    title = whose + _finding(seen)
    with drawing(name):
        figure, axes = stack([2.2] * len(shown))
        hints: list[Hint] = []
        for ax, (metric, values, ink) in zip(axes, shown, strict=True):
            good = requests.ok & ~np.isnan(values)
            ax.set_title(metric)
            if good.any():
                hints += _panel(ax, hour[good], values[good], round_of[good], metric, ink)
            failed = hour[~requests.ok]
            ax.plot(failed, np.zeros(len(failed)), "x", color=colour("failed"), markersize=5, clip_on=False,
                    transform=ax.get_xaxis_transform())  # fmt: skip
        _day_axis(axes[-1])
        svg = inline(figure, name, f"Dots by the time of day. {title}. The table has the numbers.", hints)
    return Plot(
        name,
        title,
        f"Seconds (up) by the time of day in UTC (across): each request a dot, the median of each of "
        f"{count(seen.rounds, 'round')} a bar. n {seen.requests - seen.failed:,}, {seen.failed:,} failed. "
        f"From {moment(seen.first)} to {moment(seen.last)}; days lie on top of each other.",
        svg,
        (
            *(Key(ink, "dot", metric) for metric, _, ink in shown),
            Key("ink", "line", "median of a round"),
            *([Key("failed", "dot", "failed: a cross at the foot")] if seen.failed else []),
        ),
        Table(HEADINGS, [row(one) for one in seen.hours]),
    )


def _panel(ax: Axes, hour: Floats, values: Floats, round_of: Ints, metric: str, ink: str) -> list[Hint]:
    ax.plot(hour, values, ".", color=colour(ink), markersize=4, alpha=0.5)
    rounds = np.unique(round_of)
    moments = np.array([hour[round_of == one][0] for one in rounds])
    medians = np.array([np.median(values[round_of == one]) for one in rounds])
    ax.plot(moments, medians, "_", color=colour("ink"), markersize=7, markeredgewidth=1.8)
    seconds_axis(ax, float(values.min()), float(values.max()))
    return [
        Hint(ax, at, middle, f"{_clock(at)} UTC: {metric} {text(middle, 's')}, median of {(round_of == one).sum()}")
        for one, at, middle in zip(rounds, moments.tolist(), medians.tolist(), strict=True)
    ]


def _day_axis(ax: Axes) -> None:
    ax.set_xlim(0, 24)
    ax.xaxis.set_major_locator(FixedLocator([*range(0, 24, 3)]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(value):02d}:00"))
    ax.set_xlabel("time of day, UTC")


def _finding(seen: Observation) -> str:
    by_hour = {one.hour: one for one in seen.hours}
    if seen.quickest is None or seen.slowest is None:
        return "Nothing succeeded"
    quickest, slowest = by_hour[seen.quickest], by_hour[seen.slowest]
    if seen.chance is None:
        return f"Answers take {text(quickest.latency, 's')} from {hour_name(quickest.hour)}, the only hour seen"
    if seen.chance >= BY_CHANCE:
        return "The hours of the day differ by no more than chance makes them"
    return (
        f"Answers take {text(slowest.latency, 's')} in the hour from {hour_name(slowest.hour)} UTC and "
        f"{text(quickest.latency, 's')} from {hour_name(quickest.hour)}"
    )


def _clock(hour: float) -> str:
    minutes = round(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def moment(unix: float) -> str:
    """Such as `2026-11-20 10:41`, UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M")
