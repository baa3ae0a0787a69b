"""The records of one pass as columns: a numpy array per fact, so that a million requests are some fifty megabytes.

Records are packed as they come and forgotten; nothing holds them all as objects.  A column in which all values are the
same, such as the status of a pass without failures, is one value, repeated without memory.  So columns are read-only.
Times are seconds since the start of the pass, in scenario time, as in `record.py`.  NaN means that it never came.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from bench.errors import UsageError
from bench.results.causes import CAUSES
from bench.results.record import Attempt, OfPass, RateLimits, Record, Usage, read_records
from bench.results.slo import seconds_per_token

if TYPE_CHECKING:
    from bench.results.fan_out import FanOut

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.signedinteger[Any]]
"""Stored in 32 bits: sums over a column come out wide, a sum of two columns does not."""
Codes: TypeAlias = npt.NDArray[np.signedinteger[Any]]
"""Numbers that stand for names; stored in 16 bits."""
Bools: TypeAlias = npt.NDArray[np.bool_]

CAUSE_NAMES = tuple(CAUSES)
"""What the numbers of the `cause` columns stand for."""

OK = -1
"""The cause number of what succeeded."""


@dataclass(frozen=True, slots=True)
class RequestColumns:
    """One entry a request, in the order in which they ended."""

    seq: Ints
    """Place in the workload; below 0 for a request that warms the cache for the others."""
    intended: Floats
    first_sent: Floats
    last_sent: Floats
    ended: Floats
    ok: Bools
    """Whether the last attempt succeeded."""
    cause: Codes
    """Why it failed for good, into `CAUSE_NAMES`; -1 when it succeeded."""
    attempts: Ints
    """How many attempts it took."""
    ttft: Floats
    """Seconds from the last send to the first token of any kind."""
    first_text: Floats
    """Seconds from the last send to the first visible text."""
    tpot: Floats
    """Seconds per output token that was shown after the first; NaN with fewer than two."""
    input_tokens: Ints
    """Uncached input tokens of all attempts.  The five token columns do not overlap."""
    cache_read: Ints
    cache_write_5m: Ints
    cache_write_1h: Ints
    output_tokens: Ints
    model: Codes
    """Which model, into `Columns.models`."""
    stop: Codes
    """Stop reason of the last attempt, into `Columns.stops`; -1 when there was none."""
    stream: Codes
    """Which stream of traffic, into `Columns.streams`; -1 where there is only one."""
    conversation: Ints
    """Which conversation; -1 where there are none."""
    turn: Ints
    """Which turn of it, from 0; -1 where there are none."""
    final: Bools
    """Whether its answer ends the conversation."""
    group: Ints
    """Which prompt that several models are asked at once; -1 where one model is asked."""
    at: Floats
    """Unix time of the first send, in seconds; NaN where it was not kept."""

    @property
    def makespan(self) -> float:
        """Seconds from the first intended moment to the last end; 0 without requests."""
        return float(self.ended.max() - self.intended.min()) if len(self) else 0.0

    @property
    def queue_time(self) -> Floats:
        """Seconds from the intended moment to the first send."""
        return self.first_sent - self.intended

    @property
    def throttle_wait(self) -> Floats:
        """Seconds from the first send to that of the last attempt: failed attempts, and waits before another."""
        return self.last_sent - self.first_sent

    @property
    def latency(self) -> Floats:
        """Seconds from the last send to its end: the service time."""
        return self.ended - self.last_sent

    @property
    def response_time(self) -> Floats:
        """Seconds from the intended moment to the end."""
        return self.ended - self.intended

    @property
    def ttft_warm(self) -> Floats:
        """`ttft` of the requests that read some of their prompt from the cache."""
        return np.where(self.cache_read > 0, self.ttft, np.nan)

    @property
    def ttft_cold(self) -> Floats:
        """`ttft` of those that had to write to the cache all that they asked it to keep."""
        wrote = self.cache_write_5m + self.cache_write_1h > 0
        return np.where(wrote & (self.cache_read == 0), self.ttft, np.nan)

    @property
    def conversation_time(self) -> Floats:
        """Seconds from the start of a conversation to its end, at the request that ended it."""
        took = self.ended - _earliest(self.intended, self.conversation)
        return np.where(self.final & (self.conversation >= 0), took, np.nan)

    @property
    def turn_time(self) -> Floats:
        """Seconds from the start of a turn to its end, at the last request of each turn that came to its end."""
        turns = np.where(self.conversation < 0, -1, self.conversation * (self.turn.max(initial=0) + 2) + self.turn)
        ends = self.final | np.isin(turns + 1, turns)  # the next turn began
        last = self.ended == -_earliest(-self.ended, turns)
        return np.where(ends & last & (turns >= 0), self.ended - _earliest(self.intended, turns), np.nan)

    def __len__(self) -> int:
        return len(self.seq)


@dataclass(frozen=True, slots=True)
class AttemptColumns:
    """One entry an attempt; those of one request stand together, in the order in which they ended."""

    request: Ints
    """Which request: its position in the `RequestColumns`."""
    sent: Floats
    ended: Floats
    ok: Bools
    status: Codes
    """HTTP status; 0 when no response came."""
    cause: Codes
    """Why it failed, into `CAUSE_NAMES`; -1 when it succeeded."""
    input_tokens: Ints
    """Uncached input tokens.  The five token columns do not overlap."""
    cache_read: Ints
    cache_write_5m: Ints
    cache_write_1h: Ints
    output_tokens: Ints
    retry_after: Floats
    """Seconds the server asked to wait."""
    requests_limit: Floats
    """The rate-limit headers of the response, per minute, like the five below; NaN where absent."""
    requests_remaining: Floats
    input_tokens_limit: Floats
    input_tokens_remaining: Floats
    output_tokens_limit: Floats
    output_tokens_remaining: Floats
    batch: Bools
    """Whether it was a request of a message batch."""
    hedge: Bools
    """Whether it was sent beside another one that was late."""
    at_most: Floats
    """The most dollars it can have cost, where nobody has said what it used; NaN elsewhere."""

    def __len__(self) -> int:
        return len(self.request)


@dataclass(frozen=True, slots=True)
class Columns:
    """One pass: one strategy, run once (in one case, where a scenario has several)."""

    strategy: str
    pass_: int
    """0-based repeat."""
    requests: RequestColumns
    attempts: AttemptColumns
    models: tuple[str, ...]
    stops: tuple[str, ...]
    streams: tuple[str, ...] = ()
    case: str | None = None
    """Which case of the scenario it is of."""
    fan_out: FanOut | None = None
    """Who was asked each prompt, where several models were: not in the records, but needed to read them."""

    @property
    def of_pass(self) -> OfPass:
        """Which pass it is: case, strategy and repeat."""
        return self.case, self.strategy, self.pass_

    @property
    def asked(self) -> set[str]:
        """The models of these requests: `models` is of all from which they were chosen."""
        return {self.models[place] for place in np.flatnonzero(np.bincount(self.requests.model))}

    def of_stream(self, name: str) -> Columns:
        """The requests of one stream, and their attempts; none where no request names it."""
        place = self.streams.index(name) if name in self.streams else len(self.streams)
        return self.only(self.requests.stream == place)

    def of_models(self, names: Iterable[str]) -> Columns:
        """The requests to some of the models, and their attempts."""
        places = [place for place, model in enumerate(self.models) if model in names]
        return replace(self.only(np.isin(self.requests.model, places)), fan_out=None)

    def only(self, chosen: Bools) -> Columns:
        """Some of the requests, and their attempts."""
        tried = chosen[self.attempts.request]
        places = np.cumsum(chosen) - 1
        attempts = _only(self.attempts, tried)
        return replace(
            self,
            requests=_only(self.requests, chosen),
            attempts=replace(attempts, request=places[attempts.request]),
        )

    @classmethod
    def of(cls, records: Iterable[Record]) -> Columns:
        """Columns of records that all belong to one pass; ValueError when there are none or of several."""
        passes = split_passes(records)
        if len(passes) != 1:
            raise ValueError(f"expected the records of one pass, got {len(passes)} passes")
        return passes[0]


class ColumnsBuilder:
    """Takes records one by one, as a run produces them or a file holds them."""

    def __init__(self, strategy: str, pass_: int, case: str | None = None) -> None:
        self._strategy, self._pass, self._case = strategy, pass_, case
        self._requests, self._attempts = _Rows(RequestColumns), _Rows(AttemptColumns)
        self._count = 0
        self._models: dict[str, int] = {}
        self._stops: dict[str, int] = {}
        self._streams: dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Take in one request.  KeyError for a cause that `causes.py` does not know."""
        for attempt in record.attempts:
            self._attempts.add(_pack_attempt(self._count, attempt))
        model = self._models.setdefault(record.model, len(self._models))
        reason = record.attempts[-1].stop_reason
        stop = -1 if reason is None else self._stops.setdefault(reason, len(self._stops))
        stream = -1 if record.stream is None else self._streams.setdefault(record.stream, len(self._streams))
        self._requests.add(_pack_request(record, model, stop, stream))
        self._count += 1

    def columns(self) -> Columns:
        """What was added so far."""
        return Columns(
            strategy=self._strategy,
            pass_=self._pass,
            requests=self._requests.columns(),
            attempts=self._attempts.columns(),
            models=tuple(self._models),
            stops=tuple(self._stops),
            streams=tuple(self._streams),
            case=self._case,
        )


