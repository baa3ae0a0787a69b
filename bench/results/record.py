"""The rows everything else is made from: one `Record` a request, one `Attempt` an HTTP exchange.

Times are seconds since the start of the pass (one strategy, run once), in scenario time.  A time that never came is
None.  No row holds prompt or answer text.  schema_version 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from bench.results.appending import whole_lines

SCHEMA_VERSION = 1

OfPass: TypeAlias = tuple[str | None, str, int]
"""Which pass of a run: case, strategy and repeat."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Tokens one attempt used, as the API's `usage` says.  The four input counts do not overlap."""

    input_tokens: int = 0
    """Neither read from nor written to the cache."""
    output_tokens: int = 0
    """All that was produced and billed, thinking included."""
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thinking_tokens: int = 0

    @property
    def total_input(self) -> int:
        """All input tokens, cached or not."""
        return self.input_tokens + self.cache_read + self.cache_write_5m + self.cache_write_1h


class RateLimits(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the `anthropic-ratelimit-*` headers of one response said.  Limits are per minute.

    Remaining tokens come rounded to the nearest thousand, as the API sends them.
    """

    requests_limit: int | None = None
    requests_remaining: int | None = None
    input_tokens_limit: int | None = None
    input_tokens_remaining: int | None = None
    output_tokens_limit: int | None = None
    output_tokens_remaining: int | None = None


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One HTTP exchange, from the moment it was sent to its last byte or failure."""

    sent: float
    ended: float
    status: int | None = None
    """HTTP status; None when no response came."""
    cause: str | None = None
    """Why it failed, a name from `causes.CAUSES`; None when it succeeded."""
    message: str | None = None
    """The API's or the transport's own words on a failure, shortened."""
    headers: float | None = None
    """When the response headers arrived."""
    first_event: float | None = None
    """When the first event of a stream arrived."""
    first_token: float | None = None
    """When the first content delta of any kind arrived: thinking, text or tool input."""
    first_text: float | None = None
    """When the first visible text arrived."""
    last_token: float | None = None
    """When the last content delta arrived."""
    retry_after: float | None = None
    """Seconds the server asked to wait."""
    should_retry: bool | None = None
    """The server's `x-should-retry`, which the SDK obeys before all else."""
    request_id: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    limits: RateLimits | None = None
    batch: str | None = None
    """The id of the message batch that it was a request of; such an attempt has batch prices."""
    at_most: float | None = None
    """The most US dollars it can have cost, where nobody has said all that it used and there is a budget."""
    hedge: bool = False
    """Whether it was sent beside another one that was late."""

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.cause is None

    @property
    def seen_tokens(self) -> int:
        """Output tokens that came as content: all but thinking that was not shown, for which no event comes.

        Thinking was shown where the first token was not yet text.
        """
        if self.usage is None:
            return 0
        hidden = self.usage.thinking_tokens if self.first_text == self.first_token else 0
        return self.usage.output_tokens - hidden


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request with all its attempts.  response = queue + throttle wait + latency, always.

    Attempts stand in the order in which they ended; the last decides what came of the request.  They follow each other
    but for a hedge, which overlaps with the attempt beside it.
    `case`, `strategy` and `pass_` (0-based repeat) say which pass it belongs to; `seq` is its place in the workload.
    """

    strategy: str
    seq: int
    model: str
    intended: float
    """When the workload meant it to go."""
    attempts: tuple[Attempt, ...]
    pass_: int = msgspec.field(default=0, name="pass")
    expected_output: int = 0
    """Output tokens the workload expected, for checking estimates."""
    stream: str | None = None
    """Which of several streams of traffic it belongs to."""
    conversation: int | None = None
    """Which conversation it is a turn of."""
    turn: int | None = None
    """Which turn, from 0."""
    final: bool = False
    """Whether its answer ends the conversation."""
    group: int | None = None
    """Which prompt that several models are asked at once."""
    case: str | None = None
    """Which case of the scenario the pass is of."""

    at: float | None = None
    """The time of day at which it was first sent, as a Unix time in seconds; kept of requests that come in rounds."""

    @property
    def of_pass(self) -> OfPass:
        """Which pass it belongs to: case, strategy and repeat."""
        return self.case, self.strategy, self.pass_

    @property
    def ok(self) -> bool:
        """Whether its last attempt succeeded."""
        return self.attempts[-1].ok

    @property
    def first_sent(self) -> float:
        """When it was first sent.  Of two attempts side by side the one sent later may stand first."""
        if len(self.attempts) == 1:
            return self.attempts[0].sent
        return min(attempt.sent for attempt in self.attempts)

    @property
    def queue_time(self) -> float:
        """Seconds from the intended moment to the first send."""
        return self.first_sent - self.intended

    @property
    def throttle_wait(self) -> float:
        """Seconds from the first send to that of the last attempt: failed attempts, and waits before another."""
        return self.attempts[-1].sent - self.first_sent

    @property
    def latency(self) -> float:
        """Seconds from the last attempt's send to its end: the service time."""
        return self.attempts[-1].ended - self.attempts[-1].sent

    @property
    def response_time(self) -> float:
        """Seconds from the intended moment to the end: what the person behind the request waited."""
        return self.attempts[-1].ended - self.intended


_ENCODER = msgspec.json.Encoder()
_encode = _ENCODER.encode
_decode = msgspec.json.Decoder(Record).decode


def to_line(record: Record) -> bytes:
    """A record as one line of JSON, newline included."""
    return _encode(record) + b"\n"


def to_lines(records: Sequence[Record]) -> bytes:
    """Records as lines of JSON."""
    return _ENCODER.encode_lines(records)


def read_records(path: Path) -> Iterator[Record]:
    """Stream the records of a journal.  A torn last line, left by a killed run, is passed over.

    Raises OSError, or ValueError at a line that is no record.
    """
    with path.open("rb") as file:
        yield from map(_decode, whole_lines(file))


def decode_lines(lines: bytes) -> Iterator[Record]:
    """The records of whole lines that have come from elsewhere."""
    return map(_decode, lines.splitlines())


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines."""
    with path.open("wb") as file:
        file.writelines(map(to_line, records))
