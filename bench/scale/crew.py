"""Leads the workers of a run: each pass is divided by arithmetic, sent by all, and put together again.

A worker that is lost is replaced: another process goes on with what it had not sent.  What it had in flight may have
been billed; where that costs money it is recorded as such and not sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.engine.run import PassEnd, rounds_of, run_pass, wait
from bench.engine.surroundings import Surroundings
from bench.errors import Exit, UsageError
from bench.results.format import count
from bench.results.merging import WORKERS, gather, mark_elsewhere
from bench.results.record import OfPass, decode_lines
from bench.results.sends import Send
from bench.results.workers import busiest
from bench.scale import spool
from bench.scale.cluster import Books, Cluster, LostError, Remote, differing
from bench.scale.leases import DOLLARS, REQUESTS, is_paced, places, shared_by
from bench.scale.messages import Done, Job, Place, Stopped
from bench.scale.simulation import simulated
from bench.scenario.model import Scenario, Strategy, Warmup
from bench.spending import cost_of_record
from bench.targets.target import Target
from bench.workload.requests import count_of
from bench.workload.streams import traffic_of
from bench.workload.stripe import Stripe

EVERY = 0.1
"""Wall-clock seconds between two looks at how the workers fare."""

LEAD = 0.2
"""Wall-clock seconds from when all are ready to second 0, so that all have heard of it."""

FETCHED_WITHIN = 60.0
"""Wall-clock seconds in which a machine must hand over what a worker has written on it, or counts as gone."""

MOST_LOSSES = 3
"""How often a stripe is given to another process before the run gives up."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of a run."""

    cluster: Cluster
    folder: Path
    """Of the run."""
    token: str

    def run_passes(
        self, scenario: Scenario, targets: Mapping[str | None, Target], around: Surroundings, *,
        without: Container[OfPass] = (),
    ) -> Iterator[PassEnd]:  # fmt: skip
        """As `engine.run.run_passes`, by all workers."""
        if all(target.virtual for target in targets.values()):
            yield from simulated(self.cluster.submit, scenario, targets, around, without)
            return
        hands = run_loop(self._hired(scenario), virtual=False)
        try:
            for at, (number, case, variant, strategy) in enumerate(rounds_of(scenario, without)):
                target = targets[case]
                pause = scenario.pause if at and not target.resets else 0.0
                if around.stop.reason is not None:
                    return
                if (many := self._many(strategy)) == 1:
                    one = run_pass(variant, case, strategy, number, target, around, pause)
                else:
                    shared = _Shared(self, variant, case, strategy, number, target, around, hands, many)
                    one = shared.run(pause)
                yield run_loop(one, virtual=target.virtual)
        finally:
            for hand in hands:
                self.cluster.dismiss(hand)

    def _many(self, strategy: Strategy) -> int:
        """How many can share a strategy.  Batches are few calls: this process makes them."""
        if strategy.batch is not None:
            return 1
        most = places(strategy)
        if strategy.adaptive is not None:
            most = strategy.adaptive.max_in_flight
        return self.cluster.workers if most is None else min(most, self.cluster.workers)

    async def _hired(self, scenario: Scenario) -> list[Remote]:
        """Processes that have what they need.  UsageError when one lacks it."""
        hands = [self.cluster.hire() for _ in range(self.cluster.workers)]
        found = await asyncio.gather(*(self.cluster.ask(hand.measured_with) for hand in hands))
        if other := differing(found):
            raise UsageError(
                f"the machines of the cluster differ in {', '.join(other)}",
                "Install the same versions on all: the same requests must leave all of them.",
            )
        if scenario.target == "api":
            keys = await asyncio.gather(*(self.cluster.ask(hand.has_key) for hand in hands))
            if not all(keys):
                raise UsageError(
                    f"{count(keys.count(False), 'worker has', 'workers have')} no key",
                    "Set ANTHROPIC_API_KEY where Ray is started on each machine: no key ever travels.",
                )
        return hands


def refuse_unshared(scenario: Scenario) -> None:
    """Refuse what cannot be divided among workers that do not wait for each other.  A simulation is not divided."""
    if scenario.target == "sim":
        return
    for stream in chain.from_iterable(traffic_of(variant) for _, variant in scenario.variants):
        if stream.workload.cache is not None and stream.workload.cache.warm:
            raise UsageError(
                "a request that warms the cache comes before all others, and workers do not wait for each other",
                "Leave out `warm: true`, or run it with one worker.",
            )


