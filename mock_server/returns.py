"""Clients that were told to wait, and whether they did."""

from __future__ import annotations

from collections import Counter, defaultdict
from heapq import heappop, heappush

from mock_server.bucket import TOLERANCE
from mock_server.tenants import Tenant

MAX_TOLD = 100_000
"""Refusals remembered, so that clients that never come back do not fill the memory."""


class Returns:
    """Remembers each 429 until its request is tried again.

    Where requests of the same content stand for each other, the benefit of the doubt is theirs: a return is held
    against the one that was allowed back first.
    """

    def __init__(self) -> None:
        self.early: Counter[Tenant] = Counter()
        """How often a request came back before its retry-after was over."""
        self.obedient: Counter[Tenant] = Counter()
        """How often one came back after that."""
        self._told: defaultdict[tuple[int, ...], list[float]] = defaultdict(list)
        self._expected = 0

    def __bool__(self) -> bool:
        """Whether anybody is expected back."""
        return bool(self._told)

    def told(self, request: tuple[int, ...], until: float) -> None:
        """This request was refused until then."""
        if self._expected >= MAX_TOLD:
            self._told.clear()
            self._expected = 0
        self._expected += 1
        heappush(self._told[request], until)

    def came(self, request: tuple[int, ...], tenant: Tenant, now: float) -> None:
        """This request is tried again, unless it was never refused."""
        times = self._told.get(request)
        if times is None:
            return
        self._expected -= 1
        if now < heappop(times) - TOLERANCE:
            self.early[tenant] += 1
        else:
            self.obedient[tenant] += 1
        if not times:
            del self._told[request]
