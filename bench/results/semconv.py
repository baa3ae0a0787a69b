"""What measurements are called outside of claude-bench: the one file that a change of names touches.

OpenTelemetry's GenAI conventions have names for some of it; they left the main repository in 2026 and have no stable
release (opentelemetry-semantic-conventions 0.66b2, read 2026-11-20).  What they have no name for is called `bench.` and
what it is.  `time_per_output_chunk` is theirs too and is left out: it is the time of each single chunk, which no record
keeps; `bench.time_per_output_token` is what a record can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.results.metrics import Unit

_SECONDS = tuple(0.01 * 2**k for k in range(14))
"""The conventions' buckets for durations: 10 ms, doubling to 81.92 s."""
_WAITS = (*_SECONDS, 163.84, 327.68, 655.36)
"""The same for what a queue adds to."""
_TOKENS = tuple(4**k for k in range(14))
"""The conventions' buckets for tokens: from 1 by fours to 67,108,864."""
_PER_TOKEN = tuple(0.001 * 2**k for k in range(11))


OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
TOKEN_TYPE = "gen_ai.token.type"
ERROR = "error.type"
"""A name from `causes.CAUSES`; absent where nothing failed."""
SCENARIO = "bench.scenario"
TARGET = "bench.target"
VERSION = "bench.version"
STRATEGY = "bench.strategy"
STREAM = "bench.stream"
LIMITER = "bench.limiter"
CAUSE = "bench.cause"

_OURS = (MODEL, STRATEGY, STREAM)
_CALL = (OPERATION, PROVIDER, *_OURS)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One thing that is measured, as a metrics system knows it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    """As UCUM writes it; braces hold a noun and no unit."""
    attributes: tuple[str, ...]
    """What its values are told apart by; each may be absent."""
    meaning: str
    buckets: tuple[float, ...] = ()


OPERATION_DURATION = Instrument(
    "gen_ai.client.operation.duration",
    "histogram",
    "s",
    (*_CALL, ERROR),
    "Each attempt, from its send to its end.",
    _SECONDS,
)
TIME_TO_FIRST_CHUNK = Instrument(
    "gen_ai.client.operation.time_to_first_chunk",
    "histogram",
    "s",
    _CALL,
    "From the send of the last attempt to its first token of any kind; streamed answers alone.",
    _SECONDS,
)
TOKEN_USAGE = Instrument(
    "gen_ai.client.token.usage",
    "histogram",
    "{token}",
    (*_CALL, TOKEN_TYPE),
    "Tokens of each attempt, cached ones included.",
    _TOKENS,
)
TIME_PER_OUTPUT_TOKEN = Instrument(
    "bench.time_per_output_token", "histogram", "s", _OURS, "Time of each output token after the first.", _PER_TOKEN
)
RESPONSE_TIME = Instrument(
    "bench.response_time", "histogram", "s", _OURS, "From the moment a request was meant to go to its end.", _WAITS
)
QUEUE_TIME = Instrument(
    "bench.queue_time", "histogram", "s", _OURS, "From the moment a request was meant to go to its first send.", _WAITS
)
REQUESTS = Instrument("bench.requests", "counter", "{request}", (*_OURS, ERROR), "Requests that have ended.")
RETRIED = Instrument(
    "bench.requests.retried", "counter", "{request}", _OURS, "Requests that took more than one attempt."
)
IN_FLIGHT = Instrument(
    "bench.requests.in_flight", "gauge", "{request}", (STRATEGY,), "Requests that were sent and have not ended."
)
RATE_LIMITED = Instrument(
    "bench.rate_limited", "counter", "{attempt}", (*_OURS, CAUSE), "Attempts that a rate limit refused."
)
REMAINING = Instrument(
    "bench.rate_limit.remaining", "gauge", "1", (MODEL, LIMITER), "What the rate-limit headers say is left."
)
COST = Instrument("bench.cost", "counter", "USD", (MODEL, STRATEGY), "List price of all tokens so far.")
UNPRICED = Instrument(
    "bench.requests.unpriced", "counter", "{request}", (MODEL, STRATEGY), "Requests of which the cost is not known."
)
RUN_INFO = Instrument(
    "bench.run.info", "gauge", "1", (SCENARIO, TARGET, VERSION), "1 while a run goes on; its labels say which."
)

INSTRUMENTS = (
    OPERATION_DURATION,
    TIME_TO_FIRST_CHUNK,
    TOKEN_USAGE,
    TIME_PER_OUTPUT_TOKEN,
    RESPONSE_TIME,
    QUEUE_TIME,
    REQUESTS,
    RETRIED,
    IN_FLIGHT,
    RATE_LIMITED,
    REMAINING,
    COST,
    UNPRICED,
    RUN_INFO,
)
"""All that is told while a run goes on."""

CALLED = ((OPERATION, "chat"), (PROVIDER, "anthropic"))
"""What every call of the Messages API is, in the conventions' words."""

_UNIT_WORDS = {"s": "seconds", "USD": "usd"}
_METRIC_WORDS: dict[Unit, str] = {
    "s": "seconds",
    "1/min": "per_minute",
    "tokens": "tokens",
    "tokens/s": "per_second",
    "USD": "usd",
    "share": "ratio",
    "count": "",
}


def prometheus_name(instrument: Instrument) -> str:
    """As Prometheus writes it: underscores for dots, the unit as a word, `_total` is added by whoever counts."""
    return with_unit(instrument.name.replace(".", "_"), _UNIT_WORDS.get(instrument.unit, ""))


def prometheus_label(attribute: str) -> str:
    """As Prometheus writes it: `gen_ai_request_model`; of our own, the bare word: `strategy`."""
    return attribute.removeprefix("bench.").replace(".", "_")


def unit_word(unit: Unit) -> str:
    """One of our units as a word for a name; empty for a plain number."""
    return _METRIC_WORDS[unit]


def with_unit(name: str, word: str) -> str:
    """A name that ends with its unit, once."""
    return name if not word or name.endswith(f"_{word}") else f"{name}_{word}"
