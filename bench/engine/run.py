"""A run: every strategy over the same workload, one pass after another, in rounds when it is repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.engine.batch_pass import BatchPass
from bench.engine.dispatch import Pass, Surroundings
from bench.engine.hybrid import HybridPass
from bench.engine.line import Line
from bench.engine.stop import Stop
from bench.errors import Exit
from bench.scenario.model import Scenario, Strategy
from bench.strategies.admission import admission_of
from bench.targets.target import Session, Target
from bench.workload.requests import count_of, sources_of, warmup_of
from mock_server.tiers import limits_for


@dataclass(frozen=True, slots=True)
class PassEnd:
    """What is known of a pass beyond its records."""

    strategy: str
    number: int
    """0-based repeat."""
    stopped: str | None
    """Why it ended early, in words."""
    server_latencies: dict[str, float] | None
    """Seconds each request took in the server, by request id, where the target tells."""


def run_passes(
    scenario: Scenario, target: Target, around: Surroundings, *, without: Container[tuple[str, int]] = ()
) -> Iterator[PassEnd]:
    """Run pass after pass and tell of each when it has ended.  A stop skips those that have not begun.

    `without` names passes to leave out, by strategy and repeat.  Each pass has an event loop of its own, so that
    simulated time starts at 0.  Repeats differ in their seed.
    """
    every = ((number, strategy) for number in range(scenario.repeat) for strategy in scenario.strategies)
    rounds = [(number, strategy) for number, strategy in every if (strategy.name, number) not in without]
    for place, (number, strategy) in enumerate(rounds):
        pause = scenario.pause if place and not target.resets else 0.0
        if around.stop.reason is None:
            yield run_loop(_run_pass(scenario, strategy, number, target, around, pause), virtual=target.virtual)


async def _run_pass(
    scenario: Scenario, strategy: Strategy, number: int, target: Target, around: Surroundings, pause: float
) -> PassEnd:
    clock = Clock(1.0 if target.virtual else scenario.speed)
    await _wait(clock, pause, around.stop)
    seeded = scenario.model_copy(update={"seed": scenario.seed + number})
    if target.resets and around.batches is not None:
        around.batches.ids.clear()  # the server has forgotten them, and may use them again
    async with target.session(clock, seeded.seed) as session:
        if strategy.kind != "batch":
            await _warm_up(seeded, session, around)
        await session.reset()
        clock.restart()
        around.observer.pass_started(strategy.name, number, count_of(seeded), clock.speed)
        await _send_all(seeded, strategy, number, session, clock, around)
        around.observer.pass_ended()
        latencies = await session.server_latencies()
    return PassEnd(strategy.name, number, around.stop.reason, latencies)


async def _wait(clock: Clock, seconds: float, stop: Stop) -> None:
    """Let the limits of a target that cannot be reset refill.  A stop ends the wait."""
    waiting = asyncio.ensure_future(clock.sleep_until(clock.now() + seconds))
    with stop.heard_by(waiting.cancel), suppress(asyncio.CancelledError):
        await waiting


async def _warm_up(scenario: Scenario, session: Session, around: Surroundings) -> None:
    """Send what is not counted, one after another.  The budget counts it all the same."""
    for spec in warmup_of(scenario):
        worst = around.worst_case(spec)
        if around.stop.reason is not None or around.budget.refuses(worst):
            return
        around.budget.reserve(worst)
        attempt = await session.client.send(spec, 1)
        around.budget.settle(worst, around.cost(spec.params["model"], attempt))


async def _send_all(
    scenario: Scenario, strategy: Strategy, number: int, session: Session, clock: Clock, around: Surroundings
) -> None:
    one_pass = _pass(scenario, strategy, number, session, clock, around)
    alarm = None
    if (left := around.budget.time_left) is not None:
        words = f"the budget of {around.budget.max_time:g} s of scenario time is used up"
        alarm = clock.call_at(left, around.stop.request, words, Exit.BUDGET)
    try:
        await one_pass.run()
    finally:
        around.budget.time_used += clock.now()
        if alarm is not None:
            alarm.cancel()


def _pass(
    scenario: Scenario, strategy: Strategy, number: int, session: Session, clock: Clock, around: Surroundings
) -> Pass | BatchPass | HybridPass:
    match strategy.kind:
        case "batch":
            return BatchPass(scenario, strategy, number, session.batches, clock, around)
        case "hybrid":
            return HybridPass(scenario, strategy, number, session, clock, around)
    admission = admission_of(strategy, limits_for(scenario.tier, scenario.model), clock)
    line = Line(sources_of(scenario), clock, by_priority=strategy.priority)
    return Pass(line, strategy, number, scenario.seed, admission, session.client, clock, around)
