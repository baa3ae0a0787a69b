"""Scenarios drawn by a seed: any workload, any strategy, any faults, in any combination that a file may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from mock_server.faults import KINDS
from mock_server.rng import Draws

T = TypeVar("T")

LIVE = ("sequential", "gather", "semaphore", "token_bucket", "adaptive", "pool")
KINDS_OF_STRATEGY = (*LIVE, "hedged", "batch", "hybrid")

MODELS = ("claude-haiku-5-5", "claude-sonnet-5", "claude-opus-5-5", "claude-fable-5-2", "claude-haiku-4-5")


class Dice:
    """Choices that a seed makes."""

    def __init__(self, seed: int, *names: str) -> None:
        self._draws = Draws(seed, *names)

    def one(self, options: Sequence[T]) -> T:
        return options[self._draws.integer(0, len(options) - 1)]

    def chance(self, share: float) -> bool:
        return self._draws.uniform() < share

    def number(self, low: int, high: int) -> int:
        return self._draws.integer(low, high)


def strategy_of(kind: str, dice: Dice) -> dict[str, Any]:
    """A strategy of this kind with parameters of its own."""
    policy, attempts = dice.one(["none", "retry_after", "exponential", "sdk"]), dice.number(1, 6)
    retry = {"policy": policy} | ({} if policy == "none" else {"attempts": attempts})
    common: dict[str, Any] = {"name": "made", "retry": retry, "hold_slot": dice.chance(0.5)}
    limit = dice.one([1, 3, 20, 300])
    size = {"size": dice.one([1, 7, 1000]), "poll": "1m"}
    match kind:
        case "sequential" | "gather" | "adaptive":
            return {kind: None if kind != "adaptive" else {}, **common}
        case "semaphore":
            return {"semaphore": limit, **common}
        case "token_bucket":
            return {"token_bucket": "auto", **common}
        case "pool":
            return {"pool": {"workers": limit, "queue": dice.one([1, 50])}, **common}
        case "hedged":
            hedge = {"after": dice.one(["1s", "4s", "p50"]), "most": dice.one(["20%", "100%"])}
            return {"semaphore": max(2, limit), "hedge": hedge, **common}
        case "batch":
            deadline = dice.one([None, "20m", "3h"])
            return {"name": "made", "batch": {**size, "deadline": deadline, "attempts": dice.number(1, 4)}}
        case _:
            hybrid = {"deadline": dice.one(["30m", "3h"]), "live": {"semaphore": limit}, "batch": size}
            return {"hybrid": {**hybrid, "share": dice.one(["30%", "70%"])}, "name": "made", "retry": retry}


def faults_of(dice: Dice, names: Sequence[str]) -> dict[str, Any]:
    """These faults: now and then, or in episodes."""
    return {name: _fault(name, dice) for name in names}


def _fault(name: str, dice: Dice) -> dict[str, Any]:
    fault: dict[str, Any] = {"rate": dice.one(["2%", "20%", "60%"])}
    if dice.chance(0.3):
        fault |= {"on": "20s", "off": "1m"}
    if name in ("stall", "slow_headers", "freeze", "reset") and dice.chance(0.7):
        fault["delay"] = dice.one(["1s", "30s"])
    return fault


def scenario_of(seed: int) -> dict[str, Any]:
    """A scenario without a budget."""
    dice = Dice(seed, "scenario")
    kind = dice.one(KINDS_OF_STRATEGY)
    alone = kind in ("batch", "hybrid")
    requests, streams = dice.one([20, 100, 500]), dice.chance(0.6) and kind != "batch"
    most = dice.one([200, 1_000, 4_000])
    workload: dict[str, Any] = {
        "requests": requests,
        "input_tokens": dice.one([60, {"lognormal": {"median": 800, "p95": 4000}}, {"uniform": [1, 9000]}]),
        "output_tokens": dice.one([40, most, {"lognormal": {"median": 100, "p95": 600}}]),
        "max_tokens": most,
        "stream": streams,
    }
    model = dice.one(MODELS)
    if model == "claude-haiku-5-5" and dice.chance(0.3):
        workload["input_tokens"] = {"uniform": [90_000, 110_000]}  # about its dearer bracket
        workload["requests"] = 15
    if dice.chance(0.3):
        workload["tools"] = {"count": 3, "tokens": 600}
    if not alone and dice.chance(0.3):
        workload |= {"system_tokens": 5_000, "cache": {"ttl": dice.one(["5m", "1h"]), "warm": dice.chance(0.5)}}
    if not alone and dice.chance(0.2):
        del workload["requests"]
        workload["conversations"] = {"count": requests // 5, "turns": dice.number(1, 5)}
    arrivals: Any = "backlog"
    if not alone:
        arrivals = dice.one(["backlog", {"poisson": "5/s"}, {"users": 8, "think": "2s"}])
    names = [dice.one([*KINDS]) for _ in range(dice.one([0, 0, 1, 2, 3]))]
    return {
        "model": model,
        "tier": dice.one(["start", "build", "unlimited"]),
        "seed": seed,
        "workload": workload,
        "arrivals": arrivals,
        "strategies": [strategy_of(kind, dice)],
        "timeout": dice.one(["3s", "60s", {"attempt": "30s", "request": "2m"} | ({"stall": "3s"} if streams else {})]),
        "warmup": {"requests": 0 if alone else dice.one([0, 0, 2])},
        "repeat": dice.one([1, 1, 2]),
        "mock": {"faults": faults_of(dice, names), "output_factor": dice.one([0.5, 1.0, 3.0])},
    }