@dataclass(slots=True)
class _Stripe:
    """A part of the pass, and what became of those who had it before."""

    number: int
    losses: int = 0
    records: bytes = b""
    """Lines of the journals of those before."""
    unknown: list[Send] = field(default_factory=list)
    """What they had sent that has no record yet."""
    given_up: int = 0
    """How many attempts were in flight when they were lost."""
    whole: bool = False
    """Whether all that the one who has it now has written is in the run's folder."""


class _Shared:
    """One pass that several send."""

    def __init__(
        self, crew: Crew, scenario: Scenario, case: str | None, strategy: Strategy, number: int, target: Target,
        around: Surroundings, hands: list[Remote], many: int,
    ) -> None:  # fmt: skip
        self._hands = hands
        """Of all passes: whoever takes the place of one that is lost keeps it."""
        self._crew, self._cluster = crew, crew.cluster
        self._scenario, self._case, self._strategy, self._number = scenario, case, strategy, number
        self._target, self._around = target, around
        self._stripes = [_Stripe(number) for number in range(many)]
        budget = around.budget
        dollars = None if budget.max_cost is None else max(0.0, budget.max_cost - budget.spent)
        requests = None if budget.max_requests is None else max(0, budget.max_requests - budget.sent)
        paced = is_paced(strategy)
        shared = shared_by(many, strategy, paced=paced, dollars=dollars, requests=requests)
        self._names = tuple(shared)
        self._books: Books = self._cluster.books(shared)
        self._begun = False
        self._told: Stopped | None = None
        self._one_relay = asyncio.Lock()

    async def run(self, pause: float) -> PassEnd:
        """Have all stripes sent, then put their records together."""
        around, scenario = self._around, self._scenario
        clock = Clock(scenario.speed)
        await wait(clock, pause, around.stop)
        seeded = scenario.model_copy(update={"seed": scenario.seed + self._number})
        async with self._target.session(clock, seeded.seed) as session:
            carrying = [asyncio.ensure_future(self._carry(stripe)) for stripe in self._stripes]
            relaying = asyncio.ensure_future(self._relay_again_and_again())
            try:
                await self._all_ready(carrying)
                await self._mark_those_elsewhere()
                await session.reset()
                around.observer.pass_started(
                    self._strategy.name, self._number, count_of(seeded), clock.speed, self._case
                )
                await self._books.start(LEAD)
                self._begun = True
                done = [one for one in await asyncio.gather(*carrying) if one is not None]
            finally:
                await _ended(relaying, *carrying)
                gather(self._crew.folder, around.journal)
            await self._relay()
            around.observer.pass_ended()
            latencies = await session.server_latencies()
            where, gone = await self._books.places(), await self._books.written_off()
        around.budget.spent += gone.get(DOLLARS, 0.0)
        around.budget.sent += int(gone.get(REQUESTS, 0))
        return self._end(done, where, latencies)

    async def _all_ready(self, carrying: Sequence[asyncio.Future[Done | None]]) -> None:
        """Wait until every worker could begin.  Whatever one of them fails with is raised here."""
        while True:
            for one in carrying:
                if one.done():
                    one.result()
            where = await self._books.places()
            if all(one.done() or number in where for number, one in enumerate(carrying)):
                return
            await asyncio.sleep(EVERY / 4)

    async def _mark_those_elsewhere(self) -> None:
        """Until they are brought here, nobody who only has the run's folder knows what other machines have sent."""
        if not self._target.resets:
            for worker, place in (await self._books.places()).items():
                if place.node != self._cluster.node:
                    mark_elsewhere(self._folder(self._stripes[worker]))

    async def _carry(self, stripe: _Stripe) -> Done | None:
        """Have a stripe sent, if need be by one process after another.  None when that is not possible any more."""
        while True:
            try:
                hand = self._hands[stripe.number]
                done: Done = await self._cluster.ask(hand.work, self._job(stripe), self._books.actor)
            except LostError:
                await self._cluster.bury(hand)
                if not await self._may_go_on(stripe):
                    return None
                stripe.whole = False
                self._hands[stripe.number] = self._cluster.hire(beside_others=True)
            else:
                await self._bring(stripe)
                changes = {"lost": stripe.losses, "unknown": stripe.given_up}
                return replace(done, note=msgspec.structs.replace(done.note, **changes))

    async def _may_go_on(self, stripe: _Stripe) -> bool:
        """A process is lost: find out what it has done, and whether another can do the rest."""
        paid = not self._target.resets
        await self._relay()  # the last that it has told stands under its own name
        known = await self._bring(stripe)
        await asyncio.to_thread(self._learn, stripe)
        stripe.losses += 1
        if self._around.stop.reason is not None:
            return False
        if not known and paid:
            self._around.stop.request(
                f"worker {stripe.number} and its machine are gone: nobody knows what it has sent, so the rest of its "
                "requests is not sent again",
                Exit.NOT_VALID,
            )
            return False
        if stripe.losses > MOST_LOSSES:
            self._around.stop.request(f"worker {stripe.number} was lost {stripe.losses} times", Exit.NOT_VALID)
            return False
        return True

    async def _bring(self, stripe: _Stripe) -> bool:
        """Bring what a worker has written on another machine into the run's folder.  False when that is gone."""
        place = (await self._books.places()).get(stripe.number)
        if place is None or place.turn < stripe.losses or place.node == self._cluster.node:
            return True  # it had not begun, or has written it here
        try:
            lines, sends = await asyncio.wait_for(self._cluster.fetch(place), FETCHED_WITHIN)
        except (LostError, TimeoutError):
            return False
        stripe.whole = True
        spool.write(self._folder(stripe), lines, sends)
        await self._cluster.discard(place)
        return True

    def _learn(self, stripe: _Stripe) -> None:
        """What a process that is lost has done."""
        lines, sends = spool.read(str(self._folder(stripe)))
        stripe.records += lines
        ended = {record.seq for record in decode_lines(lines)}
        new = [send for send in sends if send.seq not in ended]
        stripe.given_up += len(new)
        stripe.unknown = [*(send for send in stripe.unknown if send.seq not in ended), *new]

    def _folder(self, stripe: _Stripe) -> Path:
        return (self._crew.folder / WORKERS / f"{stripe.number}-{stripe.losses}").absolute()

    def _job(self, stripe: _Stripe) -> Job:
        budget = self._around.budget
        return Job(
            scenario=self._scenario.model_copy(update={"warmup": Warmup()}) if self._begun else self._scenario,
            case=self._case,
            strategy=self._strategy.name,
            number=self._number,
            stripe=Stripe(stripe.number, len(self._stripes)),
            token=self._crew.token,
            url=self._target.url,
            folder=str(self._folder(stripe)),
            node=self._cluster.node,
            budget=budget.max_cost,
            requests=budget.max_requests,
            seconds=budget.time_left,
            shared=self._names,
            records=stripe.records,
            unknown=tuple(stripe.unknown),
            turn=stripe.losses,
        )

    async def _relay_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._relay()

    async def _relay(self) -> None:
        """Tell those who watch what the workers have told, and the workers what stops the run."""
        async with self._one_relay:
            await self._pass_on()

    async def _pass_on(self) -> None:
        where = await self._books.places()
        lines, sent, stopped = await self._books.news()
        around = self._around
        for worker, told in lines.items():
            stripe = self._stripes[worker]
            if where[worker].node != self._cluster.node and not stripe.whole:  # it may be gone before it is brought
                spool.append(self._folder(stripe), told)
        for _ in range(sent):
            around.observer.sent(self._strategy.name)
        for record in decode_lines(b"".join(lines.values())):
            around.observer.done(record, cost_of_record(around.cost, record))
        if stopped is not None and around.stop.reason is None:
            around.stop.request(stopped.reason, Exit(stopped.exit_code))
        if around.stop.reason is not None:
            wanted = Stopped(around.stop.reason, around.stop.exit_code, around.stop.cut)
            if wanted != self._told:
                await self._books.stop(wanted)
                self._told = wanted

    def _end(self, done: list[Done], where: Mapping[int, Place], latencies: dict[str, float] | None) -> PassEnd:
        around = self._around
        around.budget.spent += sum(one.spent for one in done)
        around.budget.sent += sum(one.sent for one in done)
        for one in done:
            around.aside(*one.aside)
        around.budget.time_used += max((one.seconds for one in done), default=0.0)
        machines = list(dict.fromkeys(where[worker].node for worker in sorted(where)))
        notes = tuple(
            msgspec.structs.replace(one.note, machine=machines.index(where[one.note.worker].node)) for one in done
        )
        return PassEnd(
            self._case,
            self._strategy.name,
            self._number,
            around.stop.reason,
            latencies,
            selfcheck=busiest(notes),
            workers=notes,
        )


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
