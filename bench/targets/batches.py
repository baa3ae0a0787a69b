"""The seam to the Message Batches API: five calls, so that API, mock and simulation differ here only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

import msgspec

from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.targets.answer import Item
from bench.targets.classify import ApiError, cause_of_type
from bench.targets.foreign import shorten

OPENING, SEPARATOR, CLOSING = b'{"requests":[', b",", b"]}"
"""What stands around the requests in the body that creates a batch."""

_encode = msgspec.json.Encoder().encode


class BatchState(NamedTuple):
    """What the API says of a batch."""

    id: str
    ended: bool
    total: int
    """How many requests it has."""
    created: float
    """Unix time."""


class BatchCallError(Exception):
    """A call of the Batches API that failed: what an `Attempt` says of a request that did."""

    def __init__(
        self, cause: str, message: str = "", *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.cause, self.message, self.status, self.retry_after = cause, message, status, retry_after

    @property
    def unclear(self) -> bool:
        """Whether nobody knows if the server did what it was asked: no answer, or a failure in the middle of it."""
        return self.status is None or self.status == 200 or (self.status >= 500 and self.cause != "overloaded")


class BatchClient(Protocol):
    """Creates batches and looks after them.  Every call raises BatchCallError."""

    def unix_time(self) -> float:
        """What time it is for the server, more or less."""
        ...

    def line(self, custom_id: str, spec: RequestSpec) -> bytes:
        """One request as it stands in the body that creates a batch."""
        ...

    async def create(self, number: int, body: bytes) -> BatchState:
        """Create the batch of this number in the pass."""
        ...

    async def retrieve(self, batch_id: str) -> BatchState:
        """Look at a batch."""
        ...

    async def cancel(self, batch_id: str) -> BatchState:
        """Let a batch end with what it has.  One that has ended already is left as it is."""
        ...

    def results(self, batch_id: str) -> AsyncIterator[bytes]:
        """The results of a batch that has ended, a line each, in any order."""
        ...

    def since(self, unix: float) -> AsyncIterator[BatchState]:
        """The batches created since then, the newest first."""
        ...


def encode_line(custom_id: str, spec: RequestSpec, *, output_factor: float | None = None) -> bytes:
    """A request of a batch as JSON.  Batches do not stream.

    The mock is told how long the answer is to be: so many times what is expected.
    """
    params = {name: value for name, value in spec.params.items() if name != "stream"}
    line: dict[str, object] = {"custom_id": custom_id, "params": params}
    if output_factor is not None:
        line["x_mock_output_tokens"] = round(spec.output_tokens * output_factor)
    return _encode(line)


def attempt_of(item: Item, batch: str, sent: float, ended: float, unprocessed: str) -> Attempt:
    """What became of a request as a record keeps it; `unprocessed` is the cause of one that was cancelled."""
    if item.type == "succeeded":
        return Attempt(sent, ended, batch=batch, stop_reason=item.stop_reason, usage=item.usage)
    error = item.error or ApiError()
    cause = {"expired": "expired", "canceled": unprocessed}.get(item.type) or cause_of_type(error)
    message = shorten(error.message) or None
    return Attempt(sent, ended, cause=cause, message=message, request_id=item.request_id, batch=batch)
