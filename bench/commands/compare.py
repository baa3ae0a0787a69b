"""`compare`: is the new one slower, dearer or less reliable?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench.commands.printing import command_line, passed, printed, words
from bench.errors import Exit


def compare(
    *sides: Annotated[str, Parameter(help="Base and new: run folders, quoted globs, baselines or reports.")],
    gate: Annotated[str | None, Parameter(help="Metrics it may fail on, by commas: ttft.p95,cost_per_success.")] = None,
    min_effect: Annotated[str | None, Parameter(help="The least change that matters, such as 10%.")] = None,
    strategy: Annotated[str | None, Parameter(help="Only these strategies, separated by commas.")] = None,
    across: Annotated[
        str | None, Parameter(help="What may differ between the two questions, by commas: model,tier.")
    ] = None,
    calibrate: Annotated[
        bool, Parameter(negative="", help="Hold one thing (runs, or a scenario to run) against itself.")
    ] = False,
    repeat: Annotated[int, Parameter(name=["--repeat", "-r"], help="To calibrate a scenario: run it so often.")] = 10,
    target: Annotated[
        str | None, Parameter(name=["--target", "-t"], help="To calibrate a scenario: sim, mock, api or a URL.")
    ] = None,
    strict: Annotated[bool, Parameter(negative="", help="Fail, with 4, when a gate is inconclusive.")] = False,
    exit_zero: Annotated[bool, Parameter(negative="", help="Return 0 whatever is found.")] = False,
    html: Annotated[Path | None, Parameter(help="Write a page with the intervals drawn.")] = None,
    junit: Annotated[Path | None, Parameter(help="Write JUnit XML, a case a gate.")] = None,
    baselines: Annotated[Path, Parameter(help="Folder of the baselines.")] = Path("baselines"),
    json: Annotated[bool, Parameter(negative="", help="Print what was found as JSON.")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the verdict.")] = False,
) -> int:
    """Tell whether NEW is slower, dearer or less reliable than BASE.

    The unit is the run.  Only the metrics of the scenario's `gate`, or of --gate, can make it fail: with 3.
    """
    from bench import api, ci, comparing, exporting

    if calibrate:
        named = comparing.one_side(sides)
        with api.progress(quiet=quiet) as observer:
            found = comparing.calibrate_named(
                named,
                gate=words(gate),
                min_effect=min_effect,
                baselines=baselines,
                repeat=repeat,
                target=target,
                observer=observer,
                command=command_line.get(),
                say=api.to_stderr,
            )
        return printed(lambda: comparing.show_calibration(found, json=json), Exit.OK)
    compared = comparing.compare_sides(
        *comparing.two_sides(sides),
        gate=words(gate),
        min_effect=min_effect,
        across=words(across),
        strategies=words(strategy),
        strict=strict,
        baselines=baselines,
    )
    if html:
        comparing.write_page(compared, html)
    if junit:
        exporting.export_comparison(compared, junit)
    code = printed(lambda: comparing.show(compared, json=json, quiet=quiet), compared.exit_code)
    ci.publish_comparison(compared, os.environ, api.to_stderr)
    return passed(code, exit_zero=exit_zero)
