"""`sweep`: one number of each strategy tried at several values, closer and closer to the knee."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.commands.printing import command_line, may_send, printed
from bench.errors import Exit


def sweep(
    scenario: Annotated[str, Parameter(help="A shipped scenario's name, or the path of a scenario file.")],
    /,
    *,
    tier: Annotated[str | None, Parameter(help="Tiers to sweep, by commas: start,build; or all.")] = None,
    strategy: Annotated[str, Parameter(help="semaphore, pool, token_bucket, or several by commas.")] = "semaphore",
    in_flight: Annotated[str | None, Parameter(help="1..256 finds the knee in a range; 8,16,32 tries these.")] = None,
    share: Annotated[str | None, Parameter(help="Of token_bucket, the same: 10%..100%, or 50%,80%,90%.")] = None,
    seeds: Annotated[int, Parameter(help="Passes of each number.", validator=Number(gte=1, lte=100))] = 3,
    target: Annotated[
        str | None, Parameter(name=["--target", "-t"], help="sim, mock, api, or the URL of a gateway.")
    ] = None,
    case: Annotated[str | None, Parameter(help="Only these cases of the scenario, separated by commas.")] = None,
    set_: Annotated[
        list[str] | None,
        Parameter(name="--set", negative="", help="Override a value: slo.latency=5s.  May be repeated."),
    ] = None,
    seed: Annotated[int | None, Parameter(help="The first seed.")] = None,
    speed: Annotated[float | None, Parameter(help="On mock: scenario time passes this many times faster.")] = None,
    max_cost: Annotated[
        float | None, Parameter(help="Stop the whole sweep before this many dollars.  Needed for --target api.")
    ] = None,
    processes: Annotated[
        int | None, Parameter(help="On sim: simulate in so many processes.", validator=Number(gte=1))
    ] = None,
    ray: Annotated[
        str | None, Parameter(help="On sim: on the Ray cluster at this address; local is this machine.")
    ] = None,
    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative="", help="Send to the API without being asked first.")
    ] = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="Folder for the results.")] = None,
    html: Annotated[Path | None, Parameter(help="Write the page here too.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Print the sweep as JSON on standard output.")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Only what is recommended.")] = False,
) -> int:
    """Find the number in flight from which on more gives nothing, by tier.

    On sim it costs nothing and takes all cores; on mock or the API one pass follows another.
    """
    from bench.planning import recommend as recommending
    from bench.planning import sweep as sweeping

    loaded = sweeping.load(
        scenario,
        tiers=sweeping.tiers(tier),
        cases=case.split(",") if case else [],
        settings=set_ or [],
        target=target,
        seed=seed,
        speed=speed,
        max_cost=max_cost,
    )
    numbers = sweeping.numbers(strategy, in_flight, share)
    stages = [sweeping.first_stage(one, numbers, seeds) for one in loaded]
    if not may_send(stages, yes=yes, quiet=quiet, more=sweeping.later_stages(loaded[0], numbers)):
        return Exit.INTERRUPTED
    with sweeping.progress(loaded[0], quiet=quiet) as (tell, observer):
        swept = sweeping.sweep(
            loaded,
            numbers,
            seeds=seeds,
            out=out,
            command=command_line.get(),
            tell=tell,
            observer=observer,
            processes=processes,
            ray=ray,
        )
    recommending.write_pages(swept.sweep, swept.folder, html)
    return printed(
        lambda: recommending.show_sweep(swept.sweep, swept.folder, json=json, quiet=quiet), swept.sweep.exit_code
    )
