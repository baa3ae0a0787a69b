"""A plan as one offline HTML file: what to use, what it costs and takes on each tier, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.results.format import DASH, dollars, number, seconds, share, three
from bench.results.plan import Cell, Plan, TierPlan, binding
from reports.plan_figures import frontier, limits_used, sensitivity, what_if_table
from reports.plan_flights import flights
from reports.svg import Plot
from reports.tables import Table
from reports.templates import page_script, template


def write(plan: Plan, path: Path) -> None:
    """Write the page of a plan."""
    path.write_text(render(plan), encoding="utf-8")


def render(plan: Plan) -> str:
    """The page of a plan.  The same plan gives the same bytes."""
    return template("plan.html").render(
        plan=plan,
        facts=list(_facts(plan)),
        cases=[_case(plan, number, case) for number, case in enumerate(plan.cases)],
        tiers=_tiers(plan),
        **page_script(),
        plan_json=msgspec.json.encode(plan).decode().replace("<", "\\u003c"),
    )


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "scenario", plan.name
    yield "model", plan.model
    yield "tiers", ", ".join(tier.name for tier in plan.tiers)
    if plan.deadline is not None:
        yield "deadline", seconds(plan.deadline)
    if plan.volume is not None:
        yield "volume", f"{number(round(plan.volume.requests_per_month))} requests a month"
    yield "prices", plan.prices_as_of or "not known"
    yield "seed", str(plan.seed)
    yield "exit code", str(plan.exit_code)


def _case(plan: Plan, place: int, case: str | None) -> dict[str, object]:
    cells = plan.of_case(case)
    chosen = next((cell for cell in cells if cell.recommended), None)
    of_case = [one for one in plan.what_ifs if one.case == case]
    unlucky = [one for one in plan.sensitivity if one.case == case]
    figures: list[Plot | None] = [*flights(f"flights-{place}", cells, case)]
    figures += [frontier(f"frontier-{place}", cells, case), limits_used(f"limits-{place}", cells, case)]
    if chosen is not None:
        figures.append(sensitivity(f"sensitivity-{place}", chosen, unlucky, case))
    return {
        "name": case,
        "matrix": _matrix(cells),
        "table": Table(HEADINGS, [_row(cell) for cell in cells]),
        "money": Table(MONEY, [_money(cell) for cell in cells]),
        "bounds": Table(BOUNDS, [row for cell in cells for row in _bounds(cell)]),
        "figures": [figure for figure in figures if figure is not None],
        "what_ifs": None if chosen is None or not of_case else what_if_table(chosen, of_case),
    }


@dataclass(frozen=True, slots=True)
class _Square:
    """One strategy on one tier, as a table of strategies by tiers shows it."""

    time: str
    cost: str
    said: str
    look: str
    """Class of its mark."""


def _matrix(cells: Sequence[Cell]) -> dict[str, object]:
    """Strategies down, tiers across."""
    tiers = list(dict.fromkeys(cell.tier for cell in cells))
    by_strategy: dict[str, dict[str, _Square]] = {}
    for cell in cells:
        by_strategy.setdefault(cell.strategy, {})[cell.tier] = _square(cell)
    return {
        "tiers": tiers,
        "rows": [(name, [found.get(tier) for tier in tiers]) for name, found in by_strategy.items()],
    }


def _square(cell: Cell) -> _Square:
    about = "about " if cell.simulated is not None and cell.simulated.estimate else ""
    said = _verdict(cell)
    return _Square(
        about + seconds(cell.makespan),
        _dollars(cell.spending.expected),
        "" if said == DASH else said,
        "use" if cell.recommended else "best" if cell.best else "",
    )


HEADINGS = (
    "tier and strategy",
    "verdict",
    "in flight",
    "done after",
    "at least",
    "a minute",
    "response time p95",
    "what binds",
    "429s",
    "failed",
    "cost",
)


def _row(cell: Cell) -> tuple[str, ...]:
    played = cell.simulated
    response = None if played is None else played.response_p95
    form = cell.closed_form
    return (
        f"{cell.tier}: {cell.strategy}",
        _verdict(cell),
        _in_flight(cell),
        seconds(cell.makespan) + (" (estimate)" if played is not None and played.estimate else ""),
        seconds(form.makespan),
        three(form.rate if played is None else played.throughput),
        DASH if response is None else seconds(response),
        binding(form.binds),
        DASH if played is None else number(round(played.rate_limited)),
        DASH if played is None else number(round(played.failed)),
        _dollars(cell.spending.expected),
    )


def _in_flight(cell: Cell) -> str:
    form = cell.closed_form
    if cell.kind in ("batch", "hybrid"):
        return DASH  # what waits in batches is in flight nowhere
    many = number(round(form.in_flight, 1 if form.in_flight < 10 else 0))
    return many if form.limited_in_flight else f"about {many}"


def _verdict(cell: Cell) -> str:
    said = []
    if cell.recommended:
        said.append("use this")
    elif cell.best:
        said.append("best on this tier")
    if not cell.clean:
        said.append("not clean")
    if cell.meets_deadline is False:
        said.append("too late")
    if cell.carries_volume is False:
        said.append("does not carry the volume")
    return ", ".join(said) or DASH


MONEY = (
    "tier and strategy",
    "expected",
    "at worst",
    "a month",
    "spend cap",
    "of the cap, one run",
    "of the cap, a month",
)


def _money(cell: Cell) -> tuple[str, ...]:
    spending = cell.spending
    return (
        f"{cell.tier}: {cell.strategy}",
        _dollars(spending.expected),
        _dollars(spending.worst),
        _dollars(spending.monthly),
        _dollars(spending.spend_cap),
        DASH if spending.cap_share is None else share(spending.cap_share),
        DASH if spending.monthly_cap_share is None else share(spending.monthly_cap_share),
    )


BOUNDS = (
    "tier and strategy",
    "what binds",
    "not before",
    "demand",
    "a minute",
    "burst",
    "simulated against it, and why",
)


def _bounds(cell: Cell) -> Iterator[tuple[str, ...]]:
    for place, bound in enumerate(cell.closed_form.bounds):
        pool = f" ({bound.pool})" if bound.pool else ""
        yield (
            f"{cell.tier}: {cell.strategy}",
            binding(bound.name) + pool,
            seconds(bound.seconds),
            *(
                DASH if value is None else number(round(value))
                for value in (bound.demand, bound.per_minute, bound.burst)
            ),
            _difference(cell) if place == 0 else DASH,
        )


def _difference(cell: Cell) -> str:
    if cell.difference is None:
        return DASH
    said = "equal" if abs(cell.difference) < 0.0005 else f"{cell.difference * 100:+.3g} %"
    return f"{said}: {cell.why}" if cell.why else said


def _tiers(plan: Plan) -> Table:
    rows = [row for tier in plan.tiers for row in _tier(tier)]
    return Table(
        ("tier and model", "requests a minute", "input tokens", "output tokens", "spend cap", "as of", "source"), rows
    )


def _tier(tier: TierPlan) -> Iterator[tuple[str, ...]]:
    for model, limits in tier.limits.items():
        values = [limits.get(limiter) for limiter in ("requests", "input_tokens", "output_tokens")]
        yield (
            f"{tier.name}: {model}",
            *("no limit" if value is None else number(value) for value in values),
            "no cap" if tier.spend_cap is None else dollars(tier.spend_cap),
            tier.as_of,
            tier.source,
        )


def _dollars(value: float | None) -> str:
    return DASH if value is None else dollars(value)
