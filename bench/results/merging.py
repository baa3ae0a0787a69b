"""Records that several processes have written, made one journal: in the order in which they were meant to go.

While a pass goes on each process has a folder of its own in `workers/` of the run's folder; afterwards what is in them
stands in `records.jsonl` and they are gone.  After a kill they may still be there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np

from bench.results.appending import lock
from bench.results.record import OfPass, Record, decode_lines, read_records
from bench.results.sends import SENDS, Send, read_sends

WORKERS = "workers"
"""The folder in a run's folder that has a folder for each process."""

RECORDS = "records.jsonl"

_ELSEWHERE = "elsewhere"


class _Due(msgspec.Struct):
    intended: float
    seq: int


_decode_due = msgspec.json.Decoder(_Due).decode


def left_over(folder: Path) -> list[Path]:
    """The folders of processes whose records are not in the run's own journal yet."""
    return sorted(path for path in (folder / WORKERS).glob("*") if path.is_dir())


def mark_elsewhere(folder: Path) -> None:
    """Note that a process writes its records on another machine, from where they may never come."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _ELSEWHERE).touch()


def is_elsewhere(folder: Path) -> bool:
    """Whether a run, which was killed, had sent requests of which its folder does not know."""
    return any((one / _ELSEWHERE).exists() for one in left_over(folder))


def are_written(folder: Path) -> bool:
    """Whether processes still write there: those of a run whose leader was killed go on until they notice."""
    return any(not _free(one / RECORDS) for one in left_over(folder) if (one / RECORDS).exists())


def _free(file: Path) -> bool:
    with file.open("rb") as opened:
        return lock(opened)


def read_left_over(folder: Path) -> Iterator[Record]:
    """The records in them that the journal does not have, of a run that goes on or was killed."""
    if not (files := [one / RECORDS for one in left_over(folder) if (one / RECORDS).exists()]):
        return
    known = {(record.of_pass, record.seq) for record in read_records(folder / RECORDS)}
    for record in chain.from_iterable(map(read_records, files)):
        if (record.of_pass, record.seq) not in known:
            yield record


def sends_left_over(folder: Path) -> Iterator[Send]:
    """And what they had sent."""
    return chain.from_iterable(read_sends(one / SENDS) for one in left_over(folder))


def gather(folder: Path, keep: Callable[[Record], None], known: Container[tuple[OfPass, int]] = ()) -> None:
    """Keep what is left over, in the order of intended times, but for what is `known`; then remove it.

    Needs some 30 bytes of memory for each.
    """
    files = [one / RECORDS for one in left_over(folder) if (one / RECORDS).exists()]
    for record in in_order(files):
        if (record.of_pass, record.seq) not in known:
            keep(record)
    shutil.rmtree(folder / WORKERS, ignore_errors=True)


def in_order(files: Sequence[Path]) -> Iterator[Record]:
    """All records of these files by intended time and then by number.  A torn last line is passed over."""
    due, numbers, at = [], [], []
    for place, file in enumerate(files):
        with file.open("rb") as lines:
            start = 0
            for line in lines:
                if line.endswith(b"\n"):
                    found = _decode_due(line)
                    due.append(found.intended)
                    numbers.append(found.seq)
                    at.append((place, start))
                start += len(line)
    if not at:
        return
    where = np.array(at, dtype=np.int64)
    opened = [file.open("rb") for file in files]
    try:
        for place, start in where[np.lexsort((numbers, due))].tolist():
            opened[place].seek(start)
            yield from decode_lines(opened[place].readline())
    finally:
        for one in opened:
            one.close()
