"""Prompts that go to several models at once, on the virtual clock, with a client that answers from a table."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.engine.budget import BudgetGuard
from bench.engine.dispatch import Pass
from bench.engine.exchange import Terms
from bench.engine.groups import Groups
from bench.engine.line import Line
from bench.engine.observe import Observers
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.request import RequestSpec
from bench.results.causes import CAUSES
from bench.results.columns import Columns
from bench.results.fan_out import FanOut, Prompts, Take, prompts
from bench.results.record import Attempt, Record, Usage
from bench.results.slo import Slo
from bench.scenario.model import Retry, Strategy
from bench.scenario.traces import Arrival
from bench.strategies.admission import Admission, Slots
from bench.strategies.pacer import Cost, Pacer, Ticket
from bench.targets.client import Watch
from bench.workload.requests import Placed, Source
from mock_server.bucket import Bucket

CHEAP, MIDDLE, DEAR = MODELS = ("haiku", "sonnet", "opus")

Script = dict[tuple[str, int], tuple[float, str]]
"""By model and prompt: how long each attempt takes, and its stop reason or the cause of its failure."""


@dataclass
class Player:
    clock: Clock
    script: Script
    in_flight: int = 0
    most_in_flight: int = 0

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:  # noqa: ARG002
        assert spec.group is not None
        sent = self.clock.now()
        seconds, end = self.script.get((spec.params["model"], spec.group), (1.0, "end_turn"))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.clock.sleep_until(sent + seconds)
        finally:
            self.in_flight -= 1
        now = self.clock.now()
        if end in CAUSES:
            return Attempt(sent, now, status=429, cause=end, retry_after=3.0)
        return Attempt(sent, now, status=200, stop_reason=end, usage=Usage(10, 10))


class Ledger(Pacer):
    """A pacer of so many requests a second that counts what is reserved."""

    def __init__(self, rate: float | None) -> None:
        super().__init__(Bucket.full(1.0, rate or 1.0), None, None)
        self.open = 0

    def take(self, cost: Cost, now: float) -> Ticket:
        ticket = super().take(cost, now)
        self.open += cost.requests == 1
        return ticket

    def settle(self, ticket: Ticket, attempt: Attempt, now: float) -> None:
        self.open -= 1
        super().settle(ticket, attempt, now)

    def forgo(self, ticket: Ticket, now: float) -> None:
        self.open -= 1
        super().forgo(ticket, now)


@dataclass
class Played:
    fan_out: FanOut
    records: list[Record] = field(default_factory=list)
    ended: float = 0.0
    in_flight: list[int] = field(default_factory=list)
    """Slots still taken, lane by lane."""
    unsettled: int = 0
    """Reservations at the pacers that were neither settled nor taken back."""
    budget: BudgetGuard = field(default_factory=BudgetGuard)

    @property
    def prompts(self) -> Prompts:
        return prompts(replace(Columns.of(self.records), fan_out=self.fan_out))

    def ends(self, prompt: int = 0) -> dict[str, str | None]:
        """How each model's request for a prompt ended; None where it succeeded."""
        return {one.model: one.attempts[-1].cause for one in self.records if one.group == prompt}


def asking(model: str, place: int, count: int, think: float | None, every: float) -> Source:
    """A model's requests: at times of their own, or from a person who thinks that long after each answer."""

    def spec(number: int, due: Arrival) -> RequestSpec:
        return RequestSpec(number * len(MODELS) + place, due.at, {"model": model}, 100, 10, group=number)

    def after(number: int, ended: float, _ok: bool) -> list[Placed]:
        assert think is not None
        return [(number + 1, Arrival(ended + think))] if number + 1 < count else []

    if think is None:
        return Source(((number, Arrival(number * every)) for number in range(count)), spec, model=model)
    return Source([(0, Arrival(0.0))] if count else [], spec, after=after, model=model)


