"""Ending a run early: once to stop sending and finish what is in flight, twice to cut everything.

May be asked for in any thread.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

from bench.errors import Exit
from bench.results.causes import CAUSES

_SIGNALS = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}

FINISHES = "finishing what is in flight"


class Stop:
    """Why a run is to end early; whatever runs listens to it."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """In words, for the report; None while nothing stops the run."""
        self.exit_code = Exit.OK
        self.cut = False
        """Whether requests in flight are to be given up too."""
        self.meaning = FINISHES
        """What a person is told that the first interrupt does."""
        self._listeners: list[Callable[[], object]] = []

    @property
    def interrupted(self) -> bool:
        """Whether a person or the system asked for it, and not the run itself."""
        return self.exit_code in _SIGNALS.values()

    def request(self, reason: str, exit_code: Exit) -> None:
        """Stop sending.  The first reason is kept."""
        if self.reason is None:
            self.reason, self.exit_code = reason, exit_code
            self._tell()

    def cut_short(self, reason: str, exit_code: Exit) -> None:
        """Stop sending and give up what is in flight, because going on would cost and be of no use."""
        self.cut = True
        self.request(reason, exit_code)

    def request_if_useless(self, cause: str | None, message: str | None) -> None:
        """Stop sending after a failure that every further request would share."""
        if cause is not None and (ends := CAUSES[cause].ends_run) is not None:
            self.request(f"{CAUSES[cause].meaning}{f': {message}' if message else ''}", ends)

    def interrupt(self, exit_code: Exit = Exit.INTERRUPTED) -> None:
        """Ctrl-C, or SIGTERM: the first stops sending, the second gives up what is in flight."""
        self.cut = self.interrupted
        self.reason, self.exit_code = "interrupted", exit_code
        self._tell()

    def cancel(self) -> None:
        """The program that started the run wants no more of it: give up what is in flight at once."""
        self.cut = True
        self.reason, self.exit_code = "cancelled", Exit.INTERRUPTED
        self._tell()

    @contextmanager
    def heard_by(self, listener: Callable[[], object]) -> Iterator[None]:
        """Call `listener` in this event loop whenever the stop is requested or hardens."""
        tell = partial(asyncio.get_running_loop().call_soon_threadsafe, listener)
        self._listeners.append(tell)
        try:
            yield
        finally:
            self._listeners.remove(tell)

    def _tell(self) -> None:
        for tell in tuple(self._listeners):
            with suppress(RuntimeError):  # told from another thread just as the pass ended and closed its loop
                tell()


@contextmanager
def interruptible(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into stops while a run goes on, and say what happens.

    Only a program's main thread hears signals; in another thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, _frame: FrameType | None) -> None:
        stop.interrupt(_SIGNALS[signal.Signals(number)])
        say("giving up what is in flight" if stop.cut else f"stopping: {stop.meaning} (again to cut)")

    previous = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
