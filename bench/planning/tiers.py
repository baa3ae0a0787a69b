"""Which tiers a plan is for."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UsageError
from bench.scenario.model import Scenario
from bench.scenario.problems import nearest
from mock_server.tiers import TIERS, find_tier

CURRENT = ("start", "build", "scale")
"""The tiers that organisations are on today (rate-limit page, 2026-10-08), the lowest first.  Legacy tiers and those of
tutorials are planned for only when they are named."""


def tiers_of(named: str | None, scenario: Scenario) -> tuple[str, ...]:
    """The tiers to plan for: those named, separated by commas; `all` is the current ones.

    None named is the current ones and the scenario's own; empty, where its cases have tiers of their own, is those.
    UsageError for an unknown one.
    """
    if named is None:
        own = [variant.tier for _, variant in scenario.variants]
        if len({*own}) > 1:
            return ()
        return CURRENT if own[0] in CURRENT else (own[0], *CURRENT)
    tiers: list[str] = []
    for name in (word.strip() for word in named.split(",")):
        tiers += CURRENT if name == "all" else [_known(name)]
    return tuple(dict.fromkeys(tiers))


def _known(name: str) -> str:
    if name.endswith(".json"):
        path = str(Path(name).absolute())
        try:
            find_tier(path)
        except ValueError as problem:
            raise UsageError(f"--tier: {problem}") from None
        return path
    if name not in TIERS:
        known = (*TIERS, "all")
        raise UsageError(
            f"--tier: no tier `{name}`.{nearest(name, known)}", f"There are {', '.join(known)}, or a file."
        )
    return name


def tier_name(tier: str) -> str:
    """What people call it: of a file its name."""
    return Path(tier).name if tier.endswith(".json") else tier
