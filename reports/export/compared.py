"""A comparison in Markdown, for a job summary or a comment: the verdict, what changed, by what it was judged."""

from __future__ import annotations

from bench.results.changes import Change
from bench.results.comparison import Comparison
from bench.results.format import DASH, count
from bench.results.measures import parse_measure
from reports.changes import advice, bounds_text, change_text, headline, settings, shown, sides, terms
from reports.export.marks import fit, plain, table
from reports.words import column_text

_LOUD = ("regressed", "no data")


def render(found: Comparison) -> bytes:
    """The text, in UTF-8."""
    word, about = headline(found)
    parts = [f"### {word}: {plain(found.new.scenario)}", f"**{plain(about)}**"]
    parts += [plain(line) for line in advice(found)]
    parts += [_strategy(found, strategy) for strategy in found.strategies]
    parts.append("\n".join(f"- {name}: {plain(side)}" for name, side in sides(found)))
    parts.append("  \n".join(plain(line) for line in (terms(found), *settings(found))))
    return fit("\n\n".join(filter(None, parts)) + "\n")


def _strategy(found: Comparison, strategy: str) -> str:
    rows, left_out = shown(found, strategy)
    if not rows:
        return ""
    headings = (
        plain(strategy),
        "base",
        "new",
        "change",
        "over the seeds" if found.exact else "interval",
        "",
        "verdict",
    )
    more = f"\n\n{count(left_out, 'more metric')}" if left_out else ""
    return table(headings, [_row(one) for one in rows], "-:") + more


def _row(one: Change) -> tuple[str, ...]:
    measure = parse_measure(one.measure)
    verdict = f"**{one.verdict}**" if one.gate and one.verdict in _LOUD else one.verdict
    return (
        plain(measure.title),
        column_text(one.base, measure.unit),
        column_text(one.new, measure.unit),
        change_text(one),
        bounds_text(one) or DASH,
        "gate" if one.gate else "",
        verdict,
    )
