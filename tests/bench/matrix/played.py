"""A scenario played in virtual time, with the server's own books beside the client's, and what must hold of any run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from bench import api
from bench.clock import Clock
from bench.engine import lanes
from bench.engine.budget import BudgetGuard
from bench.engine.run import run_passes
from bench.engine.stop import Stop
from bench.results.batches import BatchLog
from bench.results.record import Record
from bench.scenario.model import Scenario
from bench.spending import surroundings
from bench.strategies.admission import Admission, admissions_of
from bench.targets import target as targets
from bench.targets.batches_sim import SimBatches
from bench.targets.mock_process import MockProcess
from bench.targets.sim import SimClient
from bench.targets.target import Session, Target, mock_settings
from bench.workload.requests import count_of
from mock_server.engine import Engine
from mock_server.settings import Settings

DAY = date(2026, 11, 20)
"""Whose prices are paid."""

COUNTED = 1e9
"""A cap on spending that nobody reaches: with it the mock counts."""

END_OF_TIME = 30 * 86_400.0
"""Seconds by which every run must have ended."""


class Guard(BudgetGuard):
    """A budget guard that remembers how often it was not told a cost."""

    uncertain = 0
    worst = 0.0
    """Of the dearest attempt that was asked for."""

    def takes(self, worst: float) -> bool:
        self.worst = max(self.worst, worst)
        return super().takes(worst)

    def settle(self, worst: float, cost: float | None) -> None:
        self.uncertain += cost is None
        super().settle(worst, cost)


@dataclass
class Played:
    """What came of it, on both sides."""

    scenario: Scenario
    guard: Guard
    stop: Stop = field(default_factory=Stop)
    records: list[Record] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)
    admissions: list[Admission] = field(default_factory=list)
    sent: int = 0
    done: int = 0
    costs: list[float | None] = field(default_factory=list)
    """What the client takes each request to have cost."""

    billed_over_http: float = 0.0

    @property
    def billed(self) -> float:
        """Dollars by the server's own books, warm-ups too."""
        accounts = (account for engine in self.engines for account in engine.accounts().values())
        return self.billed_over_http + sum(account.spent for account in accounts)


class _Counting:
    def __init__(self, played: Played) -> None:
        self._played = played

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:
        pass

    def sent(self, strategy: str) -> None:  # noqa: ARG002
        self._played.sent += 1

    def done(self, record: Record, cost: float | None) -> None:  # noqa: ARG002
        self._played.done += 1
        self._played.costs.append(cost)

    def pass_ended(self) -> None:
        pass


def written(folder: Path, scenario: Mapping[str, Any]) -> Scenario:
    """The scenario as a file of it is read."""
    file = folder / "made.yaml"
    file.write_text(json.dumps({"version": 1, "question": "Does it hold?", **scenario}))
    return api.load(str(file))


def play(scenario: Scenario, folder: Path, **settings: Any) -> Played:  # noqa: ANN401
    """Run it on `sim`, with settings of the server that no scenario has, such as tokenizers of its own."""
    played = _played(scenario)
    _run(played, folder, _counting_sim(scenario, played.engines, settings))
    return played


def play_over_http(scenario: Scenario, folder: Path) -> Played:
    """Run it on a mock server over HTTP."""
    played = _played(scenario)

    async def ask_for_the_books(self: MockProcess) -> dict[str, float]:
        async with self._http() as http:
            while (state := (await http.get("/_mock/state")).json())["open"]:
                continue  # whoever was given up is soon gone for the server, too
        played.billed_over_http += sum(each["spent"] for each in state["organizations"])
        return {}

    def counting(scenario: Scenario) -> Settings:
        return msgspec.structs.replace(mock_settings(scenario), spend_cap=COUNTED)

    with (
        patch.object(targets, "mock_settings", counting),
        patch.object(MockProcess, "latencies", ask_for_the_books),
        targets.open_target(scenario) as target,
    ):
        _run(played, folder, target)
    return played


def _played(scenario: Scenario) -> Played:
    budget = scenario.budget
    return Played(scenario, Guard(budget.max_cost, budget.max_requests, budget.max_time))


def _run(played: Played, folder: Path, target: Target) -> None:
    def kept(*args: Any) -> dict[str, Admission]:  # noqa: ANN401
        made = admissions_of(*args)
        played.admissions += made.values()
        return made

    with BatchLog(folder, "token") as log, patch.object(lanes, "admissions_of", kept):
        around = surroundings(played.scenario, played.records.append, log, _Counting(played), played.stop, DAY)
        around = replace(around, budget=played.guard)
        assert list(run_passes(played.scenario, {None: target}, around))


def _counting_sim(scenario: Scenario, engines: list[Engine], own: dict[str, Any]) -> Target:
    settings = mock_settings(scenario)
    settings = msgspec.structs.replace(settings, **{"spend_cap": COUNTED} | own)
    factor = scenario.mock.output_factor

    def engine() -> Engine:
        engines.append(Engine(settings))
        return engines[-1]

    @asynccontextmanager
    async def session(clock: Clock, seed: int) -> AsyncIterator[Session]:
        waits = scenario.timeout
        client = SimClient(
            engine(), clock, seed=seed, timeout=waits.attempt, stall=waits.longest_silence, output_factor=factor
        )

        async def reset() -> None:
            client.engine = engine()

        yield Session(client, SimBatches(lambda: client.engine, clock, seed=seed, output_factor=factor), reset)

    return Target("sim", True, True, session)


def check(played: Played) -> None:
    """What must hold of every run, whatever went wrong in it."""
    keys = [(record.of_pass, record.seq) for record in played.records]
    assert len(set(keys)) == len(keys), "a request has two final records"
    assert played.sent == played.done == len(keys), "sent, but without a final record"
    expected = count_of(played.scenario)
    if played.stop.reason is None and expected is not None and played.scenario.fan_out is None:
        conversations = any(record.conversation is not None for record in played.records)
        assert len(keys) == expected * played.scenario.repeat or conversations, "a request was lost"
    ends = [record.attempts[-1] for record in played.records]
    assert sum(end.ok for end in ends) + sum(end.cause is not None for end in ends) == len(keys)
    assert all(end.ended < END_OF_TIME for end in ends)
    assert all(admission.in_flight == 0 for admission in played.admissions), "a slot was not given back"
    guard = played.guard
    assert (guard.in_flight, guard.at_risk) == (0, 0), "a reservation was not given back"
    assert played.billed <= guard.spent + 1e-9, "more was billed than the guard knows of"
    if guard.max_cost is not None:
        assert played.billed <= guard.max_cost + 1e-9
    if not guard.uncertain:
        assert guard.spent == pytest.approx(played.billed, abs=1e-9)
        if played.scenario.warmup.requests == 0:
            assert sum(cost or 0.0 for cost in played.costs) == pytest.approx(played.billed, abs=1e-9)
