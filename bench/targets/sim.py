"""The mock's engine called directly, in virtual time: the same answers as over HTTP, one sleep and no bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt, RateLimits, Usage
from bench.targets import classify
from bench.targets.answer import too_late
from bench.targets.classify import ApiError, cause_of, shorten
from mock_server.plan import Plan, Window, moments, visible

if TYPE_CHECKING:
    from mock_server.engine import Engine


class SimClient:
    """A `Client` whose records are those of the SDK speaking to the same engine.  `timeout` is seconds per attempt.

    Answers are `output_factor` times as long as expected.
    """

    def __init__(self, engine: Engine, clock: Clock, *, seed: int, timeout: float, output_factor: float = 1.0) -> None:
        self.engine, self._clock, self._seed, self._timeout = engine, clock, seed, timeout
        self._output_factor = output_factor

    async def send(self, spec: RequestSpec, attempt: int) -> Attempt:
        """See `Client`."""
        sent = self._clock.now()
        key = (self._seed, spec.seq, attempt)
        plan = self.engine.handle(
            spec.params, sent, key=key, output_tokens=round(spec.output_tokens * self._output_factor)
        )
        deadline = sent + self._timeout
        if plan.flaw:
            return await self._spoiled(plan)
        try:
            await self._clock.sleep_until(min(plan.ended, deadline))
        except BaseException:
            self.engine.abort(plan, self._clock.now())
            raise
        if plan.ended < deadline:
            return _refused(plan) if plan.error else _answered(plan)
        self.engine.abort(plan, deadline)
        return _cut_short(plan, deadline, too_late(self._timeout).message)

    async def _spoiled(self, plan: Plan) -> Attempt:
        """What a client makes of an answer with a flaw is found out by reading its bytes, which is slower."""
        from bench.targets.replay import replay

        attempt = replay(plan, self._timeout)
        try:
            await self._clock.sleep_until(attempt.ended)
        finally:
            self.engine.abort(plan, self._clock.now())
        return attempt


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
    if told is None or not (told.requests or told.input_tokens or told.output_tokens):
        return None
    return RateLimits(*_window(told.requests), *_window(told.input_tokens), *_window(told.output_tokens))


def _window(window: Window | None) -> tuple[int | None, int | None]:
    return (window.limit, window.remaining) if window else (None, None)
