"""Time, and the only place that reads it: real, scaled, or virtual.

One `Clock` serves all three, because what differs is the event loop below it.  On a `VirtualLoop` time jumps to the
next timer whenever every task is blocked, so a day of waiting takes milliseconds and repeats exactly.  A `speed`
above 1 makes scenario time pass faster than the wall clock: 60 turns a minute of the scenario into a second.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")

_POLL_EVERY = 4096


class SimulationStalledError(RuntimeError):
    """Every task waits for something that no timer will bring."""


class _JumpingSelector(selectors.SelectSelector):
    """Jumps the loop's time to its next timer where a real selector would sleep."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._idle = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._idle += 1
        # Real file descriptors exist only for signals and threads; look at them now and then.
        look = timeout is None or self._idle % _POLL_EVERY == 0
        if look and (events := super().select(0)):
            return events
        if timeout is None:
            raise SimulationStalledError("every task waits and no timer is set")
        if timeout > 0:
            self._loop.jump()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose clock starts at 0 and jumps from timer to timer."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self))
        # Timers within this much of the current time fire together; the default is that of the real clock.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Seconds since the loop was made, in virtual time."""
        return self._now

    def jump(self) -> None:
        """Move to the next timer, exactly: adding differences would let rounding errors gather."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if scheduled:
            self._now = max(self._now, scheduled[0].when())


class Clock:
    """Seconds since it was made or restarted, in scenario time, on the running event loop."""

    __slots__ = ("_loop", "_start", "_virtual", "speed")

    def __init__(self, speed: float = 1.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._virtual = isinstance(self._loop, VirtualLoop)
        self.speed = speed

    def restart(self, elapsed: float = 0.0) -> None:
        """Make now second 0, or second `elapsed` of what began before."""
        self._start = self._loop.time() - elapsed / self.speed

    def now(self) -> float:
        """Scenario seconds since this clock was made or restarted."""
        return (self._loop.time() - self._start) * self.speed

    def call_at(self, when: float, callback: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        """Call back at scenario second `when`."""
        return self._loop.call_at(self._start + when / self.speed, callback, *args)

    async def sleep_until(self, when: float) -> None:
        """Wait for scenario second `when`: a deadline, so that being late once does not add up."""
        if when <= self.now():
            return
        woken = self._loop.create_future()
        handle = self.call_at(when, _wake, woken)
        try:
            await woken
        finally:
            handle.cancel()

    async def yield_turn(self) -> None:
        """Let whatever is ready run first.  In virtual time nothing is late, so nobody has to wait for a turn."""
        if not self._virtual:
            await asyncio.sleep(0)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """`asyncio.timeout` in scenario seconds."""
        return asyncio.timeout(None if seconds is None else seconds / self.speed)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def run(main: Coroutine[Any, Any, T], *, virtual: bool) -> T:
    """Run a coroutine to its end on a new event loop: a virtual one, or the ordinary one."""
    with asyncio.Runner(loop_factory=VirtualLoop if virtual else None) as runner:
        return runner.run(main)


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
    with asyncio.Runner() as runner:
        kind = type(runner.get_loop())
    return f"{kind.__module__.partition('.')[0]} {kind.__name__.lstrip('_')}"
