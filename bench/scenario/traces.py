"""Traces of real traffic: CSV, JSON lines, OpenTelemetry spans, the records of our own runs.

CSV and JSON lines are read row by row and must be sorted by time.  Spans and records are written as requests end, so
they are read whole and sorted here.  A row that cannot be used is yielded as a `BadRow`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
from pydantic import Field

from bench.results.record import Record, Usage
from bench.scenario.data import TOO_LONG, BadRow, Row, csv_rows, json_rows, lines
from bench.scenario.notation import Model
from bench.scenario.sizes import LARGEST

RECORDS = "records.jsonl"
"""The file of a run folder that can be replayed."""

Column = Annotated[str, Field(min_length=1)]


class Columns(Model):
    """What the columns of a CSV or JSONL trace are called."""

    time: Column = "TIMESTAMP"
    """When a request came: a date and time, or seconds."""
    input: Column | None = None
    """Its input tokens; left out, the trace has only times."""
    output: Column | None = None
    """Its output tokens; left out, the trace has none."""
    stream: Column | None = None
    """Which stream it belongs to; of OpenTelemetry spans, the attribute that says so."""


AZURE = Columns(time="TIMESTAMP", input="ContextTokens", output="GeneratedTokens")
"""The columns of the Azure LLM inference traces (2023), which later traces kept."""


class TraceFile(NamedTuple):
    """A trace and how to read it."""

    path: Path
    columns: Columns = AZURE


class Arrival(NamedTuple):
    """One request that comes; the tokens are 0 where no trace says them."""

    at: float
    """Seconds since the first row of a trace, or since the start of the pass."""
    input_tokens: int = 0
    output_tokens: int = 0
    stream: str | None = None
    rank: int = 0
    """Its place among arrivals that several streams share: of those that come at once, lower ones go first."""


Rows: TypeAlias = Iterator[Arrival | BadRow]


def rows(trace: TraceFile) -> Rows:
    """The requests of a trace, in the order of their times.  OSError where it cannot be read."""
    yield from _rows(trace)


def _rows(trace: TraceFile) -> Rows:
    """By the ending of its name, and for JSON lines by what the first of them holds."""
    if trace.path.suffix == ".csv":
        needed = [name for name in trace.columns.model_dump().values() if name is not None]
        return _table(csv_rows(trace.path, needed), trace.columns)
    if trace.path.suffix == ".json":
        return _spans(_documents(trace.path), trace.columns.stream)
    match next(json_rows(trace.path), None):
        case (_, {"resourceSpans": _}):
            return _spans(json_rows(trace.path), trace.columns.stream)
        case (_, {"attempts": _, "intended": _, "strategy": _}):
            return _records(trace.path)
    return _table(_with_fields(trace), trace.columns)


def streams(trace: TraceFile) -> set[str | None]:
    """The streams that a trace tells of; None among them for rows that name none."""
    return {row.stream for row in rows(trace) if isinstance(row, Arrival)}


# CSV and JSON lines


def _with_fields(trace: TraceFile) -> Iterator[tuple[int, Row]]:
    """The rows of a file of JSON lines; a row that lacks a column says so."""
    needed = [name for name in trace.columns.model_dump().values() if name is not None]
    for line, row in json_rows(trace.path):
        missing = [name for name in needed if name not in row] if isinstance(row, dict) else []
        if missing and isinstance(row, dict):
            has = ", ".join(map(str, row)) or "none"
            yield line, f"no field {' or '.join(missing)} (its fields are {has}); name them in `columns`"
        else:
            yield line, row


def _table(numbered: Iterable[tuple[int, Row]], columns: Columns) -> Rows:
    first: datetime | float | None = None
    latest = 0.0
    for line, row in numbered:
        try:
            if isinstance(row, str):
                raise ValueError(row)
            time = _moment(row[columns.time], columns.time)
            first = time if first is None else first
            at = _seconds_between(first, time, columns.time)
            if at < latest:
                raise ValueError(
                    f"{columns.time} {row[columns.time]} is earlier than the row before; sort the trace by time"
                )
            yield Arrival(at, _tokens(row, columns.input), _tokens(row, columns.output), _stream(row, columns.stream))
            latest = at
        except ValueError as problem:
            yield BadRow(line, str(problem))


def _moment(written: object, column: str) -> datetime | float:
    text = str(written)
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if 0 <= seconds < float("inf"):
            return seconds
        raise ValueError(f"{column} `{text}` is negative or not finite")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{column} `{text}` is neither a date and time such as 2023-11-16 18:15:46.68 nor seconds"
        ) from None


def _seconds_between(first: datetime | float, time: datetime | float, column: str) -> float:
    if isinstance(first, datetime) and isinstance(time, datetime):
        if (first.tzinfo is None) == (time.tzinfo is None):
            return (time - first).total_seconds()
    elif isinstance(first, float) and isinstance(time, float):
        return time - first
    raise ValueError(f"{column} is written in another way than in the first row")


def _tokens(row: Mapping[str, object], column: str | None) -> int:
    if column is None:
        return 0
    text = str(row[column])
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= LARGEST):
        raise ValueError(f"{column} `{text}` is not a number of tokens")
    return int(text)


def _stream(row: Mapping[str, object], column: str | None) -> str | None:
    if column is None:
        return None
    if not str(row[column]).strip():
        raise ValueError(f"{column} names no stream")
    return str(row[column])


# The records of a run


def _records(path: Path) -> Rows:
    """The requests of the first pass in a journal.  A torn last line, left by a killed run, is passed over."""
    found: list[Record] = []
    with path.open("rb") as file:
        for line, text in enumerate(lines(file), 1):
            if text is None:
                yield BadRow(line, TOO_LONG)
                return
            try:
                record = msgspec.json.decode(text, type=Record)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
                if text.endswith(b"\n"):
                    yield BadRow(line, f"not a record: {problem}")
                continue
            if not found or record.of_pass == found[0].of_pass:
                found.append(record)
    found.sort(key=lambda record: (record.intended, record.seq))
    yield from map(_replayed, found)


def _replayed(record: Record) -> Arrival:
    """A request as it was; one that was never answered has no known input, and is taken to have had one token."""
    usage = next((attempt.usage for attempt in reversed(record.attempts) if attempt.usage is not None), Usage())
    output = record.expected_output or usage.output_tokens
    return Arrival(max(0.0, record.intended), max(1, usage.total_input), max(1, output), record.stream)


# OpenTelemetry

_NOT_A_CALL = {"invoke_agent", "create_agent", "invoke_workflow", "execute_tool", "embeddings"}
"""Values of `gen_ai.operation.name` whose usage is none, or that of the model calls below them."""


_LARGEST_DOCUMENT = 256 * 2**20
"""Bytes; it is read as a whole."""


def _documents(path: Path) -> Iterator[tuple[int, Row]]:
    """One document, or one a line as the collector's file exporter writes them."""
    first = next(json_rows(path), None)
    if first is not None and isinstance(first[1], dict):
        yield from json_rows(path)
        return
    try:
        if path.stat().st_size > _LARGEST_DOCUMENT:
            raise msgspec.DecodeError(f"one document of more than {_LARGEST_DOCUMENT // 2**20} MiB; write one a line")
        document = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        document = f"not valid JSON: {problem}"
    yield 1, document if isinstance(document, dict | str) else "not a JSON object"


