"""A run: every strategy over the same workload, one pass after another, in rounds when it is repeated."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.engine.dispatch import Pass
from bench.engine.exchange import Terms
from bench.engine.groups import groups_of
from bench.engine.lanes import Lane, lanes_of
from bench.engine.pool import Pool
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.errors import Exit
from bench.scenario.model import Scenario, Strategy
from bench.strategies.hedging import Hedging
from bench.targets.target import Session, Target
from bench.workload.requests import count_of, warmup_of


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


def run_passes(scenario: Scenario, target: Target, around: Surroundings) -> Iterator[PassEnd]:
    """Run pass after pass and tell of each when it has ended.  A stop skips those that have not begun.

    Each pass has an event loop of its own, so that simulated time starts at 0.  Repeats differ in their seed.
    """
    rounds = [(number, strategy) for number in range(scenario.repeat) for strategy in scenario.strategies]
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
    async with target.session(clock, seeded.seed) as session:
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
    groups = groups_of(scenario, strategy, clock)
    hedging = None if strategy.hedge is None else Hedging(strategy.hedge)
    longest = math.inf if scenario.timeout.request is None else scenario.timeout.request

    def sender(lane: Lane) -> Pass | Pool:
        client, admission = session.client, lane.admission
        terms = Terms(strategy, number, scenario.seed, admission, client, clock, around, longest, hedging)
        return (Pass if strategy.pool is None else Pool)(lane.line, terms, groups)

    senders = [sender(lane) for lane in lanes_of(scenario, strategy, clock, None if groups is None else groups.wanted)]
    alarm = None
    if (left := around.budget.time_left) is not None:
        words = f"the budget of {around.budget.max_time:g} s of scenario time is used up"
        alarm = clock.call_at(left, around.stop.request, words, Exit.BUDGET)
    try:
        async with asyncio.TaskGroup() as together:
            for one in senders:
                together.create_task(one.run())
    finally:
        around.budget.time_used += clock.now()
        if alarm is not None:
            alarm.cancel()
