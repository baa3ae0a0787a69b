"""`serve`: the mock server alone."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.errors import Exit


def serve(
    *,
    tier: Annotated[
        str | None, Parameter(help="Rate limits to enforce: start, build, scale ..., or a .json file of limits.")
    ] = None,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, Parameter(help="Port to listen on; 0 takes a free one.", validator=Number(gte=0, lte=65535))
    ] = 8080,
    speed: Annotated[
        float, Parameter(help="Latencies and refills pass this many times faster.", validator=Number(gt=0))
    ] = 1.0,
    keys: Annotated[str | None, Parameter(help="File of keys, organisations and workspaces.")] = None,
    fault: Annotated[
        list[str] | None, Parameter(negative="", help="What goes wrong on purpose: overloaded=5%.  May be repeated.")
    ] = None,
    settings: Annotated[str | None, Parameter(help="File with everything that can be set.")] = None,
    profile: Annotated[str | None, Parameter(help="File of measured latencies, in place of the presets.")] = None,
) -> int:
    """Run the mock server alone, for any Claude client."""
    from bench import api

    api.serve(
        tier=tier,
        host=host,
        port=port,
        speed=speed,
        keys=keys,
        faults=fault or [],
        settings=settings,
        profile=profile,
    )
    return Exit.OK
