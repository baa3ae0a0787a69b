"""A sample of the fault matrix over HTTP: each strategy with all faults at once, against the server's own books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn import KINDS_OF_STRATEGY, Dice, strategy_of
from played import check, play_over_http, written

from mock_server.faults import KINDS

LONG = {"stall": "20s", "slow_headers": "5s", "freeze": "5s"}


def storm(kind: str, seed: int) -> dict[str, Any]:
    """Every fault but the one that ends a run, each a few times."""
    faults = {name: {"rate": "5%", "delay": LONG.get(name, "0s")} for name in KINDS if name != "spend_cap"}
    return {
        "model": "claude-sonnet-5",
        "target": "mock",
        "speed": 60,
        "tier": "unlimited",
        "seed": seed,
        "workload": {"requests": 60, "input_tokens": 400, "output_tokens": 200, "max_tokens": 300}
        | {"stream": kind != "batch"},
        "arrivals": "backlog" if kind in ("batch", "hybrid") else {"constant": "5/s"},
        "strategies": [strategy_of(kind, Dice(seed, kind))],
        "timeout": "90s",
        "budget": {"max_cost": "$1000"},
        "mock": {"faults": faults, "batch_time": "50s"},
    }


@pytest.mark.parametrize("kind", KINDS_OF_STRATEGY)
def test_whatever_goes_wrong_over_http_every_request_ends_once(kind: str, tmp_path: Path) -> None:
    check(play_over_http(written(tmp_path, storm(kind, 1)), tmp_path))


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS_OF_STRATEGY)
def test_whatever_goes_wrong_over_http_in_many_ways(kind: str, tmp_path: Path) -> None:
    for seed in range(2, 7):
        folder = tmp_path / str(seed)
        folder.mkdir()
        played = play_over_http(written(folder, storm(kind, seed)), folder)
        check(played)
        print(f"\n{kind}, seed {seed}: ${played.billed:.4f} billed, at most ${played.guard.spent:.4f} by the guard")
