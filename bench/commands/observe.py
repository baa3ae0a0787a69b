"""`observe`: how do answers change with the time of day?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.commands.printing import command_line, may_send, printed
from bench.errors import Exit


def observe(
    scenario: Annotated[str, Parameter(help="A shipped scenario's name, or the path of a scenario file.")],
    /,
    *,
    every: Annotated[str | None, Parameter(help="From round to round: 15m unless the scenario has rounds.")] = None,
    for_: Annotated[str | None, Parameter(name="--for", help="How long: 24h unless the scenario has rounds.")] = None,
    requests: Annotated[
        int | None, Parameter(help="In each round: 3 unless the scenario has rounds.", validator=Number(gte=1))
    ] = None,
    target: Annotated[
        str | None, Parameter(name=["--target", "-t"], help="sim, mock, api, or the URL of a gateway.")
    ] = None,
    tier: Annotated[str | None, Parameter(help="Rate limits to assume: start, build, scale ... or a file.")] = None,
    set_: Annotated[
        list[str] | None,
        Parameter(name="--set", negative="", help="Override a value: workload.max_tokens=500.  May be repeated."),
    ] = None,
    seed: Annotated[int | None, Parameter(help="Seed of everything random.")] = None,
    speed: Annotated[float | None, Parameter(help="On mock: scenario time passes this many times faster.")] = None,
    max_cost: Annotated[
        float | None, Parameter(help="Stop before this many dollars in all.  Needed for --target api.")
    ] = None,
    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative="", help="Send to the API without being asked first.")
    ] = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="Folder for the results.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Print the summary as JSON on standard output.")] = False,
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the answer, no progress.")
    ] = False,
) -> int:
    """Send a few requests again and again, and chart the answers by the time of day.

    Ctrl-C keeps what was measured; `claude-bench report` shows how far it is meanwhile.
    """
    from bench import api
    from bench.planning.observe import announcement, observed

    flags = api.flags(target=target, tier=tier, seed=seed, speed=speed, max_cost=max_cost)
    loaded = observed(scenario, every=every, for_=for_, requests=requests, flags=flags, settings=set_ or [])
    if not quiet:
        api.to_stderr(announcement(loaded))
    if not may_send([loaded], yes=yes, quiet=quiet):
        return Exit.INTERRUPTED
    with api.watched(loaded, quiet=quiet, say=api.to_stderr) as observer:
        finished = api.run(loaded, out=out, observer=observer, command=command_line.get())
    return printed(lambda: api.show(finished, json=json, quiet=quiet), finished.summary.exit_code)
