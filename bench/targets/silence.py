"""Ends a stream that has fallen silent."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType

from bench.clock import Alarm, Clock
from bench.targets.stamps import Stamps


class Silence:
    """While a stream is read: ends the attempt, by its timeout, once nothing has come for `longest` seconds.

    What comes before the headers is waiting, and no silence.
    Costs nothing per chunk: it only looks when a silence could have lasted that long, and then at the last stamp.
    Any byte breaks a silence, that of a ping too: while thinking is not shown, pings are all that comes.
    """

    def __init__(self, clock: Clock, stamps: Stamps, timeout: asyncio.Timeout, longest: float) -> None:
        self._clock, self._stamps, self._timeout, self._longest = clock, stamps, timeout, longest
        self._timer: Alarm | None = None

    def __enter__(self) -> None:
        if self._longest < math.inf:
            self._look()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now, last = self._clock.now(), self._stamps.last_byte
        broken_until = (now if last is None else last) + self._longest
        if now < broken_until:
            self._timer = self._clock.call_at(broken_until, self._look)
        else:
            self._stamps.silent = True
            self._timeout.reschedule(asyncio.get_running_loop().time())
