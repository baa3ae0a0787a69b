"""`init`: the first files of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench.errors import Exit


def init(
    scenario: Annotated[Path, Parameter(help="The scenario file to write.")] = Path("scenarios/first.yaml"),
    /,
    *,
    ci: Annotated[str | None, Parameter(help="Write a workflow for it too: github or gitlab.")] = None,
) -> int:
    """Write a first scenario that explains itself, the schema that editors check it by, and a workflow for CI.

    Nothing is overwritten.
    """
    from bench import starting

    first, *others = starting.begin(scenario, ci)
    print(first, *others, sep="\n")
    print(f"\nNext: claude-bench run {first}     # simulated: no key, no cost, the same numbers for everyone")
    return Exit.OK
