"""`plan`: what a scenario comes to on each tier with each strategy, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench.commands.printing import printed, words
from bench.errors import Exit


def plan(
    scenario: Annotated[str, Parameter(help="A shipped scenario's name, or the path of a scenario file.")],
    /,
    *,
    tier: Annotated[
        str | None,
        Parameter(
            name=["--tier"],
            help="Tiers, by commas: all (start, build and scale: the default), legacy ones such as tier-1, those of "
            "tutorials such as tutorial-2, or .json files.",
        ),
    ] = None,
    deadline: Annotated[str | None, Parameter(help="When it must be done, such as 2h; 99 if it cannot be.")] = None,
    volume: Annotated[str | None, Parameter(help="How much there is in life, such as 50000/day.")] = None,
    strategy: Annotated[str | None, Parameter(help="Only these strategies, separated by commas.")] = None,
    case: Annotated[str | None, Parameter(help="Only these cases of the scenario, separated by commas.")] = None,
    set_: Annotated[
        list[str] | None,
        Parameter(name="--set", negative="", help="Override a value: workload.requests=500.  May be repeated."),
    ] = None,
    seed: Annotated[int | None, Parameter(help="Seed of everything random.")] = None,
    closed_form: Annotated[bool, Parameter(negative="", help="Arithmetic alone, without simulating anything.")] = False,
    count_tokens: Annotated[
        bool,
        Parameter(negative="", help="Have the API count a sample of the prompts: free, but needs a key."),
    ] = False,
    html: Annotated[Path | None, Parameter(help="Write a page with all of it drawn.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Print the plan as JSON on standard output.")] = False,
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], negative="", help="Only the answer, no progress.")
    ] = False,
) -> int:
    """Say which tier, which strategy, how many in flight, how long and how much, before a cent is spent.

    Sends nothing, but for --count-tokens.  Arithmetic and a simulation of the very strategies check each other.  Exits
    with 99 when nothing meets the --deadline.
    """
    from bench import api
    from bench.planning import plans

    loaded = api.load(
        scenario, flags=api.flags(seed=seed), settings=set_ or [], strategies=words(strategy), cases=words(case)
    )
    found = plans.planned(
        loaded,
        tier=tier,
        deadline=deadline,
        volume=volume,
        simulated=not closed_form,
        count_tokens=count_tokens,
        quiet=quiet,
    )
    if html:
        plans.write_page(found, html)
    return printed(lambda: plans.show(found, json=json, quiet=quiet), Exit(found.exit_code))
