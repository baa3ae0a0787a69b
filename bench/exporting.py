"""`claude-bench export`: a run that lies in a folder, written in another tool's format.  Sends nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from bench.clock import utc_now
from bench.errors import UsageError
from bench.reading import summarize_run
from bench.results import folder as folders
from bench.results.comparison import Comparison
from bench.results.environment import machine, versions
from bench.results.folder import LoadedRun
from bench.results.summary import Summary
from bench.scenario.problems import nearest
from reports.export import FORMATS, Format
from reports.export.benchmark import document
from reports.export.json import pretty
from reports.export.junit import render_comparison
from reports.export.rows import ROWS, Rows


def load(folder: Path) -> tuple[LoadedRun, Summary]:
    """A run, and its numbers worked out anew: a killed run has none, an older one may lack some."""
    run = folders.load(folder)
    return run, summarize_run(run)


def export(folder: Path, to: str, *, out: Path | None = None, rows: str | None = None) -> None:
    """Write a run in the format `to`, to the file `out` or to standard output.

    UsageError for an unknown format, for `rows` where a format has none, and when the file cannot be written.
    """
    form = _format(to)
    chosen = _rows(form, rows)
    run, summary = load(folder)
    with _opened(out, form) as file:
        form.write(run, summary, chosen, file)


def export_comparison(found: Comparison, path: Path) -> None:
    """Write a comparison as JUnit XML.  UsageError when it cannot be written."""
    try:
        path.write_bytes(render_comparison(found))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "Name another file with --junit.") from error


def benchmark_file(entries: Sequence[dict[str, Any]]) -> bytes:
    """Entries of several runs as one file of pytest-benchmark's, measured here and now."""
    return pretty(document(machine(), versions(), folders.rfc3339(utc_now()), entries))


def _format(to: str) -> Format:
    if to not in FORMATS:
        raise UsageError(f"--to: no format `{to}`.{nearest(to, FORMATS)}", f"There are {', '.join(FORMATS)}.")
    form = FORMATS[to]
    if form.extra and find_spec(form.extra) is None:
        raise UsageError(f"--to {to} needs the extra `{form.extra}`", f"pip install 'claude-bench[{form.extra}]'")
    return form


def _rows(form: Format, asked: str | None) -> Rows:
    if asked is None:
        return "requests"
    if not form.table:
        raise UsageError(f"--rows: {form.name} has no rows to choose from", "csv and parquet have.")
    chosen = next((one for one in ROWS if one == asked), None)
    if chosen is None:
        raise UsageError(f"--rows: no `{asked}`.{nearest(asked, ROWS)}", f"There are {', '.join(ROWS)}.")
    return chosen


@contextmanager
def _opened(out: Path | None, form: Format) -> Iterator[IO[bytes]]:
    if out is None:
        if form.binary and sys.stdout.isatty():
            raise UsageError(f"{form.name} is not for a terminal", "Name a file with --out, or pipe it.")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with out.open("wb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}", "Name another file with --out.") from error
