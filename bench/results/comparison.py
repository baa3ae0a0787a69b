"""Whether runs became slower, dearer or less reliable: every measure of every strategy, and what follows from it.

Only measures that are named as a gate can make a comparison fail.  schema_version 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from bench.errors import PRECEDENCE, Exit
from bench.results.baseline import LAST, Runs
from bench.results.changes import MIN_EFFECT, Change, Held, Pair, judge, whole_runs
from bench.results.format import count
from bench.results.measures import Measure, parse_measure
from bench.results.metrics import METRICS
from bench.results.summary import Summary

SCHEMA_VERSION = 1


class Side(msgspec.Struct, frozen=True):
    """One of the two that are compared."""

    label: str
    """As it was named."""
    scenario: str
    ids: tuple[str, ...]
    """Of its runs."""
    units: int
    """How many of what counts."""
    unit: Literal["run", "repeat", "seed"]
    """What counts: runs; the repeats of a single one; the seeds of a simulation."""


class Comparison(msgspec.Struct, frozen=True):
    """Everything that was found when base and new were held against each other."""

    schema_version: int
    base: Side
    new: Side
    exact: bool
    """Whether equal seeds were compared, as on `sim`."""
    interleaved: bool
    """Whether the two sides were run in turns, and are compared in pairs."""
    min_effect: float
    changes: tuple[Change, ...]
    """By strategy, then in the order of the metric table."""
    settings: tuple[str, ...]
    """Where the two questions differ, as `--across` allowed."""
    versions: tuple[str, ...]
    """Where what they were run with differs."""
    notes: tuple[str, ...]
    reasons: tuple[str, ...]
    """Why the exit code is what it is; empty when it is 0."""
    exit_code: int

    @property
    def strategies(self) -> list[str]:
        """Those that were compared, in order."""
        return list(dict.fromkeys(one.strategy for one in self.changes))

    @property
    def gated(self) -> list[Change]:
        """What the comparison can fail on."""
        return [one for one in self.changes if one.gate]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a comparison is held by."""

    gate: tuple[Measure, ...] = ()
    """What it can fail on."""
    min_effect: float = MIN_EFFECT
    strict: bool = False
    """Whether a gate that cannot be decided fails too."""
    across: tuple[str, ...] = ()
    """Parts of the question that may differ; `seed` lets simulated runs be compared like any others."""


def compare(
    base: Runs,
    new: Runs,
    pairs: Sequence[Pair],
    terms: Terms,
    *,
    labels: tuple[str, str] = ("base", "new"),
    settings: Sequence[str] = (),
) -> Comparison:
    """Hold two sides against each other, strategy by strategy.  `settings` says where their questions differ."""
    if len(new.runs) == 1:
        base = msgspec.structs.replace(base, runs=base.runs[-LAST:])
    exact = base.exact and new.exact and "seed" not in terms.across
    interleaved = not exact and in_turns(base, new)
    changes = tuple(
        judge(
            Held(
                base=base,
                new=new,
                pair=pair,
                measure=measure,
                min_effect=terms.min_effect,
                gates=len(terms.gate) * len(pairs) if measure in terms.gate else 0,
                exact=exact,
                interleaved=interleaved,
            )
        )
        for pair in pairs
        for measure in _measures(base, new, pair, terms.gate)
    )
    reasons = list(_reasons(changes, strict=terms.strict))
    return Comparison(
        schema_version=SCHEMA_VERSION,
        base=_side(base, new, labels[0], exact=exact),
        new=_side(new, base, labels[1], exact=exact),
        exact=exact,
        interleaved=interleaved,
        min_effect=terms.min_effect,
        changes=changes,
        settings=tuple(settings),
        versions=tuple(_versions(base, new)),
        notes=tuple(_notes(base, new, pairs, terms)),
        reasons=tuple(text for _, text in reasons),
        exit_code=min((code for code, _ in reasons), key=PRECEDENCE.index, default=Exit.OK),
    )


