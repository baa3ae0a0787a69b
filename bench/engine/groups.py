"""Groups: one prompt that several models are asked at once, and who of them still has to answer.

Each model has a rank.  Where the first success is taken all have the same; where the cheapest acceptable answer is, the
cheapest model has the lowest.  An answer that can be taken makes all of its rank and above unwanted: they are given up
in flight, or never sent.  A prompt is settled as soon as nobody of a lower rank is left, or could still be in time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from bench.clock import Alarm, Clock, utc_now
from bench.request import RequestSpec
from bench.results.cost import by_price
from bench.results.fan_out import FanOut
from bench.results.record import Record
from bench.results.slo import Slo
from bench.scenario.model import Scenario, Strategy


@dataclass(slots=True)
class _Group:
    """One prompt."""

    open: dict[str, int]
    """The ranks of the models that have not ended."""
    best: float = math.inf
    """Rank of the answer that is taken if nothing changes."""
    settled: float | None = None
    """When nothing could change any more, seconds since the start of the pass."""
    under_way: dict[str, Callable[[], None]] = field(default_factory=dict)
    """How to give up each model that was sent."""
    asking: list[Callable[[float], None]] = field(default_factory=list)
    """Whoever goes on once the prompt is settled."""
    alarm: Alarm | None = None


class Groups:
    """All prompts of a pass that are not yet answered."""

    def __init__(self, fan_out: FanOut, clock: Clock) -> None:
        self._fan_out = fan_out
        self._clock = clock
        self._ranks: Mapping[str, int] = fan_out.ranks()
        self._groups: dict[int, _Group] = {}
        self._listeners: list[Callable[[], None]] = []

    def heard_by(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever requests have become unwanted."""
        self._listeners.append(listener)

    def wanted(self, spec: RequestSpec) -> bool:
        """Whether its answer could still be taken."""
        group = self._groups.get(_number(spec))
        return group is None or group.open[spec.params["model"]] < group.best

    def sent(self, spec: RequestSpec, give_up: Callable[[], None]) -> None:
        """A request is under way, and `give_up` ends it early: at once, if it is unwanted by now."""
        if self.wanted(spec):
            self._group(_number(spec)).under_way[spec.params["model"]] = give_up
        else:
            give_up()

    def ended(self, record: Record, answered: Callable[[float], None]) -> None:
        """A request has its record; `answered` hears when its prompt is settled."""
        assert record.group is not None
        group = self._group(record.group)
        rank = group.open.pop(record.model)
        group.under_way.pop(record.model, None)
        group.asking.append(answered)
        if self._fan_out.takes(record):
            group.best = min(group.best, rank)
        self._look(record.group, group, record.attempts[-1].ended)
        if group.settled is None and group.best < math.inf and group.alarm is None:
            self._wait_no_longer_than(record.group, group, record.intended + self._fan_out.patience)

    def _group(self, number: int) -> _Group:
        if number not in self._groups:
            self._groups[number] = _Group(dict(self._ranks))
        return self._groups[number]

    def _wait_no_longer_than(self, number: int, group: _Group, moment: float) -> None:
        """From that moment on nobody who is still open can be in time."""
        if moment < math.inf:
            group.alarm = self._clock.call_at(moment, self._too_late, number, group)

    def _too_late(self, number: int, group: _Group) -> None:
        group.best = -1
        self._look(number, group, self._clock.now())

    def _look(self, number: int, group: _Group, now: float) -> None:
        """Draw the consequences of what has changed."""
        unwanted = [model for model, rank in group.open.items() if rank >= group.best]
        for give_up in [group.under_way.pop(model) for model in unwanted if model in group.under_way]:
            give_up()
        if group.settled is None and len(unwanted) == len(group.open):
            group.settled = now
            if group.alarm is not None:
                group.alarm.cancel()
        if group.settled is not None:
            for answered in group.asking:
                answered(group.settled)
            group.asking.clear()
        if not group.open:
            del self._groups[number]
        if unwanted:
            for listener in self._listeners:
                listener()


def _number(spec: RequestSpec) -> int:
    assert spec.group is not None, "a request of no group"
    return spec.group


def groups_of(scenario: Scenario, strategy: Strategy, clock: Clock) -> Groups | None:
    """The groups of a pass; None where one model is asked each prompt."""
    if scenario.fan_out is None or strategy.take is None:
        return None
    slo = msgspec.convert(scenario.slo.model_dump(), Slo)
    return Groups(FanOut(by_price(scenario.fan_out.models, utc_now().date()), strategy.take, slo), clock)
