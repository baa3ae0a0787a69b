"""Message batches through the official SDK, without its retries.

The body that creates a batch is encoded here, request by request, so that its size is known to the byte and 256 MB of
it exist once; results are read line by line as they come.  Source: SDK 2.10, `resources/messages/batches.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager

import aiohttp
import anthropic
import httpx2
from anthropic.types.messages import MessageBatch

from bench.clock import Clock, utc_now
from bench.request import RequestSpec
from bench.targets import classify
from bench.targets.batches import BatchCallError, BatchState, encode_line

_PAGE = 100
"""Batches asked for at once; the API gives up to 1,000."""


class SdkBatches:
    """A `BatchClient`.  `timeout` is scenario seconds for one call, or between two pieces of the results.

    `headers` gives those to add when a batch of this number is created; `output_factor` is for our own mock.
    """

    def __init__(
        self,
        sdk: anthropic.AsyncAnthropic,
        clock: Clock,
        *,
        timeout: float,
        headers: Callable[[int], Mapping[str, str]] = lambda _number: {},
        output_factor: float | None = None,
    ) -> None:
        self._sdk, self._clock, self._timeout, self._headers = sdk, clock, timeout, headers
        self._output_factor = output_factor

    def unix_time(self) -> float:
        """See `BatchClient`."""
        return utc_now().timestamp()

    def line(self, custom_id: str, spec: RequestSpec) -> bytes:
        """See `BatchClient`."""
        return encode_line(custom_id, spec, output_factor=self._output_factor)

    async def create(self, number: int, body: bytes) -> BatchState:
        """See `BatchClient`."""
        headers = {"content-type": "application/json", **self._headers(number)}
        with _failures(self._timeout):
            async with self._clock.timeout(self._timeout):
                return _state(
                    await self._sdk.post(
                        "/v1/messages/batches",
                        cast_to=MessageBatch,
                        content=body,
                        options={"headers": headers},
                    )
                )

    async def retrieve(self, batch_id: str) -> BatchState:
        """See `BatchClient`."""
        with _failures(self._timeout):
            async with self._clock.timeout(self._timeout):
                return _state(await self._sdk.messages.batches.retrieve(batch_id))

    async def cancel(self, batch_id: str) -> BatchState:
        """See `BatchClient`."""
        try:
            with _failures(self._timeout):
                async with self._clock.timeout(self._timeout):
                    return _state(await self._sdk.messages.batches.cancel(batch_id))
        except BatchCallError as refused:
            if refused.cause in ("invalid_request", "conflict"):
                return await self.retrieve(batch_id)
            raise

    async def results(self, batch_id: str) -> AsyncIterator[bytes]:
        """See `BatchClient`."""
        with _failures(self._timeout):
            async with (
                self._sdk.messages.batches.with_streaming_response.results(batch_id) as raw,
                aclosing(raw.http_response.aiter_bytes()) as pieces,
            ):
                rest = b""
                while (piece := await self._next(pieces)) is not None:
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        yield line + b"\n"
                if rest.strip():
                    yield rest + b"\n"

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        async with self._clock.timeout(self._timeout):
            return await anext(pieces, None)

    async def since(self, unix: float) -> AsyncIterator[BatchState]:
        """See `BatchClient`."""
        with _failures(self._timeout):
            async for batch in self._sdk.messages.batches.list(limit=_PAGE):
                state = _state(batch)
                if state.created < unix:
                    return
                yield state


def _state(batch: MessageBatch) -> BatchState:
    if not isinstance(batch, MessageBatch) or not isinstance(batch.id, str) or batch.request_counts is None:
        raise BatchCallError("malformed", "not a message batch", status=200)
    counts = batch.request_counts
    total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
    return BatchState(batch.id, batch.processing_status == "ended", total, batch.created_at.timestamp())


@contextmanager
def _failures(timeout: float) -> Iterator[None]:
    """Turn what goes wrong on the way into a BatchCallError."""
    try:
        yield
    except TimeoutError:
        raise BatchCallError("timeout", f"no answer within {timeout:g} s") from None
    except anthropic.APIStatusError as error:
        response = error.response
        refused = classify.read_error(response.content)
        raise BatchCallError(
            classify.cause_of(response.status_code, refused, None),
            classify.shorten(refused.message or response.reason_phrase),
            status=response.status_code,
            retry_after=classify.retry_after(response.headers),
        ) from None
    except (anthropic.AnthropicError, httpx2.HTTPError, aiohttp.ClientError) as error:
        raise BatchCallError("connection", classify.shorten(f"{type(error).__name__}: {error}")) from None
