"""Every number that claude-bench reports, declared in one table.

Console, HTML, thresholds and `--json` read this table: the name, the unit, which direction is better, what the number
means, and the function that computes it.  Distributions are taken over the requests that succeeded and have the
value: an answer that was not streamed has no time to first token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from bench.results.columns import CAUSE_NAMES, Bools, Columns, Floats, ended_by, unneeded
from bench.results.fan_out import prompts
from bench.results.limits import rate_limited
from bench.results.slo import Slo
from bench.results.summary import Cost, LimitUse
from bench.results.waste import Waste

Unit = Literal["s", "1/min", "tokens", "tokens/s", "USD", "share", "count"]
"""Seconds, per minute, tokens, tokens per second, US dollars, a fraction (0 .. 1), a plain number."""


@dataclass(frozen=True, slots=True)
class PassFacts:
    """All that the numbers of one pass are computed from."""

    columns: Columns
    slo: Slo
    cost: Cost
    limits: tuple[LimitUse, ...]
    waste: Waste


V = TypeVar("V", Floats, float | None)


@dataclass(frozen=True, slots=True)
class Metric(Generic[V]):
    """The declaration of one number."""

    name: str
    title: str
    unit: Unit
    better: Literal["lower", "higher"] | None
    meaning: str
    """One or two plain sentences with the formula; reports print them as the definition."""
    compute: Callable[[PassFacts], V]


_EXPIRED = CAUSE_NAMES.index("expired")
_UNPROCESSED = [CAUSE_NAMES.index(name) for name in ("expired", "cancelled", "deadline", "lost")]


def _requests(facts: PassFacts) -> int:
    return len(facts.columns.requests)


def _succeeded(facts: PassFacts) -> int:
    return int(facts.columns.requests.ok.sum())


def _unneeded(facts: PassFacts) -> int:
    return int(unneeded(facts.columns.requests).sum())


def _failed(facts: PassFacts) -> int:
    return _requests(facts) - _succeeded(facts) - _unneeded(facts)


def _attempts(facts: PassFacts) -> int:
    return int((~ended_by("unsent", of=facts.columns.attempts)).sum())


def _rate_limited(facts: PassFacts) -> int:
    return int(rate_limited(facts.columns.attempts).sum())


def _in_batches(facts: PassFacts) -> int:
    return int(facts.columns.attempts.batch.sum())


def _expired(facts: PassFacts) -> int:
    return int((facts.columns.attempts.batch & (facts.columns.attempts.cause == _EXPIRED)).sum())


def _errored(facts: PassFacts) -> int:
    """Those in batches that ended with an error: neither answered nor left unprocessed."""
    attempts = facts.columns.attempts
    return int((attempts.batch & ~attempts.ok & ~np.isin(attempts.cause, _UNPROCESSED)).sum())


def _first_result(facts: PassFacts) -> float | None:
    requests = facts.columns.requests
    return float(requests.ended[requests.ok].min() - requests.intended.min()) if requests.ok.any() else None


def _retried(facts: PassFacts) -> int:
    return int((facts.columns.requests.attempts > 1).sum())


def _makespan(facts: PassFacts) -> float | None:
    return facts.columns.requests.makespan if _requests(facts) else None


def _input_tokens(facts: PassFacts) -> int:
    requests = facts.columns.requests
    cached = requests.cache_read + requests.cache_write_5m + requests.cache_write_1h
    return int((requests.input_tokens + cached).sum())


def _output_tokens(facts: PassFacts) -> int:
    return int(facts.columns.requests.output_tokens.sum())


def _cached(facts: PassFacts) -> int | None:
    """Input tokens read from the cache; None where nothing was asked of it, as far as usage tells."""
    requests = facts.columns.requests
    read, written = requests.cache_read.sum(), (requests.cache_write_5m + requests.cache_write_1h).sum()
    return int(read) if read or written else None


def _conversations(facts: PassFacts) -> int | None:
    """None where requests belong to none."""
    numbers = facts.columns.requests.conversation
    return len(np.unique(numbers[numbers >= 0])) or None


def _completed(facts: PassFacts) -> int:
    requests = facts.columns.requests
    return int((requests.final & requests.ok).sum())


def _good(facts: PassFacts) -> int | None:
    """Requests that met every demand; None without demands, or when what is demanded was never measured."""
    requests, demands = facts.columns.requests, facts.slo.demands()
    values: dict[str, Floats] = {name: getattr(requests, name) for name in demands}
    if not demands or any(requests.ok.any() and np.isnan(values[name][requests.ok]).all() for name in values):
        return None
    met: Bools = requests.ok.copy()
    for name, bound in demands.items():
        met &= ~(values[name] > bound)  # an answer of one token has no time per token to miss
    return int(met.sum())


def _use(limiter: str) -> Callable[[PassFacts], float | None]:
    def share(facts: PassFacts) -> float | None:
        return next((use.share for use in facts.limits if use.limiter == limiter), None)

    return share


def _ratio(top: float | None, bottom: float | None) -> float | None:
    """A quotient, not known when a part is not known or the divisor is nothing."""
    return top / bottom if top is not None and bottom else None


def _per_minute(count: float | None, facts: PassFacts) -> float | None:
    seconds = _makespan(facts)
    return _ratio(count, seconds / 60 if seconds else None)


def samples(columns: Columns, name: str) -> Floats:
    """The values of a distribution metric: of the requests that succeeded, those that have one."""
    if name == "group_time":
        return _group_times(columns)
    values: Floats = getattr(columns.requests, name)[columns.requests.ok]
    return values[~np.isnan(values)]


def _group_times(columns: Columns) -> Floats:
    """Of each prompt that was answered."""
    if columns.fan_out is None:
        return np.empty(0)
    asked = prompts(columns)
    return asked.time[asked.answered]


def _timing(name: str, title: str, meaning: str) -> Metric[Floats]:
    """The declaration of a distribution of seconds that stands in the column of the same name."""
    return Metric(name, title, "s", "lower", meaning, lambda facts: samples(facts.columns, name))


SCALARS: tuple[Metric[float | None], ...] = (
    Metric("requests", "requests", "count", None, "Requests of the workload that were sent and ended.", _requests),
    Metric(
        "succeeded", "succeeded", "count", "higher", "Requests whose last attempt was answered in full.", _succeeded
    ),
    Metric(
        "failed",
        "failed",
        "count",
        "lower",
        "Requests that failed for good, whatever the cause: requests minus succeeded, minus those whose answer was no "
        "longer needed.  One that was given up after a 429 is among them; one that a retry got past a 429 is not.",
        _failed,
    ),
    Metric(
        "unneeded",
        "not needed",
        "count",
        None,
        "Requests given up, in flight or before they were sent, because another model's answer was taken (fan-out).",
        _unneeded,
    ),
    Metric(
        "error_rate",
        "failed share",
        "share",
        "lower",
        "Failed requests divided by all requests.",
        lambda f: _ratio(_failed(f), _requests(f)),
    ),
    Metric(
        "attempts",
        "attempts",
        "count",
        "lower",
        "HTTP exchanges, and places in message batches, first tries and retries together.",
        _attempts,
    ),
    Metric(
        "attempts_per_request",
        "attempts per request",
        "count",
        "lower",
        "Attempts divided by requests; 1 when nothing was retried.",
        lambda f: _ratio(_attempts(f), _requests(f)),
    ),
    Metric(
        "retried_share",
        "retried",
        "share",
        "lower",
        "Requests that took more than one attempt, divided by all requests.",
        lambda f: _ratio(_retried(f), _requests(f)),
    ),
    Metric(
        "rate_limited",
        "429s",
        "count",
        "lower",
        "Attempts that a rate limit refused (HTTP 429).  A spend cap's 429 is a failure, not one of these.",
        _rate_limited,
    ),
    Metric(
        "rate_limited_rate",
        "429 share",
        "share",
        "lower",
        "Rate-limited attempts divided by all attempts.",
        lambda f: _ratio(_rate_limited(f), _attempts(f)),
    ),
    Metric(
        "expired_share",
        "expired in batches",
        "share",
        "lower",
        "Attempts in message batches that expired unprocessed, divided by all attempts in message batches.",
        lambda f: _ratio(_expired(f), _in_batches(f)),
    ),
    Metric(
        "errored_share",
        "errored in batches",
        "share",
        "lower",
        "Attempts in message batches that ended with an error, divided by all attempts in message batches.",
        lambda f: _ratio(_errored(f), _in_batches(f)),
    ),
    Metric(
        "makespan",
        "wall clock",
        "s",
        "lower",
        "Seconds from the moment the first request was meant to go to the end of the last one.",
        _makespan,
    ),
    Metric(
        "time_to_first_result",
        "first result",
        "s",
        "lower",
        "Seconds from the moment the first request was meant to go to the end of the first that succeeded.",
        _first_result,
    ),
    Metric(
        "throughput",
        "throughput",
        "1/min",
        "higher",
        "Succeeded requests divided by the wall clock in minutes.",
        lambda f: _per_minute(_succeeded(f), f),
    ),
    Metric(
        "goodput",
        "goodput",
        "1/min",
        "higher",
        "Succeeded requests that met every part of the SLO, divided by the wall clock in minutes.",
        lambda f: _per_minute(_good(f), f),
    ),
    Metric(
        "goodput_share",
        "within SLO",
        "share",
        "higher",
        "Succeeded requests that met every part of the SLO, divided by all requests but for those not needed.",
        lambda f: _ratio(_good(f), _requests(f) - _unneeded(f)),
    ),
    Metric(
        "input_tokens",
        "input tokens",
        "tokens",
        None,
        "Input tokens of all attempts, from the API's usage: uncached, read from and written to the cache.",
        _input_tokens,
    ),
    Metric(
        "output_tokens",
        "output tokens",
        "tokens",
        None,
        "Output tokens of all attempts, from the API's usage, thinking included.",
        _output_tokens,
    ),
    Metric(
        "output_tokens_per_second",
        "output speed",
        "tokens/s",
        "higher",
        "Output tokens of the whole pass divided by the wall clock in seconds.",
        lambda f: _ratio(_output_tokens(f), _makespan(f)),
    ),
    Metric(
        "requests_use",
        "use of the request limit",
        "share",
        None,
        "Attempts let in, divided by what the requests-per-minute limit allows in the wall clock, at least one minute. "
        "A bucket that is full at the start allows more than 100 %.",
        _use("requests"),
    ),
    Metric(
        "input_tokens_use",
        "use of the input limit",
        "share",
        None,
        "Input tokens but for cache reads, divided by what the input-tokens-per-minute limit allows in the wall clock, "
        "at least one minute.",
        _use("input_tokens"),
    ),
    Metric(
        "output_tokens_use",
        "use of the output limit",
        "share",
        None,
        "Output tokens, divided by what the output-tokens-per-minute limit allows in the wall clock, "
        "at least one minute.",
        _use("output_tokens"),
    ),
    Metric(
        "cost",
        "cost",
        "USD",
        "lower",
        "Tokens of all attempts at list price, by kind: uncached input, cache writes, cache reads, output.  Those in "
        "message batches at batch prices.",
        lambda f: f.cost.total,
    ),
    Metric(
        "cost_per_success",
        "cost per success",
        "USD",
        "lower",
        "Cost of all attempts divided by succeeded requests.",
        lambda f: _ratio(f.cost.total, _succeeded(f)),
    ),
    Metric(
        "cache_hit_share",
        "read from cache",
        "share",
        "higher",
        "Input tokens read from the prompt cache, divided by all input tokens.",
        lambda f: _ratio(_cached(f), _input_tokens(f)),
    ),
    Metric(
        "cache_write_cost",
        "cache writes",
        "USD",
        "lower",
        "What writing to the prompt cache cost, at list price.",
        lambda f: None if _cached(f) is None else f.cost.cache_write,
    ),
    Metric(
        "cache_saving",
        "saved by caching",
        "USD",
        "higher",
        "What the same tokens would have cost without prompt caching, minus what they cost: reads are cheaper, writes "
        "dearer than plain input.  Negative where too little of what was written was read again.",
        lambda f: f.cost.cache_saving,
    ),
    Metric(
        "conversations",
        "conversations",
        "count",
        None,
        "Conversations of which at least one request was sent and ended.",
        _conversations,
    ),
    Metric(
        "conversations_completed",
        "completed",
        "share",
        "higher",
        "Conversations whose last turn was answered, divided by all.  A turn that fails for good ends its "
        "conversation.",
        lambda f: _ratio(_completed(f), _conversations(f)),
    ),
    Metric(
        "cost_per_conversation",
        "cost per conversation",
        "USD",
        "lower",
        "Cost of all attempts divided by conversations.",
        lambda f: _ratio(f.cost.total, _conversations(f)),
    ),
    Metric(
        "wasted_attempts",
        "wasted attempts",
        "count",
        "lower",
        "Attempts that may have been billed and were not used: timed out, stalled, cut, outrun, cancelled or "
        "unreadable.  Refusals and failures inside a batch are free.",
        lambda f: f.waste.attempts,
    ),
    Metric(
        "wasted_unknown",
        "waste of unknown cost",
        "count",
        "lower",
        "Wasted attempts that did not say what they used, such as a timeout without a stream.  Whether and how much "
        "they cost is not known and in no figure.",
        lambda f: f.waste.silent,
    ),
    Metric(
        "wasted_tokens",
        "wasted tokens",
        "tokens",
        "lower",
        "Tokens of wasted attempts, of any kind, as far as they had said; of a hedged request's loser that had said "
        "nothing, the prompt, which is that of the winner.  At least so many.",
        lambda f: f.waste.tokens,
    ),
    Metric(
        "wasted_cost",
        "wasted cost",
        "USD",
        "lower",
        "Wasted tokens at list price: at least so much.",
        lambda f: f.waste.cost,
    ),
    Metric(
        "hedged_share",
        "hedged",
        "share",
        None,
        "Requests that got a second attempt beside one that was late, divided by all requests.",
        lambda f: _ratio(f.waste.hedged, _requests(f)),
    ),
    Metric(
        "hedge_wins",
        "hedges that won",
        "share",
        "higher",
        "Hedges that answered before the attempt beside which they were sent, divided by all hedges.",
        lambda f: _ratio(f.waste.hedges_won, f.waste.hedges),
    ),
    Metric(
        "hedge_cost",
        "cost of hedging",
        "USD",
        "lower",
        "Wasted tokens of the losing attempts of hedged requests at list price: the least that hedging cost on top, if "
        "prompts are billed that never came to an answer.",
        lambda f: f.waste.hedge_cost,
    ),
)
"""Metrics that are one number a pass; None means not known."""

DISTRIBUTIONS: tuple[Metric[Floats], ...] = (
    _timing("latency", "latency", "Seconds from the send of the last attempt to its end: what the service took."),
    _timing(
        "response_time",
        "response time",
        "Seconds from the moment a request was meant to go to its end: what whoever asked had to wait.  Queue time "
        "plus throttle wait plus latency.",
    ),
    _timing(
        "queue_time",
        "queue time",
        "Seconds from the moment a request was meant to go to its first send: how long the strategy held it back.",
    ),
    _timing(
        "throttle_wait",
        "throttle wait",
        "Seconds from the first send to that of the attempt that answered: failed attempts, the waits after them, and "
        "the wait before a hedge that won; 0 without either.",
    ),
    _timing(
        "ttft",
        "TTFT",
        "Seconds from the send of the last attempt to its first token of any kind, thinking included. Thinking that is "
        "not shown sends none: then it is the first sign after it.",
    ),
    _timing(
        "ttft_cold",
        "TTFT, cold",
        "TTFT of the requests that found nothing in the prompt cache and wrote to it all that they asked it to keep.",
    ),
    _timing("ttft_warm", "TTFT, warm", "TTFT of the requests that read some of their prompt from the cache."),
    _timing("first_text", "first text", "Seconds from the send of the last attempt to its first visible text."),
    _timing(
        "tpot",
        "TPOT",
        "Seconds per output token after the first: (last token - first token) / (output tokens - 1). Thinking "
        "that is not shown is not counted: it was over when the first token came.",
    ),
    _timing(
        "turn_time",
        "turn",
        "Seconds from the moment a turn of a conversation was meant to begin to the end of the answer that ended it, "
        "calls of tools and their results included.",
    ),
    _timing(
        "conversation_time",
        "conversation",
        "Seconds from the moment a conversation was meant to begin to the end of its last answer, think times "
        "included.",
    ),
    _timing(
        "group_time",
        "time to the answer",
        "Of a prompt that several models are asked at once: seconds from the moment it was meant to go until all that "
        "was to be taken was there.  The last answer (take: all), the first, or the cheapest acceptable one and the "
        "end of every cheaper model.",
    ),
)
"""Metrics that have a value for each request that succeeded; the last, for each prompt that was answered."""

METRICS: dict[str, Metric[float | None] | Metric[Floats]] = {
    **{metric.name: metric for metric in SCALARS},
    **{metric.name: metric for metric in DISTRIBUTIONS},
}
"""All metrics by name."""
