"""Pages of a list, as the API cuts them: `before_id`, `after_id` and `limit` (reference of 2026-10-08)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mock_server.request import invalid

DEFAULT_LIMIT, MAX_LIMIT = 20, 1_000


class Page(NamedTuple):
    """A part of a list."""

    begin: int
    end: int
    has_more: bool
    """In the direction in which the pages are turned."""


def page(ids: Sequence[str], query: Mapping[str, str]) -> Page:
    """The part of the list of these ids that a query asks for.  Raises RequestError."""
    limit = read_limit(query) or DEFAULT_LIMIT
    before, after = query.get("before_id"), query.get("after_id")
    if before and after:
        raise invalid("before_id, after_id: only one of them can be given")
    if before:
        end = _find(ids, before, "before_id")
        begin = max(0, end - limit)
        return Page(begin, end, begin > 0)
    begin = _find(ids, after, "after_id") + 1 if after else 0
    end = min(len(ids), begin + limit)
    return Page(begin, end, end < len(ids))


def read_limit(query: Mapping[str, str]) -> int | None:
    """The `limit` of a query; None if it has none."""
    text = query.get("limit")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MAX_LIMIT:
        raise invalid(f"limit: Input should be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _find(ids: Sequence[str], wanted: str, name: str) -> int:
    try:
        return ids.index(wanted)
    except ValueError:
        raise invalid(f"{name}: {wanted[:200]!r} is not in this list") from None
