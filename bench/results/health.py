"""What a reader must know before believing the numbers: each warning says what was seen, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from bench.results.assumed import LIMITERS, differences, right_tier
from bench.results.bottleneck import BOTTLENECK, STRAINED, bottleneck
from bench.results.columns import Columns, Floats, ended_by
from bench.results.format import count, dollars, number, seconds, share
from bench.results.limits import Pool
from bench.results.lost_workers import lost
from bench.results.question import Question
from bench.results.sends import Send
from bench.results.statistics import samples_needed
from bench.results.summary import Observation, Overhead, PassSummary, Warning

MANY_FAILED = 0.05
"""Share of failed requests from which on the latency of the others says little about the whole."""

LARGE_OVERHEAD = 0.05
"""Share of the server's own latency that the client may add before it shows in the results."""

GRAVE = (BOTTLENECK,)
"""Warnings after which no number is of what was meant to be measured.  Every run fails on them."""

VALIDITY = ("few_samples", "client_overhead", "late_sends", STRAINED)
"""Warnings after which the numbers are not of what was meant to be measured.  A strict run fails on them."""


def pass_warnings(columns: Columns, question: Question, summary: PassSummary) -> tuple[Warning, ...]:
    """Everything to be said about one pass, the gravest first."""
    return tuple(
        (
            *_stopped(summary.stopped),
            *bottleneck(summary, question),
            *_failed(summary),
            *_few_samples(summary),
            *_overhead(summary.overhead, question.client),
            *_late_sends(columns, summary, question),
            *chain.from_iterable(_other_limits(own, pool) for own, pool in _by_pool(columns, question)),
            *(() if summary.kind in ("batch", "hybrid") else _too_much_offered(columns, question)),
            *_rate_limited(summary),
            *_dear_cache(summary),
            *_unknown_waste(summary),
            *_killed(columns, summary),
            *lost(summary.workers),
            *_one_day(summary.observation),
        )
    )


def run_warnings(question: Question, passes: Sequence[PassSummary]) -> tuple[Warning, ...]:
    """What concerns all passes alike."""
    return tuple((*_unknown_price(question, passes), *_scaled(question)))


def no_end_on_record(unknown: Sequence[Send]) -> Iterator[Warning]:
    """What may have been billed although no record says so."""
    if unknown:
        known = [send.worst for send in unknown if send.worst is not None]
        most = f"up to {dollars(sum(known))}" if len(known) == len(unknown) else "at a price that is not known,"
        yield Warning(
            "no_end_on_record",
            f"Of {count(len(unknown), 'attempt')} no end is on record: in flight when the run was killed, or still.",
            f"They may have been answered, and billed: {most} that no other number contains.",
            "`claude-bench resume` sends them again, and counts this against the budget.",
        )


def _killed(columns: Columns, summary: PassSummary) -> Iterator[Warning]:
    killed = ended_by("killed", of=columns.attempts)
    if killed.any():
        worst = float(np.nansum(columns.attempts.at_most[killed]))
        then = "were not sent again" if any(one.unknown for one in summary.workers) else "were sent again"
        yield Warning(
            "killed",
            f"{count(int(killed.sum()), 'attempt')} in flight when what had sent them was killed; they {then}.",
            f"They may have been answered, and billed: up to {dollars(worst)} that the cost does not contain.",
            "The usage page of the Console says what was billed.",
        )


def _stopped(reason: str | None) -> Iterator[Warning]:
    if reason:
        yield Warning(
            "stopped",
            f"The pass ended early: {reason}.",
            "Its numbers cover only what was sent until then.",
            "Remove the reason and run it again.",
        )


def _failed(summary: PassSummary) -> Iterator[Warning]:
    failed, requests = sum(summary.failures.values()), int(summary.values["requests"] or 0)
    if failed > MANY_FAILED * requests:
        causes = ", ".join(f"{cause} {n:,}" for cause, n in summary.failures.items())
        yield Warning(
            "many_failed",
            f"{failed:,} of {count(requests, 'request')} failed for good ({causes}).",
            f"Latency and cost per success speak only of the {int(summary.values['succeeded'] or 0):,} that succeeded.",
            "Look at the causes before the latencies; with 429s, use a retry policy or a slower strategy.",
        )


