"""Ends a stream that has fallen silent."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType

from bench.clock import Clock
from bench.targets.stamps import Stamps


class Silence:
    """Watches over the reading of a stream, and ends its timeout once nothing at all has come for `longest` seconds.

    Costs nothing per chunk: it only looks when the silence could have lasted long enough, and then at the last stamp.
    Any byte breaks a silence, that of a ping too: while thinking is not shown, pings are all that comes.
    """

    def __init__(self, clock: Clock, stamps: Stamps, longest: float) -> None:
        self._clock, self._stamps, self._longest = clock, stamps, longest
        self._timer: asyncio.TimerHandle | None = None
        self._timeout: asyncio.Timeout | None = None
        self.too_long = False
        """Whether it lasted so long that the stream was ended."""

    def within(self, timeout: asyncio.Timeout) -> Silence:
        """The timeout to end."""
        self._timeout = timeout
        return self

    def __enter__(self) -> None:
        self._look()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        last = self._stamps.last_byte
        assert last is not None
        assert self._timeout is not None
        if self._longest == math.inf:
            return
        if self._clock.now() < last + self._longest:
            self._timer = self._clock.call_at(last + self._longest, self._look)
        else:
            self.too_long = True
            self._timeout.reschedule(asyncio.get_running_loop().time())