def ended_by(*causes: str, of: RequestColumns | AttemptColumns) -> Bools:
    """Which requests, or attempts, ended for one of these causes."""
    return np.isin(of.cause, [CAUSE_NAMES.index(cause) for cause in causes])


def unneeded(of: RequestColumns | AttemptColumns) -> Bools:
    """Which were given up, in flight or before they were sent, because another answer was there first."""
    return ended_by(*(name for name, cause in CAUSES.items() if cause.unneeded), of=of)


def split_passes(records: Iterable[Record]) -> list[Columns]:
    """Columns for each pass found among the records, in the order in which the passes first appear."""
    builders: dict[OfPass, ColumnsBuilder] = {}
    for record in records:
        of_pass = record.of_pass
        builder = builders.get(of_pass)
        if builder is None:
            builder = builders[of_pass] = ColumnsBuilder(record.strategy, record.pass_, record.case)
        builder.add(record)
    return [builder.columns() for builder in builders.values()]


def read_passes(path: Path, more: Iterable[Record] = ()) -> list[Columns]:
    """Read a journal once, line by line, and `more` that is not in it yet.  UsageError when it is not one of ours."""
    try:
        return split_passes(chain(read_records(path), more))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, LookupError, RecursionError, struct.error) as error:
        raise UsageError(f"{path} holds a line that is not a record: {error}") from error


