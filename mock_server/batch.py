"""One message batch as a state machine.  Pure: everything about it follows from its creation, its cancellation and now.

Source: guide to batch processing, 2026-10-08, and the SDK's types of 2.11.  A batch's requests are processed at an even
pace in an order of their own, which is also that of the results, so that nothing need be kept for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import gcd
from typing import Any, Literal, NamedTuple

import msgspec

from mock_server.plan import base62
from mock_server.request import invalid
from mock_server.rng import Draws
from mock_server.tenants import Tenant

DAY = 86_400.0
EXPIRES_AFTER = DAY
"""Seconds from creation until what is not processed expires."""
KEPT_FOR = 29 * DAY
"""Seconds from creation for which results can be had."""
MAX_REQUESTS = 100_000
RUNNING = 30.0
"""Seconds that one request of a batch runs: those under way when the batch is cancelled are finished and kept."""

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)

Params = Mapping[str, Any]
Status = Literal["in_progress", "canceling", "ended"]


class Line(msgspec.Struct, frozen=True, gc=False):
    """One request of a batch."""

    custom_id: str
    params: msgspec.Raw | Params
    """As it came in, so that 100,000 of them take no more memory than the body they came in."""
    output_tokens: int | None = None
    """How long its answer is, where the request said so."""

    def read(self) -> object:
        """The parameters; None where there are none."""
        if not isinstance(self.params, msgspec.Raw):
            return self.params
        return msgspec.json.decode(self.params) if self.params else None


class Counts(NamedTuple):
    """Requests by what became of them."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


class Batch:
    """A batch from its creation on.  All times are engine seconds."""

    def __init__(
        self, key: tuple[int, ...], tenant: Tenant, lines: Sequence[Line], created: float, lasts: float, version: str
    ) -> None:
        """`lasts` is how many seconds it takes to process them all, `version` the API version they were sent with."""
        self.key = key
        self.version = version
        self.tenant = tenant
        self.created = created
        self.total = len(lines)
        self.canceled_at: float | None = None
        self.output_tokens: Sequence[int] | None = None
        """How long the answers are, where somebody said so for all of them."""
        self._lines: Sequence[Line] = lines
        self._done = created + lasts
        self._lasts = lasts
        self._looked_at = self._errored = 0
        draws = Draws(*key, "batch")
        self.id = "msgbatch_" + base62(draws)
        self._first, self._step = draws.integer(0, self.total - 1), draws.integer(1, self.total)
        while gcd(self._step, self.total) != 1:
            self._step += 1

    @property
    def expires(self) -> float:
        """When what is not processed by then expires."""
        return self.created + EXPIRES_AFTER

    @property
    def archives(self) -> float:
        """When its results are gone."""
        return self.created + KEPT_FOR

    @property
    def ends(self) -> float:
        """When the whole batch has ended, unless it is cancelled before."""
        ends = min(self._done, self.expires)
        return ends if self.canceled_at is None else min(ends, self.canceled_at + RUNNING)

    def status(self, now: float) -> Status:
        """What `processing_status` says."""
        if now >= self.ends:
            return "ended"
        return "in_progress" if self.canceled_at is None else "canceling"

    def processed(self, now: float) -> int:
        """How many requests have been processed, whether they succeeded or not."""
        until = min(now, self.ends)
        if until >= self._done:
            return self.total
        return min(self.total, int(self.total * (until - self.created) / self._lasts))

    def waiting(self, now: float) -> int:
        """How many are in the queue: not yet processed."""
        return 0 if now >= self.ends else self.total - self.processed(now)

    def cancel(self, now: float) -> None:
        """Finish what runs and nothing more; 400 for a batch that has ended."""
        if self.status(now) == "ended":
            raise invalid(f"Batch {self.id} has ended and cannot be canceled")
        if self.canceled_at is None:
            self.canceled_at = now

    def length(self, place: int) -> int | None:
        """How long the answer to one of its requests is, where somebody said so."""
        return self.output_tokens[place] if self.output_tokens else self._lines[place].output_tokens

    def counts(self, now: float, is_wrong: Callable[[object, int], bool]) -> Counts:
        """What `request_counts` says: all are processing until the whole batch has ended.

        `is_wrong` is given the parameters of a request and its place, and says whether it ends in an error.  It is
        asked once about each that has been processed since the last look, so that whoever polls does not wait for all
        of them in the end.
        """
        done = self.processed(now)
        self._errored += sum(is_wrong(*turn) for turn in self.turns(self._looked_at, done))
        self._looked_at = done
        if now < self.ends:
            return Counts(processing=self.total)
        if now >= self.archives:
            self._lines = ()
        rest = self.total - done
        expired = rest if self._rest == "expired" else 0
        return Counts(0, done - self._errored, self._errored, rest - expired, expired)

    def results(self, answer: Callable[[object, int], tuple[bool, bytes]]) -> Iterator[bytes]:
        """The lines of the results, in the order in which they were processed, one after another as they are asked for.

        `answer` is given the parameters of a request and its place in the batch, and says whether it succeeded and
        with what: a message or an error body.  Of a batch that has ended.
        """
        lines, done = self._lines, self.processed(self.ends)
        for turn in range(done):
            place = self._place(turn)
            succeeded, body = answer(lines[place].read(), place)
            yield (_SUCCEEDED if succeeded else _ERRORED) % (lines[place].custom_id.encode(), body)
        for turn in range(done, self.total):
            yield _UNPROCESSED % (lines[self._place(turn)].custom_id.encode(), self._rest.encode())

    def turns(self, begin: int, end: int) -> Iterator[tuple[object, int]]:
        """The parameters of the requests processed in these turns, and their places in the batch."""
        places = (self._place(turn) for turn in range(begin, end))
        return ((self._lines[place].read(), place) for place in places)

    @property
    def _rest(self) -> Literal["canceled", "expired"]:
        """What becomes of those that are not processed."""
        return "expired" if self.ends == self.expires else "canceled"

    def _place(self, turn: int) -> int:
        """Which request comes in which turn: each once, because the step shares no divisor with the total."""
        return (self._first + turn * self._step) % self.total


