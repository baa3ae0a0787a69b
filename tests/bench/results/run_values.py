"""Runs made of plain numbers, for the tests of comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.results.baseline import PassValues, Runs, RunValues

ASKED = {
    "model": "claude-sonnet-5",
    "target": "mock",
    "tier": {"name": "start", "requests": 1000},
    "speed": 1.0,
    "strategies": {"pool": {"name": "pool", "limit": 8}},
}


def runs(
    values: Mapping[str, Sequence[float]],
    *,
    strategy: str = "pool",
    target: str = "mock",
    ids: str = "run",
    starts: Sequence[str] = (),
    stopped: Sequence[int] = (),
) -> Runs:
    """One run for each value of the measures; `stopped` are the places of those that ended early."""
    count = max(len(each) for each in values.values())
    return Runs(
        "made",
        {**ASKED, "target": target},
        tuple(
            RunValues(
                f"{ids}-{n}",
                starts[n] if starts else "",
                passes=(
                    PassValues(
                        strategy,
                        0,
                        n,
                        {name: each[n] for name, each in values.items() if n < len(each)},
                        "the budget was reached" if n in stopped else None,
                    ),
                ),
            )
            for n in range(count)
        ),
    )


def repeats(values: Mapping[str, Sequence[Mapping[str, float]]], *, target: str = "mock", ids: str = "run") -> Runs:
    """One run, whose strategies were each repeated: by strategy, the measures of each repeat."""
    passes = tuple(
        PassValues(strategy, n, n, dict(each)) for strategy, every in values.items() for n, each in enumerate(every)
    )
    return Runs("made", {**ASKED, "target": target}, (RunValues(ids, "2026-11-20T10:00:00Z", passes=passes),))