# Rows are packed with the standard codes of `struct`, which numpy reads back as a structured array without a loop.
_CODES = {"Floats": "d", "Ints": "i", "Codes": "h", "Bools": "?"}

_TOGETHER = 4096
"""Rows that are taken apart into columns together."""

_T = TypeVar("_T", RequestColumns, AttemptColumns)


def _codes(columns: type[Any]) -> dict[str, str]:
    """Each column's name and struct code, in order."""
    return {field.name: _CODES[str(field.type)] for field in fields(columns)}


class _Rows(Generic[_T]):
    """Rows as bytes, taken apart into columns a few thousand at a time."""

    def __init__(self, columns: type[_T]) -> None:
        self._kind: Callable[..., _T] = columns
        self._row = np.dtype(list(_codes(columns).items()))
        self._rows = bytearray()
        self._full = _TOGETHER * self._row.itemsize
        self._columns = {name: _Column(self._row[name]) for name in _codes(columns)}

    def add(self, row: bytes) -> None:
        self._rows += row
        if len(self._rows) == self._full:
            self._take_apart()

    def columns(self) -> _T:
        """All rows so far."""
        self._take_apart()
        return self._kind(*(column.values() for column in self._columns.values()))

    def _take_apart(self) -> None:
        table = np.frombuffer(bytes(self._rows), dtype=self._row)
        for name, column in self._columns.items():
            column.append(table[name])
        self._rows.clear()


