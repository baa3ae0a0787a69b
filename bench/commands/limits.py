"""`limits`: what may my organisation use?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench.commands.printing import agreed, printed, words
from bench.errors import Exit


def limits(
    *,
    target: Annotated[str, Parameter(name=["--target", "-t"], help="api, or the URL of a gateway.")] = "api",
    model: Annotated[
        str | None, Parameter(help="Only these models' limits, by commas.  Without an Admin key: whom to ask.")
    ] = None,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="The tier file to write.")] = Path("limits.json"),
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Send what costs money unasked.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print what was found as JSON.")] = False,
) -> int:
    """Read the organisation's own limits, and write them to a file that every command takes as its --tier.

    With ANTHROPIC_ADMIN_KEY from the Rate Limits API, for nothing; with ANTHROPIC_API_KEY from the headers of one tiny
    request for each class of models.
    """
    from bench.planning.limits import inquiry, own_limits, show

    asked = inquiry(target, words(model), out)
    if not asked.admin:
        agreed(asked.offer, yes=yes)
    found = own_limits(asked)
    return printed(lambda: show(found, json=json), Exit.OK)
