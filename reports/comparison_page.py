"""A comparison as one offline HTML file: the verdict, the intervals drawn, every number in a table, the terms."""

from __future__ import annotations

import msgspec

from bench.results.changes import Change
from bench.results.comparison import Comparison
from bench.results.measures import parse_measure
from reports.changes import MAIN, advice, change_text, headline, place, settings, sides, terms
from reports.forest import forest, table
from reports.svg import Plot
from reports.tables import Table
from reports.templates import page_script, template

LOOKS = {"REGRESSED": "failed", "NOT VALID": "failed", "INCONCLUSIVE": "unsure"}
"""Class of the verdict; all others are good news or none."""


def render(found: Comparison) -> str:
    """The page of a comparison.  The same comparison gives the same bytes."""
    return template("comparison.html").render(
        **told(found),
        facts=[*sides(found), *_facts(found)],
        **page_script(),
        comparison_json=msgspec.json.encode(found).decode().replace("<", "\\u003c"),
    )


def told(found: Comparison) -> dict[str, object]:
    """What the page tells, and the section of a report too: the verdict, each strategy, by what it was judged."""
    word, about = headline(found)
    return {
        "word": word.capitalize() + ("" if about.startswith("in ") else "."),
        "look": LOOKS.get(word, "ok"),
        "about": about,
        "advice": list(advice(found)),
        "sides": list(sides(found)),
        "strategies": [_strategy(found, number, name) for number, name in enumerate(found.strategies)],
        "terms": [terms(found), *settings(found)],
        "ids": [("base", found.base.ids), ("new", found.new.ids)],
    }


def _facts(found: Comparison) -> list[tuple[str, str]]:
    return [
        ("gates", ", ".join(dict.fromkeys(parse_measure(one.measure).title for one in found.gated)) or "none"),
        ("exit code", str(int(found.exit_code))),
    ]


def _strategy(found: Comparison, number: int, name: str) -> dict[str, str | Plot | Table | None]:
    """A strategy: its gates and main metrics drawn, everything in a table."""
    rows = [one for one in found.changes if one.strategy == name]
    main = sorted(
        (one for one in rows if one.gate or one.measure in MAIN), key=lambda one: (not one.gate, place(one.measure))
    )
    return {
        "name": name,
        "finding": _finding(name, main),
        "figure": forest(f"changes-{number}", _finding(name, main), main, found.min_effect),
        "main": table(main),
        "everything": table(rows),
    }


def _finding(name: str, rows: list[Change]) -> str:
    """What the picture shows: the gate that changed most, or else the metric that did."""
    gates = [one for one in rows if one.gate and one.change is not None] or [
        one for one in rows if one.change is not None and not one.difference
    ]
    if not gates:
        return f"{name}: nothing to compare"
    most = max(gates, key=lambda one: abs(one.change or 0.0))
    return f"{name}: {parse_measure(most.measure).title} {change_text(most)}, {most.verdict}"
