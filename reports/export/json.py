"""JSON as exports write it: indented, with a line's end, the same bytes for the same run."""

from __future__ import annotations

import msgspec


def pretty(value: object) -> bytes:
    """A value as JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
