"""A run: every strategy of every case, one pass after another, in rounds when it is repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.engine.batch_pass import BatchPass
from bench.engine.hybrid import HybridPass
from bench.engine.live import LivePass
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.errors import Exit
from bench.results.record import OfPass
from bench.scenario.model import Scenario, Strategy
from bench.targets.target import Session, Target
from bench.workload.requests import count_of, warmup_of


@dataclass(frozen=True, slots=True)
class PassEnd:
    """What is known of a pass beyond its records."""

    case: str | None
    strategy: str
    number: int
    """0-based repeat."""
    stopped: str | None
    """Why it ended early, in words."""
    server_latencies: dict[str, float] | None
    """Seconds each request took in the server, by request id, where the target tells."""


def run_passes(
    scenario: Scenario, targets: Mapping[str | None, Target], around: Surroundings, *, without: Container[OfPass] = ()
) -> Iterator[PassEnd]:
    """Run pass after pass and tell of each when it has ended.  A stop skips those that have not begun.

    `targets` has one for each case by its name, or, without cases, one under None.  `without` are passes to leave out.
    Each pass has an event loop of its own, so that simulated time starts at 0.  Repeats differ in their seed.
    """
    rounds = [
        (number, case, variant, strategy)
        for number in range(scenario.repeat)
        for case, variant in scenario.variants
        for strategy in variant.strategies
        if (case, strategy.name, number) not in without
    ]
    for place, (number, case, variant, strategy) in enumerate(rounds):
        target = targets[case]
        pause = scenario.pause if place and not target.resets else 0.0
        if around.stop.reason is None:
            yield run_loop(_run_pass(variant, case, strategy, number, target, around, pause), virtual=target.virtual)


async def _run_pass(
    scenario: Scenario, case: str | None, strategy: Strategy, number: int, target: Target, around: Surroundings,
    pause: float,
) -> PassEnd:  # fmt: skip
    clock = Clock(1.0 if target.virtual else scenario.speed)
    await wait(clock, pause, around.stop)
    seeded = scenario.model_copy(update={"seed": scenario.seed + number})
    if target.resets and around.batches is not None:
        around.batches.ids.clear()  # the server has forgotten them, and may use them again
    async with target.session(clock, seeded.seed) as session:
        if strategy.kind != "batch":
            await _warm_up(seeded, session, around)
        await session.reset()
        clock.restart()
        around.observer.pass_started(strategy.name, number, count_of(seeded), clock.speed, case)
        await _send_all(seeded, case, strategy, number, session, clock, around)
        around.observer.pass_ended()
        latencies = await session.server_latencies()
    return PassEnd(case, strategy.name, number, around.stop.reason, latencies)


async def wait(clock: Clock, seconds: float, stop: Stop) -> None:
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
    scenario: Scenario, case: str | None, strategy: Strategy, number: int, session: Session, clock: Clock,
    around: Surroundings,
) -> None:  # fmt: skip
    one_pass = _pass(scenario, case, strategy, number, session, clock, around)
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
    scenario: Scenario, case: str | None, strategy: Strategy, number: int, session: Session, clock: Clock,
    around: Surroundings,
) -> LivePass | BatchPass | HybridPass:  # fmt: skip
    match strategy.kind:
        case "batch":
            return BatchPass(scenario, case, strategy, number, session.batches, clock, around)
        case "hybrid":
            return HybridPass(scenario, case, strategy, number, session, clock, around)
        case _:
            return LivePass(scenario, case, strategy, number, session.client, clock, around)
