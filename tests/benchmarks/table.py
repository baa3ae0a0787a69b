"""The table at the end of `make bench`: what we measured, what else did in the same run, and what we aim at.

A benchmark adds a line with the fixture `row`:

    row("streams, 256 open, wire", 3_400, "requests/CPU-s", beside=("bare aiohttp", 3_800), aim=least(3_000))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from pytest_benchmark.fixture import BenchmarkFixture


class Aim(NamedTuple):
    """How large our figure, or its ratio to what it is held against, is to be: at least, or at most."""

    bound: float
    is_least: bool
    of_ratio: bool


def least(bound: float, *, ratio: bool = False) -> Aim:
    """It is to be this or more."""
    return Aim(bound, is_least=True, of_ratio=ratio)


def most(bound: float, *, ratio: bool = False) -> Aim:
    """It is to be this or less."""
    return Aim(bound, is_least=False, of_ratio=ratio)


class Row(NamedTuple):
    """One line of the table."""

    work: str
    ours: float
    unit: str
    """`%` is for parts of something: 0.02 is shown as 2 %."""
    beside: tuple[str, float] | None = None
    """What else was measured in the same run, in the same unit: its name and figure."""
    aim: Aim | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to theirs.  None where there is nothing else, or where one of them is below nothing."""
        return self.ours / self.beside[1] if self.beside and self.beside[1] > 0 and self.ours >= 0 else None

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is; None where there is none, or nothing to tell it by."""
        figure = self.ratio if self.aim and self.aim.of_ratio else self.ours
        if self.aim is None or figure is None:
            return None
        return figure >= self.aim.bound if self.aim.is_least else figure <= self.aim.bound


class AddRow(Protocol):
    """What the fixture `row` gives."""

    def __call__(
        self,
        work: str,
        ours: float,
        unit: str,
        *,
        beside: tuple[str, float] | None = None,
        aim: Aim | None = None,
    ) -> None:
        """Add a line; see `Row`."""


T = TypeVar("T")


class Once(Protocol):
    """What the fixture `once` gives."""

    def __call__(self, work: Callable[[], T]) -> T:
        """Do it as a benchmark of one round: it is long, or repeats itself.  What it returns."""


def seconds(benchmark: BenchmarkFixture) -> float:
    """What was benchmarked took, by the median of its rounds."""
    assert benchmark.stats is not None, "nothing was benchmarked"
    return float(benchmark.stats["median"])


HEADERS = ("work", "ours", "unit", "beside it", "theirs", "ratio", "aim", "")


def cells(row: Row) -> tuple[str, ...]:
    """What a row says under each of the headers."""
    name, theirs = row.beside or ("", None)
    return (
        row.work,
        _figure(row.ours, row.unit),
        row.unit,
        name,
        "" if theirs is None else _figure(theirs, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        "" if row.aim is None else _bound(row.aim, row.unit),
        {True: "met", False: "MISSED", None: ""}[row.is_met],
    )


def render(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of Markdown that can be read as it is; columns of figures are aligned right."""
    widths = [max(map(len, column)) for column in zip(headers, *lines, strict=True)]
    right = [_are_figures(column) for column in zip(*lines, strict=True)] if lines else [False] * len(headers)

    def line(texts: Sequence[str]) -> str:
        columns = zip(texts, widths, right, strict=True)
        return f"| {' | '.join(text.rjust(width) if flush else text.ljust(width) for text, width, flush in columns)} |"

    rule = [("-" * (width - 1) + ":") if flush else "-" * width for width, flush in zip(widths, right, strict=True)]
    return "\n".join([line(headers), line(rule), *map(line, lines)])


def _are_figures(column: Sequence[str]) -> bool:
    filled = [text for text in column if text]
    return bool(filled) and all(text[0].isdigit() or text[0] in "+-" for text in filled)


def _figure(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:+.1%}"[:-1]
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"


def _bound(aim: Aim, unit: str) -> str:
    sign = ">=" if aim.is_least else "<="
    return f"ratio {sign} {aim.bound:g}" if aim.of_ratio else f"{sign} {_figure(aim.bound, unit)}"
