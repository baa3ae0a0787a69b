"""Every fault crossed with every strategy: nothing hangs, is lost or done twice, and every dollar is accounted for."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from drawn import KINDS_OF_STRATEGY, Dice, faults_of, strategy_of
from many import results_of
from played import check, play, written

from mock_server.faults import KINDS

CROSSED = [*product(KINDS, KINDS_OF_STRATEGY)]
SEEDS = range(20)
"""Of each crossing, by `make soak`; the first by every test run."""


def crossing(fault: str, kind: str, seed: int) -> dict[str, Any]:
    """Thirty requests, half of the time with a second fault beside the first."""
    dice = Dice(seed, fault, kind)
    streams = dice.chance(0.7) and kind != "batch"
    others = [dice.one([*KINDS])] if dice.chance(0.5) else []
    return {
        "model": "claude-sonnet-5",
        "tier": dice.one(["start", "unlimited"]),
        "seed": seed,
        "workload": {
            "requests": 30, "input_tokens": 400, "output_tokens": {"uniform": [1, 400]}, "max_tokens": 300,
            "stream": streams,
        },
        "arrivals": "backlog" if kind in ("batch", "hybrid") else dice.one(["backlog", {"constant": "2/s"}]),
        "strategies": [strategy_of(kind, dice)],
        "timeout": dice.one(["5s", "10m", {"attempt": "1m", "request": "90s"} | ({"stall": "2s"} if streams else {})]),
        "budget": {"max_cost": "$1000"},
        "mock": {"faults": faults_of(dice, [*others, fault]), "batch_hidden": dice.one(["0s", "20s"])},
    }  # fmt: skip


def run(fault: str, kind: str, seed: int, folder: Path) -> int:
    """Play one crossing, hold against it what must hold, and tell how many requests it had."""
    folder.mkdir()
    played = play(written(folder, crossing(fault, kind, seed)), folder)
    check(played)
    return len(played.records)


@pytest.mark.parametrize(("fault", "kind"), CROSSED)
def test_whatever_goes_wrong_every_request_ends_once(fault: str, kind: str, tmp_path: Path) -> None:
    assert run(fault, kind, 0, tmp_path / "run") or fault == "spend_cap"


@pytest.mark.soak
def test_whatever_goes_wrong_many_times_over(tmp_path: Path) -> None:
    cases = [(fault, kind, seed) for (fault, kind), seed in product(CROSSED, SEEDS)]
    requests = sum(results_of(partial(_run_one, tmp_path), cases))
    print(f"\n{len(KINDS)} faults x {len(KINDS_OF_STRATEGY)} strategies x {len(SEEDS)} seeds: {len(cases):,} runs,")
    print(f"{requests:,} requests, each with one final record; slots, reservations and dollars all accounted for")


def _run_one(folder: Path, case: tuple[str, str, int]) -> int:
    return run(*case, folder / "-".join(map(str, case)))
