"""A plan on a terminal: what to use, every strategy on every tier, why, for how much, and what would change it.

Written for 80 columns, and for no colours at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bench.results.format import DASH, count, dollars, number, share, text
from bench.results.plan import Cell, Plan, WhatIf, binding
from reports.changes import fold, signed
from reports.words import column_text, shorten

NAME = 20
MOST_REASONS = 6
SHORT = {
    "requests": "requests",
    "input_tokens": "input",
    "output_tokens": "output",
    "in_flight": "in flight",
    "arrivals": "arrivals",
    "answers": "answers",
    "batches": "batches",
    "batch_queue": "queue",
}
"""What binds, as short as a column needs it."""

TIMES = ("at\nleast", "simu-\nlated", "per\nmin", "response\np50", "response\np95", "TTFT\np95", "429s", "failed")
MEANS = ("binds", "in\nflight", "use of\nrequests", "\ninput", "\noutput", "cost", "at\nworst", "of the\ncap")
FORMS = ("at\nleast", "per\nmin", "in\nflight", "binds", "cost", "at\nworst", "of the\ncap")

LEGEND = (
    "at least: by arithmetic alone · ~ worked out from a smaller job like it · * the best of its tier · "
    "> the one to use · response: from the moment a request was meant to go · use: of each limit, on average · "
    "at worst: answers as long as max_tokens allows, nothing read from the cache · cap: one run of the tier's month"
)


@contextmanager
def planning(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Shows how many of the simulations are done; is called with how many, and of how many."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    ) as shown:  # fmt: skip
        task = shown.add_task("simulating", total=None)

        def told(done: int, total: int) -> None:
            if not console.is_terminal and not done and total:
                console.print(f"simulating {count(total, 'cell')} ...", highlight=False)
            shown.update(task, completed=done, total=total)

        yield told


def print_plan(plan: Plan, console: Console) -> None:
    """Print a whole plan."""
    _say(plan.answer, console, "bold")
    for words in filter(None, plan.verdict.splitlines()):
        _say([words], console, "bold" if plan.feasible else "bold red")
    console.print()
    _say([plan.question], console, "dim")
    for case in plan.cases:
        cells = plan.of_case(case)
        if case is not None:
            console.print(Text(f"\ncase {case}", style="bold"))
        if any(cell.simulated for cell in cells):
            _print_table(TIMES, cells, _times, console)
            _print_table(MEANS, cells, _means, console)
        else:
            _print_table(FORMS, cells, _forms, console)
    _say(_reasons(plan), console)
    for title, rows in (("what if", plan.what_ifs), ("if it turns out worse", plan.sensitivity)):
        if rows:
            _print_what_ifs(title, rows, plan, console)
    _say(_volume(plan), console)
    console.print()
    _say([LEGEND, *plan.notes, *_dates(plan)], console, "dim")
    console.print()
    _say([plan.verdict.replace("\n", " ")] if plan.verdict else plan.answer[:1], console, "bold")


def print_preflight(plan: Plan, console: Console) -> None:
    """Print what a run comes to, by arithmetic alone, before it is sent."""
    for case in plan.cases:
        if case is not None:
            console.print(Text(f"\ncase {case}", style="bold"))
        _print_table(FORMS, plan.of_case(case), _forms, console)
    spent = [cell.spending for cell in plan.cells]
    expected = dollars(sum(one.expected or 0.0 for one in spent) * plan.repeat)
    worst = dollars(sum(one.worst or 0.0 for one in spent) * plan.repeat)
    times = f", each {count(plan.repeat, 'time')}" if plan.repeat > 1 else ""
    more = ", and what has no known price" if any(one.expected is None for one in spent) else ""
    console.print()
    _say([f"All of it{times}: {expected} expected, {worst} at worst{more}."], console, "bold")
    _say(_dates(plan, "Nothing has been sent yet."), console, "dim")


def _say(lines: Iterable[str], console: Console, style: str = "") -> None:
    for line in lines:
        console.print(Text(fold(line, console.width), style=style))


def _print_table(
    headings: Sequence[str], cells: Sequence[Cell], row: Callable[[Cell], tuple[str, ...]], console: Console
) -> None:
    """A line a strategy, below the name of its tier."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("strategy", no_wrap=True, vertical="bottom")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    tier = None
    rows = [row(cell) for cell in cells]
    widths = [
        max(map(len, (*head.split("\n"), *column)))
        for head, column in zip(headings, zip(*rows, strict=True), strict=True)
    ]
    room = max(8, console.width - sum(widths) - len(widths) - 2)
    for cell, texts in zip(cells, rows, strict=True):
        if cell.tier != tier:
            tier = cell.tier
            table.add_row(Text(shorten(tier, room), style="bold"))
        mark = ">" if cell.recommended else "*" if cell.best else " "
        style = "bold" if cell.recommended else ""
        table.add_row(Text(f"{mark} {shorten(cell.strategy, room)}", style=style), *texts)
    console.print()
    console.print(table)


def _times(cell: Cell) -> tuple[str, ...]:
    one, form = cell.simulated, cell.closed_form
    least = column_text(form.makespan, "s")
    if one is None:
        return (least, *(DASH for _ in TIMES[1:]))
    about = "~" if one.estimate else ""
    return (
        least,
        about + column_text(one.makespan, "s"),
        text(one.throughput, "1/min").removesuffix(" /min"),
        column_text(one.response_p50, "s"),
        column_text(one.response_p95, "s"),
        column_text(one.ttft_p95, "s"),
        _many(one.rate_limited),
        _many(one.failed),
    )


