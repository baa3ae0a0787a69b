"""Who of several workers may use how much of what they share.  Pure: it holds in whatever order the workers are heard.

A lease is the most that a worker may use.  A worker first says what it keeps, and from then on uses no more than that;
only what is free by such promises is leased anew.  So all leases together never exceed what there is, however late a
message comes or whoever falls silent.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple, Protocol

ROUNDING = 1e-9
"""Units by which sums of floats may be off."""


class Claim(NamedTuple):
    """What a worker says of one thing that is shared."""

    keeps: float
    """The most that it uses until it is granted more."""
    needs: float = 0.0
    """What somebody waits for beyond that; 0 where nobody waits."""
    likes: float = 0.0
    """What it would take beyond that if nobody else needs it, so as not to have to ask each time."""
    spent: float = 0.0
    """Of what it keeps, what is gone for good."""
    at_risk: float = 0.0
    """And what is in use and may come back by itself, or a part of it."""


class Grant(NamedTuple):
    """The answer."""

    lease: float
    """The most that it may use."""
    most: float
    """What it should come down to, as far as what is in use allows: others need it.  Without end where none does."""
    never: bool = False
    """Whether what it needs can never be had."""


class Shared(Protocol):
    """Something of which there is only so much."""

    @property
    def written_off(self) -> float:
        """What nobody has any more, because a process that used it was lost."""
        ...

    def renew(self, worker: int, claim: Claim) -> Grant:
        """Take a worker's promise and lease it what may be had.

        The first claim of a process keeps whatever it is leased: without end.
        """
        ...

    def leave(self, worker: int) -> None:
        """A worker will need no more; what it has not spent is free."""


class Slots:
    """What is used and given back: places in flight, or a share of a rate.  Equal parts, and what one leaves to others.

    As long as somebody needs more than is free, nobody is leased more than an equal part, and who has more comes down
    to it.  `whole` is for what comes in whole numbers.
    """

    written_off = 0.0
    """Whoever takes the place of another has its places."""

    def __init__(self, total: float, workers: int, *, whole: bool = False) -> None:
        self.total = total
        self._whole = whole
        self._present = list(range(workers))
        self._lease = {worker: self._fair(worker) for worker in self._present}
        self._needs = dict.fromkeys(self._present, 0.0)

    def renew(self, worker: int, claim: Claim) -> Grant:
        """See `Shared`."""
        self._lease[worker] = min(self._lease[worker], claim.keeps)
        self._needs[worker] = claim.needs
        others_wait = any(needs for other, needs in self._needs.items() if other != worker)
        most = self._fair(worker) if others_wait else math.inf
        more = min(claim.needs, self._free(), max(0.0, most - self._lease[worker]))
        self._lease[worker] += math.floor(more) if self._whole else more
        return Grant(self._lease[worker], most)

    def leave(self, worker: int) -> None:
        """See `Shared`."""
        if worker in self._present:
            self._present.remove(worker)
            del self._lease[worker], self._needs[worker]

    def _fair(self, worker: int) -> float:
        """An equal part; of whole things the first workers have one more where it does not come out even."""
        many = len(self._present)
        if not self._whole:
            return self.total / many
        return self.total // many + (self._present.index(worker) < self.total % many)

    def _free(self) -> float:
        return max(0.0, self.total - sum(self._lease.values()))


class Purse:
    """What is spent: dollars, or requests.  First come, first served, each in full; some more where nobody waits.

    Who waits is told that it is in vain as soon as all that has not been spent for good would not do.  `whole` is for
    what comes in whole numbers.  What a process used that was lost, and its successor does not know of, is written off.
    """

    def __init__(self, total: float, workers: int, *, whole: bool = False) -> None:
        self.total = total
        self.written_off = 0.0
        self._used = dict.fromkeys(range(workers), 0.0)
        self._whole = whole
        self._lease = dict.fromkeys(range(workers), self._rounded(total / workers))
        self._spent = dict.fromkeys(range(workers), 0.0)
        self._needs = dict.fromkeys(range(workers), 0.0)
        self._waiting: deque[int] = deque()

    def renew(self, worker: int, claim: Claim) -> Grant:
        """See `Shared`."""
        used = claim.spent + claim.at_risk
        if math.isinf(claim.keeps):
            self._write_off(worker, self._used[worker] - used)
        self._used[worker] = used
        self._lease[worker] = min(self._lease[worker], claim.keeps)
        self._spent[worker], self._needs[worker] = claim.spent, claim.needs
        if claim.needs and worker not in self._waiting:
            self._waiting.append(worker)
        if claim.needs <= self._left_for(worker) + ROUNDING:
            self._lease[worker] += self._portion(worker, claim)
            if worker in self._waiting:
                self._waiting.remove(worker)
        served = claim.needs > 0 and worker not in self._waiting
        first = served or not self._waiting or self._waiting[0] == worker
        least = claim.keeps + claim.needs - claim.at_risk
        never = worker in self._waiting and least > self._attainable(worker) + ROUNDING
        return Grant(self._lease[worker], math.inf if first else 0.0, never)

    def leave(self, worker: int) -> None:
        """See `Shared`."""
        self._lease[worker] = self._spent[worker]
        if worker in self._waiting:
            self._waiting.remove(worker)

    def _write_off(self, worker: int, amount: float) -> None:
        if amount > 0:
            self.written_off += amount
            self.total -= amount
            self._lease[worker] -= amount

    def _portion(self, worker: int, claim: Claim) -> float:
        """What it needs, and of what it would like as much as leaves every other one as much."""
        equal = 0.0 if self._ahead(worker) else self._rounded(self._left_for(worker) / len(self._lease))
        return max(claim.needs, min(claim.likes, equal))

    def _rounded(self, amount: float) -> float:
        return math.floor(amount) if self._whole else amount

    def _left_for(self, worker: int) -> float:
        """What is free when those are served who have waited longer."""
        return max(0.0, self.total - sum(self._lease.values()) - self._ahead(worker))

    def _ahead(self, worker: int) -> float:
        before = 0.0
        for other in self._waiting:
            if other == worker:
                break
            before += self._needs[other]
        return before

    def _attainable(self, worker: int) -> float:
        """The most that it could have, if all others gave back whatever they have not spent."""
        return self.total - sum(spent for other, spent in self._spent.items() if other != worker)
