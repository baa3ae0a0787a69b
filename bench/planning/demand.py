"""What a scenario asks for, before any limit has a say: requests, tokens, answer times, and when all of it comes.

The very requests that a run would send are put to the mock's engine, as if everybody were served at once.  So sizes,
answer times and what the prompt cache does are those of the same draws, and users and conversations, who wait for
answers, need no theory of their own.  Of a large workload every n-th arrival is looked at and stands for n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from heapq import heappop, heappush
from itertools import count, islice
from math import ceil, inf
from typing import TypeAlias

import msgspec
import numpy as np

from bench.errors import UsageError
from bench.request import RequestSpec
from bench.results.columns import Floats, Ints
from bench.results.cost import KINDS, Prices, prices_of
from bench.scenario.model import Scenario
from bench.scenario.traces import Arrival
from bench.targets.target import mock_settings
from bench.workload.requests import WARM, Placed, Source, count_of, sources_of
from mock_server.engine import Engine

MOST = 20_000
"""Requests that are looked at, at most, unless told otherwise."""

_INPUT, _OUTPUT, _READ, _WRITE_5M, _WRITE_1H = range(len(KINDS))
_KIND_OF = {None: _INPUT, "5m": _WRITE_5M, "1h": _WRITE_1H}
"""As what the input of a request is billed at worst, by how long it asks the API to keep it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one model is asked.  A row for each request that was looked at."""

    tokens: Ints
    """A column for each of `KINDS`."""
    worst: Ints
    """The same, had the cache kept nothing and had every answer been as long as max_tokens allows."""
    service: Floats
    """Seconds from the arrival of a request to the end of its answer."""
    weight: float = 1.0
    """How many requests each row stands for."""

    @property
    def requests(self) -> float:
        """How many there are."""
        return len(self.service) * self.weight

    @property
    def input_tokens(self) -> float:
        """What counts on the input limit: all but what is read from the cache (rate-limit page, 2026-10-08)."""
        return float(self._counted.sum()) * self.weight

    @property
    def output_tokens(self) -> float:
        """What is expected to be produced."""
        return self._sum(_OUTPUT)

    @property
    def max_tokens(self) -> float:
        """What could be produced at most."""
        return float(self.worst[:, _OUTPUT].sum()) * self.weight

    @property
    def cache_read(self) -> float:
        """Input tokens read from the prompt cache."""
        return self._sum(_READ)

    @property
    def cache_written(self) -> float:
        """Input tokens written to it."""
        return self._sum(_WRITE_5M) + self._sum(_WRITE_1H)

    @property
    def largest(self) -> dict[str, float]:
        """Of each limit, what the request takes that takes most."""
        return {
            "requests": 1.0,
            "input_tokens": float(self._counted.max(initial=0)),
            "output_tokens": float(self.tokens[:, _OUTPUT].max(initial=0)),
        }

    @property
    def drawn(self) -> dict[str, float]:
        """What is taken of each limit in all."""
        return {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }

    @property
    def _counted(self) -> Ints:
        return self.tokens[:, _INPUT] + self.tokens[:, _WRITE_5M] + self.tokens[:, _WRITE_1H]

    def _sum(self, kind: int) -> float:
        return float(self.tokens[:, kind].sum()) * self.weight


@dataclass(frozen=True, slots=True)
class Demand:
    """What a scenario asks for."""

    asked: Mapping[str, Asked]
    """By model."""
    span: float
    """Seconds from the start to the last arrival, if everybody is served at once."""
    free: float
    """Seconds from the start to the end of the last answer, if everybody is served at once."""
    looked_at: int
    """Requests that all of this was worked out from."""
    exact: bool = True
    """Whether that is all of them."""

    @property
    def requests(self) -> float:
        """How many requests there are."""
        return sum(one.requests for one in self.asked.values())

    @property
    def service_time(self) -> float:
        """Seconds that all answers take together."""
        return sum(float(one.service.sum()) * one.weight for one in self.asked.values())

    @property
    def mean_service(self) -> float:
        """Seconds that an answer takes on average; 0 without any."""
        return self.service_time / self.requests if self.requests else 0.0

    @property
    def shortest(self) -> float:
        """Seconds that the shortest answer takes."""
        return min((float(one.service.min()) for one in self.asked.values() if len(one.service)), default=0.0)

    @property
    def longest(self) -> float:
        """Seconds that the longest answer takes."""
        return max((float(one.service.max()) for one in self.asked.values() if len(one.service)), default=0.0)

    def of(self, models: Iterable[str]) -> Asked:
        """What these models are asked together."""
        own = [self.asked[model] for model in models if model in self.asked]
        if not own:
            return Asked(np.zeros((0, len(KINDS)), np.int64), np.zeros((0, len(KINDS)), np.int64), np.zeros(0))
        return Asked(
            np.concatenate([one.tokens for one in own]),
            np.concatenate([one.worst for one in own]),
            np.concatenate([one.service for one in own]),
            own[0].weight,
        )

    def cost(self, day: date, *, batched: bool = False) -> float | None:
        """US dollars expected at the prices of that day; None where one is not known.

        In message batches nothing is found in the cache that was not there before.
        """
        return self._priced(lambda one: _uncached(one.tokens) if batched else one.tokens, day, batched)

    def worst_cost(self, day: date, *, batched: bool = False) -> float | None:
        """US dollars if every answer is as long as max_tokens allows and nothing is read from the cache."""
        return self._priced(lambda one: one.worst, day, batched)

    def _priced(self, tokens_of: Callable[[Asked], Ints], day: date, batched: bool) -> float | None:
        total = 0.0
        for model, one in self.asked.items():
            prices: Prices | None = prices_of(model, day, batched=batched)
            if prices is None:
                return None
            total += float(prices.by_kind(tokens_of(one)).sum()) * one.weight
        return total


def demand_of(scenario: Scenario, *, in_flight: int | None = None, most: int = MOST) -> Demand:
    """What a scenario (one case of it) asks for, worked out from at most so many of its requests.

    `in_flight` serves only so many at once: what the prompt cache finds depends on it.  The tier has no say, nor have
    faults.  Raises UsageError where the API would refuse what the scenario sends.
    """
    expected = count_of(scenario)
    stride = max(1, ceil(expected / most)) if expected is not None else 1
    while True:
        slots = None if in_flight is None else max(1, round(in_flight / stride))
        played = _play(scenario, stride, slots, inf if expected is not None else most)
        if played is not None:
            return played.demand(expected, stride)
        stride *= 2


@dataclass(slots=True)
class _Played:
    rows: dict[str, list[tuple[list[int], list[int], float]]] = field(default_factory=dict)
    span: float = 0.0
    free: float = 0.0
    requests: int = 0

    def add(self, spec: RequestSpec, usage: list[int], intended: float, began: float, ended: float) -> None:
        worst = [0] * len(KINDS)
        worst[_KIND_OF[spec.cache]] = sum(usage) - usage[_OUTPUT]
        worst[_OUTPUT] = spec.params["max_tokens"]
        self.rows.setdefault(spec.params["model"], []).append((usage, worst, ended - began))
        self.span, self.free = max(self.span, intended), max(self.free, ended)
        self.requests += 1

    def demand(self, expected: int | None, stride: int) -> Demand:
        """Where the number of requests is known, they stand for exactly so many; else for as many as were left out."""
        weight = float(stride) if expected is None or not self.requests else expected / self.requests
        asked = {
            model: Asked(
                np.array([usage for usage, _, _ in rows], np.int64).reshape(-1, len(KINDS)),
                np.array([worst for _, worst, _ in rows], np.int64).reshape(-1, len(KINDS)),
                np.array([service for _, _, service in rows]),
                1.0 if stride == 1 else weight,
            )
            for model, rows in self.rows.items()
        }
        return Demand(asked, self.span, self.free, self.requests, exact=stride == 1)


_Rest: TypeAlias = tuple[Iterator[Placed], float]
"""Arrivals that come by themselves, and the moment before which none of them goes."""

_Due: TypeAlias = tuple[float, int, Source, int, Arrival, _Rest | None]
"""When a request wants to go, a number that keeps the order among equals, where it comes from, its place, and what
comes after it by itself."""


def _play(scenario: Scenario, stride: int, slots: int | None, most: float) -> _Played | None:
    """Serve every `stride`-th arrival and all that follows on it, at once or `slots` at a time.

    None when there are more than `most`.
    """
    engine = Engine(msgspec.structs.replace(mock_settings(scenario), tier="unlimited", faults={}))
    factor, seed = scenario.mock.output_factor, scenario.seed
    numbers, due, busy, played = count(), list[_Due](), list[float](), _Played()

    def feed(source: Source, arrivals: Iterator[Placed], after: float = 0.0) -> None:
        """Put the next of a stream of arrivals among what is due; the one after it follows when that has gone."""
        for place, arrival in islice(arrivals, 1):
            rest = (arrivals, after)
            heappush(due, (max(arrival.at, after), next(numbers), source, place, arrival, rest))

    for source in sources_of(scenario, "plan"):
        feed(source, _thinned(source.arrivals, stride))
    while due:
        intended, _, source, place, arrival, rest = heappop(due)
        if rest is not None:
            feed(source, *rest)
        began = intended if slots is None or len(busy) < slots else max(intended, heappop(busy))
        spec = source.spec(place, arrival)
        plan = engine.handle(
            spec.params, began, key=(seed, spec.seq, 1), output_tokens=round(spec.output_tokens * factor)
        )
        if plan.error is not None:
            raise UsageError(
                f"there is nothing to plan: the API would refuse the requests ({plan.error.message})",
                "Check the model's name and what the workload asks of it.",
            )
        used = plan.usage
        usage = [used.input_tokens, used.output_tokens, used.cache_read, used.cache_write_5m, used.cache_write_1h]
        played.add(spec, usage, intended, began, plan.ended)
        if slots is not None:
            heappush(busy, plan.ended)
        if source.after is not None:
            comes = source.after(place, plan.ended, True)
            if place == WARM:
                feed(source, _thinned(comes, stride), plan.ended)
            else:
                for follower, when in comes:
                    heappush(due, (when.at, next(numbers), source, follower, when, None))
        if played.requests > most:
            return None
    return played


def _thinned(arrivals: Iterable[Placed], stride: int) -> Iterator[Placed]:
    return islice(arrivals, 0, None, stride)


def _uncached(tokens: Ints) -> Ints:
    moved = tokens.copy()
    cached: Sequence[int] = (_READ, _WRITE_5M, _WRITE_1H)
    moved[:, _INPUT] += tokens[:, cached].sum(axis=1)
    moved[:, cached] = 0
    return moved