def _means(cell: Cell) -> tuple[str, ...]:
    one, form, spent = cell.simulated, cell.closed_form, cell.spending
    used = {} if one is None else {use.limiter: use.share for use in one.limits}
    return (
        SHORT[form.binds],
        _flight(cell),
        *(_part(used.get(limiter)) for limiter in ("requests", "input_tokens", "output_tokens")),
        text(spent.expected, "USD"),
        text(spent.worst, "USD"),
        _part(spent.cap_share),
    )


def _forms(cell: Cell) -> tuple[str, ...]:
    form, spent = cell.closed_form, cell.spending
    return (
        column_text(form.makespan, "s"),
        text(form.rate, "1/min").removesuffix(" /min"),
        _flight(cell),
        SHORT[form.binds],
        text(spent.expected, "USD"),
        text(spent.worst, "USD"),
        _part(spent.cap_share),
    )


def _flight(cell: Cell) -> str:
    """As many as the strategy allows, or about as many as there will be."""
    many = cell.closed_form.in_flight
    if cell.kind in ("batch", "hybrid"):
        return DASH
    return f"{many:,.0f}" if cell.closed_form.limited_in_flight else f"~{max(1.0, many):,.0f}"


def _part(value: float | None) -> str:
    if value is None:
        return DASH
    return "<1 %" if 0 < value < 0.01 else f"{value * 100:,.0f} %" if value >= 0.0995 or not value else share(value)


def _many(value: float) -> str:
    return number(round(value)) if value < 100_000 else f"{value / 1e6:.1f} M"


def _reasons(plan: Plan) -> Iterator[str]:
    """Why arithmetic and simulation differ, where they do; those to use first, equal reasons once."""
    found: dict[str, list[str]] = {}
    for cell in sorted(plan.cells, key=lambda cell: (not cell.recommended, not cell.best)):
        if cell.why and cell.difference is not None:
            name = "/".join(filter(None, (cell.case, cell.tier, cell.strategy)))
            found.setdefault(cell.why, []).append(f"{name} {signed(cell.difference * 100)} %")
    if found:
        yield ""
        yield "Simulated against calculated:"
    for why, cells in list(found.items())[:MOST_REASONS]:
        others = f" and {len(cells) - 2} more" if len(cells) > 2 else ""
        yield f"  {', '.join(cells[:2])}{others}: {why}."
    if len(found) > MOST_REASONS:
        yield f"  {count(len(found) - MOST_REASONS, 'more', 'more')} with --json."


def _print_what_ifs(title: str, rows: Sequence[WhatIf], plan: Plan, console: Console) -> None:
    """Each beside the cell to use in its case."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(title, no_wrap=True, vertical="bottom", min_width=30)
    for heading in ("wall\nclock", "", "cost", "", "response\np95"):
        table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    case = None
    for one in rows:
        if one.case != case:
            case = one.case
            table.add_row(Text(shorten(case or "", 34), style="bold"))
        base = next(cell for cell in plan.of_case(case) if cell.recommended)
        table.add_row(
            Text(shorten(one.name, 34)),
            column_text(one.makespan, "s"),
            _change(one.makespan, base.makespan),
            text(one.cost, "USD"),
            _change(one.cost, base.spending.expected),
            column_text(one.response_p95, "s"),
        )
    console.print()
    console.print(table)
    notes = {f"{one.name}: {one.note}" for one in rows if one.note}
    _say(sorted(notes), console, "dim")


def _change(value: float | None, base: float | None) -> str:
    if value is None or not base:
        return ""
    times = value / base
    return f"x {times:.3g}" if times >= 2 else f"{signed((times - 1) * 100)} %"


def _volume(plan: Plan) -> Iterator[str]:
    """What the stated volume comes to, for the strategy to use of each case."""
    if plan.volume is None:
        return
    yield ""
    for cell in plan.cells:
        if cell.recommended:
            yield _month(cell, plan)


def _month(cell: Cell, plan: Plan) -> str:
    assert plan.volume is not None
    spent, form = cell.spending, cell.closed_form
    cost = "an unknown amount" if spent.monthly is None else dollars(spent.monthly)
    cap = ""
    if spent.spend_cap is not None and spent.monthly_cap_share is not None:
        part = spent.monthly_cap_share
        times = f"{number(part)} times" if part > 1 else f"{share(part)} of"
        cap = f", {times} what {cell.tier} may spend"
    bears = "carry it" if cell.carries_volume else "do not carry it"
    of_case = f"{cell.case}: " if cell.case else ""
    return (
        f"{of_case}{count(round(plan.volume.requests_per_month), 'request')} a month cost {cost}{cap}. "
        f"Limits and cap of {cell.tier} with {cell.strategy} {bears} (what binds is {binding(form.binds)})."
    )


def _dates(plan: Plan, sent: str = "Nothing was sent.") -> Iterator[str]:
    dates = ", ".join(f"{tier.name} {tier.as_of}" for tier in plan.tiers)
    yield f"Limits as of {dates}; prices of {plan.prices_as_of or 'these models are not known'}. {sent}"
