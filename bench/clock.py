"""Time, and the only place that reads it: real, scaled, or virtual.

One `Clock` serves all three, because what differs is the event loop below it.  On a `VirtualLoop` time jumps to the
next timer whenever every task is blocked, so a day of waiting takes milliseconds and repeats exactly.  A `speed`
above 1 makes scenario time pass faster than the wall clock: 60 turns a minute of the scenario into a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from bench.virtual_loop import SimulationStalledError as SimulationStalledError
from bench.virtual_loop import VirtualLoop as VirtualLoop

T = TypeVar("T")


class Alarm(Protocol):
    """A callback that is set for a moment."""

    def cancel(self) -> None:
        """Call nothing."""


_GRAIN = 0.0005
"""Seconds by which a timer of uvloop may come too early by itself: it rounds to whole milliseconds."""


class Clock:
    """Seconds since it was made or restarted, in scenario time, on the running event loop."""

    __slots__ = ("_grain", "_loop", "_start", "speed")

    def __new__(cls, speed: float = 1.0) -> Clock:  # noqa: ARG004  # as `__init__` has it
        """The clock of the running loop, whichever that is."""
        return super().__new__(_VirtualClock if isinstance(asyncio.get_running_loop(), VirtualLoop) else cls)

    def __init__(self, speed: float = 1.0) -> None:
        self._loop = asyncio.get_running_loop()
        # asyncio's own loops have the steady clock itself and are never early.
        self._grain = 0.0 if isinstance(self._loop, asyncio.BaseEventLoop) else _GRAIN
        self.speed = speed
        self.restart()

    def restart(self, elapsed: float = 0.0) -> None:
        """Make now second 0, or second `elapsed` of what began before."""
        self._start = time.monotonic() - elapsed / self.speed

    def now(self) -> float:
        """Scenario seconds since this clock was made or restarted."""
        return (time.monotonic() - self._start) * self.speed

    def steady(self) -> float:
        """Seconds that go on evenly whatever the speed, and whenever this clock is restarted."""
        return time.monotonic()

    def call_at(self, when: float, callback: Callable[..., object], *args: object) -> Alarm:
        """Call back at scenario second `when`, or later, but never before."""
        return self.call_at_steady(self._start + when / self.speed, callback, *args)

    def call_at_steady(self, when: float, callback: Callable[..., object], *args: object) -> Alarm:
        """The same at a moment of `steady`."""
        return self._loop.call_at(when + self._grain, callback, *args)

    async def sleep_until(self, when: float) -> None:
        """Wait for scenario second `when`: a deadline, so that being late once does not add up."""
        if when <= self.now():
            return
        woken = self._loop.create_future()
        alarm = self.call_at(when, _wake, woken)
        try:
            await woken
        except BaseException:
            alarm.cancel()
            raise

    async def yield_turn(self) -> None:
        """Let whatever is ready run first."""
        await asyncio.sleep(0)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """`asyncio.timeout` in scenario seconds, never too early."""
        if seconds is None:
            return asyncio.timeout(None)
        return asyncio.timeout_at(time.monotonic() + seconds / self.speed + self._grain)


class _VirtualClock(Clock):
    """The same on a virtual loop, which is looked at so often that a call less counts."""

    __slots__ = ()

    _loop: VirtualLoop

    def restart(self, elapsed: float = 0.0) -> None:
        self._start = self._loop.moment - elapsed / self.speed

    def now(self) -> float:
        return (self._loop.moment - self._start) * self.speed

    def steady(self) -> float:
        return self._loop.moment

    async def sleep_until(self, when: float) -> None:
        loop = self._loop
        if when <= (loop.moment - self._start) * self.speed:
            return
        woken: asyncio.Future[None] = asyncio.Future(loop=loop)
        alarm = loop.call_at(self._start + when / self.speed, _wake, woken)
        try:
            await woken
        except BaseException:
            alarm.cancel()
            raise

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return asyncio.timeout(None if seconds is None else seconds / self.speed)

    async def yield_turn(self) -> None:
        """In virtual time nothing is late, so nobody has to wait for a turn."""


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def run(main: Coroutine[Any, Any, T], *, virtual: bool) -> T:
    """Run a coroutine to its end on a new event loop: a virtual one, or the fastest there is."""
    with asyncio.Runner(loop_factory=VirtualLoop if virtual else real_loop) as runner:
        return runner.run(main)


def real_loop() -> asyncio.AbstractEventLoop:
    """A new event loop in real time: uvloop's, which does not exist on Windows."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def utc_now() -> datetime:
    """The wall clock, for names and dates.  Never for durations."""
    return datetime.now(UTC)


def calendar(clock: Clock, epoch: float | None) -> Callable[[float], float]:
    """What turns a moment of the recent past, in seconds of this clock, into a Unix time.

    `epoch` is that of its second 0; None is the wall clock's, which unlike this one goes on while a machine sleeps, so
    that it is looked at each time.  Where time is scaled the calendar is too.
    """
    if epoch is None and clock.speed == 1:
        return lambda moment: utc_now().timestamp() - (clock.now() - moment)
    start = utc_now().timestamp() - clock.now() / clock.speed if epoch is None else epoch
    return lambda moment: start + moment


def monotonic() -> float:
    """Seconds of the machine's steady clock, for durations outside an event loop."""
    return time.monotonic()


def thread_seconds() -> float:
    """Seconds of processor time that this thread has used."""
    return time.thread_time()


def resolution() -> float:
    """Seconds between two readings of the clock that every time is taken from."""
    return time.get_clock_info("monotonic").resolution


def event_loop() -> str:
    """What a pass in real time runs on."""
    with asyncio.Runner(loop_factory=real_loop) as runner:
        kind = type(runner.get_loop())
    return f"{kind.__module__.partition('.')[0]} {kind.__name__.lstrip('_')}"
