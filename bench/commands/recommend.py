"""`recommend`: which number in flight to use, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench.commands.printing import printed


def recommend(
    folder: Annotated[Path, Parameter(help="The folder of a sweep, or of a run with one strategy at several numbers.")],
    /,
    *,
    json: Annotated[bool, Parameter(negative="", help="Print the answers as JSON on standard output.")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the sentences.")] = False,
) -> int:
    """Tell which number in flight to use: the smallest that gives nearly the best goodput cleanly.  Sends nothing.

    Exits with 99 where none qualifies, with 4 where that cannot be told.
    """
    from bench.planning import recommend as recommending

    found, series = recommending.recommend(folder)
    return printed(lambda: recommending.show(found, series, json=json, quiet=quiet), found.exit_code)
