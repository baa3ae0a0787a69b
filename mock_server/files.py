"""Files that are read as a whole, whoever wrote them: never more of one than fits into memory."""

from __future__ import annotations

import os
from os import PathLike

MOST_BYTES = 64 * 2**20
"""Of settings, tiers, profiles, reports, baselines: many times what any has."""


def read_whole(path: str | PathLike[str]) -> bytes:
    """What is in a file.  Raises OSError, or ValueError where it is larger than anything that is meant to be read."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size <= MOST_BYTES:  # of a pipe this is 0
            content = file.read(MOST_BYTES + 1)
            if len(content) <= MOST_BYTES:
                return content
    raise ValueError(f"larger than {MOST_BYTES // 2**20} MiB")
