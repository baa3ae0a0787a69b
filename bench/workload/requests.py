"""The requests of a workload, made one by one when they are asked for.

The same scenario and seed give the same requests, whatever strategy sends them and in whatever order they end: each is
a function of the seed and of its place, which for a user is their number and how often they have asked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from heapq import merge
from itertools import islice, repeat
from typing import TypeAlias

from bench.request import RequestSpec
from bench.scenario.model import Rounds, Scenario, Trace, Users
from bench.scenario.traces import Arrival
from bench.workload.arrivals import arrivals_of, replayed
from bench.workload.conversations import Context, Script
from bench.workload.prefix import control, prefix_of
from bench.workload.prompts import Prompt, from_dataset, synthetic
from bench.workload.sizes import sizer
from bench.workload.streams import Traffic, traffic_of
from bench.workload.stripe import WHOLE, Stripe
from bench.workload.think import think_time
from mock_server.models import estimate_tokens
from mock_server.rng import Draws

Placed: TypeAlias = tuple[int, Arrival]
"""The place of a request in its stream, from 0, and when it should go."""

After: TypeAlias = Callable[[int, float, bool], Iterable[Placed]]
"""What follows on the answer to the request of a place, which ended then; the last says whether it was one."""


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of traffic: what comes by itself, and what follows on answers."""

    arrivals: Iterable[Placed]
    """What comes by itself, in the order of its times."""
    spec: Callable[[int, Arrival], RequestSpec]
    """Makes the request of a place."""
    priority: int = 0
    after: After | None = None
    """None where nothing follows on any answer."""
    model: str = ""
    """Whom they ask."""


def sources_of(scenario: Scenario, mark: str = "", stripe: Stripe = WHOLE) -> Iterator[Source]:
    """Where the requests of a scenario come from, a source for each stream.

    Streams take turns with the sequence numbers.  `mark` tells what one pass has cached from what another one has.  Of
    a `stripe` there are only the arrivals that are in it, and what follows on them.
    """
    for stream in _streams(scenario, mark, stripe):
        after = stream.after if stream.waits else None
        yield Source(stream.arrivals(), stream.spec, stream.traffic.priority, after, stream.traffic.model)


def _streams(scenario: Scenario, mark: str, stripe: Stripe = WHOLE) -> Iterator[_Stream]:
    streams = traffic_of(scenario)
    for number, traffic in enumerate(streams):
        yield _Stream(traffic, scenario.seed, _numbering(number, len(streams)), mark, stripe)


def _numbering(stream: int, streams: int) -> Callable[[int], int]:
    return lambda place: place * streams + stream


WARM = -1
"""The place of the request that writes what the others of its stream read from the cache."""


