"""One pass: one strategy, once over a workload.

A single dispatcher takes the requests as the line has them: it waits until one is due, then until the strategy lets it
through, then starts it and turns to the next.  So a million requests that wait are one generator, not a million tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field

from bench.clock import Clock
from bench.engine.budget import BudgetGuard
from bench.engine.line import Line
from bench.engine.observe import Observer
from bench.engine.stop import Stop
from bench.errors import Exit
from bench.request import RequestSpec
from bench.results.batches import BatchLog
from bench.results.causes import CAUSES
from bench.results.record import Attempt, Record
from bench.scenario.model import Strategy
from bench.strategies.admission import Admission
from bench.strategies.pacer import Cost, Ticket, reservation
from bench.strategies.retry import retry_delay
from bench.targets.client import Client
from mock_server.rng import Draws


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pass works with and shares with the other passes of its run."""

    journal: Callable[[Record], None]
    """Keeps each record as its request ends."""
    observer: Observer
    budget: BudgetGuard
    stop: Stop
    cost: Callable[[str, Attempt], float | None]
    """Dollars an attempt cost, by model; None when unknown."""
    worst_case: Callable[[RequestSpec], float]
    """The most dollars an attempt can cost; 0 where no budget asks for it."""
    worst_in_batch: Callable[[RequestSpec], float] = lambda _spec: 0.0
    """The same inside a message batch."""
    batches: BatchLog | None = None
    """Keeps what happens to message batches."""
    recorded: Mapping[tuple[str, int], Container[int]] = field(default_factory=dict)
    """Requests that an earlier process has recorded already, by strategy and repeat."""


@dataclass(slots=True)
class _Sending:
    """A request on its way: what it reserved, what it may cost at most an attempt, what came of it so far."""

    spec: RequestSpec
    reserved: Cost
    worst: float
    ticket: Ticket
    """What its attempt was let through with."""
    attempts: list[Attempt] = field(default_factory=list)
    cost: float | None = 0.0
    """Dollars of all attempts; None as soon as one is unknown."""
    task: asyncio.Task[None] | None = None


class Pass:
    """One strategy, once over a workload, on a clock that starts at 0."""

    def __init__(
        self, line: Line, strategy: Strategy, number: int, seed: int, admission: Admission, client: Client,
        clock: Clock, around: Surroundings,
    ) -> None:  # fmt: skip
        self._line = line
        self._strategy = strategy
        self._number = number
        self._seed = seed
        self._admission = admission
        self._client = client
        self._clock = clock
        self._around = around
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send all requests and return when each has its final record, or when a stop has run its course."""
        with self._around.stop.heard_by(self._on_stop):
            async with asyncio.TaskGroup() as group:
                dispatcher = group.create_task(self._dispatch(group))
                self._waiting.add(dispatcher)
                dispatcher.add_done_callback(self._waiting.discard)

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        while self._around.stop.reason is None and (through := await self._line.next(self._admission)) is not None:
            spec, ticket = through
            sending = _Sending(spec, reservation(spec), self._around.worst_case(spec), ticket)
            if self._refused(sending):
                self._admission.release()
                return
            self._around.observer.sent(self._strategy.name)
            sending.task = group.create_task(self._answer(sending))
            # Let it get on the wire before the next one is built, or a burst would wait for its own last request.
            await self._clock.yield_turn()

    def _refused(self, sending: _Sending) -> bool:
        """Whether the budget forbids another attempt, which ends the run; if not, the attempt is reserved there."""
        if (why := self._around.budget.refuses(sending.worst)) is not None:
            self._around.stop.request(why, Exit.BUDGET)
            return True
        self._around.budget.reserve(sending.worst)
        return False

    async def _answer(self, sending: _Sending) -> None:
        """Attempt until success, or until the retry policy, the budget or a stop gives up; then keep the record."""
        assert sending.task is not None
        self._running.add(sending.task)  # not before: a task cancelled before it began would lose its slot and record
        holds_slot = True
        while True:
            await self._attempt(sending)
            delay = self._delay(sending)
            if delay is None:
                break
            holds_slot = await self._wait_to_retry(delay, sending)
            if self._around.stop.reason is not None or self._refused(sending):
                break
        if holds_slot:
            self._admission.release()
        self._keep(sending)
        self._line.answered(sending.spec, sending.attempts[-1].ended)
        self._running.discard(sending.task)

    async def _attempt(self, sending: _Sending) -> None:
        """One exchange, settled with the pacer and the budget."""
        attempt = await self._send(sending)
        cost = self._around.cost(sending.spec.params["model"], attempt)
        sending.attempts.append(attempt)
        sending.cost = None if cost is None or sending.cost is None else sending.cost + cost
        self._around.budget.settle(sending.worst, cost)
        self._admission.settle(sending.ticket, attempt)
        self._stop_if_useless(attempt)

    async def _send(self, sending: _Sending) -> Attempt:
        sent = self._clock.now()
        if not self._around.stop.cut:
            try:
                return await self._client.send(sending.spec, len(sending.attempts) + 1)
            except asyncio.CancelledError:
                if not self._cancelled_by_stop():
                    raise
        return Attempt(sent=sent, ended=self._clock.now(), cause="cancelled")

    def _stop_if_useless(self, attempt: Attempt) -> None:
        """End the run on a failure that every further request would share."""
        if attempt.cause is None:
            return
        cause = CAUSES[attempt.cause]
        if cause.ends_run is not None:
            words = f": {attempt.message}" if attempt.message else ""
            self._around.stop.request(f"{cause.meaning}{words}", cause.ends_run)

    def _delay(self, sending: _Sending) -> float | None:
        made, last = len(sending.attempts), sending.attempts[-1]
        if last.ok or self._around.stop.reason is not None:
            return None
        return retry_delay(self._strategy.retry, made, last, Draws(self._seed, "retry", sending.spec.seq, made))

    async def _wait_to_retry(self, delay: float, sending: _Sending) -> bool:
        """Wait out the delay and be let through again.  Returns whether the request holds a slot."""
        holds_slot = self._strategy.hold_slot
        if not holds_slot:
            self._admission.release()
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            await self._clock.sleep_until(self._clock.now() + delay)
            let_through = self._admission.pace if holds_slot else self._admission.acquire
            sending.ticket = await let_through(sending.reserved)
        except asyncio.CancelledError:
            if not self._cancelled_by_stop():
                raise
            return holds_slot
        finally:
            self._waiting.discard(task)
        return True

    def _cancelled_by_stop(self) -> bool:
        """Whether a cancellation is our own stop, to be turned into a record, and not a crash of the run."""
        if self._around.stop.reason is None:
            return False
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        return True

    def _keep(self, sending: _Sending) -> None:
        spec = sending.spec
        record = Record(
            strategy=self._strategy.name,
            pass_=self._number,
            seq=spec.seq,
            model=spec.params["model"],
            intended=spec.intended,
            attempts=tuple(sending.attempts),
            expected_output=spec.output_tokens,
            stream=spec.stream,
            conversation=spec.conversation,
            turn=spec.turn,
            group=spec.group,
        )
        self._around.journal(record)
        self._around.observer.done(record, sending.cost)

    def _on_stop(self) -> None:
        """End what only waits; on a second interrupt, what is in flight too."""
        for task in tuple(self._waiting | self._running if self._around.stop.cut else self._waiting):
            task.cancel()
