"""The mock's heart: a request and the time go in, a `Plan` comes out.  No I/O, no clock, no randomness of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from mock_server.account import Account
from mock_server.batches import Batches
from mock_server.caching import NOTHING, Cache, Match
from mock_server.content import Content, check_stop_reason, compose
from mock_server.faults import FAILURES, Endpoint, Faults, Struck
from mock_server.latency import Pace, Strain, draw_pace, time, true_length
from mock_server.limits import Drain, Gate, Refusal, rate_limit_error, too_many_requests
from mock_server.models import describe, tuned
from mock_server.options import NEW_VERSION
from mock_server.plan import Error, Plan, Usage
from mock_server.repeats import Repeats
from mock_server.request import Purpose, Question, RequestError, invalid, read
from mock_server.returns import Returns
from mock_server.rng import Draws
from mock_server.settings import Settings
from mock_server.spending import spend_cap_error
from mock_server.tenants import ANYONE, Tenant
from mock_server.tiers import Limits

EPOCH = 1_795_000_000.0
"""Unix time of engine second 0 where nobody gives one (in November 2026), so that simulated headers repeat."""


class Engine:
    """The API's organisations and their limits.  `now` is seconds since the engine began and never goes back."""

    def __init__(self, settings: Settings, *, epoch: float = EPOCH) -> None:
        self.settings = settings
        self.epoch = epoch
        self.faults = Faults(settings.faults, settings.seed)
        self.cache = Cache()
        self.returns = Returns()
        self.batches = Batches(self)
        self._find = tuned(settings.chars_per_token)
        self._strain = Strain(settings)
        self._accounts: dict[str, Account] = {}
        self.repeats = Repeats()

    def handle(
        self,
        params: Mapping[str, Any],
        now: float,
        *,
        key: tuple[int, ...] | None = None,
        output_tokens: int | None = None,
        version: str = NEW_VERSION,
        stop_reason: str | None = None,
        tenant: Tenant = ANYONE,
        again: bool = False,
        content: bytes | None = None,
        question: Question | None = None,
    ) -> Plan:
        """Decide everything about a request that arrives at engine second `now`.  Never raises for bad `params`.

        `key` names the request, such as (run seed, request, attempt): its draws depend on nothing else, so they do not
        change with the order of arrival.  Without a key the content and how often it came before stand for it (see
        `repeats`).
        `output_tokens` is the length the answer has unless max_tokens cuts it, `stop_reason` how it is to end (see
        `content`), `version` the API version.  `again` says of a request without a key that it was sent before;
        `content` is the body that `params` were read from, if there was one; `question` is what they ask, if they were
        read before.
        """
        again = again or key is not None
        try:
            question = question or self.read(params, version)
            key = self._content_key(content or repr(params)) if key is None else key
            if stop_reason and (unknown := check_stop_reason(stop_reason)):
                raise unknown
        except RequestError as refused:
            return self.refuse(refused, now, key, tenant)
        if again and self.returns:
            self.returns.came(key[:-1], tenant, now)
        if struck := self.faults.refusal(key, now):
            plan = self._struck(question, struck, key, now, tenant)
        else:
            plan = self._serve(question, key, now, output_tokens, stop_reason, tenant)
        if plan.retry_after is not None:
            self.returns.told(key[:-1], now + plan.retry_after)
        return self.faults.disguise(self.faults.hold_up(plan)) if plan.error else plan

    def _serve(
        self,
        question: Question,
        key: tuple[int, ...],
        now: float,
        output_tokens: int | None,
        stop_reason: str | None,
        tenant: Tenant,
    ) -> Plan:
        account = self.account(tenant.organization)
        if account.is_limited_in_spending and (unpaid := account.refuse_spending(tenant.workspace, self.epoch + now)):
            return self.refuse(unpaid, now, key, tenant)
        gate = account.gate(tenant.workspace, question.model_id, question.model)
        match = self.cache.look(tenant, question.prompt, now) if question.prompt else NOTHING
        counted = question.input_tokens - match.read  # what is read from the cache is free
        estimate = math.ceil(counted * self.settings.input_estimate)
        reserved = question.max_tokens if self.settings.reserve_max_tokens else 0
        refusal = gate.admit(estimate, reserved or 1, now)
        if refusal:
            return self._rate_limited(question, refusal, gate, key, now, tenant)
        plan = self._answer(question, match, gate, key, now, output_tokens, stop_reason, reserved, tenant)
        plan = self.faults.spoil(plan)
        self._strain.runs_until(plan.last_token)
        if estimate != counted:
            gate.correct(Drain(plan.first_token, plan.first_token, counted - estimate))
        if gate.counts_output:
            gate.produce(_production(plan))
        if match is not NOTHING:
            self.cache.commit(tenant, match, now, plan.first_token)
        if account.is_limited_in_spending:
            account.pay(tenant.workspace, plan, self.epoch + now)
        if account.connections:
            account.connections.open(plan.ended)
        return plan

    def count_tokens(
        self, params: Mapping[str, Any], now: float, tenant: Tenant = ANYONE, *, version: str = NEW_VERSION
    ) -> int:
        """Input tokens of a request, as `POST /v1/messages/count_tokens` says them.  Raises RequestError."""
        account = self.account(tenant.organization)
        bucket = account.token_counts
        if bucket and (wait := bucket.wait(1, now)) > 0:
            raise too_many_requests("token_counts", account.tier.token_counts or 0, wait, tenant)
        if bucket:
            bucket.take(1, now)
        return self.read(params, version, "count_tokens").input_tokens

    def answer_in_batch(
        self,
        params: object,
        now: float,
        key: tuple[int, ...],
        output_tokens: int | None,
        tenant: Tenant,
        version: str = NEW_VERSION,
    ) -> Plan:
        """The answer to a request of a batch, which draws on no limit and finds nothing in the cache."""
        try:
            question = self.read_in_batch(params, version)
        except RequestError as refused:
            return self.refuse(refused, now, key, tenant)
        if failure := self.fails_in_batch(key, now):
            return self.refuse(failure, now, key, tenant)
        plan = self._answer(question, NOTHING, _NO_LIMITS, key, now, output_tokens, None, 0, tenant)
        return msgspec.structs.replace(plan, service_tier="batch")

    def fails_in_batch(self, key: tuple[int, ...], now: float) -> RequestError | None:
        """The fault that makes an error of a request of a batch: one of those in which the service itself fails."""
        struck = self.faults.refusal(key, now, among=FAILURES)
        if struck is None or struck.refusal.error is None:
            return None
        return RequestError(struck.refusal.status, struck.refusal.error, cause=struck.name)

    def read_in_batch(self, params: object, version: str = NEW_VERSION) -> Question:
        """Check the parameters of a request of a batch.  Raises RequestError."""
        if not isinstance(params, Mapping):
            raise invalid("params: Input should be an object")
        return self.read(params, version, "batch")

    def read(self, params: Mapping[str, Any], version: str = NEW_VERSION, purpose: Purpose = "messages") -> Question:
        """`request.read` with this engine's tokenizers."""
        try:
            return read(params, version, purpose, find=self._find)
        except RecursionError:
            raise invalid("messages: nested too deeply") from None

    def account(self, organization: str) -> Account:
        """What the engine knows of an organisation, by its name."""
        account = self._accounts.get(organization)
        if account is None:
            account = self._accounts[organization] = Account(organization, self.settings)
        return account

    def accounts(self) -> Mapping[str, Account]:
        """Every organisation that has asked for something, by name."""
        return self._accounts

    def change_tier(self, tier: str, now: float) -> None:
        """This tier from now on, with full buckets, for all organisations without one of their own."""
        self.settings = msgspec.structs.replace(self.settings, tier=tier)
        for account in self._accounts.values():
            account.change_tier(self.settings, now)

    def refuse(
        self, refused: RequestError, now: float, key: tuple[int, ...] | None = None, tenant: Tenant | None = None
    ) -> Plan:
        """The plan of a request that is wrong in itself: no limit is touched."""
        return Plan(
            status=refused.status,
            key=self._content_key(str(refused)) if key is None else key,
            epoch=self.epoch,
            arrived=now,
            first_token=now,
            last_token=now,
            ended=now,
            error=refused.error,
            cause=refused.cause,
            retry_after=refused.retry_after,
            tenant=tenant,
        )

    def abort(self, plan: Plan, now: float) -> None:
        """The client of `plan` went away: nothing more is produced, and nothing more debited.  Say so once."""
        if plan.status != 200 or plan.tenant is None or now >= max(plan.ended, plan.last_token):
            return
        if now < plan.first_token:
            self.cache.withdraw(plan.tenant, plan.match, plan.first_token)
        account = self.account(plan.tenant.organization)
        if account.connections and now < plan.ended:
            account.connections.close(plan.ended)
        if now >= plan.last_token:
            return
        if plan.arrived >= account.since:
            gate = account.gate(plan.tenant.workspace, plan.model, plan.served or describe(plan.model))
            gate.stop(_production(plan), now)
            if plan.reserved:
                gate.reserve(plan.produced(now) - plan.reserved, now)
        workspace, unix = plan.tenant.workspace, self.epoch + plan.arrived
        account.pay(workspace, plan, unix, back=True)
        produced = msgspec.structs.replace(plan.usage, output_tokens=plan.produced(now))
        account.pay(workspace, msgspec.structs.replace(plan, usage=produced), unix)

    def _answer(
        self,
        question: Question,
        match: Match,
        gate: Gate,
        key: tuple[int, ...],
        now: float,
        wished: int | None,
        stop_reason: str | None,
        reserved: int,
        tenant: Tenant,
    ) -> Plan:
        if reserved:
            gate.reserve(reserved, now)
        settings, options, draws = self.settings, question.options, Draws(*key)
        uncached, fast = question.input_tokens - match.read, options.speed == "fast"
        pace = draw_pace(draws, question.model.family, settings, uncached, match.read, fast=fast)
        if pace and self._strain:
            factor = self._strain.factor(now, self.epoch)
            pace = Pace(pace.first_token * factor, pace.interval * factor)
        if wished is not None:
            wished = true_length(draws, question.model.family, settings, wished)
        content = compose(question, draws, settings, wished, stop_reason)
        timing = time(pace, settings, content.tokens)
        last = now + timing.last_token
        plan = Plan(
            status=200,
            key=key,
            epoch=self.epoch,
            arrived=now,
            first_token=min(now + timing.first_token, last),
            last_token=last,
            ended=last,
            token_interval=timing.interval,
            chunk_tokens=settings.chunk_tokens,
            limits=gate.state(now),
            model=question.model_id,
            stream=question.stream,
            usage=_usage(question, match, content),
            served=question.model,
            blocks=content.blocks,
            stop_reason=content.stop_reason,
            ping_interval=settings.ping_interval,
            tenant=tenant,
            reserved=reserved,
        )
        if match is NOTHING and not question.is_special and not stop_reason:
            return plan
        return msgspec.structs.replace(
            plan,
            stop_sequence=content.stop_sequence,
            refusal=content.refusal,
            inference_geo=options.inference_geo,
            speed=options.speed,
            match=match,
        )

    def _rate_limited(
        self, question: Question, refusal: Refusal, gate: Gate, key: tuple[int, ...], now: float, tenant: Tenant
    ) -> Plan:
        return Plan(
            status=429,
            key=key,
            epoch=self.epoch,
            arrived=now,
            first_token=now,
            last_token=now,
            ended=now,
            error=rate_limit_error(refusal, tenant, question.model_id),
            cause=refusal.limit,
            retry_after=refusal.retry_after,
            limits=gate.state(now),
            model=question.model_id,
            tenant=tenant,
        )

    def attend(
        self, endpoint: Endpoint, now: float, tenant: Tenant | None = None, key: tuple[int, ...] | None = None
    ) -> Plan:
        """The plan of a call that draws on no model: an answer at once, unless a fault refuses or spoils it.

        Calls of the same `key`, such as those that ask again and again how a batch is doing, are told apart.
        """
        plan = Plan(
            status=200,
            key=self._content_key(repr(key)),
            epoch=self.epoch,
            arrived=now,
            first_token=now,
            last_token=now,
            ended=now,
            tenant=tenant,
        )
        struck = self.faults.refusal(plan.key, now, endpoint)
        if not struck:
            return self.faults.spoil(plan, endpoint)
        error = struck.refusal.error or _out_of_place(struck.name, self.epoch + now, tenant or ANYONE)
        refused = msgspec.structs.replace(
            plan,
            status=struck.refusal.status,
            first_token=struck.when,
            last_token=struck.when,
            ended=struck.when,
            error=error,
            cause=struck.name,
            retry_after=struck.retry_after,
        )
        return self.faults.disguise(self.faults.hold_up(refused, endpoint), endpoint)

    def _struck(self, question: Question, struck: Struck, key: tuple[int, ...], now: float, tenant: Tenant) -> Plan:
        """The plan of a request that a fault refuses."""
        gate = self.account(tenant.organization).gate(tenant.workspace, question.model_id, question.model)
        status = struck.refusal.status
        return Plan(
            status=status,
            key=key,
            epoch=self.epoch,
            arrived=now,
            first_token=struck.when,
            last_token=struck.when,
            ended=struck.when,
            error=self._words(question, struck, gate, now, tenant),
            cause=struck.name,
            retry_after=struck.retry_after,
            limits=gate.state(now) if status == 429 else None,
            model=question.model_id,
            tenant=tenant,
        )

    def _words(self, question: Question, struck: Struck, gate: Gate, now: float, tenant: Tenant) -> Error:
        """What the refusal would say if it were real."""
        if struck.refusal.error:
            return struck.refusal.error
        if struck.name == "spend_cap":
            return spend_cap_error(self.epoch + now)
        allowed = getattr(gate.limits, struck.name, None) or 1_000
        return rate_limit_error(Refusal(struck.name, allowed, 0), tenant, question.model_id)

    def _content_key(self, content: bytes | str) -> tuple[int, int, int]:
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        digest = int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
        return self.settings.seed, digest, self.repeats.count(digest)