def _spans(documents: Iterable[tuple[int, Row]], stream: str | None) -> Rows:
    """Model calls among spans in OTLP's JSON, by the names of the GenAI conventions (read 2026-09)."""
    calls: list[tuple[int, Arrival]] = []
    for line, document in documents:
        try:
            if isinstance(document, str) or "resourceSpans" not in document:
                raise ValueError(
                    document if isinstance(document, str) else "no resourceSpans: not spans in OTLP's JSON"
                )
            calls += [call for span in _all_spans(document) if (call := _call(span, stream)) is not None]
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            yield BadRow(line, str(problem) if type(problem) is ValueError else "not spans in OTLP's JSON")
    calls.sort(key=lambda call: call[0])
    first = calls[0][0] if calls else 0
    for start, arrival in calls:
        yield arrival._replace(at=(start - first) / 1e9)


def _all_spans(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for resource in document["resourceSpans"]:
        for scope in resource.get("scopeSpans", []):
            yield from scope.get("spans", [])


def _call(span: Mapping[str, Any], stream: str | None) -> tuple[int, Arrival] | None:
    """When a model call began, in nanoseconds, and its tokens; None for any other span."""
    attributes = {one["key"]: next(iter(one["value"].values()), None) for one in span.get("attributes", [])}
    if attributes.get("gen_ai.operation.name") in _NOT_A_CALL or "gen_ai.usage.input_tokens" not in attributes:
        return None
    try:
        start = int(span["startTimeUnixNano"])
        if start < 0:
            raise ValueError("startTimeUnixNano is negative")
        arrival = Arrival(
            0.0,
            _tokens(attributes, "gen_ai.usage.input_tokens"),
            _tokens(attributes, "gen_ai.usage.output_tokens"),
            _stream(attributes, stream) if stream in attributes else None,
        )
    except (ValueError, KeyError) as problem:
        raise ValueError(f"span `{span.get('name')}` {span.get('spanId')}: {problem}") from None
    return start, arrival