_SUCCEEDED = b'{"custom_id":"%s","result":{"type":"succeeded","message":%s}}\n'
_UNPROCESSED = b'{"custom_id":"%s","result":{"type":"%s"}}\n'
_ERRORED = b'{"custom_id":"%s","result":{"type":"errored","error":%s}}\n'


def describe(batch: Batch, counts: Counts, now: float, epoch: float, origin: str) -> dict[str, Any]:
    """The batch as the API shows it.  `origin` begins the address of its results, such as http://127.0.0.1:8080."""
    ended, archived = now >= batch.ends, now >= batch.archives
    url = f"{origin}/v1/messages/batches/{batch.id}/results"

    def stamp(when: float | None) -> str | None:
        return None if when is None else (_UNIX + timedelta(seconds=epoch + when)).isoformat(timespec="microseconds")

    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": batch.status(now),
        "request_counts": counts._asdict(),
        "created_at": stamp(batch.created),
        "expires_at": stamp(batch.expires),
        "ended_at": stamp(batch.ends if ended else None),
        "cancel_initiated_at": stamp(batch.canceled_at),
        "archived_at": stamp(batch.archives if archived else None),
        "results_url": url if ended and not archived else None,
    }


class _Line(msgspec.Struct, gc=False):
    custom_id: Any = None
    params: msgspec.Raw = msgspec.Raw()
    x_mock_output_tokens: int | None = None
    """As the header `x-mock-output-tokens` of a request of its own."""


class _Body(msgspec.Struct):
    requests: list[_Line]


def read_lines(body: bytes | Mapping[str, Any]) -> list[Line]:
    """The requests of a create call; RequestError for what is refused at once.

    That is, as far as is known, everything about the list and the ids; parameters are looked at when a request is
    processed.  The API publishes only that ids must be unique.
    """
    lines = _decode(body) if isinstance(body, bytes) else _convert(body)
    if not lines:
        raise invalid("requests: List should have at least 1 item after validation, not 0")
    if len(lines) > MAX_REQUESTS:
        raise invalid(f"requests: List should have at most {MAX_REQUESTS} items after validation, not {len(lines)}")
    seen: set[str] = set()
    for place, (custom_id, _, _) in enumerate(lines):
        if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
            raise invalid(f"requests.{place}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if custom_id in seen:
            raise invalid(f"requests.{place}.custom_id: must be unique, but {custom_id} occurs more than once")
        seen.add(custom_id)
    return [Line(str(custom_id), params, length) for custom_id, params, length in lines]


def _decode(body: bytes) -> list[tuple[object, Any, int | None]]:
    try:
        requests = msgspec.json.decode(body, type=_Body).requests
        return [(line.custom_id, line.params, line.x_mock_output_tokens) for line in requests]
    except msgspec.ValidationError as error:
        raise invalid(f"requests: {error}") from None
    except (ValueError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from None


def _convert(body: Mapping[str, Any]) -> list[tuple[object, Any, int | None]]:
    requests = body.get("requests")
    if not isinstance(requests, list) or not all(isinstance(each, Mapping) for each in requests):
        raise invalid("requests: Input should be a valid list of objects")
    return [(each.get("custom_id"), each.get("params"), each.get("x_mock_output_tokens")) for each in requests]