class _Stream:
    """One stream of traffic; `numbered` says the sequence number that goes with a place.

    What arrives is a request, or the first one of a conversation.  Its only state is whether the cache was written.
    """

    def __init__(
        self, traffic: Traffic, seed: int, numbered: Callable[[int], int], mark: str, stripe: Stripe = WHOLE
    ) -> None:
        self.traffic = traffic
        self._stripe = stripe
        self._users = traffic.arrivals if isinstance(traffic.arrivals, Users) else None
        self._rounds = traffic.arrivals if isinstance(traffic.arrivals, Rounds) else None
        self._workload, self._cache = traffic.workload, traffic.workload.cache
        self._seed, self._numbered = seed, numbered
        self._prefix = prefix_of(traffic, mark)
        self._script = Script(traffic, seed, numbered, mark) if traffic.workload.conversations else None
        self._prompt = _prompts(traffic, seed, self._is_own) if self._script is None else None
        self._output_tokens = sizer(traffic.workload.output_tokens, seed, "output")
        self._written = False

    @property
    def waits(self) -> bool:
        """Whether anything depends on answers."""
        return self._users is not None or self._script is not None or self._cache is not None

    def arrivals(self) -> Iterator[Placed]:
        """What comes by itself: where the cache is warmed first, that request alone."""
        return iter([(WARM, Arrival(0.0))]) if self._cache is not None and self._cache.warm else self._all()

    def after(self, place: int, ended: float, ok: bool) -> Iterable[Placed]:
        """What follows on the answer to the request of a place."""
        self._written = self._written or ok
        if place == WARM:
            return self._all()
        if ok and self._script is not None and not self._script.step(place).final:
            return [(place + 1, Arrival(ended + self._script.pause(place + 1)))]
        return [] if self._users is None else self._next_of_user(self._users, place, ended)

    def _all(self) -> Iterator[Placed]:
        arrivals = (
            enumerate(arrivals_of(self.traffic, self._seed)) if self._users is None else self._firsts(self._users)
        )
        return (
            (self._begin(number), arrival)
            for number, arrival in arrivals
            if self._is_own(number) and self._is_wanted(number, arrival.at)
        )

    def _is_own(self, number: int) -> bool:
        """Whether an arrival is in the stripe.  All of a user's are where their first one is."""
        return self._stripe.has(number if self._users is None else number % self._users.count)

    def _firsts(self, users: Users) -> Iterator[Placed]:
        return ((user, Arrival(users.ramp_up * user / users.count)) for user in range(users.count))

    def _next_of_user(self, users: Users, place: int, ended: float) -> Iterator[Placed]:
        """Users share the requests of a workload evenly, or its conversations, and with them the places."""
        before = place if self._script is None else self._script.step(place).conversation
        at = ended + think_time(users.think, Draws(self._seed, "think", *self.traffic.key, before))
        if self._is_wanted(before + users.count, at):
            yield self._begin(before + users.count), Arrival(at)

    def _is_wanted(self, number: int, at: float) -> bool:
        wanted, duration = self._workload.arriving, self._workload.duration
        return (wanted is None or number < wanted) and (duration is None or at < duration)

    def _begin(self, number: int) -> int:
        """The place of the request that arrives, or that begins the conversation that does."""
        return number if self._script is None else self._script.first(number)

    def spec(self, place: int, arrival: Arrival) -> RequestSpec:
        """The request of a place."""
        if place == WARM:
            return self._warming()
        if self._script is not None:
            return self._in_conversation(self._script, place, arrival)
        return self._alone(place, arrival)

    def _alone(self, place: int, arrival: Arrival) -> RequestSpec:
        assert self._prompt is not None, "a conversation's requests are not alone"
        seq, members = self._numbered(place), self.traffic.members
        like = place if self._rounds is None else place % self._rounds.requests
        drawn = self._numbered(like) // members  # models that are asked the same have neighbouring numbers
        text, tokens = self._prompt(like, drawn, arrival.input_tokens)
        return RequestSpec(
            seq=seq,
            intended=arrival.at,
            params={**self._prefix.params, "messages": [{"role": "user", "content": text}]},
            input_tokens=self._prefix.tokens + tokens,
            output_tokens=self._output_tokens(drawn, arrival.output_tokens),
            stream=self.traffic.name or arrival.stream,
            group=seq // members if members > 1 else None,
            cache=self._cache.ttl if self._cache else None,
            cached_tokens=self._prefix.kept if self._written else 0,
        )

    def _in_conversation(self, script: Script, place: int, arrival: Arrival) -> RequestSpec:
        step, said = script.step(place), script.context(place)
        if "conversation" in self._workload.breakpoints:
            said.messages[-1]["content"][-1]["cache_control"] = control(self._workload)
        return RequestSpec(
            seq=self._numbered(place),
            intended=arrival.at,
            params={**self._prefix.params, "messages": said.messages},
            input_tokens=self._prefix.tokens + said.tokens,
            output_tokens=script.output_tokens(place),
            stream=self.traffic.name,
            conversation=script.id(step.conversation),
            turn=step.turn,
            final=step.final,
            cache=self._cache.ttl if self._cache else None,
            cached_tokens=self._read_by(script, place, said),
        )

    def _read_by(self, script: Script, place: int, said: Context) -> int:
        """Input tokens that a request of a conversation is expected to read from the cache."""
        if said.sent_before and "conversation" in self._workload.breakpoints:
            assert self._cache is not None
            if script.pause(place) < self._cache.lifetime:
                return self._prefix.tokens + said.sent_before
        return self._prefix.kept if self._written else 0

    def _warming(self) -> RequestSpec:
        """A request without an answer (`max_tokens: 0`), which writes the prefix; the API's own way of doing so."""
        assert self._cache is not None
        params = {name: value for name, value in self._prefix.params.items() if name != "stream"}
        return RequestSpec(
            seq=self._numbered(WARM),
            intended=0.0,
            params={**params, "max_tokens": 0, "messages": [{"role": "user", "content": "."}]},
            input_tokens=self._prefix.tokens + 1,
            output_tokens=0,
            stream=self.traffic.name,
            cache=self._cache.ttl,
        )

    def count(self) -> int | None:
        """How many requests there will be if none fails; None where users ask as often as they like."""
        if self._users is None:
            starts = sum(1 for _ in arrivals_of(self.traffic, self._seed))
        elif self._workload.arriving is not None and self._workload.duration is None:
            starts = self._workload.arriving
        else:
            return None
        warm = self._cache is not None and self._cache.warm
        return self._begin(starts) + warm


