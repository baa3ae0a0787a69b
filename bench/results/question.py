"""What a run was asked: the few facts of a scenario that its results need to be read by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from bench.results.diagnosis import Ceiling
from bench.results.limits import Pool
from bench.results.slo import Slo


def client_named(target: str, client: str, transport: str) -> str:
    """What people call whoever sends the requests of a scenario with these keys."""
    if target == "sim":
        return "simulated"
    return f"sdk on {transport}" if client == "sdk" else client


class Question(msgspec.Struct, frozen=True):
    """The facts of one run, or of one case of it, that hold for all of its passes."""

    name: str
    question: str
    model: str
    target: str
    tier: str
    day: date
    """UTC date of the run, which decides the prices."""
    claim: str | None = None
    case: str | None = None
    """Which case of the scenario these are the facts of."""
    tier_as_of: str | None = None
    """Date of the tier's numbers."""
    seed: int = 0
    client: str = ""
    """Who sent the requests, see `client_named`."""
    speed: float = 1.0
    """How many times faster than the wall clock scenario time passed."""
    own_times: bool = False
    """Whether requests come at times of their own rather than all at second 0."""
    streams: tuple[str, ...] = ()
    """Where there are several, the most urgent first: its times decide between strategies."""
    slo: Slo = Slo()
    limits: Mapping[str, float | None] = {}
    """Per minute, by limiter: `requests`, `input_tokens`, `output_tokens`; None or absent is no known limit."""
    pools: tuple[Pool, ...] = ()
    """Where several models are asked: those that share limits, and these."""

    volume: float | None = None
    """Requests a second that the work is to be projected to; None for no projection."""
    spend_cap: float | None = None
    """US dollars a month that the tier allows; None for no cap, or not known."""
    ceiling: Ceiling | None = None
    """What the machine of this run can time with this client; None where nobody has found out."""
    lighter: Ceiling | None = None
    """What it can time with `client: wire`, where that is another one; None where nobody has found out."""

    @property
    def limit_pools(self) -> tuple[Pool, ...]:
        """All models that are asked, by the limits they share."""
        return self.pools or (Pool((self.model,), self.limits),)

    def pool_of(self, model: str) -> Pool:
        """The limits of one model: those of the scenario's where nothing else is known."""
        return next((pool for pool in self.limit_pools if model in pool.models), self.limit_pools[0])
