"""A plan: what a scenario comes to on each tier with each strategy, before anything is sent.

Times are seconds, rates per minute, money US dollars, shares fractions of one.  None means not known, never 0.
`--json` prints it.  schema_version 1.
"""

from __future__ import annotations

import msgspec

PLAN_VERSION = 1


BINDING = {
    "requests": "the limit on requests",
    "input_tokens": "the limit on input tokens",
    "output_tokens": "the limit on output tokens",
    "in_flight": "how many are in flight",
    "arrivals": "when requests come",
    "answers": "how long answers take",
    "batches": "how long batches take",
    "batch_queue": "the room in the queue of batches",
}
"""What can bind, in words."""


def binding(name: str) -> str:
    """A bound's name in words."""
    return BINDING[name]


class Bound(msgspec.Struct, frozen=True):
    """One thing that a job cannot be faster than."""

    name: str
    """`requests`, `input_tokens`, `output_tokens` (limits per minute), `in_flight`, `arrivals` (the last one and its
    answer), `answers` (the longest, where all is there at the start), `batches` (how long they take) or
    `batch_queue`."""
    seconds: float
    """When it lets the job end at the earliest.  Of a limit: when it lets the last request go, (demand - burst) / rate,
    and the mean answer after that."""
    demand: float | None = None
    """Of a limit: units that the job takes of it.  Of `in_flight`: seconds that all answers take together."""
    per_minute: float | None = None
    """Of a limit: units a minute, as the tier or the strategy's own pacer allows, whichever is slower."""
    burst: float | None = None
    """Of a limit: units that need not be waited for: what a full bucket holds, and of output tokens what those in
    flight at the end have not produced yet."""
    pool: str = ""
    """Of a limit: the models that share it, where there are several such pools."""
    keeps: str = "tier"
    """Of a limit: who keeps it, the `tier` or the `strategy`, whose pacer is slower than the tier."""


class ClosedForm(msgspec.Struct, frozen=True):
    """What arithmetic alone says: no queue, no retry, no luck."""

    makespan: float
    """The largest of the bounds."""
    binds: str
    """The name of that bound."""
    rate: float
    """Requests a minute at this makespan."""
    in_flight: float
    """Requests in flight: the strategy's limit, or where it has none, rate x mean answer time (Little, 1961)."""
    limited_in_flight: bool
    """Whether that is a limit of the strategy."""
    bounds: tuple[Bound, ...]
    """The largest first."""


class LimitShare(msgspec.Struct, frozen=True):
    """How much of one per-minute limit is used, on average over the makespan."""

    limiter: str
    """`requests`, `input_tokens` or `output_tokens`."""
    per_minute: float | None
    """The limit; None where there is none."""
    share: float | None
    """Above 1 where the burst was used up."""


class Played(msgspec.Struct, frozen=True):
    """What the simulation of the very strategy came to."""

    requests: float
    """Of the whole job."""
    simulated: int
    """Requests that were simulated."""
    estimate: bool
    """Whether a smaller job was simulated and this is worked out from it."""
    makespan: float
    throughput: float
    """Requests a minute that succeed."""
    response_p50: float | None
    response_p95: float | None
    """Seconds from the moment a request was meant to go, of the most urgent stream where there are several; where
    several models are asked each prompt, until the answer was there.  None with fewer than 72 of them."""
    ttft_p50: float | None
    ttft_p95: float | None
    """None without streaming."""
    latency_p50: float | None
    latency_p95: float | None
    limits: tuple[LimitShare, ...]
    rate_limited: float
    """429s expected."""
    rate_limited_share: float
    """Of all attempts."""
    failed: float
    """Requests that give up."""
    failed_share: float
    goodput_share: float | None = None
    """Requests within the scenario's `slo`; None where it has none."""
    response_of: str = ""
    """The stream whose response times and times to first token these are, where there are several."""


