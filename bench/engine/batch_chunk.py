"""The requests of one batch while they gather: so many at most, and so many bytes at most.  Pure."""

from __future__ import annotations

import msgspec

from bench.request import RequestSpec
from bench.targets.batches import CLOSING, OPENING, SEPARATOR

_EMPTY = len(OPENING) + len(CLOSING)


class Chunk:
    """Grows until it is full.  `bytes` is the exact size of the body that creates the batch."""

    def __init__(self, number: int, most_items: int, most_bytes: float) -> None:
        self.number = number
        self.bytes = _EMPTY
        self.items: dict[int, RequestSpec] = {}
        """By sequence number, without what is said: that is only in the body."""
        self._lines: list[bytes] = []
        self._most_items, self._most_bytes = most_items, most_bytes

    @property
    def full(self) -> bool:
        """Whether it has as many requests as it may."""
        return len(self.items) >= self._most_items

    def fits(self, line: bytes) -> bool:
        """Whether there is room for this request."""
        return not self.full and self._with(line) <= self._most_bytes

    def add(self, spec: RequestSpec, line: bytes) -> None:
        """Take in a request that fits."""
        self.bytes = self._with(line)
        self._lines.append(line)
        self.items[spec.seq] = lightened(spec)

    def body(self) -> bytes:
        """The body that creates the batch.  The chunk keeps none of it: it may be 256 MB."""
        lines, self._lines = self._lines, []
        return OPENING + SEPARATOR.join(lines) + CLOSING

    def _with(self, line: bytes) -> int:
        return self.bytes + len(line) + (len(SEPARATOR) if self.items else 0)


def lightened(spec: RequestSpec) -> RequestSpec:
    """A request without what it says: enough for its record and its cost."""
    params = {name: spec.params[name] for name in ("model", "max_tokens")}
    return msgspec.structs.replace(spec, params=params, bound=spec.most_input_tokens)
