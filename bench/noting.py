"""What a run notes down of itself before it begins: what was asked, and what it is measured with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from bench.reading import tier_date
from bench.results import folder as folders
from bench.results.ceilings import fresh_ceilings
from bench.results.cost import prices_as_of
from bench.results.environment import machine, versions
from bench.results.folder import CaseInfo, Origin, RunInfo
from bench.results.limits import Pool
from bench.results.question import client_named
from bench.scenario.model import Scenario
from mock_server.rng import Draws
from mock_server.tiers import find_tier, limits_for


def info_of(
    scenario: Scenario, name: str, now: datetime, command: Sequence[str] = (), *, strict: bool = False
) -> RunInfo:
    """What `run.json` says of a run of this scenario that is called `name` and begins `now`."""
    resolved = scenario.resolved()
    return RunInfo(
        id=name,
        started_at=folders.rfc3339(now),
        command=("claude-bench", *command),
        scenario=resolved,
        scenario_hash=hash_of(resolved),
        versions=versions(),
        machine=machine(),
        seed=scenario.seed,
        target=scenario.target,
        tier=resolved["tier"],
        tier_as_of=tier_date(scenario.tier),
        limits=limits_for(scenario.tier, scenario.model)._asdict(),
        cases={case.name: _case_info(case.scenario) for case in scenario.cases},
        pools=_pools(scenario),
        prices_as_of=prices_as_of(),
        origin=_origin(scenario),
        token=letters(now, 12),
        recipe=scenario.recipe,
        client=_client(scenario),
        strict=strict,
        ceilings={} if scenario.target == "sim" else fresh_ceilings(now),
    )


def hash_of(resolved: Mapping[str, object]) -> str:
    """A name for the question that a resolved scenario asks: 16 hexadecimal digits."""
    return sha256(msgspec.json.encode(resolved, order="sorted")).hexdigest()[:16]


def letters(now: datetime, many: int) -> str:
    """Letters that another process, or another moment, does not get."""
    draws = Draws(os.getpid(), int(now.timestamp() * 1e6))
    return "".join(chr(ord("a") + draws.integer(0, 25)) for _ in range(many))


def _case_info(scenario: Scenario) -> CaseInfo:
    limits = limits_for(scenario.tier, scenario.model)._asdict()
    return CaseInfo(scenario.resolved()["tier"], tier_date(scenario.tier), limits, _pools(scenario), _client(scenario))


def _client(scenario: Scenario) -> str:
    return client_named(scenario.target, scenario.client, scenario.transport)


def _pools(scenario: Scenario) -> tuple[Pool, ...]:
    """The models that are asked, by the limits they share; none where only one is asked."""
    if len(scenario.models) == 1:
        return ()
    tier = find_tier(scenario.tier)
    by_pool: dict[str, list[str]] = {}
    for model in sorted(scenario.models):
        by_pool.setdefault(tier.pool(model), []).append(model)
    return tuple(Pool(tuple(models), tier.limits_of(models[0])._asdict()) for models in by_pool.values())


def _origin(scenario: Scenario) -> Origin | None:
    """Where the scenario stands, without the name of anybody's home folder."""
    if scenario.source is None:
        return None
    path, here = scenario.source.absolute(), Path.cwd()
    file = path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name
    return Origin(file, {f"{one.metric} {one.expression}": one.line for one in scenario.thresholds if one.line})
