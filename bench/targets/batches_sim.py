"""Message batches of the mock's engine, called directly: a batch of a day takes as long as reading its results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, TypeVar

from bench.clock import Clock
from bench.request import RequestSpec
from bench.targets.batches import BatchCallError, BatchState, encode_line
from bench.targets.classify import ApiError, cause_of
from bench.targets.foreign import shorten
from mock_server.errors import RequestError

if TYPE_CHECKING:
    from mock_server.batch import Batch
    from mock_server.engine import Engine

T = TypeVar("T")


class SimBatches:
    """A `BatchClient`.  `engine` is asked for at every call: a reset makes a new one."""

    def __init__(self, engine: Callable[[], Engine], clock: Clock, *, seed: int, output_factor: float) -> None:
        self._engine, self._clock, self._seed, self._output_factor = engine, clock, seed, output_factor

    def unix_time(self) -> float:
        """See `BatchClient`."""
        return self._engine().epoch + self._clock.now()

    def line(self, custom_id: str, spec: RequestSpec) -> bytes:
        """See `BatchClient`."""
        return encode_line(custom_id, spec, output_factor=self._output_factor)

    async def create(self, number: int, body: bytes) -> BatchState:
        """See `BatchClient`."""
        key = batch_key(self._seed, number)
        return self._state(_asked(lambda: self._engine().batches.create(body, self._clock.now(), key=key)))

    async def retrieve(self, batch_id: str) -> BatchState:
        """See `BatchClient`."""
        return self._state(_asked(lambda: self._engine().batches.retrieve(batch_id, self._clock.now())))

    async def cancel(self, batch_id: str) -> BatchState:
        """See `BatchClient`."""
        try:
            return self._state(_asked(lambda: self._engine().batches.cancel(batch_id, self._clock.now())))
        except BatchCallError as refused:
            if refused.cause == "invalid_request":
                return await self.retrieve(batch_id)
            raise

    async def results(self, batch_id: str) -> AsyncIterator[bytes]:
        """See `BatchClient`."""
        for line in _asked(lambda: self._engine().batches.results(batch_id, self._clock.now())):
            yield line

    async def since(self, unix: float) -> AsyncIterator[BatchState]:
        """See `BatchClient`."""
        for batch in _asked(lambda: self._engine().batches.list(self._clock.now())):
            state = self._state(batch)
            if state.created >= unix:
                yield state

    def _state(self, batch: Batch) -> BatchState:
        ended = batch.status(self._clock.now()) == "ended"
        return BatchState(batch.id, ended, batch.total, self._engine().epoch + batch.created)


def batch_key(seed: int, number: int) -> tuple[int, ...]:
    """What the mock's draws for a batch depend on; no request of its own has a key of this shape."""
    return (seed, 0, number, 0)


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except RequestError as refused:
        error = ApiError.of(refused.error.type, refused.error.message, refused.error.error_code)
        cause = cause_of(refused.status, error, None)
        wait = None if refused.retry_after is None else float(refused.retry_after)
        raise BatchCallError(cause, shorten(error.message), status=refused.status, retry_after=wait) from None
