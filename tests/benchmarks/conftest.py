"""One table of everything that the benchmarks measured, at the end of `make bench`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.table import HEADERS, AddRow, Aim, Once, Row, cells, render

T = TypeVar("T")

ROWS = pytest.StashKey[list[Row]]()


@pytest.fixture
def row(request: pytest.FixtureRequest) -> AddRow:
    """Adds a line to the table; see `table.py`."""

    def add(
        work: str, ours: float, unit: str, *, beside: tuple[str, float] | None = None, aim: Aim | None = None
    ) -> None:
        request.config.stash.setdefault(ROWS, []).append(Row(work, ours, unit, beside, aim))

    return add


@pytest.fixture
def once(benchmark: BenchmarkFixture) -> Once:
    """Does something as a benchmark of one round."""

    def once(work: Callable[[], T]) -> T:
        return cast(T, benchmark.pedantic(work, rounds=1))  # type: ignore[no-untyped-call]  # the library has no type

    return once


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, if anything was measured."""
    if rows := config.stash.get(ROWS, None):
        terminalreporter.section("what was measured")
        terminalreporter.write_line(render(HEADERS, [cells(one) for one in rows]))
