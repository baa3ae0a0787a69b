"""Thresholds that end a run before its time: held against what has ended so far, while a pass goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from bench.engine.stop import Stop
from bench.errors import Exit
from bench.results.columns import Columns, ColumnsBuilder
from bench.results.format import pass_name, seconds
from bench.results.record import Record
from bench.results.summary import ThresholdResult
from bench.scenario.model import Threshold

EVERY = 1.0
"""Least seconds of scenario time between two looks: each goes over all that has ended."""

Judge: TypeAlias = Callable[[Threshold, Columns], ThresholdResult | None]
"""What a threshold comes to on part of a pass; None where it does not concern the pass."""


class Abort:
    """An observer that stops the run at the first condition that has failed.

    It looks when a request ends, by that request's own time, so that a simulation stops at the same one every time.
    No samples, or too few of them, may yet become enough: they stop nothing.
    """

    def __init__(self, thresholds: Sequence[Threshold], judge: Judge, stop: Stop) -> None:
        self._delays = {one: one.abort_after for one in thresholds if one.abort_after is not None}
        self._judge, self._stop = judge, stop
        self._builder = ColumnsBuilder("", 0)
        self._next = math.inf

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:  # noqa: ARG002
        """Begin anew: every pass is held against the conditions by itself."""
        self._builder = ColumnsBuilder(strategy, pass_, case)
        self._next = min(self._delays.values())

    def sent(self, strategy: str) -> None:
        """Of no concern."""

    def done(self, record: Record, cost: float | None) -> None:  # noqa: ARG002
        """Take the request in, and look at the conditions whose time has come."""
        self._builder.add(record)
        now = record.attempts[-1].ended
        if now < self._next or self._stop.reason is not None:
            return
        self._next = now + EVERY
        columns = self._builder.columns()
        due = (one for one, delay in self._delays.items() if delay <= now)
        failed = [result for one in due if (result := self._judge(one, columns)) and result.verdict == "failed"]
        if failed:
            self._stop.request(_words(failed[0], now), Exit.THRESHOLDS)

    def pass_ended(self) -> None:
        """Of no concern."""


def _words(result: ThresholdResult, now: float) -> str:
    name = pass_name(result.strategy, result.pass_, result.case)
    return f"{name}: {result.metric} {result.expression} failed after {seconds(now)}, which was to abort the run"
