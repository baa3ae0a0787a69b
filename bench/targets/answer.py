"""What an answer says, as far as a benchmark needs it: usage, stop reason, the kinds of content.  Its words are read
only for those who ask for them, when it is over (`said`).

Its own typed reading instead of the SDK's objects: about a microsecond an event instead of twenty, so that reading one
answer delays the stamps of the others less, and what is not of the documented shape is noticed instead of passed on.
Shapes: the API's pages on messages and streaming (2026-08-22), the types of the Python SDK 2.10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from bench.results.record import Usage
from bench.targets.classify import ApiError
from bench.targets.foreign import Tokens, Word, json_reader

_LONGEST_EVENT = 4 * 2**20
"""Bytes.  The longest of the API hold what a web search has found, in one piece."""


class _CacheCreation(msgspec.Struct, frozen=True):
    ephemeral_5m_input_tokens: Tokens = 0
    ephemeral_1h_input_tokens: Tokens = 0


class _OutputDetails(msgspec.Struct, frozen=True):
    thinking_tokens: Tokens = 0


class _Usage(msgspec.Struct, frozen=True):
    """`usage` on the wire: any field may be missing or null, and a later one replaces an earlier one."""

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None

    def then(self, later: _Usage) -> _Usage:
        """This usage with what a later event of the same stream says."""
        news = {name: value for name, value in msgspec.structs.asdict(later).items() if value is not None}
        return msgspec.structs.replace(self, **news)

    def usage(self) -> Usage:
        """As records keep it.  A cache write that does not say for how long is one of five minutes, the default."""
        written = self.cache_creation or _CacheCreation(self.cache_creation_input_tokens or 0)
        return Usage(
            input_tokens=self.input_tokens or 0,
            output_tokens=self.output_tokens or 0,
            cache_read=self.cache_read_input_tokens or 0,
            cache_write_5m=written.ephemeral_5m_input_tokens,
            cache_write_1h=written.ephemeral_1h_input_tokens,
            thinking_tokens=self.output_tokens_details.thinking_tokens if self.output_tokens_details else 0,
        )


class _Message(msgspec.Struct, frozen=True):
    usage: _Usage
    stop_reason: Word | None = None


class _Delta(msgspec.Struct, frozen=True):
    type: str | None = None
    stop_reason: Word | None = None


class _Event(msgspec.Struct, frozen=True):
    """Any event of a stream; those of an unknown type must be tolerated."""

    type: str
    message: _Message | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: ApiError | None = None


class _ItemError(msgspec.Struct, frozen=True):
    error: ApiError = ApiError()
    request_id: Word | None = None


class _Outcome(msgspec.Struct, frozen=True):
    """`result` of a line; an error has two levels of `error`."""

    type: str
    message: _Message | None = None
    error: _ItemError | None = None


class _Line(msgspec.Struct, frozen=True):
    custom_id: Word
    result: _Outcome


class Item(NamedTuple):
    """What became of one request of a message batch."""

    custom_id: str
    type: str
    """succeeded, errored, canceled or expired."""
    usage: Usage | None = None
    stop_reason: str | None = None
    error: ApiError | None = None
    request_id: str | None = None


_decode_line = json_reader(_Line)
_decode_message = json_reader(_Message)
_decode_event = json_reader(_Event)


class Answer:
    """What one answer has said so far."""

    __slots__ = ("_tail", "_usage", "complete", "error", "stop_reason")

    def __init__(self) -> None:
        self._tail = b""
        self._usage: _Usage | None = None
        self.stop_reason: str | None = None
        self.error: ApiError | None = None
        """The error event that ended the stream."""
        self.complete = False
        """Whether all of it has come: the message, or the stream's last event."""

    @property
    def usage(self) -> Usage | None:
        """Tokens used, as last reported; None if nothing was said of them."""
        return self._usage.usage() if self._usage else None

    def message(self, body: bytes) -> None:
        """Read a whole answer.  Raises msgspec.DecodeError for anything else."""
        message = _decode_message(body)
        self._usage, self.stop_reason, self.complete = message.usage, message.stop_reason, True

    def feed(self, chunk: bytes) -> Iterator[str | None]:
        """Read the events that this piece of a stream completes; each gives its kind of content, if it has any.

        Raises msgspec.DecodeError when the data of an event is not what the API sends, or does not end.
        """
        text = (self._tail + chunk).replace(b"\r\n", b"\n")
        *events, self._tail = text.split(b"\n\n")
        if len(self._tail) > _LONGEST_EVENT:
            raise msgspec.DecodeError(f"an event longer than {_LONGEST_EVENT // 2**20} MiB")
        for event in events:
            if data := _data(event):
                yield self._event(_decode_event(data))

    def _event(self, event: _Event) -> str | None:
        if event.type == "content_block_delta":
            return event.delta.type if event.delta else None
        if event.type == "message_start" and event.message:
            self._usage = event.message.usage
        elif event.type == "message_delta":
            self.stop_reason = (event.delta and event.delta.stop_reason) or self.stop_reason
            if event.usage:
                self._usage = (self._usage or _Usage()).then(event.usage)
        elif event.type == "message_stop":
            self.complete = True
        elif event.type == "error":
            self.error = event.error or ApiError()
        return None


