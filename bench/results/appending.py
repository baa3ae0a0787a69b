"""Files of lines that a killed process may have left in the middle of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_BLOCK = 1 << 16


def append_to(path: Path) -> BinaryIO:
    """Open a file of lines to append to it, made if need be.  A line that lacks its end is cut off."""
    file = path.open("ab+")
    file.truncate(_whole(file))
    return file


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
