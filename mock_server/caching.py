"""Prompt caching as a state machine: which part of a prompt is read from the cache, which is written, which is neither.

Rules (page on prompt caching, 2026-10-08; troubleshooting thinking, September 2026):

- A breakpoint asks for the prompt up to and including its block to be kept; up to four, the automatic one included.
- The prompt runs from the tools over the system prompt to the messages.  What is kept is known by a chain of hashes,
  so that only an exact prefix is found again.
- From each breakpoint, the last one first, 20 positions are looked at, its own included; only those that an earlier
  request wrote can be found.
- A prefix below the model's minimum is silently not kept.
- An entry lives 5 minutes or an hour from the start of the request that last used it, and can be used only once the
  answer to the request that wrote it has begun.
- Tenants (an organisation's workspaces) never find each other's entries.

Where the page is silent, what is written is what is billed: breakpoints inside the part that was found write nothing,
those of them that have an entry refresh it.  Pure: time is an argument, in seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

LOOK_BACK = 20
"""Positions looked at from each breakpoint."""

MOST_ENTRIES = 100_000
"""Entries kept at most; beyond that the least recently used go."""

FIVE_MINUTES, ONE_HOUR = 300.0, 3_600.0


class Position(NamedTuple):
    """The end of one block of a prompt."""

    digest: bytes
    """Stands for everything up to and including the block."""
    tokens: int
    """Of everything up to and including the block."""
    lifetime: float | None = None
    """Seconds for which a breakpoint here asks; None is no breakpoint."""


class Prompt(NamedTuple):
    """A prompt with breakpoints."""

    positions: tuple[Position, ...]
    minimum: int
    """Fewest tokens of a prefix that can be kept."""


class Match(NamedTuple):
    """What the cache does for one prompt."""

    read: int = 0
    """Tokens found."""
    write_5m: int = 0
    write_1h: int = 0
    used: tuple[bytes, ...] = ()
    """Entries that the request refreshes."""
    written: tuple[tuple[bytes, float], ...] = ()
    """Entries that it writes, with their lifetimes."""

    @property
    def cached(self) -> int:
        """Tokens read or written: those that `input_tokens` does not count."""
        return self.read + self.write_5m + self.write_1h


NOTHING = Match()
"""A prompt without breakpoints, or a match that came to nothing."""


class _Entry(NamedTuple):
    lifetime: float
    usable: float
    expires: float


class Cache:
    """The entries of all tenants.  Look first, commit when the request is served."""

    __slots__ = ("_entries", "_most")

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._entries: OrderedDict[tuple[Hashable, bytes], _Entry] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        return len(self._entries)

    def look(self, tenant: Hashable, prompt: Prompt, now: float) -> Match:
        """What a request at `now` would find and write.  Changes nothing."""
        places = [place for place, position in enumerate(prompt.positions) if position.lifetime is not None]
        places = [place for place in places if prompt.positions[place].tokens >= prompt.minimum]
        if not places:
            return NOTHING
        found = self._longest(tenant, prompt, places, now)
        read = prompt.positions[found].tokens if found >= 0 else 0
        inside = {found, *(place for place in places if place < found)} - {-1}
        used = [prompt.positions[place].digest for place in sorted(inside)]
        new = [prompt.positions[place] for place in places if place > found]
        hours = max((position.tokens for position in new if position.lifetime == ONE_HOUR), default=read)
        end = new[-1].tokens if new else read
        return Match(
            read,
            end - hours,
            hours - read,
            tuple(digest for digest in used if self._usable(tenant, digest, now)),
            tuple((position.digest, position.lifetime or 0.0) for position in new),
        )

    def commit(self, tenant: Hashable, match: Match, now: float, begins: float) -> None:
        """A request that arrived at `now` is served, and its answer begins at `begins`."""
        for digest in match.used:
            entry = self._entries[tenant, digest]
            self._put(tenant, digest, entry._replace(expires=max(entry.expires, now + entry.lifetime)))
        for digest, lifetime in match.written:
            usable, expires = begins, now + lifetime
            other = self._entries.get((tenant, digest))
            if other and other.expires > now:  # by a request whose answer has not begun either
                lifetime, usable = max(lifetime, other.lifetime), min(usable, other.usable)
                expires = max(expires, other.expires)
            self._put(tenant, digest, _Entry(lifetime, usable, expires))
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def withdraw(self, tenant: Hashable, match: Match, begins: float) -> None:
        """The answer that was to begin at `begins` never did: what the request wrote will not be there."""
        for digest, _ in match.written:
            entry = self._entries.get((tenant, digest))
            if entry and entry.usable == begins:
                del self._entries[tenant, digest]

    def _longest(self, tenant: Hashable, prompt: Prompt, places: list[int], now: float) -> int:
        """The last position found, looking back from each breakpoint; -1 if there is none."""
        for place in reversed(places):
            for candidate in range(place, max(-1, place - LOOK_BACK), -1):
                if self._usable(tenant, prompt.positions[candidate].digest, now):
                    return candidate
        return -1

    def _usable(self, tenant: Hashable, digest: bytes, now: float) -> bool:
        entry = self._entries.get((tenant, digest))
        return entry is not None and entry.usable <= now < entry.expires

    def _put(self, tenant: Hashable, digest: bytes, entry: _Entry) -> None:
        self._entries[tenant, digest] = entry
        self._entries.move_to_end((tenant, digest))
