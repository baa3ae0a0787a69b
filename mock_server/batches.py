"""The Message Batches API without HTTP: what can be done with batches, by whom, and within which limits.

Every method is one call of the API, counts as one request per minute of the organisation, and raises RequestError for
what the API would refuse.  Batches are seen by their own workspace alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mock_server import wire
from mock_server.batch import Batch, Counts, read_lines
from mock_server.limits import too_many_requests
from mock_server.options import NEW_VERSION
from mock_server.plan import Error, Plan
from mock_server.request import RequestError, invalid
from mock_server.rng import Draws
from mock_server.tenants import ANYONE, Tenant

if TYPE_CHECKING:
    from mock_server.engine import Engine


MOST_BYTES = 1 << 30
"""Bytes of batches that are kept, so that a server left running does not fill the memory.  Beyond that the oldest that
have ended are forgotten, as if they had been deleted."""
MOST_BATCHES = 10_000
"""The same of their number."""


class Batches:
    """All batches of an engine.  `now` is engine seconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batches: dict[str, Batch] = {}
        self._sizes: dict[str, int] = {}
        self._created = 0

    def create(
        self,
        body: bytes | Mapping[str, Any],
        now: float,
        tenant: Tenant = ANYONE,
        *,
        version: str = NEW_VERSION,
        key: tuple[int, ...] | None = None,
        output_tokens: Sequence[int] | None = None,
    ) -> Batch:
        """Begin a batch, its requests in this API version.

        `key` seeds its draws, `output_tokens` are the lengths of its answers.
        """
        self._admit(tenant, now)
        account = self._engine.account(tenant.organization)
        if unpaid := account.refuse_spending(tenant.workspace, self._engine.epoch + now):
            raise unpaid
        lines = read_lines(body)
        self._check_queue(tenant, len(lines), account.tier.batch_queue, now)
        self._created += 1
        settings = self._engine.settings
        key = key or (settings.seed, self._created)
        lasts = Draws(*key, "batch_time").lognormal(*settings.batch_time)
        batch = Batch(key, tenant, lines, now, lasts, version)
        self._batches[batch.id] = batch
        batch.output_tokens = output_tokens
        self._sizes[batch.id] = len(body) if isinstance(body, bytes) else 0
        self._forget(now)
        self._pay(batch, 0, batch.processed(batch.ends))
        return batch

    def retrieve(self, batch_id: str, now: float, tenant: Tenant = ANYONE) -> Batch:
        """One batch."""
        self._admit(tenant, now)
        return self._find(batch_id, now, tenant)

    def list(self, now: float, tenant: Tenant = ANYONE) -> Sequence[Batch]:
        """All batches, the newest first."""
        self._admit(tenant, now)
        hidden = self._engine.settings.batch_hidden
        mine = [each for each in self._batches.values() if each.tenant == tenant and now >= each.created + hidden]
        return mine[::-1]

    def cancel(self, batch_id: str, now: float, tenant: Tenant = ANYONE) -> Batch:
        """Let a batch end early, with the results it has by then."""
        batch = self.retrieve(batch_id, now, tenant)
        before = batch.processed(batch.ends)
        batch.cancel(now)
        self._pay(batch, batch.processed(batch.ends), before, back=True)
        return batch

    def delete(self, batch_id: str, now: float, tenant: Tenant = ANYONE) -> None:
        """Forget a batch that has ended."""
        batch = self.retrieve(batch_id, now, tenant)
        if batch.status(now) != "ended":
            raise invalid(f"Batch {batch.id} has not ended; cancel it first")
        del self._batches[batch.id], self._sizes[batch.id]

    def results(self, batch_id: str, now: float, tenant: Tenant = ANYONE) -> Iterator[bytes]:
        """The results, line by line; each is made when it is asked for."""
        batch = self.retrieve(batch_id, now, tenant)
        if batch.status(now) != "ended":
            raise _not_found(f"Batch {batch.id} has no results yet: it has not ended")
        if now >= batch.archives:
            raise _not_found(f"The results of batch {batch.id} are no longer available: they are kept for 29 days")
        return batch.results(lambda params, place: self._result(batch, params, place))

    def counts(self, batch: Batch, now: float) -> Counts:
        """How many of its requests had which result.  Not a call of the API."""
        return batch.counts(now, lambda params, place: self._is_wrong(batch, params, place))

    def waiting(self, organization: str, now: float) -> int:
        """Requests in the organisation's queue.  Not a call of the API."""
        return sum(each.waiting(now) for each in self._of(organization))

    def _forget(self, now: float) -> None:
        """Forget the oldest that have ended while there are too many."""
        size = sum(self._sizes.values())
        for batch in list(self._batches.values()):
            if size <= MOST_BYTES and len(self._batches) <= MOST_BATCHES:
                break
            if batch.status(now) == "ended":
                size -= self._sizes[batch.id]
                del self._batches[batch.id], self._sizes[batch.id]

    def _of(self, organization: str) -> Iterator[Batch]:
        return (each for each in self._batches.values() if each.tenant.organization == organization)

    def _find(self, batch_id: str, now: float, tenant: Tenant) -> Batch:
        batch = self._batches.get(batch_id)
        if not batch or batch.tenant != tenant or now < batch.created + self._engine.settings.batch_hidden:
            raise _not_found(f"Message Batch with id {batch_id[:200]!r} not found")
        return batch

    def _admit(self, tenant: Tenant, now: float) -> None:
        account = self._engine.account(tenant.organization)
        bucket = account.batch_requests
        if bucket and (wait := bucket.wait(1, now)) > 0:
            raise too_many_requests("batch_requests", account.tier.batch_requests or 0, wait, tenant)
        if bucket:
            bucket.take(1, now)

    def _check_queue(self, tenant: Tenant, new: int, most: int | None, now: float) -> None:
        """The queue shrinks steadily, so when it has room is found by halving."""
        if most is None or self.waiting(tenant.organization, now) + new <= most:
            return
        batches = list(self._of(tenant.organization))
        low, high = 0, max((int(each.ends - now) + 1 for each in batches if each.ends > now), default=1)
        while high - low > 1:
            middle = (low + high) // 2
            room = sum(each.waiting(now + middle) for each in batches) + new <= most
            low, high = (low, middle) if room else (middle, high)
        raise too_many_requests("batch_queue", most, high, tenant)

    def _pay(self, batch: Batch, begin: int, end: int, *, back: bool = False) -> None:
        """Pay for these turns when the batch is created, or be paid back when it is cancelled.  Errors cost nothing."""
        account = self._engine.account(batch.tenant.organization)
        if not account.is_limited_in_spending:
            return
        unix = self._engine.epoch + batch.created
        for params, place in batch.turns(begin, end):
            plan = self._answer(batch, params, place)
            if plan.error is None:
                account.pay(batch.tenant.workspace, plan, unix, batch=True, back=back)

    def _is_wrong(self, batch: Batch, params: object, place: int) -> bool:
        try:
            self._engine.read_in_batch(params, batch.version)
        except RequestError:
            return True
        return self._engine.fails_in_batch((*batch.key, place), batch.created) is not None

    def _result(self, batch: Batch, params: object, place: int) -> tuple[bool, bytes]:
        plan = self._answer(batch, params, place)
        return plan.error is None, wire.body(plan)

    def _answer(self, batch: Batch, params: object, place: int) -> Plan:
        key, length = (*batch.key, place), batch.length(place)
        return self._engine.answer_in_batch(params, batch.created, key, length, batch.tenant, batch.version)


def _not_found(message: str) -> RequestError:
    return RequestError(404, Error("not_found_error", message))