class _Column:
    """A column that grows in place.  While all of its values are the same, it is one of them and a count."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._kind = kind
        self._first = np.empty(1, kind)
        self._count = 0
        self._values: bytearray | None = None

    def append(self, more: npt.NDArray[Any]) -> None:
        if self._count == 0:
            self._first = more[:1].copy()
        if self._values is None and not _alike(more, self._first):
            self._values = bytearray(np.repeat(self._first, self._count))
        if self._values is not None:
            try:
                self._values += more.tobytes()
            except BufferError:  # somebody looks at what there was: it stays theirs
                self._values = self._values + more.tobytes()
        self._count += len(more)

    def values(self) -> npt.NDArray[Any]:
        if self._values is None:
            return np.broadcast_to(self._first, self._count)
        return np.frombuffer(self._values, self._kind)


def _alike(values: npt.NDArray[Any], value: npt.NDArray[Any]) -> bool:
    """Whether all values are this one; NaN, which is unlike itself, counts as one."""
    return bool((values == value).all()) or bool((value != value).all() and (values != values).all())


def _earliest(moments: Floats, groups: Ints) -> Floats:
    """For each entry the earliest moment of its group; groups are numbers, and -1 is none."""
    if not (groups >= 0).any():
        return moments
    _, place = np.unique(groups, return_inverse=True)
    first = np.full(place.max() + 1, np.inf)
    np.minimum.at(first, place, moments)
    earliest: Floats = first[place]
    return earliest


def _only(columns: _T, rows: Bools) -> _T:
    """The entries for which `rows` is true."""
    return type(columns)(*(_shrink(getattr(columns, field.name), rows) for field in fields(columns)))


def _shrink(column: npt.NDArray[Any], rows: Bools) -> npt.NDArray[Any]:
    """The same of one column; a repeated value stays one."""
    if column.strides == (0,):
        return np.broadcast_to(column[:1], int(rows.sum()))
    return column[rows]


_REQUEST = struct.Struct("=" + "".join(_codes(RequestColumns).values()))
_ATTEMPT = struct.Struct("=" + "".join(_codes(AttemptColumns).values()))
_CAUSE_CODES: dict[str | None, int] = {None: OK} | {name: code for code, name in enumerate(CAUSE_NAMES)}
_NO_USAGE = Usage()
_ALL_NAN = (math.nan,) * len(RateLimits.__struct_fields__)
"""What rate limits that nobody has told are packed as, in the order of their fields, which is that of the columns."""
_NAN = math.nan

# A report packs each request once: in these two a call less counts.


def _pack_request(record: Record, model: int, stop: int, stream: int) -> bytes:
    attempts = record.attempts
    last, alone = attempts[-1], len(attempts) == 1
    usage = last.usage if alone and last.usage is not None else _total_usage(attempts)
    conversation, turn, group = record.conversation, record.turn, record.group
    return _REQUEST.pack(
        record.seq,
        record.intended,
        last.sent if alone else record.first_sent,
        last.sent,
        last.ended,
        last.cause is None,
        _CAUSE_CODES[last.cause],
        len(attempts),
        _NAN if last.first_token is None else last.first_token - last.sent,
        _NAN if last.first_text is None else last.first_text - last.sent,
        seconds_per_token(last),
        usage.input_tokens,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output_tokens,
        model,
        stop,
        stream,
        -1 if conversation is None else conversation,
        -1 if turn is None else turn,
        record.final,
        -1 if group is None else group,
        _NAN if record.at is None else record.at,
    )


def _pack_attempt(request: int, attempt: Attempt) -> bytes:
    usage = attempt.usage or _NO_USAGE
    limits = _ALL_NAN if attempt.limits is None else [_NAN if one is None else one for one in astuple(attempt.limits)]
    return _ATTEMPT.pack(
        request,
        attempt.sent,
        attempt.ended,
        attempt.cause is None,
        attempt.status or 0,
        _CAUSE_CODES[attempt.cause],
        usage.input_tokens,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output_tokens,
        _NAN if attempt.retry_after is None else attempt.retry_after,
        *limits,
        attempt.batch is not None,
        attempt.hedge,
        _NAN if attempt.at_most is None else attempt.at_most,
    )


def _total_usage(attempts: tuple[Attempt, ...]) -> Usage:
    usages = [attempt.usage for attempt in attempts if attempt.usage is not None]
    if len(usages) == 1:
        return usages[0]
    return Usage(*map(sum, zip(*map(astuple, usages), strict=True)))