def play(
    take: Take,
    count: int,
    script: Script,
    *,
    slo: Slo = Slo(),  # noqa: B008
    limit: int | None = None,
    one_lane: bool = False,
    rate: float | Mapping[str, float] | None = None,
    think: float | None = None,
    every: float = 0.0,
    hold_slot: bool = True,
    interrupts: Sequence[float] = (),
) -> Played:
    played = Played(FanOut(MODELS, take, slo))
    strategy = Strategy(name="s", kind="gather", retry=Retry(attempts=3), take=take, hold_slot=hold_slot)

    async def main() -> None:
        clock, stop = Clock(), Stop()
        groups, slots = Groups(played.fan_out, clock), Slots(limit, clock)
        around = Surroundings(
            journal=played.records.append,
            observer=Observers(),
            budget=played.budget,
            stop=stop,
            cost=lambda _model, attempt: 0.0 if attempt.usage else None,
            worst_case=lambda _spec: 1.0,
        )
        client = Player(clock, script)
        sources = [asking(model, place, count, think, every) for place, model in enumerate(MODELS)]
        pacers, lanes = [], []
        for own in [sources] if one_lane else [[source] for source in sources]:
            pacers.append(Ledger(rate[own[0].model] if isinstance(rate, Mapping) else rate))
            admission = Admission(slots, pacers[-1] if rate else None, clock)
            lanes.append((Line(own, clock, wanted=groups.wanted), admission))
        for when in interrupts:
            clock.call_at(when, stop.interrupt)
        async with asyncio.TaskGroup() as together:
            for line, admission in lanes:
                terms = Terms(strategy, 0, 7, admission, client, clock, around)
                together.create_task(Pass(line, terms, groups).run())
        played.ended = clock.now()
        played.in_flight = [admission.in_flight for _, admission in lanes]
        played.unsettled = sum(pacer.open for pacer in pacers)
        assert limit is None or client.most_in_flight <= limit
        assert client.in_flight == 0
        assert len(asyncio.all_tasks()) == 1

    run_loop(main(), virtual=True)
    return played


def test_all_waits_for_the_slowest_and_gives_nobody_up() -> None:
    played = play("all", 1, {(CHEAP, 0): (1.0, "end_turn"), (DEAR, 0): (5.0, "max_tokens")})
    assert played.ends() == {CHEAP: None, MIDDLE: None, DEAR: None}
    assert list(played.prompts.time) == [5.0]
    assert list(played.prompts.ahead) == [4.0]
    assert MODELS[played.prompts.last[0]] == DEAR


def test_the_first_success_wins_and_the_others_are_given_up_at_that_moment() -> None:
    played = play(
        "first", 1, {(CHEAP, 0): (0.5, "server_error"), (MIDDLE, 0): (2.0, "end_turn"), (DEAR, 0): (9, "end_turn")}
    )
    assert played.ends() == {CHEAP: "unsent", MIDDLE: None, DEAR: "outrun"}, "the first waits to retry when it is over"
    assert played.ended == 2.0
    assert list(played.prompts.time) == [2.0]


def test_the_cheapest_acceptable_answer_is_waited_for_but_no_dearer_one() -> None:
    script = {(CHEAP, 0): (6.0, "end_turn"), (MIDDLE, 0): (2.0, "tool_use"), (DEAR, 0): (4.0, "end_turn")}
    played = play("cheapest", 1, script)
    assert played.ends() == {CHEAP: None, MIDDLE: None, DEAR: "outrun"}
    assert played.ended == 6.0
    assert [list(row) for row in played.prompts.taken] == [[True, False, False]]


@pytest.mark.parametrize("end", ["max_tokens", "refusal", "invalid_request"])
def test_a_cheap_answer_that_is_not_acceptable_leaves_it_to_the_next(end: str) -> None:
    script = {(CHEAP, 0): (6.0, end), (MIDDLE, 0): (2.0, "end_turn"), (DEAR, 0): (9.0, "end_turn")}
    played = play("cheapest", 1, script)
    assert [list(row) for row in played.prompts.taken] == [[False, True, False]]
    assert list(played.prompts.time) == [6.0], "until then the cheap one could still win"


def test_nobody_waits_for_a_cheaper_model_beyond_the_slo() -> None:
    script = {(CHEAP, 0): (60.0, "end_turn"), (MIDDLE, 0): (2.0, "end_turn"), (DEAR, 0): (3.0, "end_turn")}
    played = play("cheapest", 1, script, slo=Slo(response_time=5.0))
    assert played.ends() == {CHEAP: "outrun", MIDDLE: None, DEAR: "outrun"}
    assert played.ended == played.prompts.time[0] == 5.0


def test_what_was_not_sent_when_the_answer_came_never_is() -> None:
    played = play("first", 5, {(CHEAP, n): (2.0, "end_turn") for n in range(5)}, limit=1, one_lane=True)
    assert [played.ends(n) for n in range(5)] == [{CHEAP: None, MIDDLE: "unsent", DEAR: "unsent"}] * 5
    assert played.ended == 10.0


