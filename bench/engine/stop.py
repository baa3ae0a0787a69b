"""Ending a run early: once to stop sending and finish what is in flight, twice to cut everything."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TypeAlias

from bench.errors import Exit

_Heard: TypeAlias = Callable[[], object]

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
        self._heard: list[_Heard] = []

    @property
    def interrupted(self) -> bool:
        """Whether a person or the system asked for it, and not the run itself."""
        return self.exit_code in _SIGNALS.values()

    def request(self, reason: str, exit_code: Exit) -> None:
        """Stop sending.  The first reason is kept."""
        if self.reason is None:
            self.reason, self.exit_code = reason, exit_code
            self._tell()

    def interrupt(self, exit_code: Exit = Exit.INTERRUPTED) -> None:
        """Ctrl-C, or SIGTERM: the first stops sending, the second gives up what is in flight."""
        self.cut = self.interrupted
        self.reason, self.exit_code = "interrupted", exit_code
        self._tell()

    @contextmanager
    def heard_by(self, listener: Callable[[], object]) -> Iterator[None]:
        """Call `listener` in this event loop whenever the stop is requested or hardens."""
        heard = partial(asyncio.get_running_loop().call_soon_threadsafe, listener)
        self._heard.append(heard)
        try:
            yield
        finally:
            self._heard.remove(heard)

    def _tell(self) -> None:
        for heard in tuple(self._heard):
            heard()


@contextmanager
def interruptible(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into stops while a run goes on, and say what happens."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        stop.interrupt(_SIGNALS[signal.Signals(number)])
        say("giving up what is in flight" if stop.cut else f"stopping: {stop.meaning} (again to cut)")

    previous = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
