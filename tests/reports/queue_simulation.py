"""A small queue in front of a rate limit, in plain arithmetic: realistic records without an engine."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from bench.results.record import Attempt, RateLimits, Record, Usage
from mock_server.bucket import Bucket
from mock_server.rng import Draws

MODEL = "claude-sonnet-5"
INPUT_TOKENS = 1000
OUTPUT_TOKENS = 300
RATE_LIMITED = 0.08
"""Seconds it takes the server to say no."""


def _backlog(_seq: int) -> float:
    return 0.0


@dataclass
class Queue:
    """One pass: `slots` in flight at most, against a server that allows `rpm` requests a minute."""

    strategy: str
    requests: int
    slots: int
    rpm: float = 1000.0
    burst: float = 60.0
    pass_: int = 0
    median: float = 4.6
    p95: float = 7.5
    fail_every: int = 0
    attempts: int = 10
    model: str = MODEL
    intended: Callable[[int], float] = _backlog
    case: str | None = None

    def records(self) -> list[Record]:
        """Play it: a heap of (time, seq), an attempt an entry; a request keeps its slot while it waits to retry."""
        bucket = Bucket.full(self.rpm * self.burst / 60, self.rpm / 60)
        tries: dict[int, list[Attempt]] = {}
        waiting = iter(range(min(self.slots, self.requests), self.requests))
        due = [(self.intended(seq), seq) for seq in range(min(self.slots, self.requests))]
        heapq.heapify(due)
        done: list[Record] = []
        while due:
            now, seq = heapq.heappop(due)
            attempt = self._attempt(bucket, seq, now)
            tries.setdefault(seq, []).append(attempt)
            if attempt.retry_after is not None and len(tries[seq]) < self.attempts:
                heapq.heappush(due, (attempt.ended + attempt.retry_after, seq))
                continue
            done.append(self._record(seq, tries.pop(seq)))
            if (following := next(waiting, None)) is not None:
                heapq.heappush(due, (max(attempt.ended, self.intended(following)), following))
        return sorted(done, key=lambda record: record.attempts[-1].ended)

    def _record(self, seq: int, attempts: list[Attempt]) -> Record:
        return Record(
            self.strategy,
            seq,
            self.model,
            self.intended(seq),
            tuple(attempts),
            self.pass_,
            OUTPUT_TOKENS,
            case=self.case,
        )

    def _attempt(self, bucket: Bucket, seq: int, now: float) -> Attempt:
        wait = bucket.wait(1, now)
        request_id = f"req_{self.strategy}_{self.pass_}_{seq}"
        if wait > 0:
            ended = now + RATE_LIMITED
            return Attempt(
                now,
                ended,
                429,
                "requests",
                retry_after=float(int(wait) + 1),
                request_id=request_id,
                limits=self._left(0),
            )
        bucket.take(1, now)
        limits = self._left(int(bucket.level))
        service = Draws(7, self.strategy, self.pass_, seq).lognormal(self.median, self.p95)
        ended = now + service
        if self.fail_every and seq % self.fail_every == self.fail_every - 1:
            return Attempt(now, ended, 529, "overloaded", "Overloaded", request_id=request_id, limits=limits)
        first = now + service * 0.15
        usage = Usage(INPUT_TOKENS, OUTPUT_TOKENS)
        return Attempt(
            now,
            ended,
            200,
            headers=first,
            first_token=first,
            first_text=first,
            last_token=ended,
            request_id=request_id,
            stop_reason="end_turn",
            usage=usage,
            limits=limits,
        )

    def _left(self, requests: int) -> RateLimits:
        return RateLimits(int(self.rpm), requests, 450_000, 450_000 - 900 * (int(self.rpm) - requests), 90_000, 60_000)


FOUR = (
    Queue("sequential", 100, 1, rpm=150, burst=10),
    Queue("gather", 100, 100, rpm=150, burst=10, fail_every=40, attempts=40),
    Queue("semaphore-5", 100, 5, rpm=150, burst=10),
    Queue("semaphore-10", 100, 10, rpm=150, burst=10),
)
"""The published job: 100 summaries of about five seconds each, on a small tier."""
