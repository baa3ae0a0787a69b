"""Recommending a number: from the folder of a sweep, or of a run whose strategies differ in one number."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.api import DRAWING
from bench.errors import UsageError
from bench.reading import summarize_run
from bench.results import folder as folders
from bench.results import recommendation as results
from bench.results.folder import RUN, LoadedRun
from bench.results.recommendation import Recommendation
from bench.results.summary import Summary, Warning
from bench.results.sweep import PAGE, SWEEP, Series, Sweep, doubts_of, is_sweep, of_run, read, swept

if TYPE_CHECKING:
    from rich.console import Console

ADVICE = "Sweep one: claude-bench sweep SCENARIO; or run one with semaphore: [8, 16, 32, 64] among its strategies."


def series_in(folder: Path) -> tuple[tuple[Series, ...], tuple[Warning, ...]]:
    """What was tried in a sweep or a run, and what speaks against believing it.

    UsageError when that is nothing that could be chosen between.
    """
    if is_sweep(folder):
        sweep = read(folder)
        return _at_least_two(folder, sweep), sweep.warnings
    if folder.is_dir() and not (folder / RUN).is_file():
        raise UsageError(f"{folder} is neither a run nor a sweep: it has no {RUN} and no {SWEEP}")
    loaded = folders.load(folder)
    summary = loaded.summary or summarize_run(loaded)
    rows = {columns.of_pass: columns for columns in loaded.passes}
    found = of_run(loaded.info, [(one, rows[one.of_pass]) for one in summary.passes if one.of_pass in rows])
    if not found:
        _refuse(loaded, summary)
    tried = {point.strategy for one in found for point in one.points}
    return found, tuple(doubts_of(one for one in summary.passes if one.strategy in tried))


def recommend(folder: Path) -> tuple[Recommendation, tuple[Series, ...]]:
    """Which number to use, and what that rests on.  UsageError as from `series_in`."""
    series, doubts = series_in(folder)
    return results.recommend(str(folder), series, doubts), series


def recommend_swept(sweep: Sweep, folder: Path) -> tuple[Recommendation, tuple[Series, ...]]:
    """The same of a sweep at hand; no answers where it was ended before there was anything to choose between."""
    series = tuple(_complete(sweep))
    return results.recommend(str(folder), series, sweep.warnings), series


def _complete(sweep: Sweep) -> Sequence[Series]:
    return [one for one in sweep.series if len(one.points) > 1]


def _at_least_two(folder: Path, sweep: Sweep) -> tuple[Series, ...]:
    series = tuple(_complete(sweep))
    if not series:
        measured = sum(len(one.points) for one in sweep.series if one.of is None)
        ended = f" (it was ended early: {sweep.stopped})" if sweep.stopped else ""
        raise UsageError(
            f"{folder} has {measured} {'number' if measured == 1 else 'numbers'} measured{ended}: "
            "two are the least that can be chosen between",
            "Sweep again.  Where the SLO demands a ttft or tpot, answers must be streamed: workload.stream=true.",
        )
    return series


def _refuse(loaded: LoadedRun, summary: Summary) -> None:
    """Say why there is nothing to choose between in a run."""
    kinds = {one.kind for one in summary.passes}
    names = ", ".join(dict.fromkeys(one.strategy for one in summary.passes))
    scenario = loaded.info.scenario
    strategies = [
        *scenario["strategies"],
        *(one for case in scenario.get("cases", {}).values() for one in case.get("strategies") or ()),
    ]
    if kinds and kinds <= {"batch", "hybrid"}:
        raise UsageError(f"{loaded.folder} went through message batches, which have no number in flight", ADVICE)
    if swept(strategies):
        raise UsageError(
            f"{loaded.folder} has fewer than two numbers with a pass that came to its end",
            "Run it again to its end.  Where the SLO demands a ttft or tpot, answers must be streamed.",
        )
    raise UsageError(f"{loaded.folder} has no strategy at two numbers or more ({names or 'nothing was run'})", ADVICE)


def report(folder: Path, *, compare: str | None = None) -> Sweep:
    """Draw the page of a sweep again.  UsageError when it is to be compared, which only runs are."""
    if compare is not None:
        raise UsageError(f"{folder} is a sweep: only runs are compared", "Compare runs of the recommended number.")
    sweep = read(folder)
    write_pages(sweep, folder)
    return sweep


# What is shown


def show(found: Recommendation, series: Sequence[Series], *, json: bool = False, quiet: bool = False) -> None:
    """Print a recommendation: as JSON on standard output, its sentences, or for people."""
    from reports.sweep import print_recommendation
    from reports.words import together

    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    elif quiet:
        for sentence in (*(answer.sentence for answer in found.answers), *found.beside):
            print(sentence)
        for doubt in together([("", one) for one in found.warnings]):
            print(f"{doubt.observed[0]} {doubt.todo}", file=sys.stderr)
    else:
        print_recommendation(found, series, _console())


def show_sweep(sweep: Sweep, folder: Path, *, json: bool = False, quiet: bool = False) -> None:
    """Print a sweep, with what it recommends."""
    from reports.sweep import print_sweep

    found, series = recommend_swept(sweep, folder)
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(sweep), indent=2) + b"\n")
    elif quiet:
        show(found, series, quiet=True)
    else:
        print_sweep(sweep, found, series, folder, _console())


def write_pages(sweep: Sweep, folder: Path, also: Path | None = None) -> None:
    """Write the page of a sweep into its folder, and where it is wanted too.  UsageError when it cannot be written."""
    from reports.sweep_page import render

    with DRAWING:
        page = render(sweep, *recommend_swept(sweep, folder))
    for path in filter(None, (folder / PAGE, also)):
        try:
            folders.write_page(path, page, folder)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}", "Name another file with --html.") from error


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout)
