"""One process of several: it sends a stripe of a pass, within what it is leased, and says how it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from bench.clock import Clock, monotonic, utc_now
from bench.clock import run as run_loop
from bench.engine.budget import BudgetGuard
from bench.engine.lanes import entries_of
from bench.engine.part import Part
from bench.engine.run import PassEnd, run_pass
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.errors import Exit
from bench.results.batches import BatchLog
from bench.results.folder import Ending
from bench.results.record import Record, decode_lines, to_line
from bench.results.workers import WorkerNote
from bench.resuming import after
from bench.scale import spool
from bench.scale.alignment import Alignment, RoundTrip, align
from bench.scale.leases import Lease, admission_leases, budget_leases, of_stripe
from bench.scale.messages import Answer, Done, Job, Place, Report, Stopped
from bench.scenario.model import Strategy
from bench.spending import surroundings
from bench.strategies.admission import Admission
from bench.targets.target import Session, Target, join_mock, open_target

EVERY = 0.05
"""Wall-clock seconds between two reports: what is left over reaches whoever needs it within two of them."""

_TRIPS = 16
"""Questions for the time; the quickest counts."""


class Lending(Protocol):
    """The lender of the pass, wherever it is."""

    def now(self) -> Awaitable[float]:
        """See `Lender`."""
        ...

    def ready(self, worker: int, place: Place) -> Awaitable[float | None]:
        """See `Lender`."""
        ...

    def renew(self, worker: int, report: Report) -> Awaitable[Answer]:
        """See `Lender`."""
        ...

    def leave(self, worker: int) -> Awaitable[None]:
        """See `Lender`."""
        ...


def work(job: Job, lending: Lending, node: str) -> Done:
    """Send a stripe to its end.  Raises TargetError when nobody answers."""
    folder = spool.folder_of(job.folder, here=node == job.node)
    place = Place(node, str(folder), job.turn)
    with _target(job) as target, spool.kept(folder, paid=not target.resets) as (journal, sends):
        telling, stop = _Telling(), Stop()

        def keep(record: Record) -> None:
            journal.append(record)
            telling.lines.append(to_line(record))

        batches = BatchLog(folder, job.token)
        around = surroundings(job.scenario, keep, batches, telling, stop, utc_now().date(), sends)
        guard = BudgetGuard(job.budget, job.requests, job.seconds)
        around = replace(around, budget=guard, aside=telling.count_aside)
        around = _after_another(around, job, keep)
        before = sum(map(len, around.recorded.values()))
        shift = _Shift(job, target, around, telling, lending, place)
        end = run_loop(shift.run(), virtual=False)
        return Done(
            note=WorkerNote(job.stripe.first, 0, before + telling.ended, *shift.alignment, selfcheck=end.selfcheck),
            spent=around.budget.spent,
            sent=around.budget.sent,
            seconds=around.budget.time_used,
            aside=(telling.aside_sent, telling.aside_dollars),
        )


def _target(job: Job) -> AbstractContextManager[Target]:
    return open_target(job.scenario) if job.url is None else join_mock(job.scenario, job.url)


def _after_another(around: Surroundings, job: Job, keep: Callable[[Record], None]) -> Surroundings:
    """Go on where another process was lost.  What it had in flight may have been billed: it is not sent again."""
    records = list(decode_lines(job.records))
    last = {(send.of_pass, send.seq): send for send in job.unknown}
    lost = [send.record() for send in last.values()]
    for record in lost:
        keep(record)
    return after(around, [*records, *lost], (), Ending())


@dataclass(slots=True)
class _Telling:
    """An observer that keeps what the next report shall say."""

    lines: list[bytes] = field(default_factory=list)
    left: int = 0
    """Requests that have left the queue since the last report."""
    ended: int = 0
    """Requests that have ended at all."""
    aside_sent: int = 0
    aside_dollars: float = 0.0
    """What had no record: warm-ups."""

    def count_aside(self, sent: int, dollars: float) -> None:
        """See `Surroundings.aside`."""
        self.aside_sent += sent
        self.aside_dollars += dollars

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:
        """Whoever has the whole pass tells of that."""

    def sent(self, strategy: str) -> None:  # noqa: ARG002
        """See `Observer`."""
        self.left += 1

    def done(self, record: Record, cost: float | None) -> None:  # noqa: ARG002
        """See `Observer`."""
        self.ended += 1

    def pass_ended(self) -> None:
        """As above."""

    def report(self, leases: Mapping[str, Lease], stop: Stop) -> Report:
        """What has happened since the last one."""
        lines, left = b"".join(self.lines), self.left
        self.lines, self.left = [], 0
        stopped = None if stop.reason is None else Stopped(stop.reason, stop.exit_code, stop.cut)
        return Report({name: lease.claim() for name, lease in leases.items()}, lines, left, stopped)


class _Shift:
    """One stripe on an event loop of its own."""

    def __init__(
        self, job: Job, target: Target, around: Surroundings, telling: _Telling, lending: Lending, place: Place
    ) -> None:
        self._job, self._target, self._around, self._telling = job, target, around, telling
        self._lending, self._place = lending, place
        self._leases = budget_leases(job.shared, around.budget)
        self._entries: Mapping[str, Admission] = {}
        self._turn = asyncio.Lock()
        self.alignment = Alignment(0.0, 0.0)

    async def run(self) -> PassEnd:
        """Send everything, with a report every now and then, and one in the end."""
        job, scenario = self._job, self._job.scenario
        [strategy] = [one for one in scenario.strategies if one.name == job.strategy]
        strategy = of_stripe(strategy, job.stripe.of)
        part = Part(job.stripe, lambda *_: self._entries, partial(self._begin, strategy))
        reporting = asyncio.ensure_future(self._report_again_and_again())
        try:
            end = await run_pass(scenario, job.case, strategy, job.number, self._target, self._around, part=part)
        finally:
            reporting.cancel()
            with suppress(asyncio.CancelledError):
                await reporting
        await self._report()
        await self._lending.leave(job.stripe.first)
        return end

    async def _begin(self, strategy: Strategy, _session: Session, clock: Clock, _resumed_at: float) -> None:
        """Have a lease of everything, then agree on second 0 with all others."""
        self._entries = entries_of(self._job.scenario, strategy, clock)
        self._leases |= admission_leases(self._job.shared, self._entries)
        await self._report()
        self.alignment = await self._align()
        while (start := await self._lending.ready(self._job.stripe.first, self._place)) is None:  # noqa: ASYNC110
            await asyncio.sleep(EVERY / 2)
        clock.restart((monotonic() + self.alignment.offset - start) * clock.speed)
        await clock.sleep_until(0.0)

    async def _align(self) -> Alignment:
        trips = []
        for _ in range(_TRIPS):
            asked = monotonic()
            theirs = await self._lending.now()
            trips.append(RoundTrip(asked, theirs, monotonic()))
        return align(trips)

    async def _report_again_and_again(self) -> None:
        due = monotonic()
        while True:
            due = max(due + EVERY, monotonic())
            await asyncio.sleep(due - monotonic())
            await self._report()

    async def _report(self) -> None:
        """One after another: an older answer must not come after a newer one."""
        async with self._turn:
            report = self._telling.report(self._leases, self._around.stop)
            answer = await self._lending.renew(self._job.stripe.first, report)
            for name, grant in answer.grants.items():
                self._leases[name].take(grant)
            self._heed(answer.stopped)

    def _heed(self, stopped: Stopped | None) -> None:
        stop = self._around.stop
        if stopped is None:
            return
        if stopped.cut and not stop.cut:
            stop.cancel()
        else:
            stop.request(stopped.reason, Exit(stopped.exit_code))
