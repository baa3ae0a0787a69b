"""`explain`: the arithmetic of a tier or a scenario, in words."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.commands.printing import printed, words
from bench.errors import Exit


def explain(
    name: Annotated[str, Parameter(help="A tier (start, build ..., a .json file) or a scenario.")],
    /,
    *,
    input: Annotated[
        int | None, Parameter(help="Of a tier: uncached input tokens of a request (2000).", validator=Number(gte=1))
    ] = None,
    output: Annotated[
        int | None, Parameter(help="Of a tier: output tokens of a request (300).", validator=Number(gte=1))
    ] = None,
    latency: Annotated[
        str | None, Parameter(help="Of a tier: how long an answer takes, such as 5s; left out, a guess.")
    ] = None,
    model: Annotated[str | None, Parameter(help="Of a tier: whom requests ask (claude-sonnet-5-5).")] = None,
    tier: Annotated[str | None, Parameter(help="Of a scenario: another tier than its own.")] = None,
    case: Annotated[str | None, Parameter(help="Of a scenario: only these cases, separated by commas.")] = None,
    set_: Annotated[
        list[str] | None,
        Parameter(name="--set", negative="", help="Of a scenario: override a value.  May be repeated."),
    ] = None,
    json: Annotated[bool, Parameter(negative="", help="Print it as JSON, with every number unrounded.")] = False,
) -> int:
    """Print the arithmetic of a tier or a scenario in words, with formulas and the dates of all numbers.

    For whoever must defend a request for a higher tier.  Sends nothing.
    """
    from bench.clock import utc_now
    from bench.planning.explain import explain, show

    found = explain(
        name,
        utc_now().date(),
        input_tokens=input,
        output_tokens=output,
        latency=latency,
        model=model,
        tier=tier,
        cases=words(case),
        settings=set_ or [],
    )
    return printed(lambda: show(found, json=json), Exit.OK)
