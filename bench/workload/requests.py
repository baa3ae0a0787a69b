"""The requests of a workload, made one by one when they are asked for.

The same scenario and seed give the same requests, whatever strategy sends them and in whatever order they end: each is
a function of the seed and of its place, which for a user is their number and how often they have asked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from heapq import merge
from itertools import count, islice, repeat
from typing import Any, TypeAlias

from bench.request import RequestSpec
from bench.scenario.model import Exponential, Lognormal, Scenario, Trace, Users
from bench.scenario.traces import Arrival
from bench.workload.arrivals import arrivals_of, replayed
from bench.workload.prompts import Prompt, from_dataset, synthetic
from bench.workload.sizes import sizer
from bench.workload.streams import Traffic, traffic_of
from mock_server.models import estimate_tokens
from mock_server.rng import Draws

Placed: TypeAlias = tuple[int, Arrival]
"""The place of a request in its stream, from 0, and when it should go."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where requests come from, one after another: a stream of open arrivals, or one user of a closed model."""

    arrivals: Generator[Placed, float, None]
    """In the order of their times.  That of a user is sent the end of each answer before it goes on."""
    spec: Callable[[int, Arrival], RequestSpec]
    """Makes the request of a place."""
    priority: int = 0
    waits: bool = False
    """Whether the next request comes only after the answer to this one."""


def sources_of(scenario: Scenario) -> Iterator[Source]:
    """Where the requests of a scenario come from.  Streams take turns with the sequence numbers."""
    streams = traffic_of(scenario)
    for number, traffic in enumerate(streams):
        spec = _specs(traffic, scenario.seed, _numbering(number, len(streams)))
        yield from _sources(traffic, scenario.seed, spec)


def _numbering(stream: int, streams: int) -> Callable[[int], int]:
    return lambda place: place * streams + stream


def _sources(traffic: Traffic, seed: int, spec: Callable[[int, Arrival], RequestSpec]) -> Iterator[Source]:
    if isinstance(traffic.arrivals, Users):
        for user in range(traffic.arrivals.count):
            yield Source(_user(traffic, traffic.arrivals, user, seed), spec, traffic.priority, waits=True)
    else:
        yield Source(_placed(arrivals_of(traffic, seed)), spec, traffic.priority)


def _placed(arrivals: Iterator[Arrival]) -> Generator[Placed, float, None]:
    yield from enumerate(arrivals)


def _user(traffic: Traffic, users: Users, user: int, seed: int) -> Generator[Placed, float, None]:
    """What one user asks for.  Users share the requests of a workload evenly, and with them the places."""
    wanted, duration = traffic.workload.requests, traffic.workload.duration
    places = count(user, users.count) if wanted is None else range(user, wanted, users.count)
    intended = users.ramp_up * user / users.count
    for place in places:
        if duration is not None and intended >= duration:
            return
        ended = yield place, Arrival(intended)
        intended = ended + _think_time(users, Draws(seed, "think", *traffic.key, place))


def _think_time(users: Users, draws: Draws) -> float:
    match users.think:
        case Exponential(mean=mean):
            return draws.exponential(mean)
        case Lognormal(median=median, p95=p95):
            return draws.lognormal(median, p95)
    return users.think


def requests_of(scenario: Scenario) -> Iterator[RequestSpec]:
    """All requests in the order of their times, where none of them waits for an answer."""
    every = ((source.spec(*placed) for placed in source.arrivals) for source in sources_of(scenario))
    return merge(*every, key=lambda spec: spec.intended)


def only(source: Source, wanted: Callable[[int], bool]) -> Source:
    """The requests of a source whose sequence numbers are wanted; of one that does not wait for answers."""
    made: dict[int, RequestSpec] = {}

    def arrivals() -> Generator[Placed, float, None]:
        for place, arrival in source.arrivals:
            spec = source.spec(place, arrival)
            if wanted(spec.seq):
                made[place] = spec
                yield place, arrival

    return replace(source, arrivals=arrivals(), spec=lambda place, _arrival: made.pop(place))


def warmup_of(scenario: Scenario) -> Iterator[RequestSpec]:
    """Requests like those of the first stream to send beforehand: numbered -1, -2 ..., all due at once."""
    traffic = traffic_of(scenario)[0]
    trace = traffic.arrivals
    like = replayed(trace, Draws(scenario.seed)) if isinstance(trace, Trace) else repeat(Arrival(0.0))
    spec = _specs(traffic, scenario.seed, lambda place: -1 - place)
    for place, arrival in enumerate(islice(like, scenario.warmup.requests)):
        yield spec(place, arrival._replace(at=0.0))


def count_of(scenario: Scenario) -> int | None:
    """How many requests there will be; None where users ask as often as they like.  Builds none."""
    counts = [_count(traffic, scenario.seed) for traffic in traffic_of(scenario)]
    known = [one for one in counts if one is not None]
    return sum(known) if len(known) == len(counts) else None


def _count(traffic: Traffic, seed: int) -> int | None:
    if isinstance(traffic.arrivals, Users):
        return traffic.workload.requests if traffic.workload.duration is None else None
    return sum(1 for _ in arrivals_of(traffic, seed))


def _specs(traffic: Traffic, seed: int, numbered: Callable[[int], int]) -> Callable[[int, Arrival], RequestSpec]:
    """Makes the request of a place; `numbered` says the sequence number that goes with it."""
    workload, model = traffic.workload, traffic.model
    shared = _shared_params(traffic)
    system_tokens = 0 if workload.system is None else estimate_tokens(workload.system, model)
    output_tokens = sizer(workload.output_tokens, seed, "output")
    prompt = _prompts(traffic, seed)

    def spec(place: int, arrival: Arrival) -> RequestSpec:
        seq = numbered(place)
        text, tokens = prompt(place, seq, arrival.input_tokens)
        return RequestSpec(
            seq=seq,
            intended=arrival.at,
            params={**shared, "messages": [{"role": "user", "content": text}]},
            input_tokens=system_tokens + tokens,
            output_tokens=output_tokens(seq, arrival.output_tokens),
            stream=traffic.name or arrival.stream,
        )

    return spec


def _shared_params(traffic: Traffic) -> dict[str, Any]:
    """The parameters that all requests of a stream share."""
    params: dict[str, Any] = {"model": traffic.model, "max_tokens": traffic.workload.max_tokens}
    if traffic.workload.system is not None:
        params["system"] = traffic.workload.system
    if traffic.workload.stream:
        params["stream"] = True
    return params


def _prompts(traffic: Traffic, seed: int) -> Callable[[int, int, int], Prompt]:
    """The prompt of a place with a sequence number, which has so many tokens in the trace."""
    workload, model = traffic.workload, traffic.model
    if workload.dataset is not None:
        prompt = _by_place(from_dataset(workload.dataset, model))
        return lambda place, _seq, _traced: prompt(place)
    assert workload.input_tokens is not None, "neither prompts nor their size"
    tokens = sizer(workload.input_tokens, seed, "input")
    return lambda _place, seq, traced: synthetic(seq, tokens(seq, traced), model)


def _by_place(prompts: Iterator[Prompt]) -> Callable[[int], Prompt]:
    """Prompts by their place, which need not be asked for in order, but each only once.  Keeps those passed over."""
    ahead: dict[int, Prompt] = {}
    numbered = enumerate(prompts)

    def prompt(place: int) -> Prompt:
        while place not in ahead:
            at, read = next(numbered)
            ahead[at] = read
        return ahead.pop(place)

    return prompt
