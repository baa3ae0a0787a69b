"""How the run goes, while it goes: an observer that counts, and draws from a thread of its own.

The event loop may be virtual and run twenty thousand requests a second, so the calls only add to counters; what is
shown is worked out when it is drawn.  Scenario time says nothing about how long a person must wait, so the time left
is in seconds of the wall clock.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.clock import monotonic
from bench.results.causes import CAUSES
from bench.results.format import pass_name, text
from bench.results.record import Record

SAMPLE = 1000
"""The median shown is that of this many requests, the last that succeeded."""

SHOWN = 4
"""Passes shown at once: with the heading and the line on those before, six lines."""

_RATE_LIMITS = frozenset(cause.name for cause in CAUSES.values() if cause.rate_limit)


@dataclass(slots=True)
class _Pass:
    """The counters of one strategy, run once."""

    strategy: str
    repeat: int
    total: int | None
    speed: float
    started: float
    case: str | None = None
    ended: float | None = None
    sent: int = 0
    done: int = 0
    succeeded: int = 0
    rate_limited: int = 0
    cost: float = 0.0
    unpriced: bool = False
    latencies: list[float] = field(default_factory=list)
    """The last `SAMPLE` of them, as a ring."""

    def count(self, record: Record, cost: float | None) -> None:
        self.done += 1
        if cost is None:
            self.unpriced = True
        else:
            self.cost += cost
        last = record.attempts[-1]
        if last.cause is None:
            if self.succeeded < SAMPLE:
                self.latencies.append(last.ended - last.sent)
            else:
                self.latencies[self.succeeded % SAMPLE] = last.ended - last.sent
            self.succeeded += 1
            if len(record.attempts) == 1:
                return
        self.rate_limited += sum(attempt.cause in _RATE_LIMITS for attempt in record.attempts)

    def name(self) -> str:
        return pass_name(self.strategy, self.repeat, self.case)

    def progress(self) -> str:
        return f"{self.done:,}/{self.total:,}" if self.total is not None else f"{self.done:,}"

    def p50(self) -> str:
        return text(median(self.latencies.copy()), "s") if self.latencies else "-"

    def spent(self) -> str:
        return "unknown" if self.unpriced else text(self.cost, "USD")

    def left(self, now: float) -> str:
        """Wall-clock time to go, from the pace so far; or how long the pass took."""
        if self.ended is not None:
            return f"took {wall_time(self.ended - self.started)}"
        if not self.done or self.total is None:
            return f"{wall_time(now - self.started)} so far"
        return f"~{wall_time((now - self.started) / self.done * (self.total - self.done))} left"


def wall_time(seconds: float) -> str:
    """Wall-clock time to the second: 7 s, 2 min 05 s, 1 h 02 min."""
    whole = round(seconds)
    if whole < 1:
        return "under 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """Shows each strategy's progress on a console, normally that of stderr.

    On a terminal a live area of six lines at most, gone when the run ends; elsewhere a plain line every ten seconds.
    The engine calls `pass_started`, then `sent` and `done` once a request, then `pass_ended`.
    """

    def __init__(self, console: Console, *, every: float = 10.0) -> None:
        self._console = console
        self._every = every
        self._passes: list[_Pass] = []
        self._stopped = threading.Event()
        self._live = Live(console=console, get_renderable=self.table, refresh_per_second=4, transient=True)
        self._lines = threading.Thread(target=self._print_lines, name="progress", daemon=True)

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            self._live.start()
        else:
            self._lines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, whatever ended the run."""
        self._stopped.set()
        if self._console.is_terminal:
            self._live.stop()
        else:
            self._lines.join()

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:
        """A strategy begins; `total` is None where the number of requests is not known before."""
        self._passes.append(_Pass(strategy, pass_, total, speed, monotonic(), case))

    def sent(self, strategy: str) -> None:  # noqa: ARG002  (passes run one after another)
        """A request left for the first time."""
        self._passes[-1].sent += 1

    def done(self, record: Record, cost: float | None) -> None:
        """A request ended; `cost` is in US dollars, None where the price is not known."""
        self._passes[-1].count(record, cost)

    def pass_ended(self) -> None:
        """The strategy that was running is through."""
        self._passes[-1].ended = monotonic()

    def line(self) -> str:
        """The pass that runs now, in one line."""
        if not self._passes:
            return "starting"
        now, run = monotonic(), self._passes[-1]
        return (
            f"{run.name()}: {run.progress()} done, {run.sent - run.done} in flight, p50 {run.p50()}, "
            f"{run.rate_limited:,} 429s, spent {run.spent()}, {run.left(now)}"
        )

    def _print_lines(self) -> None:
        while not self._stopped.wait(self._every):
            self._console.print(self.line(), markup=False, highlight=False, soft_wrap=True)

    def table(self) -> Table:
        """The live area: a line for each of the last passes, of which the last may be running."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("strategy")
        for heading in ("done", "in flight", "p50", "429s", "spent"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("time", no_wrap=True)
        now = monotonic()
        passes = self._passes.copy()
        if len(passes) > SHOWN:
            table.add_row(Text(f"{len(passes) - SHOWN} before", style="dim"))
        for run in passes[-SHOWN:]:
            table.add_row(
                Text(run.name(), no_wrap=True, overflow="ellipsis"),
                run.progress(),
                "-" if run.ended is not None else f"{run.sent - run.done:,}",
                run.p50(),
                f"{run.rate_limited:,}",
                run.spent(),
                run.left(now),
            )
        return table
