"""What was fitted to a run, and how near playing it again comes, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.causes import CAUSES
from bench.results.fidelity import Burst, Estimate, Failure, Fidelity, RetryAfter, Row
from bench.results.format import DASH, count, number, seconds, share, three
from bench.results.measures import parse_measure
from reports.changes import fold, signed
from reports.words import column_text, shorten

NAME = 20

WITHIN = 0.05
"""What a simulation may be off and still stand for the run."""

TITLES = {
    "ttft.p50": ("TTFT p50", "s"),
    "ttft.p95": ("TTFT p95", "s"),
    "rate.p50": ("tokens/s p50", "count"),
    "rate.p95": ("tokens/s p95", "count"),
    "length.p50": ("length p50", "times"),
    "length.p95": ("length p95", "times"),
    "correlation": ("TTFT with tokens/s", "count"),
    "prefill": ("per 1,000 tokens", "s"),
    "load": ("per 100 in flight", "share"),
}
"""What an estimate is called, and its unit."""


def print_fidelity(found: Fidelity, console: Console) -> None:
    """Print a calibration: what was fitted, what failed, recorded against simulated, what to set."""
    console.print(Text(fold("  ".join(headline(found)), console.width), style="bold"))
    for family in dict.fromkeys(one.family for one in found.estimates):
        console.print()
        console.print(_estimates(found, family))
    if found.failures:
        console.print()
        console.print(_failures(found))
    for strategy in dict.fromkeys(row.strategy for row in found.rows):
        console.print()
        console.print(_rows(found, strategy))
    console.print()
    for line in (*limits(found), *found.notes):
        console.print(Text(fold(line, console.width), style="dim"))
    console.print()
    console.print(Text(f"{found.profile} is written. In a scenario beside it:\n"))
    console.print(Text(found.settings))


def headline(found: Fidelity) -> tuple[str, str]:
    """A word, and how near the simulation comes."""
    worst = found.farthest
    if worst is None:
        return "FITTED", f"to {count(_answers(found), 'answer')}; not held against the run"
    off, times = abs(worst.difference or 0.0), "once" if found.simulations == 1 else f"{found.simulations} times"
    where = f"{parse_measure(worst.measure).title} of {worst.strategy}"
    said = f"played again {times}, {where} is off most ({signed((worst.difference or 0.0) * 100)} %)"
    if off <= WITHIN:
        return "FITTED", said
    return ("FITTED", f"{said}, no more than by chance") if worst.by_chance else ("FITTED, BUT FAR", said)


def _answers(found: Fidelity) -> int:
    return sum(one.n for one in found.shapes if one.name == "ttft")


def _estimates(found: Fidelity, family: str) -> Table:
    table = _table(family, ("fitted", "95 % interval", "shape", "answers"))
    for one in found.estimates:
        if one.family == family:
            table.add_row(*estimate_cells(found, one))
    return table


def estimate_cells(found: Fidelity, one: Estimate) -> tuple[str, ...]:
    """One number of the profile, as a row."""
    title, unit = TITLES[one.name]
    name = one.name.partition(".")[0]
    kinds = (shape.kind for shape in found.shapes if (shape.name, shape.family) == (name, one.family))
    lo, hi = (in_unit(bound, unit) for bound in (one.lo, one.hi))
    return title, in_unit(one.value, unit), f"{lo} .. {hi}", next(kinds, ""), number(one.n)


def in_unit(value: float, unit: str) -> str:
    """A number of the profile as text; effects may be below 0."""
    match unit:
        case "s":
            return f"-{seconds(-value)}" if value < 0 else seconds(value)
        case "share":
            return f"{three(value * 100)} %"
        case "times":
            return f"{three(value)} x"
    return three(value)


def _failures(found: Fidelity) -> Table:
    table = _table("what failed", ("share", "95 % interval", "of", "fault"))
    for one in found.failures:
        table.add_row(*failure_cells(one))
    return table


def failure_cells(one: Failure) -> tuple[str, ...]:
    """One cause, as a row."""
    fault = one.fault or ("by the limits" if CAUSES[one.cause].rate_limit else DASH)
    return one.cause, share(one.share), f"{share(one.lo)} .. {share(one.hi)}", number(one.of), fault


def _rows(found: Fidelity, strategy: str) -> Table:
    table = _table(strategy, ("recorded", "simulated", "least .. most", "off", "KS"))
    for row in found.rows:
        if row.strategy == strategy:
            table.add_row(*row_cells(found, row))
    return table


def row_cells(found: Fidelity, row: Row) -> tuple[str, ...]:
    """One measure, as a row.  The distance of distributions stands beside their median."""
    measure = parse_measure(row.measure)
    texts = [column_text(value, measure.unit) for value in (row.recorded, row.simulated, row.lo, row.hi)]
    off = DASH if row.difference is None else f"{signed(row.difference * 100)} %"
    apart = (one.distance for one in found.curves if (one.strategy, one.metric) == (row.strategy, measure.metric))
    distance = next(apart, None) if measure.part == "p50" else None
    return (
        measure.title, *texts[:2], f"{texts[2]} .. {texts[3]}", off, "" if distance is None else f"{distance:.3f}",
    )  # fmt: skip


def _table(name: str, headings: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text(shorten(name, NAME)), no_wrap=True, min_width=NAME)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def limits(found: Fidelity) -> Iterator[str]:
    """What is known of burst and retry-after, in words."""
    yield _burst(found.burst)
    if found.retry_after is not None:
        yield _waits(found.retry_after)


def _burst(burst: Burst | None) -> str:
    if burst is None:
        return "burst: not known, for no limit refused anything"
    limiter = burst.limiter.replace("_", " ")
    return (
        f"burst: {seconds(burst.seconds)} of the {limiter} limit ({seconds(burst.lo)} .. {seconds(burst.hi)}), "
        f"by {count(burst.refused, '429')} at {number(burst.per_minute)} a minute"
    )


def _waits(waits: RetryAfter) -> str:
    said = f"retry-after: {number(waits.said)} of {count(waits.refused, '429')} said how long"
    if waits.median is None or waits.p95 is None:
        return said
    return f"{said}, {seconds(waits.median)} at the median, {seconds(waits.p95)} at p95"
