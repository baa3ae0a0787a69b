"""The summary of a run: what `summary.json` holds, what console, HTML, thresholds and `--json` read.

Every value is in the unit its metric declares in `metrics.py`.  None means not known or not enough samples, never 0.
It holds nothing that differs between two runs of one file and seed on `sim` (no times of day, no paths, no run id).
schema_version 1.
"""

from __future__ import annotations

import msgspec

from bench.results.record import OfPass
from bench.results.selfcheck import SelfCheck
from bench.results.workers import WorkerNote, crew

SCHEMA_VERSION = 1


class Quantile(msgspec.Struct, frozen=True):
    """A percentile with its 95 % order-statistic interval."""

    value: float | None
    lo: float | None
    hi: float | None
    needed: int
    """Samples from which on the interval exists; below it `value`, `lo` and `hi` are None."""


class Distribution(msgspec.Struct, frozen=True):
    """One metric over the successful requests of a pass."""

    n: int
    mean: float | None
    min: float | None
    max: float | None
    p50: Quantile
    p90: Quantile
    p95: Quantile
    p99: Quantile


class Cost(msgspec.Struct, frozen=True):
    """US dollars by kind of token; all None when the model's price is unknown."""

    total: float | None
    input: float | None
    cache_write: float | None
    cache_read: float | None
    output: float | None
    cache_saving: float | None = None
    """What the same tokens would have cost uncached, less what they cost; None where the cache was not used."""


class LimitUse(msgspec.Struct, frozen=True):
    """How much of one per-minute limit a pass used."""

    limiter: str
    """`requests`, `input_tokens` or `output_tokens`."""
    per_minute: float | None
    """The limit; None where there is none or it is not known."""
    used: float
    """Units used in the whole pass."""
    share: float | None
    """used / (per_minute x minutes), with a pass shorter than a minute counted as one minute."""


class Alternative(msgspec.Struct, frozen=True):
    """What the work of a pass would have cost otherwise: an estimate from list prices."""

    name: str
    """In words, such as `as message batches` or `with claude-haiku-5-5`."""
    total: float
    """US dollars."""
    note: str
    """What else would be different."""


class Monthly(msgspec.Struct, frozen=True):
    """What a month of such requests would cost: an estimate from the cost of a success."""

    requests: float
    """In a month of 30.4 days."""
    cost: float | None
    """US dollars; None where the price is not known or nothing succeeded."""
    spend_cap: float | None
    """US dollars a month that the tier allows; None for no cap, or a tier that names none."""


class Overhead(msgspec.Struct, frozen=True):
    """What the client added: recorded latency minus the server's own, per request, in seconds."""

    n: int
    median: float
    p95: float
    client_median: float
    server_median: float


class Warning(msgspec.Struct, frozen=True):
    """Something a reader must know before believing a number."""

    code: str
    observed: str
    """What was seen, with the number."""
    why: str
    """Why it matters."""
    todo: str
    """What to do about it."""


class StreamSummary(msgspec.Struct, frozen=True):
    """One stream of traffic in a pass: the same metrics over its requests alone."""

    name: str
    values: dict[str, float | None]
    """Scalar metrics by name.  Use of the limits and what is counted a minute are of its own requests and time."""
    distributions: dict[str, Distribution]


class TurnSummary(msgspec.Struct, frozen=True):
    """What all conversations of a pass have in common in their n-th turn."""

    turn: int
    """From 0."""
    conversations: int
    """That came to this turn."""
    requests: int
    input_tokens: float
    """Of a request, on average."""
    cache_hit_share: float | None
    """Input tokens read from the cache, of all; None where the cache was not used."""
    cost: float | None
    """US dollars of a conversation's turn, on average."""
    ttft: Distribution
    turn_time: Distribution


class ModelSummary(msgspec.Struct, frozen=True):
    """One of several models in a pass: the same metrics over its requests alone."""

    name: str
    values: dict[str, float | None]
    """Scalar metrics by name.  Use of the limits is that of the model's own limits."""
    distributions: dict[str, Distribution]
    cost: Cost | None = None
    """None in summaries of before this was kept."""


class Member(msgspec.Struct, frozen=True):
    """One model in a fan-out."""

    model: str
    taken: int
    """Prompts of which its answer was taken."""
    last: int | None
    """Answered prompts at which it was the last, like the next None unless all answers are waited for."""
    added: float | None
    """By how many seconds the mean time to the answer would be shorter without it."""


class FanOutSummary(msgspec.Struct, frozen=True):
    """Several models asked the same, in one pass.  How long prompts took is among the distributions: `group_time`."""

    take: str
    """`all`, `first` or `cheapest`."""
    prompts: int
    answered: int
    """Prompts of which all that was to be taken came."""
    members: tuple[Member, ...]
    """In the order of their list prices, the cheapest first."""


class BatchSummary(msgspec.Struct, frozen=True):
    """One message batch.  Seconds since the start of the pass."""

    id: str
    items: int
    """Requests in it."""
    submitted: float
    ended: float | None
    """When its results had been read; None if it had not ended when the run did."""
    succeeded: int
    errored: int
    expired: int
    canceled: int
    cost: float | None
    """US dollars; None when the price is not known."""


