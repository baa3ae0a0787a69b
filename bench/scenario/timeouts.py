"""When waiting for an answer ends: `timeout: 60s` for each attempt, or `{attempt: 60s, request: 5m, stall: 20s}`."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Discriminator, Tag, ValidationInfo

from bench.scenario.notation import Model, PositiveDuration, Written, wrong_at


class Timeout(Model):
    """When to give up waiting; None is never."""

    attempt: PositiveDuration = 600.0
    """How long one attempt may take."""
    request: PositiveDuration | None = None
    """How long a request may take from its first send on, all attempts and waits between them together."""
    stall: PositiveDuration | None = None
    """How long a stream may be silent once its headers are there."""

    @property
    def longest_silence(self) -> float:
        """`stall` in seconds, where never is infinite."""
        return math.inf if self.stall is None else self.stall


TimeoutForm = Annotated[
    Annotated[PositiveDuration, Tag("<one>")] | Annotated[Timeout, Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<one>"),
]


def _resolve(form: float | Timeout, info: ValidationInfo) -> Timeout:
    timeout = form if isinstance(form, Timeout) else Timeout(attempt=form)
    if timeout.stall is not None and not getattr(info.data.get("workload"), "stream", True):
        wrong_at([(("stall",), "only a streamed answer can stall; add workload.stream: true")])
    return timeout


TimeoutField = Annotated[Timeout, Written(TimeoutForm, _resolve)]
"""Needs the scenario's `workload`, which is therefore declared before it."""
