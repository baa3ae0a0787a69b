"""Recommendations and sweeps on a terminal: the sentence to paste, then every number that was tried.

Written for 80 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.format import DASH, count, dollars, share, three
from bench.results.metrics import METRICS
from bench.results.recommendation import MOST_REFUSED, NEAR, Answer, Judged, Recommendation, interval, tier_name
from bench.results.sweep import KINDS, PAGE, Estimate, Point, Series, Sweep
from reports.changes import fold
from reports.console import print_notices
from reports.words import column_text, together

VERDICT = 13
"""Columns for what becomes of a number."""

USE = "use"
"""What stands beside the recommended number."""


def print_sweep(sweep: Sweep, found: Recommendation, series: Sequence[Series], folder: Path, console: Console) -> None:
    """Print a sweep with what it recommends, and where its page is."""
    if sweep.stopped is not None:
        console.print(Text(fold(f"Ended early: {sweep.stopped}. What follows is what was measured.", console.width)))
    if series:
        print_recommendation(found, series, console)
    else:
        console.print(Text("Too little was measured to choose between two numbers.", style="bold"))
    console.print(Text(f"\n{folder / PAGE}"), soft_wrap=True)


def print_recommendation(found: Recommendation, series: Sequence[Series], console: Console) -> None:
    """Print which number to use on each tier and in each case, then what that rests on."""
    for answer in found.answers:
        if answer.of is None:
            console.print(Text(fold(answer.sentence, console.width), style="bold"))
            for line in answer.advice:
                console.print(Text(fold(f"  {line}", console.width, "  ")))
    for line in found.beside:
        console.print(Text(fold(line, console.width), style="bold"))
    print_notices(together([("", one) for one in found.warnings]), console)
    if parts := [answer for answer in found.answers if answer.of is not None]:
        console.print("\nBy class of requests:")
        for answer in parts:
            console.print(Text(fold(f"  {answer.sentence}", console.width, "    ")))
    for answer, one in zip(found.answers, series, strict=True):
        if one.of is None:
            console.print(Text(f"\n{named(one)}", style="bold"))
            console.print(_table(one, answer))
    console.print(Text(fold(legend(series), console.width, ""), style="dim"))


def legend(series: Sequence[Series]) -> str:
    """What qualifies, and what intervals are of."""
    passes = max((point.passes for one in series for point in one.points), default=0)
    of = f"{count(passes, 'pass', 'passes')} a number" if passes > 1 else "one pass a number"
    demands = " · p95 below the SLO with its interval" if any(one.demands for one in series) else ""
    return (
        f"Qualifies: goodput within {share(NEAR)} of the best · 429s under {share(MOST_REFUSED)} of "
        f"attempts{demands} · intervals of 95 %, {of}"
    )


def named(series: Series) -> str:
    """A series in a heading: `Start`, `long on Start`."""
    of = ", ".join(filter(None, (series.case, series.strategy)))
    return f"{of} on {tier_name(series.tier)}" if of else tier_name(series.tier)


def times(series: Series) -> tuple[str, ...]:
    """The metrics whose p95 a table shows: those of the SLO, or the one that is shown without."""
    return tuple(series.demands) or (series.time,)


def _table(series: Series, answer: Answer) -> Table:
    metric = times(series)[0]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(f"\n{KINDS[series.kind]}", justify="right", no_wrap=True, min_width=9)
    p95 = f"p95\n{METRICS[metric].title}"
    for heading, width in (("per\nminute", 6), ("", 11), ("\n429s", 6), (p95, 8), ("", 11), ("per\nsuccess", 7)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    table.add_column("use, or\nwhat fails", justify="right", no_wrap=True, min_width=VERDICT)
    for point, judged in zip(series.points, answer.judged, strict=True):
        time = point.p95.get(metric)
        table.add_row(
            f"{point.at:g}",
            three(point.goodput.value),
            Text(_range(point.goodput), style="dim"),
            share(point.refused_share) if point.refused else "0",
            column_text(None if time is None else time.value, "s"),
            Text("" if time is None else _range(time, 1000 if time.value < 1 else 1), style="dim"),
            DASH if point.cost_per_success is None else dollars(point.cost_per_success),
            Text(_short(judged, answer), style="bold green" if point.at == answer.at else "dim"),
        )
    return table


def _short(judged: Judged, answer: Answer) -> str:
    """The verdict, in its column."""
    said = verdict(judged, answer)
    return said if len(said) <= VERDICT else f"{judged.faults[0].condition}, {len(judged.faults) - 1} more"


def _range(estimate: Estimate, scale: float = 1) -> str:
    """The bounds as numbers, in the unit of the value beside them."""
    if estimate.lo is None or estimate.hi is None or estimate.lo == estimate.hi:
        return ""
    return f"{three(estimate.lo * scale)}-{three(estimate.hi * scale)}"


def verdict(judged: Judged, answer: Answer) -> str:
    """`use`, or what speaks against a number; a question mark where it cannot be told."""
    if judged.at == answer.at:
        return USE
    return ", ".join(f"{check.condition}{'?' * (check.verdict == 'unsure')}" for check in judged.faults)


def cells(series: Series, point: Point) -> tuple[str, ...]:
    """A point as a page's table has it, behind its number."""
    p95s = (point.p95.get(metric) for metric in times(series))
    return (
        _with(three(point.goodput.value), _range(point.goodput)),
        share(point.refused_share) if point.refused else "0",
        *(DASH if p95 is None else _with(column_text(p95.value, "s"), interval(p95)) for p95 in p95s),
        DASH if point.cost_per_success is None else dollars(point.cost_per_success),
        f"{point.succeeded:,}",
        str(point.passes),
    )


def headings(series: Series) -> tuple[str, ...]:
    """What stands over them."""
    p95s = (f"p95 {METRICS[metric].title}" for metric in times(series))
    return ("goodput a minute", "429s, of attempts", *p95s, "per success", "successes", "passes")


def _with(value: str, bounds: str) -> str:
    return f"{value} ({bounds})" if bounds else value
