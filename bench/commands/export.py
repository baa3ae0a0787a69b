"""`export`: a run in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench.commands.printing import printed
from bench.errors import Exit


def export(
    folder: Annotated[Path, Parameter(help="The folder of a finished, stopped or killed run.")],
    /,
    *,
    to: Annotated[
        str,
        Parameter(
            help="junit, markdown, csv, parquet, openmetrics, pytest-benchmark, gh-benchmark, gh-benchmark-bigger, bmf "
            "or otel."
        ),
    ],
    rows: Annotated[
        str | None, Parameter(help="Of csv and parquet: a row for each of requests, attempts or numbers.")
    ] = None,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="File to write instead of standard output.")
    ] = None,
) -> int:
    """Write a run in the format of another tool.  Sends nothing."""
    from bench import exporting

    return printed(lambda: exporting.export(folder, to, out=out, rows=rows), Exit.OK)
