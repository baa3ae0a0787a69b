"""What a server says, held within bounds: it may be broken or mean harm, and still every request has its record.

JSON of any kind is read or refused, and words that go into a record are short and printable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, TypeVar

import msgspec

MOST_BYTES = 64 * 2**20
"""Of one answer.  A stream of the longest that there can be, 128,000 tokens in an event each, has a third of it."""

MOST_BYTES_KEPT = 16 * 2**20
"""Of one that is not streamed, which is kept until it is complete.  128,000 tokens are less than a megabyte."""

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
    return _shortened(text[: 10 * _LONGEST_MESSAGE])


@lru_cache(maxsize=256)  # of a herd that is refused each is told the same
def _shortened(text: str) -> str:
    line = " ".join(map(_printable, text.split()))
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def _printable(text: str) -> str:
    """The text without what steers a terminal, and without halves of characters."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)
