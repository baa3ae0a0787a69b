"""An explanation on a terminal: sentences, each with its formula below it and the number of its source behind it."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill, wrap

from rich.console import Console
from rich.text import Text

from bench.results.explanation import Explanation, Statement


def print_explanation(found: Explanation, console: Console) -> None:
    """Answer, parts, sources."""
    width = min(console.width, 100)
    for sentence in found.answer:
        console.print(Text(fill(sentence, width), style="bold"))
    numbered = {source: place for place, source in enumerate(found.sources, 1)}
    for part in found.parts:
        console.print(Text(f"\n{fill(part.title, width)}", style="bold"))
        for one in part.statements:
            for line, style in _lines(one, numbered, width):
                console.print(Text(line, style=style))
    console.print(Text("\nSources", style="bold"))
    for source, place in numbered.items():
        mark = f"[{place}]"
        console.print(Text(fill(source, width, initial_indent=f"{mark:>6} ", subsequent_indent=" " * 7)))


def _lines(one: Statement, numbered: dict[str, int], width: int) -> Iterator[tuple[str, str]]:
    marks = "".join(f" [{numbered[source]}]" for source in one.sources)
    sentence = wrap(one.words + marks, width, initial_indent="  ", subsequent_indent="  ")
    yield from ((line, "") for line in sentence)
    if one.formula:
        below = wrap(f"= {one.formula}", width, initial_indent="      ", subsequent_indent="        ")
        yield from ((line, "dim") for line in below)
