"""What a name on the command line asks to have explained: a tier, or a scenario."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec

from bench import api
from bench.errors import UsageError
from bench.planning.explain_scenario import explain_scenario
from bench.planning.explain_tier import Size, explain_tier
from bench.results.explanation import Explanation
from bench.scenario.load import shipped
from bench.scenario.problems import nearest
from bench.scenario.units import DURATION
from mock_server.tiers import TIERS, Tier, find_tier

INPUT_TOKENS, OUTPUT_TOKENS, MODEL = 2_000, 300, "claude-sonnet-5-5"
"""What requests are like unless told otherwise: four pages in, a paragraph out."""


def explain(
    name: str,
    day: date,
    *,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    latency: str | None = None,
    model: str | None = None,
    tier: str | None = None,
    cases: Sequence[str] = (),
    settings: Sequence[str] = (),
) -> Explanation:
    """The arithmetic of a tier for requests of one size, or of a scenario, at the prices of that day (UTC).

    What is left out of a size is the default.  Raises UsageError where the name is neither, or an option is of the
    other kind.
    """
    of_size = {"--input": input_tokens, "--output": output_tokens, "--latency": latency, "--model": model}
    if _is_tier(name):
        _refuse({"--tier": tier, "--case": cases, "--set": settings}, f"{name} is a tier; this is for scenarios")
        found = _tier(name)
        return explain_tier(
            found,
            Size(
                input_tokens=INPUT_TOKENS if input_tokens is None else input_tokens,
                output_tokens=OUTPUT_TOKENS if output_tokens is None else output_tokens,
                latency=_duration(latency),
                model=model or _first_model(found),
            ),
            day,
        )
    _refuse(of_size, f"{name} is a scenario, which has sizes and answer times of its own; this is for tiers")
    return explain_scenario(api.load(name, flags=api.flags(tier=tier), cases=cases, settings=settings), day)


def _is_tier(name: str) -> bool:
    if name in TIERS or name.endswith(".json"):
        return True
    scenarios = [one.name for one in shipped()]
    if name in scenarios or Path(name).is_file():
        return False
    raise UsageError(
        f"no tier or scenario `{name}`.{nearest(name, [*TIERS, *scenarios])}",
        f"Tiers are {', '.join(TIERS)}, or a .json file; scenarios are {', '.join(scenarios)}, or a path.",
    )


def _refuse(options: Mapping[str, object], why: str) -> None:
    given = [option for option, value in options.items() if value]
    if given:
        raise UsageError(f"{', '.join(given)}: {why}")


def _tier(name: str) -> Tier:
    try:
        return find_tier(name)
    except ValueError as problem:
        raise UsageError(str(problem)) from None


def _duration(written: str | None) -> float | None:
    try:
        seconds = None if written is None else DURATION.parse(written)
    except ValueError as problem:
        raise UsageError(f"--latency: {problem}") from None
    if seconds == 0:
        raise UsageError("--latency: expected more than 0")
    return seconds


def _first_model(tier: Tier) -> str:
    """The default, or where an organisation's own limits do not name it, the first model that they do."""
    return MODEL if not tier.pools or MODEL in tier.pools else next(iter(tier.pools))


def show(found: Explanation, *, json: bool) -> None:
    """Print an explanation: as JSON with its sources, or for people."""
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        return
    from rich.console import Console

    from reports.explain import print_explanation

    print_explanation(found, Console(file=sys.stdout, force_jupyter=False))