def _few_samples(summary: PassSummary) -> Iterator[Warning]:
    succeeded, needed = int(summary.values["succeeded"] or 0), samples_needed(0.95)
    if succeeded < needed:
        yield Warning(
            "few_samples",
            f"{count(succeeded, 'request')} succeeded; a p95 needs {needed}.".capitalize(),
            "With fewer, nobody can say how far the true p95 may lie from the one seen, so it is left out.",
            f"Run at least {needed} requests, {samples_needed(0.99)} for a p99.",
        )


def _overhead(overhead: Overhead | None, client: str) -> Iterator[Warning]:
    if overhead and overhead.median > LARGE_OVERHEAD * overhead.server_median:
        ratio = overhead.median / overhead.server_median if overhead.server_median else 1.0
        lighter = "client: wire, " if client.startswith("sdk") else ""
        yield Warning(
            "client_overhead",
            f"The client added {seconds(overhead.median)} to the server's {seconds(overhead.server_median)} (median), "
            f"{share(ratio)} of it.",
            "Part of the latency is this machine's, not the service's.",
            f"Use {lighter}fewer in flight, a lower speed, or a machine with more free cores.",
        )


def _late_sends(columns: Columns, summary: PassSummary, question: Question) -> Iterator[Warning]:
    requests = columns.requests
    if not len(requests):
        return
    late = _late(columns, summary, question)
    if late > LARGE_OVERHEAD * float(np.median(requests.latency)):
        yield Warning(
            "late_sends",
            f"Half of the requests went out {seconds(late)} or more after they were meant to, held back by nothing.",
            "This machine needed that long to build and send them: response time and wall clock contain it.",
            "Use sim, a lower speed, or fewer requests at once.",
        )


def _late(columns: Columns, summary: PassSummary, question: Question) -> float:
    """Seconds by which the median request went out late by this machine's doing.

    Without a limit nothing holds a request back but this machine, and one that warms the cache for the others; with
    one, what counts is how long it took to leave once it was let through.
    """
    if summary.kind == "gather" and not (columns.requests.seq < 0).any():
        return float(np.median(columns.requests.queue_time))
    return summary.selfcheck.wait_median * question.speed if summary.selfcheck else 0.0


def _by_pool(columns: Columns, question: Question) -> list[tuple[Columns, Pool]]:
    """The requests that draw on the same limits."""
    pools = question.limit_pools
    return [(columns if len(pools) == 1 else columns.of_models(pool.models), pool) for pool in pools]


def _other_limits(columns: Columns, pool: Pool) -> Iterator[Warning]:
    """Limits of which the responses say something else than the tier; silent where either says nothing."""
    named = {limiter: limit for limiter in LIMITERS if (limit := _named(columns, limiter)) is not None}
    for limiter, limit, assumed in differences(pool.limits, named):
        yield Warning(
            "other_limit",
            f"The responses name a limit of {number(limit)} {_words(limiter)} a minute; "
            f"the tier has {'none' if assumed is None else number(assumed)}.",
            "Use of limits is computed from the tier, a pacer keeps to it, and so does any simulation.",
            right_tier(pool.models[0], named),
        )


def _named(columns: Columns, limiter: str) -> float | None:
    """The limit that the last response to name one named."""
    seen: Floats = getattr(columns.attempts, f"{limiter}_limit")
    known = seen[~np.isnan(seen)]
    return float(known[-1]) if len(known) else None


def _too_much_offered(columns: Columns, question: Question) -> Iterator[Warning]:
    if not question.own_times or question.streams or not len(columns.requests):
        return  # of several streams one may be a backlog, which offers nothing a minute
    if (columns.requests.conversation >= 0).any():
        return  # whoever waits for answers asks for no more than is let through
    for own, pool in _by_pool(columns, question):
        if len(own.requests):
            yield from _offered_beyond(own, pool.limits)


