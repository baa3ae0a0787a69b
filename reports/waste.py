"""What was paid for and not used, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.results.format import count, pass_name, share, text
from bench.results.summary import PassSummary


def waste(passes: Sequence[PassSummary]) -> list[str]:
    """A sentence or two for each pass that wasted something or hedged; those that are alike once."""
    names: dict[str, list[str]] = {}
    for one in passes:
        if said := " ".join([*_wasted(one), *_hedges(one)]):
            names.setdefault(said, []).append(pass_name(one.strategy, one.pass_, one.case))
    return [f"{', '.join(those)}: {'each ' if len(those) > 1 else ''}{said}" for said, those in names.items()]


def _wasted(one: PassSummary) -> Iterator[str]:
    values = one.values
    attempts, silent = int(values["wasted_attempts"] or 0), int(values["wasted_unknown"] or 0)
    if known := attempts - silent:
        yield f"{count(known, 'attempt')} cut off or outrun: at least {text(values['wasted_cost'], 'USD')} for nothing."
    if silent:
        yield f"{count(silent, 'attempt')} ended without a word on usage: what they cost is in no figure."


def _hedges(one: PassSummary) -> Iterator[str]:
    values = one.values
    if hedged := values["hedged_share"]:
        won, cost = share(values["hedge_wins"] or 0.0), text(values["hedge_cost"], "USD")
        yield f"{share(hedged)} of the requests were hedged, {won} of the hedges won; they cost at least {cost} more."
