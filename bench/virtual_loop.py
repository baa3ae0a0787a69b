"""An asyncio event loop in virtual time: where a real one would sleep, it jumps to its next timer.

A simulated request is a handful of turns of this loop, so that it leaves out what only real time needs, and a call less
counts.  It reads private names of asyncio's loop, the same from Python 3.11 to 3.13; `docs/adr/0002` says why.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar

T = TypeVar("T")

_POLL_EVERY = 4096
"""Turns of a virtual loop."""

_TOGETHER = 1e-9
"""Seconds within which timers of a virtual loop ring together; asyncio takes the grain of the real clock."""

_MANY = 100
"""Timers from which on it is worth to take out those that were cancelled, if they are most of them."""


class SimulationStalledError(RuntimeError):
    """Every task waits for something that no timer will bring."""


class _Timer(float):
    """A callback at a moment.  It is its moment, so that the heap compares timers without calling any Python."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context", "_loop", "is_waiting")
    _source_traceback = None

    _callback: Callable[..., object]
    _args: tuple[Any, ...]
    _context: Context
    _loop: VirtualLoop
    _cancelled: bool
    is_waiting: bool
    """Whether it is in the heap."""

    def when(self) -> float:
        """The loop's time at which it is due."""
        return float(self)

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled

    def cancel(self) -> None:
        """Call nothing.  It stays in the heap until its time, or until most of what is there is like it."""
        if not self._cancelled:
            self._cancelled = True
            self._args = ()
            self._callback = _nothing
            if self.is_waiting:
                self._loop.one_is_cancelled()


def _nothing() -> None:
    """What is left of a callback that is not to be called."""


class _Soon:
    """A callback of this moment."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        self._callback, self._args, self._context = callback, args, context
        self._cancelled = False

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled

    def cancel(self) -> None:
        """Call nothing."""
        self._cancelled = True
        self._callback, self._args = _nothing, ()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose clock starts at 0 and jumps from timer to timer.

    It calls what asyncio's would, in the same order, and leaves out what only a loop in real time needs.
    """

    _ready: deque[_Soon | _Timer]
    _stopping: bool

    get_debug = staticmethod(bool)
    """Never: every future and task asks when it is made."""

    def __init__(self) -> None:
        self.moment = 0.0
        """Seconds since the loop was made, in virtual time."""
        self._timers: list[_Timer] = []
        self._cancelled = 0
        """How many of them."""
        self._turns = 0
        super().__init__(selectors.SelectSelector())

    def time(self) -> float:
        """See `moment`."""
        return self.moment

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> _Soon:  # type: ignore[override]  # noqa: ANN401  # as asyncio has it
        """See `asyncio`."""
        soon = _Soon(callback, args, copy_context() if context is None else context)
        self._ready.append(soon)
        return soon

    def call_at(  # type: ignore[override]  # its timer is none of asyncio's
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401
        context: Context | None = None,
    ) -> _Timer:
        """See `asyncio`."""
        timer = _Timer(when)
        timer._callback, timer._args, timer._loop = callback, args, self
        timer._context = copy_context() if context is None else context
        timer._cancelled, timer.is_waiting = False, True
        heappush(self._timers, timer)
        return timer

    def create_task(self, coro: Coroutine[Any, Any, T], **named: Any) -> asyncio.Task[T]:  # type: ignore[override]  # noqa: ANN401
        """See `asyncio`."""
        return asyncio.Task(coro, loop=self, **named)

    def one_is_cancelled(self) -> None:
        """Take note that a timer of the heap was cancelled."""
        self._cancelled += 1

    def _run_once(self) -> None:
        """Run until the loop is to stop: all that is ready, turn by turn, and where nothing is, the next timers."""
        ready, timers = self._ready, self._timers
        while True:
            self._turns += 1
            if self._cancelled:
                self._forget_cancelled()
            if not ready or self._turns % _POLL_EVERY == 0:
                self._advance()
            if timers and timers[0] < self.moment + _TOGETHER:
                self._ring()
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    try:
                        handle._context.run(handle._callback, *handle._args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:
                        self.call_exception_handler({"message": "a callback failed", "exception": error})
            if self._stopping:
                return

    def _advance(self) -> None:
        """Move to the next timer if nothing is ready, exactly: adding differences would let rounding errors gather.

        Real file descriptors exist only for signals and threads; they are looked at now and then.
        """
        if not self._timers or self._turns % _POLL_EVERY == 0:
            self._process_events(self._selector.select(0))  # type: ignore[attr-defined]
        if self._ready or self._stopping:
            return
        if not self._timers:
            raise SimulationStalledError("every task waits and no timer is set")
        self.moment = max(self.moment, self._timers[0].when())

    def _ring(self) -> None:
        """Make ready what is due."""
        timers, soon = self._timers, self.moment + _TOGETHER
        while timers and timers[0] < soon:
            timer = heappop(timers)
            timer.is_waiting = False
            if timer.cancelled():
                self._cancelled -= 1
            else:
                self._ready.append(timer)

    def _forget_cancelled(self) -> None:
        """Take out cancelled timers: all of them where they are most, else those that would be next."""
        timers = self._timers
        if len(timers) > _MANY and self._cancelled * 2 > len(timers):
            timers[:] = [timer for timer in timers if not timer.cancelled()]
            heapify(timers)
            self._cancelled = 0
        while timers and timers[0].cancelled():
            heappop(timers)
            self._cancelled -= 1
