"""The files a scenario names, read row by row: JSON lines and CSV, and the prompts in them.

Every row is yielded as it is read, so a file of any size costs no memory; a row that cannot be used is yielded as a
`BadRow`.  Loading a scenario reads a file through once to find those; the workload reads it again while it sends.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, AnyStr

import msgspec

from bench.errors import Problem

_SHOWN = 20
"""Bad rows of one file that are reported; the next are not looked for."""

_LONGEST_LINE = 32 * 2**20
"""Bytes, or characters of a CSV file: what the API takes in a whole request (errors page, 2026-10-10)."""

FORMATS = (".jsonl", ".csv")
"""How the name of a dataset may end."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used: its 1-based line and what is wrong with it."""

    line: int
    message: str


def prompts(path: Path, field: str) -> Iterator[str | BadRow]:
    """The prompts of a dataset in order."""
    rows = json_rows(path) if path.suffix == ".jsonl" else csv_rows(path, [field])
    for line, row in rows:
        if isinstance(row, str):
            yield BadRow(line, row)
        elif field not in row:
            yield BadRow(line, f"no field `{field}` (its fields are {', '.join(map(str, row)) or 'none'})")
        elif isinstance(prompt := row[field], str) and prompt.strip():
            yield prompt
        else:
            yield BadRow(line, f"field `{field}` holds no text")


_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What may be a custom_id (batch page, 2026-10-08)."""


def ids(path: Path, field: str) -> Iterator[str | BadRow]:
    """What the rows of a dataset are called in a message batch, in order; each must be unique."""
    rows = json_rows(path) if path.suffix == ".jsonl" else csv_rows(path, [field])
    seen: dict[str, int] = {}
    for line, row in rows:
        if isinstance(row, str):
            yield BadRow(line, row)
        elif field not in row:
            yield BadRow(line, f"no field `{field}` (its fields are {', '.join(map(str, row)) or 'none'})")
        elif not isinstance(name := row[field], str) or not _CUSTOM_ID.fullmatch(name):
            yield BadRow(line, f"field `{field}`: a custom_id has 1 to 64 letters, digits, `_` or `-`")
        elif (first := seen.setdefault(name, line)) != line:
            yield BadRow(line, f"the custom_id `{name}` is that of line {first} already; each must be unique")
        else:
            yield name


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


Row = dict[str, object] | str
"""Its fields, or what is wrong with it."""


def json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a file of JSON lines, each with its line."""
    with path.open("rb") as file:
        for line, text in enumerate(lines(file), 1):
            if text is None:
                yield line, TOO_LONG
            elif text.strip():
                yield line, _json_row(text.removeprefix(BOM_UTF8) if line == 1 else text)


TOO_LONG = f"longer than {_LONGEST_LINE // 2**20} MiB"


def lines(file: IO[AnyStr]) -> Iterator[AnyStr | None]:
    """The lines of a file; None for one too long to be an honest row, after which there are no more."""
    while text := file.readline(_LONGEST_LINE):
        if len(text) == _LONGEST_LINE:
            yield None
            return
        yield text


def _json_row(text: bytes) -> Row:
    try:
        row = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return f"not valid JSON: {problem}"
    return row if isinstance(row, dict) else "not a JSON object"


def csv_rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """The rows of a CSV file with a header, each with its line; nothing but a problem where a column is missing."""
    csv.field_size_limit(_LONGEST_LINE)  # the default, 131,072 characters, is less than a long document
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(_csv_lines(file), strict=True)
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


def _csv_lines(file: IO[str]) -> Iterator[str]:
    for text in lines(file):
        if text is None:
            raise csv.Error(f"a line is {TOO_LONG}")
        yield text
