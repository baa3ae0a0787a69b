"""`scenarios` and `schema`: what there is to run, and how it is written."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from bench.errors import Exit


def scenarios() -> int:
    """List the shipped scenarios, one question each."""
    from bench import api

    api.print_scenarios()
    return Exit.OK


def schema(
    *, write: Annotated[bool, Parameter(negative="", help="Write it to scenarios/scenario.schema.json.")] = False
) -> int:
    """Print the JSON Schema (draft-07) of scenario files, for editors."""
    from bench import api

    api.print_schema(write=write)
    return Exit.OK