def counted(summary: Summary, found: Comparison) -> Summary:
    """The summary of a run whose exit code, and the reasons for it, are those of a comparison too."""
    return msgspec.structs.replace(
        summary,
        reasons=(*summary.reasons, *(f"compared with {found.base.label}: {reason}" for reason in found.reasons)),
        exit_code=min((Exit(summary.exit_code), Exit(found.exit_code)), key=PRECEDENCE.index),
    )


def in_turns(base: Runs, new: Runs) -> bool:
    """Whether the k-th of each side were run one after the other, so that what slowed one slowed the other.

    So it is with two strategies of one run, whose repeats go in rounds, and with as many runs a side that began in
    turns: a b a b.
    """
    if not whole_runs(base, new):
        return base.runs[0].id == new.runs[0].id
    starts = sorted([(run.started_at, "base") for run in base.runs] + [(run.started_at, "new") for run in new.runs])
    rounds = [{side for _, side in starts[n : n + 2]} for n in range(0, len(starts), 2)]
    return all(started for started, _ in starts) and all(len(one) == 2 for one in rounds)


def _measures(base: Runs, new: Runs, pair: Pair, gate: Sequence[Measure]) -> list[Measure]:
    """Those that both sides have, in the order of the table, and those that are gated, even where nobody has them."""
    mine, theirs = _names(base, pair[0]), _names(new, pair[1])
    found = [parse_measure(name) for name in mine if name in theirs]
    order = list(METRICS)
    return sorted(dict.fromkeys((*found, *gate)), key=lambda one: (one.stream, order.index(one.metric)))


def _names(runs: Runs, strategy: str) -> dict[str, None]:
    return {name: None for run in runs.runs for one in run.passes if one.name == strategy for name in one.values}


def _reasons(changes: Sequence[Change], *, strict: bool) -> Iterator[tuple[Exit, str]]:
    """Why the exit code is not 0: the gates that failed and, on demand, those of which nothing can be said."""
    for one in changes:
        what = f"{one.strategy}: {one.measure}"
        match one.verdict:
            case "regressed" if one.gate:
                yield Exit.REGRESSED, f"{what} regressed"
            case "no data" if one.gate:
                yield Exit.NOT_VALID, f"{what}: {one.detail}"
            case "inconclusive" if one.gate and strict:
                yield Exit.INCONCLUSIVE, f"{what} is inconclusive"


def _side(runs: Runs, other: Runs, label: str, *, exact: bool) -> Side:
    whole = whole_runs(runs, other)
    seeds = {one.seed for run in runs.runs for one in run.passes}
    repeats = {one.pass_ for run in runs.runs for one in run.passes}
    return Side(
        label=label,
        scenario=runs.name,
        ids=tuple(run.id for run in runs.runs),
        units=len(seeds) if exact else len(runs.runs) if whole else len(repeats),
        unit="seed" if exact else "run" if whole or len(repeats) < 2 else "repeat",
    )


def _versions(base: Runs, new: Runs) -> Iterator[str]:
    """Where what the last run of each side was made with differs."""
    mine, theirs = base.runs[-1], new.runs[-1]
    for package, before in mine.versions.items():
        after = theirs.versions.get(package, before)
        if before != after:
            yield f"{package} {before} -> {after}"
    if mine.machine and theirs.machine and mine.machine != theirs.machine:
        yield f"machine: {mine.machine} -> {theirs.machine}"


def _notes(base: Runs, new: Runs, pairs: Sequence[Pair], terms: Terms) -> Iterator[str]:
    """What else a reader must know."""
    for place, (label, runs) in enumerate((("base", base), ("new", new))):
        early = [one for run in runs.runs for one in run.passes if one.stopped is not None]
        if early:
            yield f"left out of {label}: {count(len(early), 'pass', 'passes')} that ended early ({early[0].stopped})"
        if runs.partly:
            yield f"{label} is a report, which tells only the model, target, tier and speed of what was asked"
        known = {pair[place] for pair in pairs}
        if alone := [name for name in runs.strategies if name not in known]:
            yield f"only in {label}: {', '.join(alone)}"
    if not terms.gate:
        yield "nothing is gated, so this cannot fail: name metrics in the scenario's `gate`, or with --gate"