def _out_of_place(name: str, unix: float, tenant: Tenant) -> Error:
    """What a refusal says where there are no limits of a model."""
    if name == "spend_cap":
        return spend_cap_error(unix)
    if name in ("acceleration", "concurrency"):
        return rate_limit_error(Refusal(name, None, 0), tenant, "")
    words = (
        f"This request would exceed your organization's rate limit (org: {tenant.organization_id}). Try again later."
    )
    return Error("rate_limit_error", words)


_NO_LIMITS = Gate(Limits(), 60.0)


def _usage(question: Question, match: Match, content: Content) -> Usage:
    thinking = content.blocks[0].tokens if content.blocks and content.blocks[0].kind == "thinking" else 0
    if match is NOTHING:
        return Usage(question.input_tokens, content.tokens, thinking_tokens=thinking)
    return Usage(
        question.input_tokens - match.cached,
        content.tokens,
        match.read,
        match.write_5m,
        match.write_1h,
        thinking,
    )


def _production(plan: Plan) -> Drain:
    """What the answer takes from the bucket of output tokens, and when."""
    if plan.reserved:
        return Drain(plan.last_token, plan.last_token, plan.usage.output_tokens - plan.reserved)
    duration = plan.last_token - plan.first_token
    if duration <= 0:
        return Drain(plan.first_token, plan.first_token, plan.usage.output_tokens)
    return Drain(plan.first_token, plan.last_token, 1, (plan.usage.output_tokens - 1) / duration)
