"""What the records of a run say of how fast answers came, by family of models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from bench.planning.fit import SHORTEST, Answers
from bench.results.columns import AttemptColumns, Bools, Columns, Floats, Ints, ended_by
from bench.results.record import OfPass, Record
from bench.results.slo import seconds_per_token
from mock_server.latency import PLAIN_PROMPT
from mock_server.models import describe
from mock_server.profile import Speed

CACHED: float = Speed((1.0, 1.0), (1.0, 1.0)).cached
"""The part of a token that one read from the cache counts as; taken as the presets have it, not fitted."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The answers of one family, batches apart."""

    timed: Answers
    lengths: Floats
    """Output tokens as a multiple of those expected, of answers that were not cut off."""
    cut: int
    """Answers that ended at max_tokens: how long they would have been is not known."""
    hidden: int
    """Answers that began with thinking nobody was shown."""


def answers_of(passes: Iterable[Columns], records: Iterable[Record]) -> dict[str, Seen]:
    """What was answered in full, by family, all passes together; `records` are those the columns were made from."""
    told: dict[OfPass, list[_Told]] = {}
    for record in records:
        told.setdefault(record.of_pass, []).append(_read(record))
    parts: dict[str, list[Seen]] = {}
    for columns in passes:
        for family, seen in _of_pass(columns, np.array(told[columns.of_pass])):
            parts.setdefault(family, []).append(seen)
    return {family: _together(each) for family, each in parts.items()}


class _Told(NamedTuple):
    """What a record says that columns do not."""

    expected: float
    """Output tokens."""
    ttft: float
    """Seconds to the first token of any kind, seen or not; NaN where it cannot be known."""
    interval: float
    """Seconds per token; NaN likewise."""
    hidden: float
    """Tokens of thinking that were not shown."""


def _read(record: Record) -> _Told:
    """Thinking that is not shown comes at the rate of what is: so the first token can be told from the first seen."""
    last, usage = record.attempts[-1], record.attempts[-1].usage
    interval = seconds_per_token(last)
    if usage is None or last.first_token is None or last.last_token is None:
        return _Told(record.expected_output, np.nan, interval, 0.0)
    hidden, ttft = usage.output_tokens - last.seen_tokens, last.first_token - last.sent
    if hidden:
        ttft = max(SHORTEST, ttft - hidden * interval) if last.seen_tokens > 1 else np.nan
    return _Told(record.expected_output, ttft, interval, hidden)


def _of_pass(columns: Columns, told: Floats) -> Iterator[tuple[str, Seen]]:
    requests, attempts = columns.requests, columns.attempts
    others = _others(attempts, requests.seq[attempts.request])
    families = np.array([describe(model).family for model in columns.models])[requests.model[attempts.request]]
    good = attempts.ok & ~attempts.batch & (requests.seq[attempts.request] >= 0)
    for family in np.unique(families[good]):
        rows = np.flatnonzero(good & (families == family))
        yield str(family), _seen(columns, rows, others[rows], told)


def _seen(columns: Columns, rows: Ints, others: Floats, told: Floats) -> Seen:
    requests, attempts = columns.requests, columns.attempts
    of = attempts.request[rows]
    uncached = attempts.input_tokens[rows] + attempts.cache_write_5m[rows] + attempts.cache_write_1h[rows]
    counted = uncached + CACHED * attempts.cache_read[rows]
    cut = np.array([*(stop == "max_tokens" for stop in columns.stops), False])[requests.stop[of]]
    expected, ttft, interval, hidden = told[of].T
    whole = ~cut & (expected > 0)
    return Seen(
        timed=Answers(
            ttft=ttft,
            interval=interval,
            latency=attempts.ended[rows] - attempts.sent[rows],
            tokens=attempts.output_tokens[rows].astype(np.float64),
            extra=np.maximum(0.0, counted - PLAIN_PROMPT) / 1_000,
            others=others,
        ),
        lengths=attempts.output_tokens[rows][whole] / expected[whole],
        cut=int(cut.sum()),
        hidden=int((hidden > 0).sum()),
    )


def _others(attempts: AttemptColumns, seq: Ints) -> Floats:
    """For each attempt the answers under way when it was sent; of those sent at once the lower numbers went first."""
    running = _running(attempts)
    sent, ends = attempts.sent[running], np.sort(attempts.ended[running])
    before = np.empty(len(sent))
    before[np.lexsort((seq[running], sent))] = np.arange(len(sent))
    others = np.zeros(len(attempts))
    others[running] = before - np.searchsorted(ends, sent, side="right")
    return np.maximum(others, 0.0)


def _running(attempts: AttemptColumns) -> Bools:
    """Which attempts the service worked on."""
    return ~attempts.batch & (attempts.status < 400) & ~ended_by("unsent", of=attempts)


def _together(parts: list[Seen]) -> Seen:
    timed = [one.timed for one in parts]
    return Seen(
        Answers(*(np.concatenate([getattr(one, field.name) for one in timed]) for field in fields(Answers))),
        np.concatenate([one.lengths for one in parts]),
        sum(one.cut for one in parts),
        sum(one.hidden for one in parts),
    )
