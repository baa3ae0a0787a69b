"""The parsed, validated, frozen scenario.  Times are seconds, rates are per second, shares are fractions.

Only `load.py` makes these from files; what a person writes (`90s`, `10%`, `semaphore: [4, 8]`) is turned into these
values there and in `units.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Fixed(Model):
    """Always the same number of tokens."""

    kind: Literal["fixed"] = "fixed"
    value: int


class Uniform(Model):
    """Any whole number from low to high, equally likely."""

    kind: Literal["uniform"] = "uniform"
    low: int
    high: int


class Lognormal(Model):
    """A heavy right tail, fixed by two quantiles."""

    kind: Literal["lognormal"] = "lognormal"
    median: float
    p95: float


class FromTrace(Model):
    """The sizes that stand in the trace of `arrivals`."""

    kind: Literal["trace"] = "trace"


Size = Fixed | Uniform | Lognormal | FromTrace


class Dataset(Model):
    """Prompts from a JSONL or CSV file, taken in order and again from the start when they run out."""

    path: Path
    field: str = "prompt"


class Workload(Model):
    """What is sent."""

    requests: int | None = None
    """How many; None with a trace means all of its window, with a `duration` as many as arrive."""
    duration: float | None = None
    """Seconds during which requests arrive (open arrivals only)."""
    dataset: Dataset | None = None
    """Prompts from a file; None means synthetic prompts of `input_tokens`."""
    input_tokens: Size | None = None
    output_tokens: Size
    """Expected output; on mock and sim what is produced, on the API an assumption."""
    system: str | None = None
    max_tokens: int
    stream: bool = False


class Arrivals(Model):
    """When requests come.  `backlog`: all at second 0."""

    kind: Literal["backlog", "constant", "poisson", "trace"] = "backlog"
    rate: float | None = None
    """Requests per second (constant, poisson)."""
    path: Path | None = None
    """CSV with TIMESTAMP, ContextTokens, GeneratedTokens (trace)."""
    window: float | None = None
    """Seconds of the trace to take, from its first row; None is all."""
    time_factor: float = 1.0
    """2 plays the trace twice as slowly."""


class TokenBucket(Model):
    """What the token-bucket pacer keeps to.  A None rate is the tier's number for the model."""

    requests: float | None = None
    """Per second, like the two below."""
    input_tokens: float | None = None
    output_tokens: float | None = None
    share: float = 1.0
    """Fraction of the rates to use."""
    burst: float = 10.0
    """Seconds' worth of the rate that may go at once."""


class Retry(Model):
    """What follows a failed attempt."""

    policy: Literal["none", "retry_after", "exponential", "sdk"] = "retry_after"
    attempts: int = 10
    """Attempts in all, the first included."""
    base: float = 1.0
    """Seconds before the second attempt (exponential, and where retry-after is missing)."""
    factor: float = 2.0
    cap: float = 60.0
    jitter: float = 0.0
    """Fraction of each delay that is random: added on top of a retry-after, taken off an exponential delay."""


class Strategy(Model):
    """How requests are let through: one row, after sweeps are unfolded."""

    name: str
    """Unique in the scenario, such as `semaphore-10`."""
    kind: Literal["sequential", "gather", "semaphore", "token_bucket"]
    limit: int | None = None
    """Most requests in flight; None is no limit."""
    pacer: TokenBucket | None = None
    hold_slot: bool = True
    """Whether a request that waits to retry keeps its slot."""
    retry: Retry
    """Its own policy, or the scenario's."""


class Warmup(Model):
    """Requests sent before each pass and not counted."""

    requests: int = 0


class Slo(Model):
    """What a request must meet to count as goodput; seconds, None is no demand."""

    ttft: float | None = None
    tpot: float | None = None
    latency: float | None = None
    response_time: float | None = None


class Threshold(Model):
    """One condition on a metric, such as `p(95) < 2s`."""

    metric: str
    expression: str
    """As written."""
    aggregate: str
    """`p95`, `mean`, `min`, `max`, `value` ..."""
    op: Literal["<", "<=", ">", ">="]
    value: float
    """In the metric's unit."""
    line: int = 0
    """Where in the file it stands, 1-based."""


class Budget(Model):
    """Where a run stops by itself.  None is no bound."""

    max_cost: float | None = None
    """US dollars."""
    max_requests: int | None = None
    max_time: float | None = None
    """Seconds of scenario time, over all passes."""


class Latency(Model):
    """The mock's answer times; a None is the preset of the model's family."""

    service_time: float | None = None
    """Every answer takes exactly this many seconds, whatever its length."""
    ttft: Fixed | Lognormal | None = None
    """Seconds to the first token.  (Fixed.value and Lognormal are seconds here.)"""
    tokens_per_second: float | Lognormal | None = None


class Mock(Model):
    """How the mock server and the simulation behave."""

    burst: float = 60.0
    """Seconds' worth of each limit that a full bucket holds: 1 is the strictest reading, 60 the loosest."""
    reserve_max_tokens: bool = False
    """Take max_tokens from the output bucket at the start, as before 2026-02-19."""
    rejected_count: bool = False
    """Whether a 429 itself uses up one of the requests per minute."""
    latency: Latency = Latency()
    chunk_tokens: int = 5
    """Tokens per streamed event."""


class Scenario(Model):
    """One scenario file as resolved: defaults filled in, sweeps unfolded, overrides applied."""

    version: Literal[1]
    name: str
    question: str
    claim: str | None = None
    """What is said elsewhere about this job, with its source; the report sets it beside what was measured."""
    model: str
    target: str = "sim"
    """`sim`, `mock`, `api` or a URL."""
    tier: str = "start"
    workload: Workload
    arrivals: Arrivals = Arrivals()
    strategies: tuple[Strategy, ...]
    retry: Retry = Retry()
    timeout: float = 600.0
    """Seconds one attempt may take."""
    transport: Literal["aiohttp", "httpx"] = "aiohttp"
    speed: float = 1.0
    """How many times faster than the wall clock scenario time passes (mock only)."""
    pause: float = 60.0
    """Seconds between passes on a target whose limits cannot be reset (the API, a URL)."""
    seed: int = 0
    warmup: Warmup = Warmup()
    repeat: int = 1
    slo: Slo = Slo()
    thresholds: tuple[Threshold, ...] = ()
    budget: Budget = Budget()
    mock: Mock = Mock()
    source: Path | None = None
    """The file it came from."""

    def resolved(self) -> dict[str, Any]:
        """Everything that shapes the run, as plain JSON values; its hash names the question asked."""
        return self.model_dump(mode="json", exclude={"source"}, exclude_none=True)
