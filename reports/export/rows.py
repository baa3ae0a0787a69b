"""Tables for spreadsheets and data frames: a row a request, an attempt or a number, as CSV or Parquet.

Records are read one by one and written in groups, so that a million of them need no more memory than a few thousand.
Times are seconds since the start of the pass, in scenario time; an empty cell is what is not known.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from typing import IO, Any, Literal

from bench.results.folder import RECORDS, LoadedRun
from bench.results.measurements import seconds_per_token
from bench.results.record import Attempt, Record, Usage, read_records
from bench.results.summary import Summary
from reports.export.labels import labels
from reports.export.numbers import of_pass

Rows = Literal["requests", "attempts", "numbers"]
ROWS: tuple[Rows, ...] = ("requests", "attempts", "numbers")
"""What a row may be of."""

GROUP = 50_000
"""Rows that are held at once."""

_TOKENS = ("input_tokens", "cache_read", "cache_write_5m", "cache_write_1h", "output_tokens", "thinking_tokens")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows whose cells are all in `columns`, each of which has one type."""

    columns: Mapping[str, type]
    rows: Iterator[Mapping[str, object]]


def write_csv(run: LoadedRun, summary: Summary, rows: Rows, file: IO[bytes]) -> None:
    """Write a table as CSV (RFC 4180, UTF-8)."""
    table = _table(run, summary, rows)
    text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, table.columns)
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in table.rows)
    text.detach()


def write_parquet(run: LoadedRun, summary: Summary, rows: Rows, file: IO[bytes]) -> None:
    """Write a table as Parquet.  Needs the extra `pyarrow`."""
    import pyarrow
    from pyarrow import parquet

    table = _table(run, summary, rows)
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    about = {"scenario": summary.name, "run": run.info.id, "target": summary.target, "model": summary.model}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in table.columns.items()], metadata=about)
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(table.rows, GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _table(run: LoadedRun, summary: Summary, rows: Rows) -> Table:
    if rows == "numbers":
        return Table(_NUMBER, _numbers(summary))
    records = read_records(run.folder / RECORDS)
    if rows == "requests":
        return Table({name: kind for name, (kind, _) in _REQUEST.items()}, map(_request, records))
    columns = {name: kind for name, (kind, _) in (_WHICH | _ATTEMPT).items()}
    return Table(columns | {"attempt": int} | dict.fromkeys(_TOKENS, int), _attempts(records))


def _tokens(record: Record, kind: str) -> int:
    return sum(getattr(one.usage, kind) for one in record.attempts if one.usage is not None)


def _since(attempt: Attempt, moment: float | None) -> float | None:
    return None if moment is None else moment - attempt.sent


_WHICH: dict[str, tuple[type, Callable[[Any], object]]] = {
    "case": (str, lambda r: r.case),
    "strategy": (str, lambda r: r.strategy),
    "pass": (int, lambda r: r.pass_),
    "seq": (int, lambda r: r.seq),
    "model": (str, lambda r: r.model),
    "stream": (str, lambda r: r.stream),
    "conversation": (int, lambda r: r.conversation),
    "turn": (int, lambda r: r.turn),
    "group": (int, lambda r: r.group),
}
"""Which request a row is of."""

_REQUEST: dict[str, tuple[type, Callable[[Record], object]]] = {
    **_WHICH,
    "ok": (bool, lambda r: r.ok),
    "cause": (str, lambda r: r.attempts[-1].cause),
    "status": (int, lambda r: r.attempts[-1].status),
    "attempts": (int, lambda r: len(r.attempts)),
    "intended": (float, lambda r: r.intended),
    "first_sent": (float, lambda r: r.attempts[0].sent),
    "last_sent": (float, lambda r: r.attempts[-1].sent),
    "ended": (float, lambda r: r.attempts[-1].ended),
    "queue_time": (float, lambda r: r.queue_time),
    "throttle_wait": (float, lambda r: r.throttle_wait),
    "latency": (float, lambda r: r.latency),
    "response_time": (float, lambda r: r.response_time),
    "ttft": (float, lambda r: _since(r.attempts[-1], r.attempts[-1].first_token)),
    "first_text": (float, lambda r: _since(r.attempts[-1], r.attempts[-1].first_text)),
    "tpot": (float, lambda r: seconds_per_token(r.attempts[-1])),
    "stop_reason": (str, lambda r: r.attempts[-1].stop_reason),
    "request_id": (str, lambda r: r.attempts[-1].request_id),
    **{kind: (int, lambda r, kind=kind: _tokens(r, kind)) for kind in _TOKENS},  # type: ignore[misc]
}
"""A request: its columns, their types, what stands in them.  Tokens are those of all attempts."""

_ATTEMPT: dict[str, tuple[type, Callable[[Attempt], object]]] = {
    "ok": (bool, lambda a: a.ok),
    "cause": (str, lambda a: a.cause),
    "message": (str, lambda a: a.message),
    "status": (int, lambda a: a.status),
    "sent": (float, lambda a: a.sent),
    "headers": (float, lambda a: a.headers),
    "first_event": (float, lambda a: a.first_event),
    "first_token": (float, lambda a: a.first_token),
    "first_text": (float, lambda a: a.first_text),
    "last_token": (float, lambda a: a.last_token),
    "ended": (float, lambda a: a.ended),
    "retry_after": (float, lambda a: a.retry_after),
    "stop_reason": (str, lambda a: a.stop_reason),
    "request_id": (str, lambda a: a.request_id),
    "batch": (str, lambda a: a.batch),
    "hedge": (bool, lambda a: a.hedge),
}

_NUMBER: dict[str, type] = {
    "strategy": str,
    "pass": int,
    "stream": str,
    "metric": str,
    "part": str,
    "unit": str,
    "better": str,
    "value": float,
    "lo": float,
    "hi": float,
    "n": int,
}


def _request(record: Record) -> dict[str, object]:
    return {name: of(record) for name, (_, of) in _REQUEST.items()}


def _attempts(records: Iterator[Record]) -> Iterator[dict[str, object]]:
    for record in records:
        which = {name: of(record) for name, (_, of) in _WHICH.items()}
        for place, attempt in enumerate(record.attempts):
            usage = attempt.usage or Usage()
            yield {
                **which,
                **{name: of(attempt) for name, (_, of) in _ATTEMPT.items()},
                "attempt": place,
                **{kind: getattr(usage, kind) for kind in _TOKENS},
            }


def _numbers(summary: Summary) -> Iterator[dict[str, object]]:
    for one in summary.passes:
        for number in of_pass(one):
            yield {
                "strategy": one.strategy,
                "pass": int(labels(one)["pass"]),
                "stream": number.stream,
                "metric": number.metric,
                "part": number.part or None,
                "unit": number.unit,
                "better": number.better,
                "value": number.value,
                "lo": number.lo,
                "hi": number.hi,
                "n": number.n,
            }