def test_a_model_that_must_wait_holds_up_nobody_and_is_not_asked_in_vain() -> None:
    played = play("first", 3, {}, rate={CHEAP: 1.0, MIDDLE: 1.0, DEAR: 0.01})
    sent = {model: [one.attempts[0].sent for one in played.records if one.model == model] for model in MODELS}
    assert sent[CHEAP] == pytest.approx([0, 1, 2], abs=0.01)
    assert sent[DEAR] == pytest.approx([0, 2, 3], abs=0.01), "the second and third are dropped when they are answered"
    assert [played.ends(n)[DEAR] for n in range(3)] == ["outrun", "unsent", "unsent"]
    assert played.ended == pytest.approx(3.0, abs=0.01)


def test_a_person_asks_again_once_the_answer_that_counts_is_there() -> None:
    times = zip(MODELS, (4.0, 1.0, 9.0), strict=True)
    script = {(model, n): (seconds, "end_turn") for model, seconds in times for n in range(3)}
    intended = {
        take: sorted({one.intended for one in play(take, 3, script, think=10.0).records})
        for take in ("all", "first", "cheapest")
    }
    assert intended == {"all": [0, 19, 38], "first": [0, 11, 22], "cheapest": [0, 14, 28]}


ENDS = ("end_turn", "end_turn", "max_tokens", "requests", "overloaded", "invalid_request")


@given(
    take=st.sampled_from(["all", "first", "cheapest"]),
    count=st.integers(1, 8),
    seconds=st.lists(st.sampled_from([0.5, 1.0, 1.5, 4.0, 20.0]), min_size=24, max_size=24),
    ends=st.lists(st.sampled_from(ENDS), min_size=24, max_size=24),
    limit=st.sampled_from([None, 1, 2, 5]),
    one_lane=st.booleans(),
    rate=st.sampled_from([None, 0.5, 3.0]),
    think=st.sampled_from([None, None, 0.0, 2.5]),
    hold_slot=st.booleans(),
    bound=st.sampled_from([None, 3.0, 10.0]),
    interrupts=st.lists(st.floats(0, 30), max_size=2).map(sorted),
)
@example("first", 3, [1.0] * 24, ["end_turn"] * 24, 1, False, 0.5, 0.0, False, None, [])
@example("cheapest", 3, [4.0, 1.0, 1.0] * 8, ["end_turn"] * 24, None, False, 0.5, None, True, 3.0, [])
def test_no_sequence_of_answers_and_cancellations_leaks_anything(
    take: Take, count: int, seconds: list[float], ends: list[str], limit: int | None, one_lane: bool,
    rate: float | None, think: float | None, hold_slot: bool, bound: float | None, interrupts: list[float],
) -> None:  # fmt: skip
    places = [(model, number) for number in range(count) for model in MODELS]
    script = dict(zip(places, zip(seconds, ends, strict=True), strict=False))
    played = play(
        take, count, script, slo=Slo(response_time=bound), limit=limit, one_lane=one_lane, rate=rate, think=think,
        hold_slot=hold_slot, interrupts=interrupts,
    )  # fmt: skip
    assert played.in_flight == [0] * len(played.in_flight)
    assert played.budget.at_risk == pytest.approx(0)
    kept = [(one.model, one.group) for one in played.records]
    assert len(set(kept)) == len(kept)
    if not interrupts:
        assert played.unsettled == 0
        assert sorted(kept) == sorted(places), "each model has exactly one record of each prompt"
        check_what_was_taken(played)


def check_what_was_taken(played: Played) -> None:
    """What the records say was taken agrees with who was given up while it ran."""
    asked, groups = played.prompts, defaultdict(list)
    for one in played.records:
        groups[one.group].append(one)
    for number, records in groups.items():
        unneeded = [one for one in records if CAUSES[one.attempts[-1].cause or "timeout"].unneeded]
        taken = [one for one in records if asked.taken[number or 0, MODELS.index(one.model)]]
        assert asked.answered[number or 0] or not unneeded, "somebody was given up for an answer that is there"
        assert all(one.ok for one in taken)
        if played.fan_out.take != "all" and asked.answered[number or 0]:
            [winner] = taken
            end = winner.intended + asked.time[number or 0]
            assert all(one.attempts[-1].ended <= end + 1e-6 or one in unneeded for one in records)
            assert winner.attempts[-1].ended <= end + 1e-6


@given(st.permutations([(CHEAP, 3.0), (MIDDLE, 1.0), (DEAR, 2.0)]), st.sampled_from(["end_turn", "max_tokens"]))
def test_the_order_of_events_alone_decides_nothing(order: list[tuple[str, float]], end: str) -> None:
    script = {(model, 0): (seconds, end if model == CHEAP else "end_turn") for model, seconds in order}
    winner = MODELS[play("cheapest", 1, script).prompts.taken[0].argmax()]
    assert winner == (CHEAP if end == "end_turn" else MIDDLE)
