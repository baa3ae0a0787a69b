"""An attempt and, once it is late, another beside it: the first to answer goes on alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bench.clock import Clock
from bench.engine.life import Life
from bench.results.record import Attempt

Run = Callable[["Runner"], Coroutine[Any, Any, None]]
"""Sends an attempt and leaves it with its runner."""


class Runner:
    """One attempt of a race, in a task of its own."""

    __slots__ = ("_race", "attempt", "life", "runs", "sent")

    def __init__(self, race: Race) -> None:
        self._race = race
        self.life = Life()
        self.runs = True
        self.sent = False
        """Whether its attempt is on its way, and not still waiting to be let through."""
        self.attempt: Attempt | None = None
        """What came of it; None when it never was sent."""

    def leads(self) -> bool:
        """Tell that it has answered.  Returns whether it was the first."""
        return self._race.answered_by(self)

    async def run(self, run: Run) -> None:
        """Run to the end, or not at all if it was given up already."""
        self.life.begin()
        if self.life.cause is None:
            await run(self)
        self.life.end()
        self.runs = False
        self._race.wake()


class Race:
    """Two attempts at most.  `life` is that of the request: if it is given up, so are both."""

    def __init__(self, clock: Clock, life: Life) -> None:
        self._clock = clock
        self._life = life
        self._runners: list[Runner] = []
        self._leader: Runner | None = None
        self._late = False
        self._news = asyncio.Event()

    async def run(self, first: Run, second: Run, after: float | None, may: Callable[[], bool]) -> list[Attempt]:
        """Run `first`, and `second` if the first has not answered `after` seconds later and it `may`.

        Returns what was sent, in the order in which it ended; what answered first comes last.
        """
        alarm = None if after is None else self._clock.call_at(self._clock.now() + after, self._become_late)
        async with asyncio.TaskGroup() as group:
            self._start(group, first)
            while any(runner.runs for runner in self._runners):
                await self._change()
                if self._wants_another() and may():
                    self._start(group, second)
                self._call_off()
        if alarm is not None:
            alarm.cancel()
        ended = [runner for runner in self._runners if runner.attempt is not None]
        ended.sort(key=lambda runner: (runner is self._leader, runner.attempt.ended if runner.attempt else 0.0))
        return [runner.attempt for runner in ended if runner.attempt is not None]

    def answered_by(self, runner: Runner) -> bool:
        """Note who answered, and return whether nobody had before."""
        if self._leader is None:
            self._leader = runner
            self.wake()
        return self._leader is runner

    def wake(self) -> None:
        """Have the race look at its runners again."""
        self._news.set()

    def _become_late(self) -> None:
        self._late = True
        self.wake()

    def _start(self, group: asyncio.TaskGroup, run: Run) -> None:
        runner = Runner(self)
        self._runners.append(runner)
        group.create_task(runner.run(run))

    async def _change(self) -> None:
        try:
            await self._news.wait()
        except asyncio.CancelledError:
            cause = self._life.cause_of_death()
            for runner in self._runners:
                runner.life.give_up(cause)
        self._news.clear()

    def _wants_another(self) -> bool:
        waits = self._leader is None and self._life.cause is None and self._runners[0].runs
        return self._late and waits and len(self._runners) == 1

    def _call_off(self) -> None:
        """Give up whoever was outrun, and a second that was not sent before the first had failed."""
        for runner in self._runners:
            if self._leader is not None and runner is not self._leader:
                runner.life.give_up("outrun")
        if not self._runners[0].runs and not self._runners[-1].sent:
            self._runners[-1].life.give_up("outrun")
