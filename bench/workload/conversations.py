"""Conversations: which requests each consists of, and what was said before each of them.

A turn is what a person says and all that follows until it is answered; an agent's turn has a request for each call of a
tool and one more.  Every request resends the whole conversation so far.

The requests of a conversation have places in the workload, one after another, and all about one is a function of the
seed and its place.  So nothing is kept of a conversation that runs: its text is made again for each request, and no
answer is needed for it.  Answers are resent as filler of the length that was expected of them, and tools are called as
often as the workload says, whatever the model answered: that is what makes the load repeatable, and the prefix of each
turn the same to the byte as in the turn before.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from bench.scenario.sizes import MOST, Fixed
from bench.workload import tools
from bench.workload.sizes import sizer
from bench.workload.streams import Traffic
from bench.workload.think import think_time
from mock_server.models import describe, text_of_tokens
from mock_server.rng import Draws

Message = dict[str, Any]


class Step(NamedTuple):
    """One request of a conversation."""

    conversation: int
    turn: int
    """From 0."""
    call: int
    """Calls of tools made in this turn before it."""
    calls: int
    """Calls that the turn has."""
    number: int
    """Requests of the conversation before it."""
    final: bool
    """Whether its answer ends the conversation."""

    @property
    def answers_person(self) -> bool:
        """Whether its answer ends the turn, rather than calling a tool."""
        return self.call == self.calls


class Context(NamedTuple):
    """What a request says."""

    messages: list[Message]
    tokens: int
    sent_before: int
    """Of these, those that the request before it ended with: what a breakpoint at its end has kept."""


class Script:
    """The conversations of a stream.  `numbered` says the sequence number that goes with a place."""

    def __init__(self, traffic: Traffic, seed: int, numbered: Callable[[int], int], mark: str) -> None:
        workload = traffic.workload
        assert workload.conversations is not None, "no conversations"
        self._plan, self._tools = workload.conversations, workload.tools
        self._max_tokens, self._model_id, self._model = workload.max_tokens, traffic.model, describe(traffic.model)
        self._seed, self._key, self._numbered, self._mark = seed, traffic.key, numbered, mark
        assert workload.input_tokens is not None, "no size of what is said"
        self._said = sizer(workload.input_tokens, seed, "input")
        self._opening = sizer(self._plan.opening_tokens or workload.input_tokens, seed, "input")
        self._answered = sizer(workload.output_tokens, seed, "output")
        self._turns = sizer(self._plan.turns, seed, "turns")
        self._calls_in = sizer(self._tools.calls if self._tools else Fixed(value=0), seed, "calls")
        if self._tools is not None:
            self._called = sizer(self._tools.call_tokens, seed, "output")
            self._given = sizer(self._tools.result_tokens, seed, "result")
        self._calls = lru_cache(maxsize=4096)(self._draw_calls)
        self._first = array("q", [0])

    def id(self, conversation: int) -> int:
        """What records call a conversation: no two of a scenario have the same."""
        return self._numbered(conversation)

    def first(self, conversation: int) -> int:
        """The place of the first request of a conversation."""
        while len(self._first) <= conversation:
            self._extend()
        return self._first[conversation]

    def step(self, place: int) -> Step:
        """Which request of which conversation has this place."""
        while self._first[-1] <= place:
            self._extend()
        conversation = bisect_right(self._first, place) - 1
        number = left = place - self._first[conversation]
        calls = self._calls(conversation)
        for turn, made in enumerate(calls):
            if left <= made:
                return Step(conversation, turn, left, made, number, left == made and turn == len(calls) - 1)
            left -= made + 1
        raise AssertionError("a place beyond the end of its conversation")

    def pause(self, place: int) -> float:
        """Seconds between an answer and the request of this place, which follows it."""
        step, draws = self.step(place), Draws(self._seed, "pause", *self._key, place)
        if step.call:
            assert self._tools is not None
            return think_time(self._tools.time, draws)
        return think_time(self._plan.think, draws)

    def output_tokens(self, place: int) -> int:
        """The expected length of an answer."""
        ends_turn = self.step(place).answers_person
        return (self._answered if ends_turn else self._called)(self._numbered(place), 0)

    def context(self, place: int) -> Context:
        """All that is said in the request of a place."""
        step = self.step(place)
        said = list(self._until(step, place - step.number))
        tokens = sum(size for _, (_, size) in said)
        new = sum(size for _, (_, size) in said[-2:])  # an answer, and what follows it
        messages = [{"role": role, "content": [block]} for role, (block, _) in said]
        return Context(messages, tokens, tokens - new if step.number else 0)

    def _until(self, step: Step, place: int) -> Iterator[tuple[str, tools.Sized]]:
        """Who said what, from the first request of a conversation, at `place`, to one of its steps."""
        for turn, calls in enumerate(self._calls(step.conversation)[: step.turn + 1]):
            yield "user", self._spoken(step.conversation, turn, place)
            for _ in range(step.call if turn == step.turn else calls):
                yield "assistant", self._call(place)
                yield "user", self._result(place)
                place += 1
            if turn < step.turn:
                yield "assistant", self._text(self._expected(self._answered, place))
                place += 1

    def _spoken(self, conversation: int, turn: int, place: int) -> tools.Sized:
        """What a person says.  Only the first words tell conversations apart: what follows need not."""
        seq = self._numbered(place)
        if turn:
            return self._text(self._said(seq, 0))
        return self._text(self._opening(seq, 0), f"{self.id(conversation)} {self._mark}: ")

    def _call(self, place: int) -> tools.Sized:
        assert self._tools is not None
        return tools.call(self._tools.count, place, self._expected(self._called, place), self._model)

    def _result(self, place: int) -> tools.Sized:
        return tools.result(place, self._given(self._numbered(place), 0), self._model)

    def _expected(self, size: Callable[[int, int], int], place: int) -> int:
        return min(size(self._numbered(place), 0), self._max_tokens)

    def _text(self, tokens: int, start: str = "") -> tools.Sized:
        return {"type": "text", "text": text_of_tokens(tokens, self._model_id, start)}, tokens

    def _draw_calls(self, conversation: int) -> tuple[int, ...]:
        """How many calls of tools each turn of a conversation has."""
        own = self.id(conversation)
        turns = min(MOST, self._turns(own, 0))
        return tuple(min(MOST, self._calls_in(own * MOST + turn, 0)) for turn in range(turns))

    def _extend(self) -> None:
        """Find out where the next conversation begins."""
        calls = self._calls(len(self._first) - 1)
        self._first.append(self._first[-1] + len(calls) + sum(calls))
