"""What may watch a run: observers get frozen values and cannot break it."""

from __future__ import annotations

import logging
from typing import Protocol

from bench.results.record import Record

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Told what happens, as it happens."""

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:
        """A pass begins; `total` requests are expected, None when unknown."""

    def sent(self, strategy: str) -> None:
        """A request left the queue: its first attempt is about to be sent."""

    def done(self, record: Record, cost: float | None) -> None:
        """A request has its final record; `cost` in dollars, None when unknown."""

    def pass_ended(self) -> None:
        """The pass is over."""


class Observers:
    """An observer that passes every event on to others, and drops with a log line whoever raises."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = list(observers)

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:
        """Tell all that a pass begins."""
        self._tell("pass_started", strategy, pass_, total, speed, case)

    def sent(self, strategy: str) -> None:
        """Tell all that a request left the queue."""
        self._tell("sent", strategy)

    def done(self, record: Record, cost: float | None) -> None:
        """Tell all that a request has its final record."""
        self._tell("done", record, cost)

    def pass_ended(self) -> None:
        """Tell all that the pass is over."""
        self._tell("pass_ended")

    def _tell(self, event: str, *facts: object) -> None:
        for observer in tuple(self._observers):
            try:
                getattr(observer, event)(*facts)
            except Exception:  # whoever watches must never end a run that costs money
                _log.exception("observer %r failed and is dropped", observer)
                self._observers.remove(observer)
