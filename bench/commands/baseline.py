"""`baseline save`, `list` and `show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench.errors import Exit


def save(
    name: Annotated[str, Parameter(help="What to call it.")],
    /,
    *runs: Annotated[str, Parameter(help="Run folders, globs or reports.")],
    add: Annotated[bool, Parameter(negative="", help="Keep the runs it has, the last ten of all.")] = False,
    baselines: Annotated[Path, Parameter(help="Folder of the baselines.")] = Path("baselines"),
) -> int:
    """Save runs under a name."""
    from bench import finding

    print(finding.save(name, runs, baselines=baselines, add=add))
    return Exit.OK


def list_(*, baselines: Annotated[Path, Parameter(help="Folder of the baselines.")] = Path("baselines")) -> int:
    """List the baselines."""
    from bench import comparing

    comparing.print_baselines(baselines)
    return Exit.OK


def show(
    name: Annotated[str, Parameter(help="Its name.")],
    /,
    *,
    baselines: Annotated[Path, Parameter(help="Folder of the baselines.")] = Path("baselines"),
) -> int:
    """Show what a baseline holds: its runs, and what is typical of them."""
    from bench import comparing

    comparing.print_baseline(name, baselines)
    return Exit.OK
