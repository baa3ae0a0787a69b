"""Files of lines that a killed process may have left in the middle of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_BLOCK = 1 << 16

_LONGEST = 32 * 2**20
"""Bytes of a line; a request with a thousand attempts has a few hundred thousand."""


def append_to(path: Path) -> BinaryIO:
    """Open a file of lines to append to it, made if need be.  A line that lacks its end is cut off."""
    file = path.open("ab+")
    file.truncate(_whole(file))
    return file


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, without what lacks its end.  ValueError at one that is longer than any of ours."""
    for line in iter(partial(file.readline, _LONGEST), b""):
        if line.endswith(b"\n"):
            yield line
        elif len(line) == _LONGEST:
            raise ValueError(f"a line is longer than {_LONGEST // 2**20} MiB")


def lock(file: BinaryIO) -> bool:
    """Keep others from a file until it is closed or this process ends; False when somebody else has it."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _whole(file: BinaryIO) -> int:
    """How many bytes are whole lines."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _BLOCK)
        file.seek(start)
        if (last := file.read(end - start).rfind(b"\n")) >= 0:
            return start + last + 1
        end = start
    return 0
