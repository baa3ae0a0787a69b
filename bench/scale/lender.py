"""The one place that all workers of a pass ask: for leases, for the time, and whether to stop."""

from __future__ import annotations

from collections.abc import Mapping

from bench.clock import monotonic
from bench.scale.messages import Answer, Place, Report, Stopped
from bench.scale.shares import Shared


class Lender:
    """Keeps the books of one pass."""

    def __init__(self, shared: Mapping[str, Shared]) -> None:
        self._shared = shared
        self._places: dict[int, Place] = {}
        self._start: float | None = None
        self._stopped: Stopped | None = None
        self._lines: dict[int, list[bytes]] = {}
        self._sent = 0

    def now(self) -> float:
        """Seconds of the clock that the others are held against."""
        return monotonic()

    def ready(self, worker: int, place: Place) -> float | None:
        """A worker could begin; when the pass begins, by this clock, None while others are not ready."""
        self._places[worker] = place
        return self._start

    def places(self) -> dict[int, Place]:
        """Where those are that are ready, or were."""
        return dict(self._places)

    def start(self, within: float) -> float:
        """Begin in so many seconds; by this clock."""
        self._start = monotonic() + within
        return self._start

    def renew(self, worker: int, report: Report) -> Answer:
        """Hear a worker and answer it."""
        if report.lines:
            self._lines.setdefault(worker, []).append(report.lines)
        self._sent += report.sent
        if report.stopped is not None and self._stopped is None:
            self._stopped = report.stopped
        grants = {name: self._shared[name].renew(worker, claim) for name, claim in report.claims.items()}
        return Answer(grants, self._stopped)

    def leave(self, worker: int) -> None:
        """A worker is done."""
        for shared in self._shared.values():
            shared.leave(worker)

    def written_off(self) -> dict[str, float]:
        """Of what is spent, how much processes that are lost may have spent without a record, by its name."""
        return {name: shared.written_off for name, shared in self._shared.items()}

    def stop(self, stopped: Stopped) -> None:
        """Tell everybody to stop, or to give up what is in flight."""
        self._stopped = stopped

    def news(self) -> tuple[dict[int, bytes], int, Stopped | None]:
        """Since this was last asked: records that have ended, how many requests were sent, whether one has stopped."""
        lines = {worker: b"".join(parts) for worker, parts in self._lines.items()}
        sent, self._lines, self._sent = self._sent, {}, 0
        return lines, sent, self._stopped
