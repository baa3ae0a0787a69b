"""The mock's heart: a request and the time go in, a `Plan` comes out.  No I/O, no clock, no randomness of its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from mock_server.latency import draw_length, draw_timing
from mock_server.limits import Drain, Gate, Refusal
from mock_server.models import model_class
from mock_server.plan import Error, Plan, Usage
from mock_server.request import Question, RequestError, invalid, read
from mock_server.rng import Draws
from mock_server.settings import Settings
from mock_server.tiers import limits_for

EPOCH = 1_795_000_000.0
"""Unix time of engine second 0 where nobody gives one (in November 2026), so that simulated headers repeat."""

ORGANIZATION_ID = "5eed0000-c1a0-4be2-8000-00000000bec4"
"""The one organisation the mock knows."""

_LIMIT_WORDS = {"requests": "requests", "input_tokens": "input tokens", "output_tokens": "output tokens"}


class Engine:
    """One organisation and its limits.  `now` is seconds since the engine began and never goes back."""

    def __init__(self, settings: Settings, *, epoch: float = EPOCH) -> None:
        self.settings = settings
        self.epoch = epoch
        self._gates: dict[str, Gate] = {}
        self._seen: Counter[int] = Counter()

    def handle(
        self,
        params: Mapping[str, Any],
        now: float,
        *,
        key: tuple[int, ...] | None = None,
        output_tokens: int | None = None,
    ) -> Plan:
        """Decide everything about a request that arrives at engine second `now`.  Never raises for bad `params`.

        `key` names the request, such as (run seed, request, attempt): its draws depend on nothing else, so they do not
        change with the order of arrival.  Without a key the content and how often it came before stand for it.
        `output_tokens` is the length the answer has unless max_tokens cuts it.
        """
        try:
            question = read(params)
            key = self._content_key(params) if key is None else key
        except RequestError as refused:
            return self.refuse(refused, now, key)
        except RecursionError:
            return self.refuse(invalid("messages: nested too deeply"), now, key)
        gate = self._gate(question)
        estimate = math.ceil(question.input_tokens * self.settings.input_estimate)
        reserved = question.max_tokens if self.settings.reserve_max_tokens else 0
        refusal = gate.admit(estimate, reserved or 1, now)
        if refusal:
            return self._rate_limited(question, refusal, gate, key, now)
        plan = self._answer(question, gate, key, now, output_tokens, reserved)
        if gate.input and estimate != question.input_tokens:
            gate.input.schedule(Drain(plan.first_token, plan.first_token, question.input_tokens - estimate))
        if gate.output:
            gate.output.schedule(_production(plan))
        return plan

    def refuse(self, refused: RequestError, now: float, key: tuple[int, ...] | None = None) -> Plan:
        """The plan of a request that is wrong in itself: no limit is touched."""
        return Plan(
            status=refused.status,
            key=self._content_key({"refused": str(refused)}) if key is None else key,
            epoch=self.epoch,
            arrived=now,
            first_token=now,
            last_token=now,
            ended=now,
            error=refused.error,
        )

    def abort(self, plan: Plan, now: float) -> None:
        """The client of `plan` went away: nothing more is produced, and nothing more debited.  Say so once."""
        if plan.status != 200 or now >= plan.last_token:
            return
        output = self._gates[model_class(plan.model)].output
        if output:
            output.stop(_production(plan), now)
            if plan.reserved:
                output.take(plan.produced(now) - plan.reserved, now)

    def _gate(self, question: Question) -> Gate:
        name = question.model.limit_class
        gate = self._gates.get(name)
        if gate is None:
            limits = limits_for(self.settings.tier, question.model_id)
            gate = Gate(limits, self.settings.burst, rejected_count=self.settings.rejected_count)
            self._gates[name] = gate
        return gate

    def _answer(
        self, question: Question, gate: Gate, key: tuple[int, ...], now: float, wished: int | None, reserved: int
    ) -> Plan:
        if reserved and gate.output:
            gate.output.take(reserved, now)
        wished = draw_length(Draws(*key, "length"), self.settings) if wished is None else max(1, wished)
        tokens = min(wished, question.max_tokens)
        timing = draw_timing(Draws(*key), question.model.family, self.settings, tokens)
        last = now + timing.last_token
        return Plan(
            status=200,
            key=key,
            epoch=self.epoch,
            arrived=now,
            first_token=min(now + timing.first_token, last),
            last_token=last,
            ended=last,
            token_interval=timing.interval,
            chunk_tokens=self.settings.chunk_tokens,
            limits=gate.state(now),
            model=question.model_id,
            stream=question.stream,
            usage=Usage(question.input_tokens, tokens),
            stop_reason="end_turn" if tokens == wished else "max_tokens",
            reserved=reserved,
        )

    def _rate_limited(self, question: Question, refusal: Refusal, gate: Gate, key: tuple[int, ...], now: float) -> Plan:
        limit = getattr(gate.limits, refusal.limit)
        message = (
            f"This request would exceed your organization's rate limit of {limit:,} {_LIMIT_WORDS[refusal.limit]} per"
            f" minute (org: {ORGANIZATION_ID}, model: {question.model_id}). The response headers show the current"
            " use. Shorten the prompt, lower the maximum tokens requested, or try again later."
        )
        return Plan(
            status=429,
            key=key,
            epoch=self.epoch,
            arrived=now,
            first_token=now,
            last_token=now,
            ended=now,
            error=Error("rate_limit_error", message),
            retry_after=refusal.retry_after,
            limits=gate.state(now),
            model=question.model_id,
        )

    def _content_key(self, params: Mapping[str, Any]) -> tuple[int, int, int]:
        digest = blake2b(repr(params).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        content = int.from_bytes(digest, "big")
        self._seen[content] += 1
        return self.settings.seed, content, self._seen[content]


def _production(plan: Plan) -> Drain:
    """What the answer takes from the bucket of output tokens, and when."""
    if plan.reserved:
        return Drain(plan.last_token, plan.last_token, plan.usage.output_tokens - plan.reserved)
    duration = plan.last_token - plan.first_token
    if duration <= 0:
        return Drain(plan.first_token, plan.first_token, plan.usage.output_tokens)
    return Drain(plan.first_token, plan.last_token, 1, (plan.usage.output_tokens - 1) / duration)
