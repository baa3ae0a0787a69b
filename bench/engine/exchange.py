"""One request on its way: attempts, waits and what they draw on, from the slot it was given to its record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from bench.clock import Clock
from bench.engine.surroundings import Surroundings
from bench.errors import Exit
from bench.request import RequestSpec
from bench.results.causes import CAUSES
from bench.results.record import Attempt, Record
from bench.scenario.model import Strategy
from bench.strategies.admission import Admission
from bench.strategies.pacer import Ticket, reservation
from bench.strategies.retry import retry_delay
from bench.targets.client import Client, Watch
from mock_server.rng import Draws


@dataclass(frozen=True, slots=True)
class Terms:
    """What all requests of a pass are sent with."""

    strategy: Strategy
    number: int
    """0-based repeat."""
    seed: int
    admission: Admission
    client: Client
    clock: Clock
    around: Surroundings


class Exchange:
    """A request that was let through: it holds a slot until it ends, and ends with exactly one record."""

    __slots__ = (
        "_attempts", "_cost", "_given_up", "_holds_slot", "_task", "_terms", "_ticket", "_waits", "_worst", "spec",
    )  # fmt: skip

    def __init__(self, terms: Terms, spec: RequestSpec, ticket: Ticket) -> None:
        self.spec = spec
        self._terms = terms
        self._ticket = ticket
        self._worst = terms.around.worst_case(spec)
        self._attempts: list[Attempt] = []
        self._cost: float | None = 0.0
        self._holds_slot = True
        self._waits = False
        self._given_up: str | None = None
        self._task: asyncio.Task[None] | None = None

    def begins(self) -> bool:
        """Whether the budget allows a first attempt, which is then reserved there.  If not, the slot is given back."""
        if self._refused():
            self._terms.admission.release()
            return False
        self._terms.around.observer.sent(self._terms.strategy.name)
        return True

    async def run(self) -> float:
        """Attempt until success, or until the retry policy, the budget or a stop gives up; then keep the record.

        Returns when it ended.
        """
        self._task = asyncio.current_task()
        await self._attempt()
        while (delay := self._delay()) is not None:
            await self._wait_to_retry(delay)
            if self._given_up is not None or self._terms.around.stop.reason is not None or self._refused():
                break
            await self._attempt()
        self._task = None
        if self._holds_slot:
            self._terms.admission.release()
        self._keep()
        return self._attempts[-1].ended

    def give_up(self, cause: str, *, in_flight: bool = True) -> None:
        """End it early.  A wait to retry is broken off; so is the attempt in flight, if asked, which gets this cause.

        Before it runs and after it has ended this does nothing.
        """
        if self._task is not None and self._given_up is None and (in_flight or self._waits):
            self._given_up = cause
            self._task.cancel()

    def _refused(self) -> bool:
        """Whether the budget forbids another attempt, which ends the run; if not, the attempt is reserved there."""
        around = self._terms.around
        if (why := around.budget.refuses(self._worst)) is not None:
            around.stop.request(why, Exit.BUDGET)
            return True
        around.budget.reserve(self._worst)
        return False

    async def _attempt(self) -> None:
        """One exchange, settled with the pacer and the budget."""
        around = self._terms.around
        attempt = await self._send()
        cost = around.cost(self.spec.params["model"], attempt)
        self._attempts.append(attempt)
        self._cost = None if cost is None or self._cost is None else self._cost + cost
        around.budget.settle(self._worst, cost)
        self._terms.admission.settle(self._ticket, attempt)
        self._stop_if_useless(attempt)

    async def _send(self) -> Attempt:
        sent, watch = self._terms.clock.now(), Watch()
        if self._terms.around.stop.cut:
            return Attempt(sent=sent, ended=sent, cause="cancelled")
        try:
            return await self._terms.client.send(self.spec, len(self._attempts) + 1, watch)
        except asyncio.CancelledError:
            seen = watch.seen or Attempt(sent=sent, ended=self._terms.clock.now())
            return msgspec.structs.replace(seen, cause=self._own_cancellation())

    def _own_cancellation(self) -> str:
        """Why we cancelled ourselves.  Raises the cancellation again where it is not ours, but a crash of the run."""
        task = self._task
        assert task is not None
        if self._given_up is None:
            raise asyncio.CancelledError
        task.uncancel()
        return self._given_up

    def _stop_if_useless(self, attempt: Attempt) -> None:
        """End the run on a failure that every further request would share."""
        if attempt.cause is None:
            return
        cause = CAUSES[attempt.cause]
        if cause.ends_run is not None:
            words = f": {attempt.message}" if attempt.message else ""
            self._terms.around.stop.request(f"{cause.meaning}{words}", cause.ends_run)

    def _delay(self) -> float | None:
        """Seconds to wait before the next attempt; None where there is to be none."""
        terms, made, last = self._terms, len(self._attempts), self._attempts[-1]
        if last.ok or self._given_up is not None or terms.around.stop.reason is not None:
            return None
        return retry_delay(terms.strategy.retry, made, last, Draws(terms.seed, "retry", self.spec.seq, made))

    async def _wait_to_retry(self, delay: float) -> None:
        """Wait out the delay and be let through again."""
        terms = self._terms
        if not terms.strategy.hold_slot:
            terms.admission.release()
            self._holds_slot = False
        self._waits = True
        try:
            await terms.clock.sleep_until(terms.clock.now() + delay)
            let_through = terms.admission.pace if self._holds_slot else terms.admission.acquire
            self._ticket = await let_through(reservation(self.spec))
            self._holds_slot = True
        except asyncio.CancelledError:
            self._own_cancellation()
        finally:
            self._waits = False

    def _keep(self) -> None:
        terms, spec = self._terms, self.spec
        record = Record(
            strategy=terms.strategy.name,
            pass_=terms.number,
            seq=spec.seq,
            model=spec.params["model"],
            intended=spec.intended,
            attempts=tuple(self._attempts),
            expected_output=spec.output_tokens,
            stream=spec.stream,
            conversation=spec.conversation,
            turn=spec.turn,
            group=spec.group,
        )
        terms.around.journal(record)
        terms.around.observer.done(record, self._cost)
