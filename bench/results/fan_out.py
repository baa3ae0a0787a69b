"""Several models asked the same: whose answer each prompt took, when, and what the slowest model cost the others.

The engine decides by this rule while it runs, and reports find out from the records alone.  `all` takes every answer,
`first` the first success, `cheapest` the acceptable answer of the model with the lowest list price.  Acceptable is what
came to its own end (not cut off at max_tokens, no refusal) and missed no demand of the SLO.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from bench.results.record import Record
from bench.results.slo import Slo

if TYPE_CHECKING:
    from bench.results.columns import Bools, Columns, Floats, Ints

Take = Literal["all", "first", "cheapest"]

OWN_END = ("end_turn", "stop_sequence", "tool_use")
"""Stop reasons of an answer that is whole (messages page, 2026-08-22)."""


class FanOut(msgspec.Struct, frozen=True):
    """Which models are asked each prompt, and which answers are taken."""

    models: tuple[str, ...]
    """The one with the lowest list price first."""
    take: Take
    slo: Slo = Slo()

    def ranks(self) -> dict[str, int]:
        """Who is preferred: lower ranks are, and equals are not told apart."""
        return {model: place if self.take == "cheapest" else 0 for place, model in enumerate(self.models)}

    @property
    def patience(self) -> float:
        """Seconds after its intended moment from which on no answer to a prompt is acceptable any more."""
        bound = self.slo.response_time if self.take == "cheapest" else None
        return math.inf if bound is None else bound

    def takes(self, record: Record) -> bool:
        """Whether an answer could be the only one that is taken."""
        if self.take != "cheapest":
            return record.ok and self.take == "first"
        return record.ok and record.attempts[-1].stop_reason in OWN_END and self.slo.met_by(record)


class Prompts(NamedTuple):
    """One entry a prompt; of each model a column, in the order of `FanOut.models`."""

    answered: Bools
    """Whether all answers that are wanted came."""
    time: Floats
    """Seconds from the intended moment until that was settled; NaN where it never was."""
    taken: Bools
    """A row a prompt: which models' answers were taken."""
    last: Ints
    """Which model ended last."""
    ahead: Floats
    """Seconds by which it ended after the last but one."""


def prompts(columns: Columns) -> Prompts:
    """How each prompt of a pass went.  ValueError where only one model was asked."""
    fan_out, requests = columns.fan_out, columns.requests
    if fan_out is None:
        raise ValueError("one model was asked, so there is nothing to compare")
    member = np.array([fan_out.models.index(model) for model in columns.models], dtype=np.int64)[requests.model]
    numbers, prompt = np.unique(requests.group, return_inverse=True)
    times = np.full((len(numbers), len(fan_out.models)), np.nan)
    times[prompt, member] = requests.response_time
    ok = np.zeros(times.shape, dtype=bool)
    ok[prompt, member] = requests.ok
    if fan_out.take == "all":
        answered, time, taken = _all(times, ok)
    elif fan_out.take == "first":
        answered, time, taken = _first(times, ok)
    else:
        acceptable = np.zeros(times.shape, dtype=bool)
        acceptable[prompt, member] = _acceptable(columns, fan_out.slo)
        answered, time, taken = _cheapest(times, acceptable)
    known = np.nan_to_num(times, nan=-math.inf)
    ordered = np.sort(known, axis=1)
    return Prompts(answered, time, taken, known.argmax(axis=1), ordered[:, -1] - ordered[:, -2])


def _all(times: Floats, ok: Bools) -> tuple[Bools, Floats, Bools]:
    answered: Bools = np.all(ok, axis=1)
    return answered, np.where(answered, times.max(axis=1), np.nan), ok


def _first(times: Floats, ok: Bools) -> tuple[Bools, Floats, Bools]:
    until = np.where(ok, times, np.inf)
    answered: Bools = np.any(ok, axis=1)
    return _one(answered, until.min(axis=1), until.argmin(axis=1), ok.shape[1])


def _cheapest(times: Floats, acceptable: Bools) -> tuple[Bools, Floats, Bools]:
    """Settled when the answer was there and every cheaper model had ended: the later of the two."""
    best = acceptable.argmax(axis=1)
    dearer = np.arange(times.shape[1]) > best[:, np.newaxis]
    settled = np.where(dearer, -np.inf, times).max(axis=1)
    answered: Bools = np.any(acceptable, axis=1) & ~np.isnan(settled)
    return _one(answered, settled, best, times.shape[1])


def _one(answered: Bools, time: Floats, winner: Ints, models: int) -> tuple[Bools, Floats, Bools]:
    """Where a single answer is taken."""
    taken = (np.arange(models) == winner[:, np.newaxis]) & answered[:, np.newaxis]
    return answered, np.where(answered, time, np.nan), taken


def _acceptable(columns: Columns, slo: Slo) -> Bools:
    requests = columns.requests
    own_end = np.array([code for code, stop in enumerate(columns.stops) if stop in OWN_END])
    acceptable = requests.ok & np.isin(requests.stop, own_end)
    for name, bound in slo.demands().items():
        acceptable &= ~(getattr(requests, name) > bound)
    return acceptable