def requests_of(scenario: Scenario, mark: str = "") -> Iterator[RequestSpec]:
    """All requests in the order of their times, where none of them waits for an answer."""
    return merge(*map(_requests, sources_of(scenario, mark)), key=lambda spec: spec.intended)


def _requests(source: Source) -> Iterator[RequestSpec]:
    return (source.spec(*placed) for placed in source.arrivals)


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


def warmup_of(scenario: Scenario, stripe: Stripe = WHOLE) -> Iterator[RequestSpec]:
    """Requests like those of the first stream to send beforehand: numbered -1, -2 ..., all due at once."""
    traffic = traffic_of(scenario)[0]
    trace = traffic.arrivals
    like = replayed(trace, Draws(scenario.seed)) if isinstance(trace, Trace) else repeat(Arrival(0.0))
    stream = _Stream(traffic, scenario.seed, lambda place: -1 - place, "warmup")
    for place, arrival in enumerate(islice(like, scenario.warmup.requests)):
        if stripe.has(place):
            yield stream.spec(place, arrival._replace(at=0.0))


def count_of(scenario: Scenario) -> int | None:
    """How many requests there will be; None where users ask as often as they like.  Builds none."""
    counts = [stream.count() for stream in _streams(scenario, "")]
    known = [one for one in counts if one is not None]
    return sum(known) if len(known) == len(counts) else None


def _prompts(traffic: Traffic, seed: int, is_own: Callable[[int], bool]) -> Callable[[int, int, int], Prompt]:
    """The prompt of a place that is one's own, drawn by a number, which has so many tokens in the trace."""
    workload, model = traffic.workload, traffic.model
    if workload.dataset is not None:
        again = isinstance(traffic.arrivals, Rounds)  # every round has the prompts of the first
        prompt = _by_place(from_dataset(workload.dataset, model), (lambda _place: True) if again else is_own)
        if again:
            prompt = cache(prompt)
        return lambda place, _drawn, _traced: prompt(place)
    assert workload.input_tokens is not None, "neither prompts nor their size"
    tokens = sizer(workload.input_tokens, seed, "input")
    if (sized_by := traffic.sized_by) is not None:

        def counted_anew(_place: int, drawn: int, traced: int) -> Prompt:
            text, _ = synthetic(drawn, tokens(drawn, traced), sized_by)
            return text, estimate_tokens(text, model)

        return counted_anew
    return lambda _place, drawn, traced: synthetic(drawn, tokens(drawn, traced), model)


def _by_place(prompts: Iterator[Prompt], is_own: Callable[[int], bool]) -> Callable[[int], Prompt]:
    """One's own prompts by their place, which need not be asked for in order, but each only once.

    Keeps those passed over.
    """
    ahead: dict[int, Prompt] = {}
    numbered = ((place, prompt) for place, prompt in enumerate(prompts) if is_own(place))

    def prompt(place: int) -> Prompt:
        while place not in ahead:
            at, read = next(numbered)
            ahead[at] = read
        return ahead.pop(place)

    return prompt
