"""What the work would cost otherwise, and by the month.  Estimates, and so called."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.format import DASH, count, dollars, number, pass_name, share, text
from bench.results.summary import Monthly, PassSummary
from reports.passes import Pass
from reports.tables import Table

KINDS = ("input", "cache_write", "cache_read", "output")
"""Of tokens, as `Cost` calls them."""

NOTE = (
    "Estimates: the work of the requests that succeeded at list prices, without retries. Other models are taken to "
    "give the same text; newer ones need more tokens for it."
)


def by_model(passes: Sequence[Pass]) -> Table | None:
    """What each of several models cost in each pass, by kind of token; None where only one was asked."""
    rows = [
        (
            one.name,
            own.name,
            *(text(getattr(own.cost, kind), "USD") for kind in ("total", *KINDS)),
            text(own.values["wasted_cost"], "USD"),
            text(own.values["cost_per_success"], "USD"),
        )
        for one in passes
        for own in one.summary.models
        if own.cost is not None
    ]
    kinds = (kind.replace("_", " ") for kind in KINDS)
    return Table(("strategy", "model", "total", *kinds, "of it wasted", "per success"), rows) if rows else None


def alternatives(passes: Sequence[Pass]) -> Table | None:
    """The same work at other prices, a row for each pass; None where nothing can be said."""
    names = list(dict.fromkeys(other.name for one in passes for other in one.summary.alternatives))
    if not names:
        return None
    rows = []
    for one in passes:
        totals = {other.name: other.total for other in one.summary.alternatives}
        cells = (text(totals[name], "USD") if name in totals else DASH for name in names)
        rows.append((one.name, text(one.summary.cost.total, "USD"), *cells))
    return Table(("strategy", "as it was", *names), rows)


def months(passes: Sequence[PassSummary]) -> list[str]:
    """What a month costs at the volume that the scenario states: a sentence for all that come to the same."""
    names: dict[str, list[str]] = {}
    for one in passes:
        if one.monthly is not None and one.monthly.cost is not None:
            names.setdefault(_month(one.monthly, one.monthly.cost), []).append(
                pass_name(one.strategy, one.pass_, one.case)
            )
    if len(names) == 1 and len(passes) > 1:
        return [f"{sentence} That is so whatever the strategy." for sentence in names]
    return [f"{', '.join(those)}: {sentence}" for sentence, those in names.items()]


def _month(monthly: Monthly, cost: float) -> str:
    sentence = f"{count(round(monthly.requests), 'request')} a month would cost {dollars(cost)}"
    if monthly.spend_cap is None:
        return f"{sentence}."
    times = cost / monthly.spend_cap
    part = f"{number(times)} times" if times > 1 else f"{share(times)} of"
    return f"{sentence}, {part} the tier's cap of {dollars(monthly.spend_cap)} a month."
