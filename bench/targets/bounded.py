"""Responses of the SDK's HTTP client that end somewhere, whatever the server does; see `foreign.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from bench.targets.foreign import MOST_BYTES, MOST_BYTES_OF_ERROR


async def bound(response: httpx2.Response) -> None:
    """Have the body of a response end where it grows beyond every honest one.

    Of an error the beginning is enough.  A body is refused that is compressed though nobody asked for that: a few
    kilobytes can stand for gigabytes, and the tokens in them would have the time of a lump.
    """
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    if response.is_success and response.request.url.path.endswith("/results"):
        return  # of a message batch: read line by line, and as long as its batch
    encoding = response.headers.pop("content-encoding", "identity")
    response.stream = (
        _Beginning(response.stream) if response.status_code >= 300 else _Bounded(response.stream, encoding)
    )


def bounded(http: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A client of which every response is bound."""
    http.event_hooks = {"response": [bound]}
    return http


class _Bounded(httpx2.AsyncByteStream):
    """Raises httpx2.DecodingError where it becomes too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, encoding: str) -> None:
        self._stream, self._encoding = stream, encoding

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._encoding.lower() != "identity":
            raise httpx2.DecodingError(f"compressed with {self._encoding}, which was not asked for")
        read = 0
        async for piece in self._stream:
            read += len(piece)
            if read > MOST_BYTES:
                raise httpx2.DecodingError(f"longer than {MOST_BYTES // 2**20} MiB")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Beginning(httpx2.AsyncByteStream):
    """Ends early."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES_OF_ERROR
        async for piece in self._stream:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()