class Spending(msgspec.Struct, frozen=True):
    """Money.  None where a price is not known."""

    expected: float | None
    """One run."""
    worst: float | None
    """One run if every answer is as long as max_tokens allows and nothing is read from the cache.  A request that is
    cut off and sent again, or hedged, may cost more."""
    spend_cap: float | None
    """What the tier allows in a month; None for no cap, or one that is not known."""
    cap_share: float | None
    """Part of it that one run takes."""
    monthly: float | None = None
    """At the stated volume; None without one."""
    monthly_cap_share: float | None = None


class Cell(msgspec.Struct, frozen=True):
    """One strategy on one tier."""

    tier: str
    case: str | None
    strategy: str
    kind: str
    closed_form: ClosedForm
    spending: Spending
    simulated: Played | None
    """None where only the closed form was asked for."""
    difference: float | None = None
    """simulated makespan / that of the closed form - 1."""
    why: str = ""
    """Why they differ, in words; empty where they hardly do."""
    meets_deadline: bool | None = None
    """None without a deadline."""
    carries_volume: bool | None = None
    """Whether the tier's limits and spend cap carry the stated volume; None without one."""
    clean: bool = True
    """Whether hardly a request fails and hardly an attempt is refused: at most 1 % each."""
    best: bool = False
    """The one to use on this tier in this case."""
    recommended: bool = False
    """The one to use in this case."""

    @property
    def makespan(self) -> float:
        """The simulated one, or that of the closed form."""
        return self.closed_form.makespan if self.simulated is None else self.simulated.makespan


class WhatIf(msgspec.Struct, frozen=True):
    """The recommended strategy in other circumstances."""

    name: str
    """In words, such as `on the build tier` or `as message batches`."""
    kind: str
    """`tier`, `batches`, `caching` or `model`; of the sensitivity `outputs`, `arrivals` or `service`."""
    case: str | None
    makespan: float
    cost: float | None
    response_p95: float | None
    note: str = ""
    """What else would be different."""


class TierPlan(msgspec.Struct, frozen=True):
    """One tier of the plan: its numbers and where they are from."""

    name: str
    as_of: str
    """Date of its numbers."""
    source: str
    spend_cap: float | None
    limits: dict[str, dict[str, float | None]]
    """By model: its limits per minute."""


class Volume(msgspec.Struct, frozen=True):
    """How much there is in life."""

    requests_per_minute: float
    requests_per_month: float
    """In a month of 30.4 days."""


class Plan(msgspec.Struct, frozen=True):
    """A whole plan."""

    name: str
    question: str
    model: str
    answer: tuple[str, ...]
    """The first sentence can be pasted anywhere."""
    tiers: tuple[TierPlan, ...]
    cells: tuple[Cell, ...]
    """Case by case, in it tier by tier, in that strategy by strategy."""
    what_ifs: tuple[WhatIf, ...] = ()
    sensitivity: tuple[WhatIf, ...] = ()
    deadline: float | None = None
    feasible: bool | None = None
    """Whether any cell of each case meets the deadline; None without one."""
    verdict: str = ""
    """What there is to say about the deadline."""
    volume: Volume | None = None
    prices_as_of: str | None = None
    """None where no price is known."""
    notes: tuple[str, ...] = ()
    """What a reader must know before believing the numbers."""
    reasons: tuple[str, ...] = ()
    """Why the exit code is what it is; empty when it is 0."""
    exit_code: int = 0
    seed: int = 0
    repeat: int = 1
    """How often a run of the scenario runs each strategy; everything here is of one."""
    schema_version: int = PLAN_VERSION

    @property
    def cases(self) -> tuple[str | None, ...]:
        """The cases in the order of the file; of a scenario without cases, None alone."""
        return tuple(dict.fromkeys(cell.case for cell in self.cells))

    def of_case(self, case: str | None) -> tuple[Cell, ...]:
        """The cells of one case."""
        return tuple(cell for cell in self.cells if cell.case == case)
