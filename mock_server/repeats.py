"""How often the same content came, where nothing else tells requests apart."""

from __future__ import annotations

MOST = 100_000
"""Different contents that are remembered for certain; up to twice as many are, and no more, however long a server runs.
What comes again after so many others counts as new."""


class Repeats:
    """Counts contents by their hash.  Those that came since the last turn are young; those of the turn before, old."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def count(self, digest: int) -> int:
        """It came again: how often by now, this time included."""
        count = (self._young.get(digest) or self._old.get(digest, 0)) + 1
        if len(self._young) >= self._most and digest not in self._young:
            self._young, self._old = {}, self._young
        self._young[digest] = count
        return count
