"""The seam to whoever answers: one method, so that real, mock and simulated targets differ here only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from bench.request import RequestSpec
from bench.results.record import Attempt


class Watch:
    """How whoever sends an attempt follows it, and what it leaves behind when it is cancelled."""

    __slots__ = ("answered", "heard", "seen", "within")

    def __init__(self, within: float = math.inf, answered: Callable[[], object] | None = None) -> None:
        self.within = within
        """Seconds it may take, where that is less than the client's own timeout."""
        self.answered = answered
        """Called when a stream shows its first token."""
        self.heard: bytearray | None = None
        """What has come of the answer's body, where somebody wants to know; a refusal's has none."""
        self.seen: Attempt | None = None
        """Of an attempt that was cancelled: what had come of the answer by then, its usage above all."""


class Client(Protocol):
    """Sends one request once.  Never raises for a failed request: that is an `Attempt` with a cause."""

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:
        """Send `spec` as its attempt number `attempt` (from 1) and wait for the end of the answer.

        When the task is cancelled it releases everything, leaves what it saw with `watch` and lets the cancellation
        pass.
        """
        ...