def _offered_beyond(columns: Columns, limits: Mapping[str, float | None]) -> Iterator[Warning]:
    for limiter, offered in _offered_per_minute(columns).items():
        limit = limits.get(limiter)
        if limit and offered > limit:
            yield Warning(
                "too_much_offered",
                f"{number(round(offered))} {_words(limiter)} a minute come in; the limit is {number(limit)}.",
                "No strategy can keep up: the queue grows for as long as the traffic lasts.",
                "Use a higher tier, less traffic, smaller prompts or cached ones.",
            )


def _offered_per_minute(columns: Columns) -> dict[str, float]:
    """What the arrivals ask for; requests that failed are taken to need as many tokens as the mean of the others."""
    requests = columns.requests
    minutes = max(1.0, float(np.ptp(requests.intended)) / 60)
    per_minute = len(requests) / minutes
    offered = {"requests": per_minute}
    if requests.ok.any():
        counted = requests.input_tokens + requests.cache_write_5m + requests.cache_write_1h
        offered["input_tokens"] = float(counted[requests.ok].mean()) * per_minute
        offered["output_tokens"] = float(requests.output_tokens[requests.ok].mean()) * per_minute
    return offered


def _rate_limited(summary: PassSummary) -> Iterator[Warning]:
    refused, attempts = int(summary.values["rate_limited"] or 0), int(summary.values["attempts"] or 0)
    if refused:
        yield Warning(
            "rate_limited",
            f"{refused:,} of {count(attempts, 'attempt')} {'was' if refused == 1 else 'were'} refused with a 429.",
            "Retries hide in the response time, not in the latency; what else uses the same limits is slowed down too.",
            "Fewer in flight, or a token bucket, gets the same work done without being refused.",
        )


def _dear_cache(summary: PassSummary) -> Iterator[Warning]:
    saved = summary.values["cache_saving"]
    if saved is not None and saved < 0:
        yield Warning(
            "dear_cache",
            f"Prompt caching cost {dollars(-saved)} more than no caching would have.",
            "A write costs more than plain input and pays only when it is read again before it expires.",
            "Let one request go first (cache: {warm: true}), keep less, or keep it for an hour.",
        )


def _unknown_waste(summary: PassSummary) -> Iterator[Warning]:
    silent = int(summary.values["wasted_unknown"] or 0)
    if silent:
        yield Warning(
            "unknown_waste",
            f"{count(silent, 'attempt')} ended without a word on what was used.",
            "The service may have finished and billed them: giving up refunds nothing.  Cost and waste leave them out.",
            "Stream: a stream says at its beginning what its prompt takes.  Or allow more time.",
        )


def _one_day(seen: Observation | None) -> Iterator[Warning]:
    once = [hour for hour in seen.hours if hour.days == 1] if seen else []
    if seen and once:
        which = "Each hour" if len(once) == len(seen.hours) else f"{len(once)} of {len(seen.hours)} hours"
        yield Warning(
            "one_day",
            f"{which} was seen on one day only." if which == "Each hour" else f"{which} were seen on one day only.",
            "What comes back every day and what was of that day alone cannot be told apart.",
            "Observe for a week (--for 7d) before planning by the time of day.",
        )


def _unknown_price(question: Question, passes: Sequence[PassSummary]) -> Iterator[Warning]:
    if any(summary.cost.total is None for summary in passes):
        yield Warning(
            "unknown_price",
            f"The price of {question.model} is not known.",
            "Costs are left out, and no budget can be kept.",
            "Check the model's name, or upgrade genai-prices.",
        )


def _scaled(question: Question) -> Iterator[Warning]:
    if question.speed > 1:
        yield Warning(
            "scaled_time",
            f"Time was scaled: {number(question.speed)} scenario seconds a second.",
            f"Each millisecond that this machine added counts as {number(question.speed)} ms in the results.",
            "Run at speed 1 for latencies, or on sim, which adds nothing.",
        )


def _words(limiter: str) -> str:
    return limiter.replace("_", " ")