def read_item(line: bytes) -> Item:
    """Read one line of a message batch's results.  Raises msgspec.DecodeError for anything else."""
    decoded = _decode_line(line)
    outcome = decoded.result
    if outcome.type == "succeeded" and outcome.message:
        message = outcome.message
        return Item(decoded.custom_id, outcome.type, message.usage.usage(), message.stop_reason)
    failed = outcome.error or _ItemError()
    return Item(decoded.custom_id, outcome.type, error=failed.error, request_id=failed.request_id)


class _Words(msgspec.Struct, frozen=True):
    """The words of a block, or of a piece of one."""

    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    input: msgspec.Raw = msgspec.Raw()

    def __str__(self) -> str:
        return f"{self.thinking}{self.text}{self.partial_json}{bytes(self.input).decode()}"


class _Whole(msgspec.Struct, frozen=True):
    content: tuple[_Words, ...]


class _Piece(msgspec.Struct, frozen=True):
    type: str
    delta: _Words = _Words()


_decode_whole = json_reader(_Whole)
_decode_piece = json_reader(_Piece)


def said(heard: bytes) -> str:
    """The words in the body of an answer, or in what has come of it, block below block: thinking, text, tool input.

    What is not an answer of the API is given as it came.
    """
    try:
        if heard.startswith(b"{"):
            return "\n\n".join(filter(None, map(str, _decode_whole(heard).content)))
        events = heard.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]
        pieces = [_decode_piece(data) for data in map(_data, events) if data]
    except msgspec.DecodeError:
        return heard.decode(errors="replace")
    ends = {"content_block_stop": "\n\n"}
    return "".join(ends.get(piece.type) or str(piece.delta) for piece in pieces).strip()


def _data(event: bytes) -> bytes:
    """The data of a server-sent event; empty for comments and for events without a name, which the SDK passes over."""
    named = False
    data = []
    for line in event.split(b"\n"):
        if line.startswith(b"event:"):
            named = True
        elif line.startswith(b"data:"):
            data.append(line[5:])
    return b"\n".join(data) if named else b""


class Failure(NamedTuple):
    """Why an answer is none: a name from `causes.CAUSES`, and words."""

    cause: str
    message: str


def incomplete(answer: Answer) -> Failure | None:
    """What went wrong in an answer that began well, if anything."""
    if answer.error:
        return Failure("stream_error", f"{answer.error.type}: {answer.error.message}")
    return None if answer.complete else Failure("connection", "the stream ended before message_stop")


def unreadable(content_type: str, error: Exception) -> Failure:
    """What is to be said of a response that is none of the API's."""
    return Failure("malformed", f"not an answer of the Messages API ({content_type}): {error}")


def too_late(timeout: float) -> Failure:
    """What is to be said when the timeout (seconds) ended an attempt."""
    return Failure("timeout", f"no complete answer within {timeout:g} s")


def fell_silent(longest: float) -> Failure:
    """What is to be said when a stream was given up because nothing had come for so many seconds."""
    return Failure("stalled", f"nothing came for {longest:g} s in the middle of the stream")


GIVEN_UP = Failure("cancelled", "")
"""What is to be said of an attempt that its sender cancelled, who knows better why."""
