"""Files that shall outlast the power: what was written is carried to the disk again and again while a run goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import BinaryIO

EVERY = 0.5
"""Wall-clock seconds between two times: what a power cut can lose at most, plus what the disk itself holds back."""


@contextmanager
def carried_to_disk(files: Sequence[BinaryIO]) -> Iterator[None]:
    """Carry what these files have got to the disk, in a thread of its own so that no request waits for it."""
    if not files:
        yield
        return
    over = Event()

    def carry() -> None:
        while not over.wait(EVERY):
            _carry(files)

    thread = Thread(target=carry, name="claude-bench disk", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _carry(files)


def _carry(files: Sequence[BinaryIO]) -> None:
    for file in files:
        with suppress(OSError):  # whoever writes next is told
            os.fsync(file.fileno())
