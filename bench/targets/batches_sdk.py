"""Message batches through the official SDK, without its retries.

The body that creates a batch is encoded here, request by request, so that its size is known to the byte and 256 MB of
it exist once; results are read line by line as they come.  Source: SDK 2.10, `resources/messages/batches.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from datetime import datetime

import aiohttp
import anthropic
import httpx2
import msgspec
from anthropic.types.messages import MessageBatch

from bench.clock import Clock, utc_now
from bench.request import RequestSpec
from bench.results.batches import BatchId
from bench.results.redact import REDACTED, redact, worth_hiding
from bench.scenario.strategies import MOST_ITEMS
from bench.targets import classify
from bench.targets.batches import BatchCallError, BatchState, encode_line
from bench.targets.foreign import Tokens, shorten

_PAGE = 100
"""Batches asked for at once; the API gives up to 1,000."""

_MOST_BATCHES = 100_000
"""Of an organisation, in the minutes in which one of ours may have been created."""

_LONGEST_LINE = 8 * 2**20
"""Bytes of one result."""


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
        self._secrets = worth_hiding((sdk.api_key, sdk.auth_token))

    def unix_time(self) -> float:
        """See `BatchClient`."""
        return utc_now().timestamp()

    def line(self, custom_id: str, spec: RequestSpec) -> bytes:
        """See `BatchClient`."""
        return encode_line(custom_id, spec, output_factor=self._output_factor)

    async def create(self, number: int, body: bytes) -> BatchState:
        """See `BatchClient`."""
        headers = {"content-type": "application/json", **self._headers(number)}
        with self._failures():
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
        with self._failures():
            async with self._clock.timeout(self._timeout):
                return _state(await self._sdk.messages.batches.retrieve(batch_id))

    async def cancel(self, batch_id: str) -> BatchState:
        """See `BatchClient`."""
        try:
            with self._failures():
                async with self._clock.timeout(self._timeout):
                    return _state(await self._sdk.messages.batches.cancel(batch_id))
        except BatchCallError as refused:
            if refused.cause in ("invalid_request", "conflict"):
                return await self.retrieve(batch_id)
            raise

    async def results(self, batch_id: str) -> AsyncIterator[bytes]:
        """See `BatchClient`."""
        with self._failures():
            async with (
                self._sdk.messages.batches.with_streaming_response.results(batch_id) as raw,
                aclosing(raw.http_response.aiter_bytes()) as pieces,
            ):
                rest, read = b"", 0
                while (piece := await self._next(pieces)) is not None:
                    *lines, rest = (rest + piece).split(b"\n")
                    read += len(lines)
                    if len(rest) > _LONGEST_LINE or read > MOST_ITEMS:
                        raise BatchCallError("malformed", "more results than a batch can have", status=200)
                    for line in lines:
                        yield self._without_keys(line) + b"\n"
                if rest.strip():
                    yield self._without_keys(rest) + b"\n"

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        async with self._clock.timeout(self._timeout):
            return await anext(pieces, None)

    async def since(self, unix: float) -> AsyncIterator[BatchState]:
        """See `BatchClient`."""
        with self._failures():
            listed = 0
            async for batch in self._sdk.messages.batches.list(limit=_PAGE):
                state, listed = _state(batch), listed + 1
                if state.created < unix:
                    return
                if listed > _MOST_BATCHES:
                    raise BatchCallError("malformed", "the list of batches has no end", status=200)
                yield state

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what goes wrong on the way into a BatchCallError, without the key in it."""
        try:
            yield
        except TimeoutError:
            raise BatchCallError("timeout", f"no answer within {self._timeout:g} s") from None
        except anthropic.APIStatusError as error:
            response = error.response
            refused = classify.read_error(response.content)
            raise BatchCallError(
                classify.cause_of(response.status_code, refused, None),
                self._said(refused.message or response.reason_phrase),
                status=response.status_code,
                retry_after=classify.retry_after(response.headers),
            ) from None
        except (ValueError, RecursionError) as error:
            raise BatchCallError("malformed", self._said(f"not an answer of the API: {error}"), status=200) from None
        except (anthropic.AnthropicError, httpx2.HTTPError, aiohttp.ClientError) as error:
            raise BatchCallError("connection", self._said(f"{type(error).__name__}: {error}")) from None

    def _said(self, message: str) -> str:
        return shorten(str(redact(message, self._secrets)))

    def _without_keys(self, line: bytes) -> bytes:
        for secret in self._secrets:
            line = line.replace(secret.encode(), REDACTED.encode())
        return line


class _Counts(msgspec.Struct, frozen=True):
    processing: Tokens
    succeeded: Tokens
    errored: Tokens
    canceled: Tokens
    expired: Tokens


class _Batch(msgspec.Struct, frozen=True):
    """A batch on the wire, as far as it matters here."""

    id: BatchId
    processing_status: str
    request_counts: _Counts
    created_at: datetime


def _state(batch: object) -> BatchState:
    """What the API says of a batch.  BatchCallError when it is no batch."""
    try:
        told = msgspec.convert(batch, _Batch, from_attributes=True)
        return BatchState(
            told.id,
            told.processing_status == "ended",
            sum(msgspec.structs.astuple(told.request_counts)),
            told.created_at.timestamp(),
        )
    except (ValueError, OverflowError) as error:  # msgspec's are ValueErrors
        raise BatchCallError("malformed", f"not a message batch: {error}", status=200) from None
