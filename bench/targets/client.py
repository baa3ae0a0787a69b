"""The seam to whoever answers: one method, so that real, mock and simulated targets differ here only."""

from __future__ import annotations

from typing import Protocol

from bench.request import RequestSpec
from bench.results.record import Attempt


class Client(Protocol):
    """Sends one request once.  Never raises for a failed request: that is an `Attempt` with a cause."""

    async def send(self, spec: RequestSpec, attempt: int) -> Attempt:
        """Send `spec` as its attempt number `attempt` (from 1) and wait for the end of the answer.

        When the task is cancelled it releases everything and lets the cancellation pass.
        """
        ...
