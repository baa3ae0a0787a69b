"""Measures the client itself beside a pass in real time: is its event loop on time, and what holds it up?"""

from __future__ import annotations

import gc
import math
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from bench.clock import Clock, monotonic, thread_seconds
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.results.selfcheck import SelfCheck
from bench.targets.client import Client, Watch

EVERY = 0.02
"""Wall-clock seconds between two looks at the event loop: a ten-thousandth of a core."""

_COARSE = 0.001
"""Seconds by which any timer may be late: epoll waits for whole milliseconds, rounded up."""


class Delays:
    """How long things took, in steps of 5 %: those of a day take no more room than those of a minute."""

    _LEAST, _STEP = 1e-6, math.log(1.05)

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()
        self.count = 0
        self.longest = 0.0
        self.together = 0.0

    def add(self, seconds: float) -> None:
        """Take one in."""
        self.count += 1
        self.together += seconds
        self.longest = max(self.longest, seconds)
        self._steps[0 if seconds <= self._LEAST else math.ceil(math.log(seconds / self._LEAST) / self._STEP)] += 1

    def quantile(self, share: float) -> float:
        """The shortest that this share of them does not exceed, at most 5 % too long; 0 without any."""
        left = share * self.count
        for step, many in sorted(self._steps.items()):
            left -= many
            if left <= 0:
                return min(self.longest, self._LEAST * math.exp(step * self._STEP)) if step else 0.0
        return 0.0


class Gauge:
    """Looks at the running event loop from `with` on until its end, and keeps what clients that it is given report."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lags, self._pauses, self._waits = Delays(), Delays(), Delays()
        self._open = self._most_open = 0
        self._collecting = self._began = self._cpu = 0.0
        self.found: SelfCheck | None = None
        """What it saw; None before the end."""

    def __enter__(self) -> Gauge:
        gc.callbacks.append(self._on_collection)
        self._began, self._cpu = monotonic(), thread_seconds()
        self._look_at(self._clock.steady() + EVERY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        gc.callbacks.remove(self._on_collection)
        seconds = monotonic() - self._began
        self.found = SelfCheck(
            seconds=seconds,
            cpu=(thread_seconds() - self._cpu) / seconds if seconds else 0.0,
            moments=self._lags.count,
            lag_median=self._lags.quantile(0.5),
            lag_p99=self._lags.quantile(0.99),
            lag_max=self._lags.longest,
            pauses=self._pauses.count,
            paused=self._pauses.together,
            longest_pause=self._pauses.longest,
            sends=self._waits.count,
            wait_median=self._waits.quantile(0.5),
            wait_p99=self._waits.quantile(0.99),
            wait_max=self._waits.longest,
            most_open=self._most_open,
        )

    def opened(self) -> None:
        """Tell that an attempt begins."""
        self._open += 1
        self._most_open = max(self._most_open, self._open)

    def closed(self) -> None:
        """Tell that one is over."""
        self._open -= 1

    def waited(self, seconds: float) -> None:
        """Tell how long an attempt took to leave, in scenario time."""
        self._waits.add(max(0.0, seconds) / self._clock.speed)

    def _look_at(self, due: float) -> None:
        """By steady time: the clock is restarted where a pass is resumed, or where workers agree on second 0."""
        self._timer = self._clock.call_at_steady(due, self._look, due)

    def _look(self, due: float) -> None:
        """Take in how late this is, and how late each look would have been that was missed by it."""
        now = self._clock.steady()
        while due <= now:
            self._lags.add(max(0.0, now - due - _COARSE))
            due += EVERY
        self._look_at(due)

    def _on_collection(self, phase: str, _: Mapping[str, int]) -> None:
        if phase == "start":
            self._collecting = monotonic()
        else:
            self._pauses.add(monotonic() - self._collecting)


class Gauged:
    """A `Client` that sends through another and tells a gauge of it."""

    def __init__(self, client: Client, gauge: Gauge, clock: Clock) -> None:
        self._client, self._gauge, self._clock = client, gauge, clock

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:
        """See `Client`."""
        asked = self._clock.now()
        self._gauge.opened()
        try:
            ended = await self._client.send(spec, attempt, watch)
        finally:
            self._gauge.closed()
        self._gauge.waited(ended.sent - asked)
        return ended
