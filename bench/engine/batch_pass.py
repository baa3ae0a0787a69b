"""One pass through the Message Batches API: submit, poll, read results, submit again what deserves it.

Each batch is intended in the journal before it is created, and its id is there before it is first looked at, so that a
process that dies at any point can be followed by another that submits nothing twice.  An attempt is `sent` when the
call that created its batch was made, and has `ended` when its line of the results has been read: what somebody who
waits for it has to wait.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO, TypeAlias

from bench.clock import Clock
from bench.engine.batch_calls import GIVE_UP, Calls, LeftError
from bench.engine.batch_chunk import Chunk, lightened
from bench.engine.batch_names import Names
from bench.engine.batch_past import Known, past_of
from bench.engine.batch_search import find, read_line
from bench.engine.exchange import record_of
from bench.engine.surroundings import Surroundings
from bench.errors import Exit
from bench.request import RequestSpec
from bench.results.batches import (
    Began,
    Cancelled,
    Collected,
    Created,
    Ended,
    Intended,
    Lost,
    Withdrawn,
    runs_of,
    seqs_of,
)
from bench.results.causes import CAUSES
from bench.results.format import pass_name
from bench.results.record import Attempt, OfPass
from bench.scenario import data
from bench.scenario.model import Scenario, Strategy
from bench.strategies.poll import backoff, waits
from bench.targets.answer import Item
from bench.targets.batches import BatchCallError, BatchClient, attempt_of
from bench.workload.requests import requests_of
from mock_server.tiers import find_tier

_SOON = 10.0
"""Seconds until the first look at a batch that was cancelled: what it has begun is finished first."""

_TICK = 1e-6
"""Rounding of timers: a moment that is so near has come."""

Leftovers: TypeAlias = Mapping[int, tuple[Attempt, ...]]
"""Requests that did not get through, by number, with what was tried."""


@dataclass(slots=True)
class _Batch:
    """A batch that exists, and what is still to come from it."""

    number: int
    id: str
    sent: float
    items: dict[int, RequestSpec]
    """What has no result yet, by sequence number."""
    hidden_until: float
    """Until when it may be that it is not found."""
    seen: bool = False
    """Whether this process has seen it: if not, a 404 may be due to another key or workspace."""
    cancelled: str | None = None
    """The cause that what is unprocessed gets, once it was cancelled."""
    again: dict[int, RequestSpec] = field(default_factory=dict)
    """What failed and may be tried again."""


class BatchPass:
    """A workload, or the part of it that is `chosen`, once through batches, on a clock that starts at 0.

    What does not get through is recorded as failed, or given to `leftover` where there is one.  `cancel_at` says when
    what is not back is cancelled, and `came_back` hears of each request that is, well or not.
    """

    def __init__(
        self, scenario: Scenario, case: str | None, strategy: Strategy, number: int, client: BatchClient, clock: Clock,
        around: Surroundings, *, chosen: Callable[[int], bool] = lambda _seq: True,
        leftover: Callable[[Leftovers], Awaitable[None]] | None = None, cancel_at: Callable[[], float] | None = None,
        came_back: Callable[[RequestSpec], None] = lambda _spec: None,
    ) -> None:  # fmt: skip
        assert strategy.batch is not None
        assert around.batches is not None
        self._scenario, self._strategy, self._batching = scenario, strategy, strategy.batch
        self._client, self._clock, self._around, self._log = client, clock, around, around.batches
        self._chosen, self._leftover, self._came_back = chosen, leftover, came_back
        self._deadline = math.inf if strategy.batch.deadline is None else strategy.batch.deadline
        self._own_cancel_at = cancel_at or (lambda: self._deadline)
        self._time_left = math.inf if around.budget.time_left is None else around.budget.time_left
        self._case, self._key = case, (strategy.name, number)
        self._of_pass: OfPass = (case, *self._key)
        self._recorded = around.recorded.get(self._of_pass, ())
        self._names = Names(self._log.token, self._of_pass, _own_names(scenario))
        tier = find_tier(scenario.tier)
        self._calls = Calls(clock, around.stop, tier.batch_requests, leaves=not self._batching.cancel_on_stop)
        self._most_items = min(self._batching.size, tier.batch_queue or self._batching.size)
        self._earlier: dict[int, list[Attempt]] = {}
        self._latest: dict[int, int] = {}
        self._next, self._began = 0, 0.0
        self._unclear_since = math.inf

    async def run(self) -> None:
        """Return when every request has its record, or when a stop has run its course."""
        self._task = asyncio.current_task()
        with self._around.stop.heard_by(self._on_stop), self._announced():
            try:
                async with asyncio.TaskGroup() as self._group:
                    await self._go()
            except asyncio.CancelledError:
                if not self._around.stop.cut or self._task is None:
                    raise
                self._task.uncancel()

    async def _go(self) -> None:
        """Take up what was left, then submit what was never in a batch."""
        past = past_of(self._log.past, self._of_pass)
        self._next, self._latest = past.next, past.latest()
        self._begin(past.began)
        light = self._light()
        for known in past.batches.values():
            items = {seq: light[seq] for seq in known.seqs() if seq in light}
            for spec in items.values():
                self._around.budget.commit(self._around.worst_in_batch(spec))
            if not items:
                continue
            if known.id is None:
                self._group.create_task(self._settle(known.intended, items))
            elif known.ended:  # in order, so that a request's attempts are in the order in which they were made
                await self._see_through(self._known(known, known.id, items))
            else:
                self._group.create_task(self._see_through(self._known(known, known.id, items)))
        await self._submit_all(
            spec
            for spec in self._requests()
            if self._chosen(spec.seq) and spec.seq not in self._latest and spec.seq not in self._recorded
        )

    def _known(self, known: Known, batch_id: str, items: dict[int, RequestSpec]) -> _Batch:
        hidden_until = known.sent + self._batching.hidden_for
        return _Batch(known.number, batch_id, known.sent, items, hidden_until, cancelled=known.cancelled)

    def _begin(self, began: float | None) -> None:
        """Second 0 is now, or where it was."""
        now = self._client.unix_time()
        self._began = now - self._clock.now() if began is None else began
        if began is None:
            self._log.write(Began(*self._key, self._began, case=self._case))
        else:
            self._clock.restart(now - began)

    def _light(self) -> dict[int, RequestSpec]:
        """What is in a batch already and has no record, without what it says."""
        wanted = {seq for seq in self._latest if seq not in self._recorded}
        return {spec.seq: lightened(spec) for spec in self._rebuilt(wanted)}

    def _rebuilt(self, wanted: Iterable[int]) -> Iterator[RequestSpec]:
        """These requests of the workload once more."""
        missing = set(wanted)
        if missing:
            for spec in self._requests():
                if spec.seq in missing:
                    missing.remove(spec.seq)
                    yield spec
                    if not missing:
                        return

    def _requests(self) -> Iterator[RequestSpec]:
        return requests_of(self._scenario, pass_name(*self._key, self._case))

    # Submitting

    async def _submit_all(self, specs: Iterator[RequestSpec]) -> None:
        """Put requests into batches as they are due; a batch goes when it is full, the last when there are no more.

        What is not sent because of a stop has no record, unless it was tried before.
        """
        try:
            chunk = self._chunk()
            for spec in specs:
                await self._calls.pause(min(spec.intended, self._cancel_at()))
                fits = self._may_submit() and self._around.budget.takes(self._around.worst_in_batch(spec))
                if not fits and self._may_submit():
                    chunk = await self._sent_off(chunk)
                    fits = await self._room_for(spec)
                if not fits:
                    await self._submit_no_more(chunk, chain([spec], specs))
                    return
                chunk = await self._add(spec, chunk)
            if self._may_submit():
                await self._sent_off(chunk)
            else:
                await self._submit_no_more(chunk, ())
        except LeftError:
            return

    def _may_submit(self) -> bool:
        """Whether neither a stop nor the time to cancel has come."""
        return self._around.stop.reason is None and not self._is(self._cancel_at())

    async def _sent_off(self, chunk: Chunk) -> Chunk:
        """Create the batch of what has gathered, if anything has; returns the next chunk."""
        if not chunk.items:
            return chunk
        await self._create(chunk)
        return self._chunk()

    async def _room_for(self, spec: RequestSpec) -> bool:
        """Wait until the budget has room for a request, which is then reserved there.  False when that is too late."""
        budget, stop, worst = self._around.budget, self._around.stop, self._around.worst_in_batch(spec)
        while self._may_submit():
            asked = asyncio.ensure_future(budget.reserve(worst))
            timer = self._clock.call_at(self._cancel_at(), asked.cancel) if self._cancel_at() < math.inf else None
            try:
                with stop.heard_by(asked.cancel):
                    await asyncio.wait({asked})
            finally:
                asked.cancel()
                if timer is not None:
                    timer.cancel()
            if asked.cancelled():
                continue
            if (why := asked.result()) is None:
                return True
            stop.request(why, Exit.BUDGET)
        if self._leftover is None:
            stop.request("the budget held requests back until the deadline", Exit.BUDGET)
        return False

    async def _submit_no_more(self, chunk: Chunk, rest: Iterable[RequestSpec]) -> None:
        """A stop, or the time to cancel, has come before these were in a batch."""
        await self._calls.pause(self._clock.now())
        if self._around.stop.reason is not None:
            self._drop(chunk.items)
            self._close(rest)
        else:
            self._release(chunk.items)
            await self._give_up((*chunk.items.values(), *map(lightened, rest)))

    def _chunk(self) -> Chunk:
        self._next += 1
        return Chunk(self._next - 1, self._most_items, self._batching.max_bytes)

    async def _add(self, spec: RequestSpec, chunk: Chunk) -> Chunk:
        """Put a request into the chunk, or into the next one; returns the one that has room."""
        line = self._line(spec, chunk)
        if not chunk.fits(line) and chunk.items:
            await self._create(chunk)
            chunk = self._chunk()
            line = self._line(spec, chunk)
        if not chunk.fits(line):
            words = f"alone it is {len(line):,} bytes; a batch may have {self._batching.max_bytes:,.0f}"
            self._release({spec.seq: spec})
            self._fail([spec], "too_large", words)
            return chunk
        chunk.add(spec, line)
        if chunk.full:
            await self._create(chunk)
            return self._chunk()
        return chunk

    def _line(self, spec: RequestSpec, chunk: Chunk) -> bytes:
        return self._client.line(self._names.of(chunk.number, spec.seq), spec)

    def _release(self, items: Mapping[int, RequestSpec]) -> None:
        """Forget that these were to be sent."""
        for seq, spec in items.items():
            self._latest.pop(seq, None)
            self._around.budget.take_back(self._around.worst_in_batch(spec))

    def _drop(self, items: Mapping[int, RequestSpec]) -> None:
        """Send these no more."""
        self._release(items)
        self._close(items.values())

    def _close(self, specs: Iterable[RequestSpec]) -> None:
        """Record what was tried, and is sent no more, as it is."""
        if not self._earlier:
            return
        for spec in specs:
            if spec.seq in self._earlier:
                self._keep(lightened(spec))

    async def _create(self, chunk: Chunk) -> None:
        """Create a batch; wait where there is no room for it; find out where nobody knows whether it was created."""
        intended, body, tries = self._intend(chunk), chunk.body(), backoff()
        while True:
            try:
                await self._calls.turn()
                if self._around.stop.reason is not None:
                    self._withdraw(intended, "stopped")
                    self._drop(chunk.items)
                    return
                sent = self._clock.now()
                state = await self._client.create(chunk.number, body)
            except BatchCallError as refused:
                if refused.unclear:
                    self._group.create_task(self._settle(intended, chunk.items))
                    return
                if not CAUSES[refused.cause].retryable:
                    self._withdraw(intended, refused.cause)
                    self._release(chunk.items)
                    self._fail(list(chunk.items.values()), refused.cause, refused.message, refused.status)
                    self._around.stop.request_if_useless(refused.cause, refused.message)
                    return
                wait = refused.retry_after or next(tries)
            else:
                batch = self._created(chunk.number, state.id, sent, chunk.items)
                self._group.create_task(self._see_through(batch))
                return
            try:
                await self._calls.pause(min(self._clock.now() + wait, self._cancel_at()))
            except LeftError:
                self._withdraw(intended, "interrupted")
                raise
            if self._is(self._cancel_at()):
                self._withdraw(intended, "deadline")
                self._release(chunk.items)
                await self._give_up(chunk.items.values())
                return

    def _intend(self, chunk: Chunk) -> Intended:
        seqs = list(chunk.items)
        first, last = (self._names.of(chunk.number, seq) for seq in (seqs[0], seqs[-1]))
        runs = runs_of(sorted(seqs))
        intended = Intended(
            *self._key, chunk.number, self._client.unix_time(), runs, len(seqs), first, last, case=self._case
        )
        self._log.write(intended)
        return intended

    def _withdraw(self, intended: Intended, why: str) -> None:
        self._log.write(Withdrawn(*self._key, intended.number, why, case=self._case))

    def _created(self, number: int, batch_id: str, sent: float, items: dict[int, RequestSpec]) -> _Batch:
        self._unclear_since = math.inf
        self._log.write(Created(*self._key, number, batch_id, sent, case=self._case))
        for seq in items:
            if seq not in self._earlier:
                self._around.observer.sent(self._strategy.name)
        return _Batch(number, batch_id, sent, items, self._clock.now() + self._batching.hidden_for, seen=True)

    # Finding out whether a batch exists

    async def _settle(self, intended: Intended, items: dict[int, RequestSpec]) -> None:
        """Find the batch that was intended, or submit its requests again if there is certainly none."""
        self._unclear_since = min(self._unclear_since, self._clock.now())
        names = {self._names.of(intended.number, seq) for seq in seqs_of(intended.seqs)}
        try:
            found = await find(intended, names, self._log.ids, self._client, self._calls, self._clock, self._batching)
            if found is None and self._clock.now() - self._unclear_since > GIVE_UP:
                raise BatchCallError("server_error", "no batch can be created")
        except LeftError:
            return
        except BatchCallError as failed:
            self._unreachable(failed)
            return
        if found is not None:
            await self._see_through(self._created(intended.number, found, intended.unix - self._began, items))
            return
        self._withdraw(intended, "it was not created")
        self._release(items)
        await self._submit_all(self._rebuilt(items))

    # Seeing a batch through

    async def _see_through(self, batch: _Batch) -> None:
        """Wait for the end of a batch, read its results, and see to what deserves another try."""
        try:
            await self._until_ended(batch)
            await self._collect(batch)
        except LeftError:
            return
        except BatchCallError as failed:
            if failed.cause != "not_found" or not batch.seen:
                self._unreachable(failed)
                return
            self._lose(batch, failed.message)
        if batch.again and not self._calls.leaving:
            if self._leftover is None:
                await self._submit_all(self._rebuilt(batch.again))
            else:
                await self._leftover({seq: tuple(self._earlier.pop(seq, ())) for seq in batch.again})

    async def _until_ended(self, batch: _Batch) -> None:
        """Look at a batch from time to time until it has ended; cancel it when it is time to."""
        poll = self._batching.poll
        is_new = batch.sent >= self._clock.now() - poll.first
        looks = waits(poll) if is_new else chain([0.0], waits(poll))
        while not await self._has_ended(batch, next(looks)):
            if batch.cancelled is None and (why := self._why_cancel()) is not None:
                await self._cancel(batch, why)
                looks = waits(poll.model_copy(update={"first": min(_SOON, poll.first)}))

    async def _has_ended(self, batch: _Batch, wait: float) -> bool:
        """Look after so many seconds, or as soon as it is time to cancel."""
        wake = self._clock.now() + wait
        if batch.cancelled is not None:
            await self._calls.pause(wake)
        elif self._why_cancel() is None:
            await self._calls.pause(min(wake, self._cancel_at()))
        state = await self._calls.until_it_works(
            lambda: self._client.retrieve(batch.id), hidden_until=batch.hidden_until
        )
        batch.seen = True
        if state.ended:
            self._log.write(Ended(*self._key, batch.number, self._clock.now(), case=self._case))
        return state.ended

    def _why_cancel(self) -> str | None:
        """The cause that unprocessed requests get, if batches are to be cancelled now."""
        if self._around.stop.interrupted and self._batching.cancel_on_stop:
            return "cancelled"
        return "deadline" if self._is(self._cancel_at()) else None

    async def _cancel(self, batch: _Batch, why: str) -> None:
        self._log.write(Cancelled(*self._key, batch.number, why, case=self._case))
        batch.cancelled = why
        await self._calls.until_it_works(lambda: self._client.cancel(batch.id), hidden_until=batch.hidden_until)

    async def _collect(self, batch: _Batch) -> None:
        """Read the results; what they do not have is lost."""
        hidden_until = self._clock.now() + self._batching.hidden_for
        await self._calls.until_it_works(lambda: self._read_results(batch), hidden_until=hidden_until)
        missing = self._never_told(batch)
        self._fail(missing, "lost", "the results of its batch do not have it", batch=batch)
        self._log.write(Collected(*self._key, batch.number, self._clock.now(), case=self._case))

    async def _read_results(self, batch: _Batch) -> None:
        with self._raw(batch) as raw:
            async for line in self._client.results(batch.id):
                if raw is not None:
                    raw.write(line)
                self._take(batch, read_line(line))

    @contextmanager
    def _raw(self, batch: _Batch) -> Iterator[BinaryIO | None]:
        """Where the results are kept as they come, once all of them have come."""
        if not self._batching.keep_results:
            yield None
            return
        path = self._log.raw(batch.id)
        partly = path.with_suffix(".part")
        with partly.open("wb") as file:
            yield file
        partly.replace(path)

    def _take(self, batch: _Batch, item: Item) -> None:
        """One result: the last word, or one more try.  Those of others, and those read before, are passed over."""
        seq = self._names.seq(batch.number, item.custom_id)
        spec = batch.items.pop(seq, None) if seq is not None else None
        if spec is None or seq is None:
            return
        attempt = attempt_of(item, batch.id, batch.sent, self._clock.now(), batch.cancelled or "cancelled")
        cost = self._around.cost(spec.params["model"], attempt)
        self._around.budget.settle(self._around.worst_in_batch(spec), cost)
        if self._latest.get(seq, 0) > batch.number:
            self._earlier.setdefault(seq, []).append(attempt)  # it has been submitted again already
        elif self._deserves_more(seq, attempt):
            self._earlier.setdefault(seq, []).append(attempt)
            batch.again[seq] = spec
        else:
            self._keep(spec, attempt)
            self._around.stop.request_if_useless(attempt.cause, attempt.message)

    def _deserves_more(self, seq: int, attempt: Attempt) -> bool:
        if attempt.cause is None or (self._around.stop.reason is not None and not self._calls.leaving):
            return False
        retryable = CAUSES[attempt.cause].retryable
        if self._leftover is not None:
            return retryable or attempt.cause == "deadline"
        tried = len(self._earlier.get(seq, ())) + 1
        return retryable and tried < self._batching.attempts and not self._is(self._cancel_at())

    # Records

    def _keep(self, spec: RequestSpec, *last: Attempt) -> None:
        self.keep(spec, (*self._earlier.pop(spec.seq, ()), *last))
        self._came_back(spec)

    def keep(self, spec: RequestSpec, attempts: tuple[Attempt, ...]) -> None:
        """Keep the record of a request that is over, as these attempts have left it."""
        record = record_of(self._of_pass, spec, attempts)
        self._around.journal(record)
        costs = [self._around.cost(record.model, one) for one in attempts]
        known = [cost for cost in costs if cost is not None]
        self._around.observer.done(record, sum(known) if len(known) == len(costs) else None)

    def _fail(
        self, specs: Iterable[RequestSpec], cause: str, message: str, status: int | None = None,
        batch: _Batch | None = None,
    ) -> None:  # fmt: skip
        """Record requests that have no result and will have none."""
        now = self._clock.now()
        for spec in specs:
            sent, batch_id = (batch.sent, batch.id) if batch else (now, None)
            most = self._around.worst_in_batch(spec) or None if cause == "lost" else None
            attempt = Attempt(sent, now, status, cause=cause, message=message or None, batch=batch_id, at_most=most)
            if batch is None and spec.seq not in self._earlier:
                self._around.observer.sent(self._strategy.name)
            self._keep(spec, attempt)

    async def _give_up(self, specs: Iterable[RequestSpec]) -> None:
        """The deadline has come before these were in a batch."""
        if self._leftover is None:
            self._fail(specs, "deadline", "it was in no batch yet when the deadline came")
            return
        await self._leftover({spec.seq: tuple(self._earlier.pop(spec.seq, ())) for spec in specs})

    def _lose(self, batch: _Batch, message: str) -> None:
        missing = self._never_told(batch)
        self._fail(missing, "lost", message, batch=batch)
        self._log.write(Lost(*self._key, batch.number, self._clock.now(), case=self._case))

    def _never_told(self, batch: _Batch) -> list[RequestSpec]:
        """What a batch will never tell of; nobody knows what of it was processed, and billed."""
        missing = list(batch.items.values())
        batch.items.clear()
        for spec in missing:
            self._around.budget.settle(self._around.worst_in_batch(spec), None)
        return missing

    def _unreachable(self, failed: BatchCallError) -> None:
        """A call that does not succeed: the batch goes on, and can be fetched when the reason is gone."""
        cause = CAUSES[failed.cause]
        words = f"{cause.meaning}{f': {failed.message}' if failed.message else ''}"
        self._around.stop.request(words, cause.ends_run or Exit.TARGET)

    # Time

    def _cancel_at(self) -> float:
        return min(self._own_cancel_at(), self._time_left)

    def _is(self, moment: float) -> bool:
        """Whether a moment has come."""
        return self._clock.now() >= moment - _TICK

    def _on_stop(self) -> None:
        self._calls.wake()
        if self._around.stop.cut and self._task is not None:
            self._task.cancel()

    @contextmanager
    def _announced(self) -> Iterator[None]:
        """Say what an interrupt would do while this pass runs."""
        before = self._around.stop.meaning
        cancels = self._batching.cancel_on_stop
        self._around.stop.meaning = "cancelling batches and taking what they have" if cancels else "leaving the batches"
        try:
            yield
        finally:
            self._around.stop.meaning = before


def _own_names(scenario: Scenario) -> list[str]:
    """What the dataset calls the requests, if it does."""
    dataset = scenario.workload.dataset if scenario.workload else None
    if dataset is None or dataset.id is None:
        return []
    return [name for name in data.ids(dataset.path, dataset.id) if isinstance(name, str)]
