"""`doctor`: what can this machine time?"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from bench.commands.printing import printed
from bench.errors import Exit


def doctor(
    *,
    quick: Annotated[bool, Parameter(negative="", help="In half a minute, and less exactly.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print what was found as JSON.")] = False,
) -> int:
    """Measure how much each client can time within 5 % on this machine: streams at once, requests and events a second.

    Takes less than two minutes, against a server of known delay on this machine; sends nothing to anybody else.  Runs
    on this machine are judged by what was found for 30 days.
    """
    from bench import api
    from bench.planning.doctor import diagnose, kept, show

    found = diagnose(quick=quick, say=api.to_stderr)
    kept(found, say=api.to_stderr)
    return printed(lambda: show(found, json=json), Exit.OK)