class Hour(msgspec.Struct, frozen=True):
    """One hour of the day, of all days on which it was seen.  Seconds; None where nothing succeeded."""

    hour: int
    """0 to 23, UTC."""
    days: int
    """On how many it was seen."""
    rounds: int
    requests: int
    failed: int
    latency: float | None
    """Median, as below."""
    latency_lo: float | None
    """95 % interval of the median; None where the requests are too few."""
    latency_hi: float | None
    ttft: float | None
    """None where answers were not streamed."""


class Observation(msgspec.Struct, frozen=True):
    """Requests that came in rounds, by the time of day."""

    first: float
    """Unix time of the first request in seconds, and of the last below."""
    last: float
    rounds: int
    requests: int
    failed: int
    hours: tuple[Hour, ...]
    """Those that were seen, from 0 to 23."""
    quickest: int | None
    """The hour whose median latency is the lowest; None where nothing succeeded."""
    slowest: int | None
    chance: float | None
    """How often hours that are all alike would differ as much as these; None where only one was seen."""


class PassSummary(msgspec.Struct, frozen=True, rename={"pass_": "pass"}):
    """One strategy, run once."""

    strategy: str
    kind: str
    pass_: int
    """0-based repeat."""
    values: dict[str, float | None]
    """Scalar metrics by name."""
    distributions: dict[str, Distribution]
    """Distribution metrics by name."""
    failures: dict[str, int]
    """Requests that failed for good, by cause."""
    attempts: dict[str, int]
    """Attempts that failed, by cause; 429s by the limit that said no."""
    cost: Cost
    limits: tuple[LimitUse, ...]
    overhead: Overhead | None = None
    stopped: str | None = None
    """Why the pass ended early, in words."""
    warnings: tuple[Warning, ...] = ()
    streams: tuple[StreamSummary, ...] = ()
    """The most urgent first; none where the traffic is not divided into streams."""
    batches: tuple[BatchSummary, ...] = ()
    """In the order in which they were submitted."""
    turns: tuple[TurnSummary, ...] = ()
    """Of conversations, up to the hundredth."""
    case: str | None = None
    """In which case of the scenario; None where it has no cases."""
    models: tuple[ModelSummary, ...] = ()
    """In the order in which they first answered; none where only one was asked."""
    fan_out: FanOutSummary | None = None
    alternatives: tuple[Alternative, ...] = ()
    """What the same work would have cost otherwise."""
    monthly: Monthly | None = None
    """What it comes to at the volume that the scenario states; None where it states none."""
    observation: Observation | None = None
    """Where requests came in rounds: how the hours of the day differ."""
    selfcheck: SelfCheck | None = None
    """What the client saw of itself; None in virtual time, where nothing is late."""
    workers: tuple[WorkerNote, ...] = ()
    """Who sent it, where several processes did."""

    @property
    def of_pass(self) -> OfPass:
        """Which pass it is: case, strategy and repeat."""
        return self.case, self.strategy, self.pass_


class ThresholdResult(msgspec.Struct, frozen=True):
    """One threshold held against one pass."""

    strategy: str
    pass_: int
    metric: str
    expression: str
    value: float | None
    verdict: str
    """`ok`, `failed`, `no samples` or `inconclusive`."""
    detail: str = ""
    case: str | None = None
    limit: float | None = None
    """What the value was held against, in the same unit; None in summaries of before this was kept."""


class CaseSummary(msgspec.Struct, frozen=True):
    """One case of a scenario: what it was, and what is to be done in it."""

    name: str
    model: str
    tier: str
    tier_as_of: str | None
    """Date of the tier's numbers."""
    answer: str
    """The answer sentences of this case."""
    client: str = ""
    """Who sent its requests."""


class Summary(msgspec.Struct, frozen=True):
    """A whole run."""

    schema_version: int
    name: str
    question: str
    claim: str | None
    model: str
    """Where there are `cases`, each has a model and a tier of its own."""
    target: str
    tier: str
    tier_as_of: str | None
    """Date of the tier's numbers."""
    seed: int
    speed: float
    prices_as_of: str | None
    answer: str
    """The answer sentence: what the question's reader should do, with the numbers that say so; of several cases, one
    line each."""
    passes: tuple[PassSummary, ...]
    thresholds: tuple[ThresholdResult, ...]
    warnings: tuple[Warning, ...]
    reasons: tuple[str, ...]
    """Why the exit code is what it is; empty when it is 0."""
    exit_code: int
    cases: tuple[CaseSummary, ...] = ()
    """In the order of the file; none where the scenario has no cases."""
    client: str = ""
    """Who sent the requests: `sdk on aiohttp`, `sdk on httpx`, `wire` or `simulated`."""

    @property
    def clients(self) -> tuple[str, ...]:
        """All that sent requests; a case may have one of its own."""
        return tuple(dict.fromkeys(each.client for each in self.cases or (self,)))

    @property
    def crews(self) -> tuple[str, ...]:
        """How many processes sent, where several did."""
        return tuple(dict.fromkeys(crew(each.workers) for each in self.passes if each.workers))
