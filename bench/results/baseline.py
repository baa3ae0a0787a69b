"""Runs as they are compared: the measures of each pass and what was asked.  Saved, they are a baseline.

A baseline is a small JSON file made to be committed and reviewed: no records, no times within a run, one line a
measure.  schema_version 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import UsageError
from bench.results.folder import RunInfo
from bench.results.measures import values_of
from bench.results.record import OfPass
from bench.results.summary import Summary
from mock_server.files import read_whole

SCHEMA_VERSION = 1

LAST = 10
"""How many of the latest runs a history counts: older ones were measured in another world."""

_SHAPELESS = {
    "version",
    "name",
    "question",
    "claim",
    "seed",
    "repeat",
    "thresholds",
    "gate",
    "budget",
    "pause",
    "strategies",
}
"""Keys of a scenario that do not shape what a strategy's pass measures, and the strategies, which are kept by name."""


class PassValues(msgspec.Struct, frozen=True, rename={"pass_": "pass"}, omit_defaults=True):
    """One strategy, run once: what is compared of it."""

    strategy: str
    pass_: int
    seed: int
    values: dict[str, float]
    """By the name of the measure; what was not known is not there."""
    stopped: str | None = None
    """Why the pass ended early: it is then left out of every comparison."""
    case: str | None = None
    """In which case of the scenario."""

    @property
    def name(self) -> str:
        """What it is compared under: passes of one name are repeats of one thing."""
        return self.strategy if self.case is None else f"{self.case}/{self.strategy}"


class RunValues(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run."""

    id: str
    started_at: str = ""
    """UTC, RFC 3339; empty where only a report is left of the run."""
    versions: dict[str, str] = {}
    machine: str = ""
    passes: tuple[PassValues, ...] = ()


class Runs(msgspec.Struct, frozen=True, omit_defaults=True):
    """Runs of one question, in the order in which they began."""

    name: str
    """The scenario's."""
    asked: dict[str, Any]
    """Whatever shapes the numbers; equal wherever two runs may be compared."""
    runs: tuple[RunValues, ...]
    partly: bool = False
    """Whether only part of what was asked is known, as from a report."""
    chosen: bool = False
    """Whether one strategy was taken out of several."""
    gate: dict[str, Any] = {}
    """The scenario's own: `metrics` and `min_effect`."""
    schema_version: int = SCHEMA_VERSION

    @property
    def strategies(self) -> list[str]:
        """Those that any run has, in the order of the first."""
        return list(dict.fromkeys(one.name for run in self.runs for one in run.passes))

    @property
    def exact(self) -> bool:
        """Whether equal seeds give equal numbers."""
        return self.asked.get("target") == "sim"


def of_run(info: RunInfo, summary: Summary) -> Runs:
    """A run folder as it is compared."""
    machine = info.machine
    run = RunValues(
        id=info.id,
        started_at=info.started_at,
        versions=info.versions,
        machine=f"{machine.platform}, {machine.cpu}, {machine.cores} cores",
        passes=_passes(summary),
    )
    return Runs(summary.name, _asked(info), (run,), gate=info.scenario.get("gate", {}))


def of_plan(info: RunInfo, passes: Sequence[OfPass]) -> Runs:
    """A run that has not begun, as far as one can tell whether it will be comparable: its passes have no values."""
    planned = tuple(
        PassValues(strategy, number, info.seed + number, {}, case=case) for case, strategy, number in passes
    )
    run = RunValues(info.id, info.started_at, passes=planned)
    return Runs(info.scenario["name"], _asked(info), (run,), gate=info.scenario.get("gate", {}))


def _asked(info: RunInfo) -> dict[str, Any]:
    """Whatever shapes the numbers of a run."""
    return {
        **{key: value for key, value in info.scenario.items() if key not in _SHAPELESS},
        "tier": {"name": info.tier, **(info.limits or {})},
        **({"limits": {name: case.limits for name, case in info.cases.items()}} if info.cases else {}),
        "strategies": {one["name"]: one for one in info.scenario.get("strategies", [])},
    }


def of_report(name: str, summary: Summary) -> Runs:
    """A report that someone sent, which says less of what was asked."""
    asked = {
        "model": summary.model,
        "target": summary.target,
        "tier": {"name": summary.tier},
        "speed": summary.speed,
    }
    return Runs(summary.name, asked, (RunValues(name, passes=_passes(summary)),), partly=True)


def _passes(summary: Summary) -> tuple[PassValues, ...]:
    return tuple(
        PassValues(one.strategy, one.pass_, summary.seed + one.pass_, values_of(one), one.stopped, one.case)
        for one in summary.passes
    )


def together(sides: Sequence[Runs]) -> Runs:
    """Runs of one question as one; what was asked is taken from the last that knows it all."""
    runs = sorted((run for side in sides for run in side.runs), key=lambda run: run.started_at)
    fullest = max(sides, key=lambda side: (not side.partly, side.runs[-1].started_at))
    return msgspec.structs.replace(fullest, runs=tuple(runs))


def differences(base: Runs, new: Runs) -> Iterator[tuple[str, Any, Any]]:
    """Where two questions differ: the key, as a path, and both values (None for a key that one side lacks).

    Strategies count where both have one of the name; of a report, only what it tells.
    """
    partly = base.partly or new.partly
    both = base.asked.get("strategies", {}).keys() & new.asked.get("strategies", {}).keys()
    for path, mine, theirs in _differences("", _asked_of(base, both), _asked_of(new, both)):
        if not (partly and (mine is None or theirs is None)):
            yield path, mine, theirs


def _asked_of(runs: Runs, strategies: Set[str]) -> dict[str, Any]:
    own = runs.asked.get("strategies", {})
    return {**runs.asked, "strategies": {name: own[name] for name in own if name in strategies}}


def _differences(path: str, mine: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401  any JSON value
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys((*mine, *theirs)):
            yield from _differences(f"{path}.{key}" if path else key, mine.get(key), theirs.get(key))
    elif mine != theirs:
        yield path, mine, theirs


def write(path: Path, runs: Runs) -> None:
    """Save runs as a baseline.  UsageError when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(_versioned(runs)), indent=1) + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _versioned(runs: Runs) -> dict[str, Any]:
    """With the version, which is a default and would be left out, and first."""
    return {"schema_version": runs.schema_version, **msgspec.to_builtins(runs)}


class _Version(msgspec.Struct):
    schema_version: int


def read(path: Path) -> Runs:
    """Read a baseline.  UsageError when it is none, or of another version."""
    try:
        content = read_whole(path)
        version = msgspec.json.decode(content, type=_Version).schema_version
        if version == SCHEMA_VERSION:
            return msgspec.json.decode(content, type=Runs)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a baseline: {error}") from error
    other = "a newer" if version > SCHEMA_VERSION else "an older"
    raise UsageError(
        f"{path} has schema version {version}; this claude-bench reads {SCHEMA_VERSION}.",
        f"Use {other} claude-bench, or save the baseline again.",
    )
