"""The files a scenario names, read row by row: prompts (JSONL or CSV) and traces (CSV).

Every row is yielded as it is read, so a file of any size costs no memory; a row that cannot be used is yielded as a
`BadRow`.  Loading a scenario reads a file through once to find those; the workload reads it again while it sends.
"""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.errors import Problem
from bench.scenario.sizes import LARGEST

_SHOWN = 20
"""Bad rows of one file that are reported; the next are not looked for."""

FORMATS = (".jsonl", ".csv")
"""How the name of a dataset may end."""

TRACE_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
"""The columns of the Azure LLM inference traces (2023), which later traces kept."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used: its 1-based line and what is wrong with it."""

    line: int
    message: str


class TraceRow(NamedTuple):
    """One arrival; the tokens are 0 where no trace says them."""

    at: float
    """Seconds since the first row of a trace, or since the start of the pass."""
    input_tokens: int
    output_tokens: int


def prompts(path: Path, field: str) -> Iterator[str | BadRow]:
    """The prompts of a dataset in order."""
    rows = _json_rows(path) if path.suffix == ".jsonl" else _csv_rows(path, [field])
    for line, row in rows:
        if isinstance(row, str):
            yield BadRow(line, row)
        elif field not in row:
            yield BadRow(line, f"no field `{field}` (its fields are {', '.join(map(str, row)) or 'none'})")
        elif isinstance(prompt := row[field], str) and prompt.strip():
            yield prompt
        else:
            yield BadRow(line, f"field `{field}` holds no text")


def trace(path: Path) -> Iterator[TraceRow | BadRow]:
    """The requests of a trace, in the order of their times."""
    first: datetime | float | None = None
    latest = 0.0
    for line, row in _csv_rows(path, TRACE_COLUMNS):
        try:
            if isinstance(row, str):
                raise ValueError(row)
            time = _moment(row["TIMESTAMP"])
            first = time if first is None else first
            at = _seconds_between(first, time)
            if at < latest:
                raise ValueError(f"TIMESTAMP {row['TIMESTAMP']} is earlier than the row before; sort the trace by time")
            yield TraceRow(at, _tokens(row, "ContextTokens"), _tokens(row, "GeneratedTokens"))
            latest = at
        except ValueError as problem:
            yield BadRow(line, str(problem))


def problems(rows: Iterator[object], file: str) -> list[Problem]:
    """What is wrong with the rows of a file, up to the first 20; a file without rows is a problem too."""
    empty = True
    found: list[Problem] = []
    try:
        for row in rows:
            empty = False
            if isinstance(row, BadRow):
                found.append(Problem(file, row.line, 1, "", row.message))
                if len(found) == _SHOWN:
                    break
    except OSError as problem:
        return [Problem(file, 1, 1, "", f"cannot be read: {problem.strerror}")]
    return [Problem(file, 1, 1, "", "the file has no rows")] if empty else found


def _moment(written: object) -> datetime | float:
    text = str(written)
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"TIMESTAMP `{text}` is neither a date and time such as 2023-11-16 18:15:46.68 nor seconds"
        ) from None


def _seconds_between(first: datetime | float, time: datetime | float) -> float:
    if isinstance(first, datetime) and isinstance(time, datetime):
        if (first.tzinfo is None) == (time.tzinfo is None):
            return (time - first).total_seconds()
    elif isinstance(first, float) and isinstance(time, float) and abs(time - first) < float("inf"):
        return time - first
    raise ValueError("TIMESTAMP is written in another way than in the first row")


def _tokens(row: dict[str, object], column: str) -> int:
    text = str(row[column])
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= LARGEST):
        raise ValueError(f"{column} `{text}` is not a number of tokens")
    return int(text)


Row = dict[str, object] | str
"""Its fields, or what is wrong with it."""


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                yield line, _json_row(text.removeprefix(BOM_UTF8) if line == 1 else text)


def _json_row(text: bytes) -> Row:
    try:
        row = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return f"not valid JSON: {problem}"
    return row if isinstance(row, dict) else "not a JSON object"


def _csv_rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(2**31 - 1)  # the default, 131,072 characters, is less than a long document
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, [])
            if missing := [column for column in needed if column not in header]:
                yield 1, f"no column {' or '.join(missing)} (the columns are {', '.join(header) or 'none'})"
                return
            for cells in rows:
                if len(cells) == len(header):
                    yield rows.line_num, dict(zip(header, cells, strict=True))
                elif cells:
                    yield rows.line_num, f"{len(cells)} cells where the header has {len(header)}"
        except (csv.Error, UnicodeDecodeError) as problem:
            yield rows.line_num + 1, f"not valid CSV: {problem}"
