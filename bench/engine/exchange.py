"""One request on its way: attempts, waits and what they draw on, from the slot it was given to its record."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from bench.clock import Clock
from bench.engine.budget import certain
from bench.engine.life import Life
from bench.engine.race import Race, Runner
from bench.engine.surroundings import Surroundings
from bench.errors import Exit
from bench.request import RequestSpec
from bench.results.record import Attempt, OfPass, Record, Usage
from bench.scenario.model import Strategy
from bench.strategies.admission import Admission
from bench.strategies.hedging import Hedging
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
    longest: float = math.inf
    """Seconds a request may take from its first send on, all attempts and waits together."""
    hedging: Hedging | None = None
    case: str | None = None
    """Of the scenario."""
    of_pass: OfPass = field(init=False)
    """Which pass it is: case, strategy and repeat."""
    tried: Mapping[int, tuple[Attempt, ...]] = field(init=False)
    """Attempts that an earlier process has sent for requests that it has not recorded, by request."""

    def __post_init__(self) -> None:
        of_pass = (self.case, self.strategy.name, self.number)
        object.__setattr__(self, "of_pass", of_pass)
        object.__setattr__(self, "tried", self.around.tried.get(of_pass, {}))


class Exchange:
    """A request that was let through: it holds a slot until it ends, and ends with exactly one record."""

    __slots__ = (
        "_attempts", "_cost", "_deadline", "_life", "_sends", "_slots", "_terms", "_ticket", "_tries", "_waits",
        "_worst", "spec",
    )  # fmt: skip

    def __init__(self, terms: Terms, spec: RequestSpec, ticket: Ticket) -> None:
        self.spec = spec
        self._terms = terms
        self._ticket = ticket
        self._worst = terms.around.worst_case(spec)
        """The most dollars an attempt can cost."""
        self._attempts = [*terms.tried.get(spec.seq, ())]
        self._cost: float | None = None if self._attempts else 0.0
        """Dollars of all attempts; None as soon as one is unknown."""
        self._sends = self._tries = len(self._attempts)
        """Attempts sent; tries are the same but for hedges."""
        self._slots = 1
        self._deadline = math.inf
        self._waits = False
        self._life = Life()

    async def begins(self) -> bool:
        """Wait until the budget allows a first attempt.  False when it never will; then the slot is given back."""
        allowed = False
        try:
            allowed = await self._allowed()
        finally:
            if not allowed:
                self._terms.admission.release()
        if allowed:
            self._terms.around.observer.sent(self._terms.strategy.name)
        return allowed

    async def run(self) -> Record:
        """Attempt until success, or until retry policy, time, budget or a stop give up; then keep the record."""
        self._life.begin()
        self._deadline = self._terms.clock.now() + self._terms.longest
        await self._try()
        while (
            self._attempts[-1].cause is not None
            and (delay := self._delay()) is not None
            and await self._let_through_again(delay)
        ):
            await self._try()
        self._life.end()
        if self._slots:
            self._terms.admission.release()
        return keep(self._terms, self.spec, self._attempts, self._cost)

    def give_up(self, cause: str, *, in_flight: bool = True) -> None:
        """End it early.  A wait to retry is broken off; so is what is in flight, if asked, which then has this cause.

        After it has ended this does nothing.
        """
        if in_flight or self._waits:
            self._life.give_up(cause)

    async def _allowed(self) -> bool:
        """Reserve an attempt in the budget as soon as it fits.  If not, the ticket is void; a refusal ends the run."""
        budget, stop, allowed = self._terms.around.budget, self._terms.around.stop, False
        if stop.reason is None and budget.takes(self._worst):
            return True
        try:
            if (why := await budget.reserve(self._worst)) is not None:
                stop.request(why, Exit.BUDGET)
            elif stop.reason is not None:
                budget.take_back(self._worst)
            else:
                allowed = True
        finally:
            if not allowed:
                self._terms.admission.forgo(self._ticket)
        return allowed

    async def _try(self) -> None:
        """An attempt; where the strategy hedges and it is late, another beside it."""
        self._tries += 1
        if (hedging := self._terms.hedging) is None:
            self._attempts.append(await self._attempt(self._life, Watch(), self._ticket))
            return
        if self._sends == 0:
            hedging.requests += 1
        race = Race(self._terms.clock, self._life)
        sent = await race.run(self._first, self._hedge, hedging.after, hedging.may)
        for attempt in sent:
            hedging.learn(attempt)
        self._attempts += sent

    async def _first(self, runner: Runner) -> None:
        await self._compete(runner, self._ticket)

    async def _hedge(self, runner: Runner) -> None:
        """A second attempt, which needs room in the budget, a slot and a turn at the pacer like any other."""
        terms, around = self._terms, self._terms.around
        assert terms.hedging is not None
        ticket = None
        if around.stop.reason is None and around.budget.takes(self._worst):
            ticket = await self._ticket_for_hedge(runner)
        if ticket is None:
            terms.hedging.take_back()
        else:
            self._slots += 1
            await self._compete(runner, ticket, hedge=True)

    async def _ticket_for_hedge(self, runner: Runner) -> Ticket | None:
        """Wait to be let through; None when it is not needed any more, or a stop came before it."""
        terms, around = self._terms, self._terms.around
        try:
            ticket = await terms.admission.acquire(reservation(self.spec))
        except asyncio.CancelledError:
            runner.life.cause_of_death()
        else:
            if around.stop.reason is None:
                return ticket
            terms.admission.forgo(ticket)
            terms.admission.release()
        around.budget.take_back(self._worst)
        return None

    async def _compete(self, runner: Runner, ticket: Ticket, *, hedge: bool = False) -> None:
        """An attempt of a race.  The slot of whichever ends first is free; the last one's stays with the request."""
        runner.sent = True
        attempt = await self._attempt(runner.life, Watch(answered=runner.leads), ticket)
        cause = "outrun" if attempt.ok and not runner.leads() else attempt.cause
        runner.attempt = replace(attempt, hedge=hedge, cause=cause)
        if self._slots > 1:
            self._slots -= 1
            self._terms.admission.release()

    async def _attempt(self, life: Life, watch: Watch, ticket: Ticket) -> Attempt:
        """One exchange, settled with the pacer and the budget."""
        around = self._terms.around
        attempt = await self._send(life, watch)
        if attempt.cause == "unsent":
            around.budget.take_back(self._worst)
            self._terms.admission.forgo(ticket)
            return attempt
        cost = around.cost(self.spec.params["model"], attempt)
        known = certain(cost, attempt)
        if known is None and self._worst:
            attempt = replace(attempt, at_most=self._worst)
        self._cost = None if cost is None or self._cost is None else self._cost + cost
        around.budget.settle(self._worst, known)
        self._terms.admission.settle(ticket, attempt)
        if attempt.cause is not None:
            around.stop.request_if_useless(attempt.cause, attempt.message)
        return attempt

    async def _send(self, life: Life, watch: Watch) -> Attempt:
        self._sends += 1
        sent = self._terms.clock.now()
        if life.cause == "outrun":
            return unsent(sent)
        if self._terms.around.sending is not None:
            self._terms.around.sending(self._terms.of_pass, self.spec, self._sends, sent)
        if life.cause is not None or self._terms.around.stop.cut:
            return replace(unsent(sent), cause=life.cause or "cancelled")
        watch.within = self._deadline - sent
        try:
            return await self._terms.client.send(self.spec, self._sends, watch)
        except asyncio.CancelledError:
            cause = life.cause_of_death()
            return replace(watch.seen or Attempt(sent=sent, ended=self._terms.clock.now()), cause=cause)

    def _delay(self) -> float | None:
        """Seconds to wait before the next attempt; None where there is to be none."""
        terms, last = self._terms, self._attempts[-1]
        if self._life.cause is not None or terms.around.stop.reason is not None:
            return None
        delay = retry_delay(terms.strategy.retry, self._tries, last, self._draws)
        return None if delay is None or terms.clock.now() + delay >= self._deadline else delay

    def _draws(self) -> Draws:
        return Draws(self._terms.seed, "retry", self.spec.seq, self._tries)

    async def _let_through_again(self, delay: float) -> bool:
        """Wait out the delay, then for a place and the budget; False when a stop or its own time ended that."""
        terms = self._terms
        if not terms.strategy.hold_slot:
            terms.admission.release()
            self._slots = 0
        self._waits = True
        try:
            await terms.clock.sleep_until(terms.clock.now() + delay)
            if self._deadline == math.inf:
                return await self._let_through()
            async with terms.clock.timeout(self._deadline - terms.clock.now()):
                return await self._let_through()
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            if self._life.cause_of_death() == "outrun":
                self._attempts.append(unsent(terms.clock.now()))
            return False
        finally:
            self._waits = False

    async def _let_through(self) -> bool:
        """Wait for a place and the budget."""
        admission = self._terms.admission
        let_through = admission.pace if self._slots else admission.acquire
        self._ticket = await let_through(reservation(self.spec))
        self._slots = 1
        return await self._allowed()


def unsent(now: float) -> Attempt:
    """What stands for the attempt of a request that nobody wants any more: it took no time and no tokens."""
    return Attempt(sent=now, ended=now, cause="unsent", usage=Usage())


def keep(terms: Terms, spec: RequestSpec, attempts: Iterable[Attempt], cost: float | None) -> Record:
    """Keep the record of a request that has ended; `cost` in dollars, None when unknown."""
    record = record_of(terms.of_pass, spec, attempts)
    terms.around.journal(record)
    terms.around.observer.done(record, cost)
    return record


def record_of(of_pass: OfPass, spec: RequestSpec, attempts: Iterable[Attempt]) -> Record:
    """The record of a request that has ended."""
    case, strategy, number = of_pass
    return Record(
        strategy=strategy,
        pass_=number,
        seq=spec.seq,
        model=spec.params["model"],
        intended=spec.intended,
        attempts=tuple(attempts),
        expected_output=spec.output_tokens,
        stream=spec.stream,
        conversation=spec.conversation,
        turn=spec.turn,
        final=spec.final,
        group=spec.group,
        case=case,
    )
