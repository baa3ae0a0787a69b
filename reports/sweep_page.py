"""A sweep as one HTML file: the number to use, the figures that say so, every number in a table, the terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from bench.results.format import count, text
from bench.results.recommendation import Answer, Recommendation, tier_name
from bench.results.sweep import Series, Sweep
from reports.sweep import legend, named
from reports.sweep_figure import sweep_figure
from reports.templates import page_script, template
from reports.words import together

LOOKS = {"yes": "ok", "no": "failed", "unsure": "unsure"}
"""Class of an answer."""

NOTHING = "Too little was measured to choose between two numbers."


def render(sweep: Sweep, found: Recommendation, series: Sequence[Series]) -> str:
    """The page of a sweep.  The same sweep gives the same bytes."""
    pairs = list(zip(found.answers, series, strict=True))
    return template("sweep.html").render(
        sweep=sweep,
        nothing="" if series else NOTHING,
        answers=[_answer(answer, one, len(series)) for answer, one in pairs if answer.of is None],
        beside=found.beside,
        notices=together([("", one) for one in found.warnings]),
        parts=[answer.sentence for answer, _ in pairs if answer.of is not None],
        facts=_facts(sweep, series),
        figures=[
            sweep_figure(one, answer, f"sweep-{place}")
            for place, (answer, one) in enumerate(pairs)
            if answer.of is None
        ],
        classes=[
            sweep_figure(one, answer, f"class-{place}")
            for place, (answer, one) in enumerate(pairs)
            if answer.of is not None
        ],
        terms=list(_terms(sweep, series)),
        **page_script(),
        sweep_json=msgspec.json.encode(sweep).decode().replace("<", "\\u003c"),
    )


def _answer(answer: Answer, series: Series, many: int) -> dict[str, object]:
    return {
        "of": named(series) if many > 1 else None,
        "look": LOOKS[answer.found],
        "sentence": answer.sentence,
        "advice": answer.advice,
    }


def _facts(sweep: Sweep, series: Sequence[Series]) -> list[tuple[str, str]]:
    tiers = dict.fromkeys(tier_name(one.tier) for one in series)
    return [
        ("target", sweep.target),
        ("model", sweep.model),
        ("tiers", ", ".join(tiers) or "none"),
        ("seeds", ", ".join(map(str, sweep.seeds))),
        ("requests", f"{sum(point.requests for one in series if one.of is None for point in one.points):,}"),
        ("cost of all", "unknown" if sweep.cost is None else text(sweep.cost, "USD")),
        ("started, UTC", sweep.started_at.replace("T", " ").removesuffix("Z")),
    ]


def _terms(sweep: Sweep, series: Sequence[Series]) -> Iterator[str]:
    if sweep.stopped is not None:
        yield f"Ended early: {sweep.stopped}. What is shown is what was measured."
    if series:
        yield legend(series)
    if sweep.target == "sim":
        yield (
            f"Simulated in virtual time, {count(len(sweep.seeds), 'seed')} a number, the same at every number: the "
            "same sweep gives the same figures. What it would cost is from list prices; nothing was paid."
        )
