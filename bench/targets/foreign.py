"""What a server says, held within bounds: it may be broken or mean harm, and still every request has its record.

JSON of any kind is read or refused, a body ends somewhere, and words that go into a record are short and printable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, TypeVar

import httpx2
import msgspec

MOST_BYTES = 64 * 2**20
"""Of one answer.  A stream of the longest that there can be, 128,000 tokens in an event each, has a third of it."""

MOST_BYTES_OF_ERROR = 2**16
"""Of an answer that is none; its beginning says enough."""

_LONGEST_WORD, _LONGEST_MESSAGE = 128, 300

Tokens = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
"""A number of tokens; no answer has a million million."""

Word = Annotated[str, msgspec.Meta(max_length=_LONGEST_WORD)]
"""One of the API's own, such as a stop reason."""

T = TypeVar("T")


def json_reader(kind: type[T]) -> Callable[[bytes], T]:
    """Reads JSON of this shape.  Raises msgspec.DecodeError for anything else, also for bytes that are no text and for
    what is nested too deeply to be read."""
    decode = msgspec.json.Decoder(kind).decode

    def read(data: bytes) -> T:
        try:
            return decode(data)
        except (UnicodeDecodeError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from None

    return read


def word(text: str | None) -> str | None:
    """A word of a header, such as a request's id, fit for a record."""
    return _printable(text[:_LONGEST_WORD]) if text else None


def shorten(text: str) -> str:
    """A message on one line, of bounded length, fit for a record and for a terminal."""
    line = " ".join(_printable(part) for part in text[: 10 * _LONGEST_MESSAGE].split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def _printable(text: str) -> str:
    """The text without what steers a terminal, and without halves of characters."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


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
