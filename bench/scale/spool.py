"""What a worker writes down on its own machine, as a run does in its folder: each record as its request ends.

It outlives the process, so that nothing that was answered is sent again by whoever goes on in its place.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec

from bench.results.durable import carried_to_disk
from bench.results.folder import RECORDS, Journal
from bench.results.sends import SENDS, Send, SendLog, read_sends


def folder_of(wanted: str, *, here: bool) -> Path:
    """Where a worker writes: the folder it was told, if that is on its machine, else one of its own there."""
    if here:
        folder = Path(wanted)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    return Path(tempfile.mkdtemp(prefix="claude-bench-worker-"))


@contextmanager
def kept(folder: Path, *, paid: bool) -> Iterator[tuple[Journal, SendLog | None]]:
    """Journal and, where what is sent may cost money, a log of sends."""
    with (
        Journal(folder / RECORDS) as journal,
        SendLog(folder) if paid else nullcontext() as sends,
        carried_to_disk([journal.file, sends.file] if sends else []),
    ):
        yield journal, sends


def read(folder: str) -> tuple[bytes, list[Send]]:
    """All that was written: whole lines of records, and sends."""
    path = Path(folder)
    lines = (path / RECORDS).read_bytes() if (path / RECORDS).exists() else b""
    return lines[: lines.rfind(b"\n") + 1], read_sends(path / SENDS)


def write(folder: Path, lines: bytes, sends: Iterable[Send]) -> None:
    """Write down here what was written elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORDS).write_bytes(lines)
    if sends := list(sends):
        (folder / SENDS).write_bytes(b"".join(msgspec.json.encode(send) + b"\n" for send in sends))


def append(folder: Path, lines: bytes) -> None:
    """Add to what is here of what is being written elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RECORDS).open("ab") as file:
        file.write(lines)


def discard(folder: str) -> None:
    """Remove it, once all of it is elsewhere."""
    shutil.rmtree(folder, ignore_errors=True)
