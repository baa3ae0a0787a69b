"""The mock's engine called directly, in virtual time: the same answers as over HTTP, one sleep and no bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt, RateLimits, Usage
from bench.targets import classify
from bench.targets.answer import GIVEN_UP, too_late
from bench.targets.classify import ApiError, cause_of
from bench.targets.client import Watch
from bench.targets.foreign import shorten
from mock_server.errors import RequestError
from mock_server.plan import Plan, moments, visible

if TYPE_CHECKING:
    from mock_server.engine import Engine
    from mock_server.request import Question

_MOST_REFUSED = 100_000


class SimClient:
    """A `Client` whose records are those of the SDK speaking to the same engine.

    `timeout` is seconds per attempt, `stall` the longest silence of a stream once its headers are there.  Answers are
    `output_factor` times as long as expected.
    """

    def __init__(
        self, engine: Engine, clock: Clock, *, seed: int, timeout: float, stall: float = math.inf,
        output_factor: float = 1.0,
    ) -> None:  # fmt: skip
        self.engine, self._clock, self._seed = engine, clock, seed
        self._timeout, self._stall, self._output_factor = timeout, stall, output_factor
        self._refused: dict[int, Question | None] = {}
        """What those ask that were told to come back: reading a prompt is much of what a refusal costs."""

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:
        """See `Client`."""
        watch, sent = watch or Watch(), self._clock.now()
        key = (self._seed, spec.seq, attempt)
        output_tokens = round(spec.output_tokens * self._output_factor)
        question = self._refused.pop(spec.seq, None) or self._read(spec)
        plan = self.engine.handle(spec.params, sent, key=key, output_tokens=output_tokens, question=question)
        if plan.status == 429:
            self._remember(spec.seq, question)
        coming = self._coming(plan, min(self._timeout, watch.within))
        notice, gone = None, coming.ended
        if watch.answered is not None and coming.first_token is not None:
            notice = self._clock.call_at(coming.first_token, watch.answered)
        try:
            await self._clock.sleep_until(coming.ended)
        except BaseException:
            gone = self._clock.now()
            watch.seen = msgspec.structs.replace(
                self._coming(plan, gone - sent), ended=gone, cause=GIVEN_UP.cause, message=None
            )
            raise
        finally:
            self.engine.abort(plan, gone)
            if watch.heard is not None and plan.error is None:
                from mock_server import wire  # found out by making its bytes, which is slower

                watch.heard += b"".join(piece for due, piece in wire.pieces(plan) if due <= gone)
            if notice is not None:
                notice.cancel()
        return coming

    def _read(self, spec: RequestSpec) -> Question | None:
        """What a request asks; None where that is wrong, which the engine is left to say."""
        try:
            return self.engine.read(spec.params)
        except RequestError:
            return None

    def _remember(self, seq: int, question: Question | None) -> None:
        if len(self._refused) >= _MOST_REFUSED:  # most of them have given up
            self._refused.clear()
        self._refused[seq] = question

    def _coming(self, plan: Plan, within: float) -> Attempt:
        """What a client makes of the plan that waits so many seconds at most."""
        if plan.flaw is not None or (self._stall < math.inf and _longest_silence(plan) >= self._stall):
            from bench.targets.replay import replay  # found out by reading its bytes, which is slower

            return replay(plan, within, self._stall)
        deadline = plan.arrived + within
        if plan.ended < deadline:
            return _refused(plan) if plan.error else _answered(plan)
        return _cut_short(plan, deadline, too_late(within).message)


def _longest_silence(plan: Plan) -> float:
    """Seconds between two pieces of the stream, at most."""
    hidden = max((block.tokens for block in plan.blocks if not block.shown), default=0)
    gap = max(plan.chunk_tokens, hidden) * plan.token_interval
    return gap if plan.ping_interval is None else min(gap, plan.ping_interval)


def _answered(plan: Plan) -> Attempt:
    streamed = plan.stream
    first, first_text, last = moments(plan) if streamed else (None, None, None)
    return Attempt(
        sent=plan.arrived,
        ended=plan.ended,
        status=plan.status,
        headers=plan.first_token if streamed else plan.ended,
        first_event=plan.first_token if streamed else None,
        first_token=first,
        first_text=first_text,
        last_token=last,
        request_id=plan.request_id,
        stop_reason=plan.stop_reason,
        usage=_usage(plan, plan.usage.output_tokens, plan.usage.thinking_tokens),
        limits=_limits(plan),
    )


def _refused(plan: Plan) -> Attempt:
    error = plan.error
    assert error is not None
    limits = _limits(plan)
    return Attempt(
        sent=plan.arrived,
        ended=plan.ended,
        status=plan.status,
        cause=cause_of(plan.status, ApiError.of(error.type, error.message, error.error_code), limits),
        message=shorten(error.message),
        headers=plan.ended,
        retry_after=_retry_after(plan),
        should_retry=plan.should_retry,
        request_id=plan.request_id,
        limits=limits,
    )


def _retry_after(plan: Plan) -> float | None:
    if plan.retry_after_as_date:
        from mock_server import wire

        return classify.retry_after(wire.readable(wire.headers(plan)))
    return float(plan.retry_after) if plan.retry_after else None  # 0 means "not given"


def _cut_short(plan: Plan, deadline: float, message: str) -> Attempt:
    """What the client has seen of an answer that was not complete in time."""
    if not plan.stream or plan.first_token >= deadline:
        return Attempt(plan.arrived, deadline, cause="timeout", message=message)
    seen = [(due, kind) for due, kind, _ in visible(plan) if due < deadline]
    return Attempt(
        sent=plan.arrived,
        ended=deadline,
        status=plan.status,
        cause="timeout",
        message=message,
        headers=plan.first_token,
        first_event=plan.first_token,
        first_token=seen[0][0] if seen else None,
        first_text=next((due for due, kind in seen if kind == "text"), None),
        last_token=seen[-1][0] if seen else None,
        request_id=plan.request_id,
        usage=_usage(plan, min(1, plan.usage.output_tokens), 0),  # as message_start says it
        limits=_limits(plan),
    )


def _usage(plan: Plan, output_tokens: int, thinking_tokens: int) -> Usage:
    said = plan.usage
    return Usage(
        said.input_tokens,
        output_tokens,
        said.cache_read,
        said.cache_write_5m,
        said.cache_write_1h,
        thinking_tokens,
    )


def _limits(plan: Plan) -> RateLimits | None:
    told = plan.limits
    if told is None:
        return None
    requests, input_, output = told.requests or _NONE, told.input_tokens or _NONE, told.output_tokens or _NONE
    if requests is input_ is output:
        return None
    return RateLimits(
        requests.limit, requests.remaining, input_.limit, input_.remaining, output.limit, output.remaining
    )


class _Unlimited:
    """What the headers say of a limit that does not exist."""

    limit = None
    remaining = None


_NONE = _Unlimited()
