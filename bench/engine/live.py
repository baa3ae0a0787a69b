"""One pass whose requests are answered one by one: every lane of it at its own pace."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping

from bench.clock import Clock
from bench.engine.dispatch import Pass
from bench.engine.exchange import Terms
from bench.engine.groups import Groups, groups_of
from bench.engine.lanes import Lane, lanes_of
from bench.engine.part import ALL, Part
from bench.engine.pool import Pool
from bench.engine.surroundings import Surroundings
from bench.request import RequestSpec
from bench.results.format import pass_name
from bench.results.record import Record
from bench.scenario.model import Scenario, Strategy
from bench.strategies.hedging import Hedging
from bench.targets.client import Client
from bench.workload.requests import Source, sources_of


class LivePass:
    """A workload once through a live strategy, on a clock that starts at 0."""

    def __init__(
        self, scenario: Scenario, case: str | None, strategy: Strategy, number: int, client: Client, clock: Clock,
        around: Surroundings, part: Part = ALL,
    ) -> None:  # fmt: skip
        self._scenario, self._case, self._strategy, self._number = scenario, case, strategy, number
        self._client, self._clock, self._around = client, clock, around
        self._of_pass = (case, strategy.name, number)
        self._stripe = part.stripe
        self._entries = part.entries(scenario, strategy, clock)
        self._longest = math.inf if scenario.timeout.request is None else scenario.timeout.request
        self._hedging = None if strategy.hedge is None else Hedging(strategy.hedge)

    async def run(self) -> None:
        """Return when every request has its record, or when a stop has run its course."""
        mark = pass_name(self._strategy.name, self._number, self._case)
        groups = groups_of(self._scenario, self._strategy, self._clock)
        await self.send(sources_of(self._scenario, mark, self._stripe), self._around, groups)

    async def send(self, sources: Iterable[Source], around: Surroundings, groups: Groups | None = None) -> None:
        """Send what these have.  Limits hold for all that is sent at any time, and so does what is learned of them."""
        wanted = self._wanted(around.recorded.get(self._of_pass, {}), groups)
        lanes = lanes_of(sources, self._entries, self._clock, by_priority=self._strategy.priority, wanted=wanted)
        async with asyncio.TaskGroup() as together:
            for lane in lanes:
                together.create_task(self._sender(lane, around, groups).run())

    def _wanted(self, recorded: Mapping[int, Record], groups: Groups | None) -> Callable[[RequestSpec], bool] | None:
        """Whether a request is still to be sent; None where all are."""
        if not recorded:
            return None if groups is None else groups.wanted
        return lambda spec: spec.seq not in recorded and (groups is None or groups.wanted(spec))

    def _sender(self, lane: Lane, around: Surroundings, groups: Groups | None) -> Pass | Pool:
        terms = Terms(
            strategy=self._strategy,
            number=self._number,
            seed=self._scenario.seed,
            admission=lane.admission,
            client=self._client,
            clock=self._clock,
            around=around,
            longest=self._longest,
            hedging=self._hedging,
            case=self._case,
        )
        return (Pass if self._strategy.pool is None else Pool)(lane.line, terms, groups)
