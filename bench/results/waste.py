"""What was paid for and not used: attempts that the service had taken on and that came to no answer of use.

An attempt that was refused is free, and a request of a batch that failed is not billed.  Any other that failed may have
been: one that timed out or fell silent, was cut, outrun or cancelled.  A client knows only what the stream had said of
its usage by then: the whole input, and output tokens as of its beginning.  So what is known is the least it can be; of
an attempt that said nothing, such as one that was not streamed, nothing is known, and it is counted apart.
"""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np

from bench.results.columns import CAUSE_NAMES, AttemptColumns, Bools, Columns, Ints
from bench.results.cost import KINDS, standard_prices

_OUTRUN = CAUSE_NAMES.index("outrun")


class Waste(msgspec.Struct, frozen=True):
    """The waste of a pass, and what its hedges came to."""

    attempts: int = 0
    """Attempts that may have been billed and were not used."""
    silent: int = 0
    """Of these, those that did not say what they used."""
    tokens: int = 0
    """Of any kind, as far as was said."""
    cost: float | None = 0.0
    """Dollars, as far as was said; None when a price is not known."""
    hedged: int = 0
    """Requests that were hedged."""
    hedges: int = 0
    """Hedges sent."""
    hedges_won: int = 0
    """Hedges that answered first."""
    hedge_cost: float | None = 0.0
    """Dollars for the losing attempts of hedged requests, as far as was said; None when a price is not known."""


def waste_of(columns: Columns, day: date) -> Waste:
    """The waste of a pass at that day's prices."""
    attempts = columns.attempts
    unused = _unused(attempts)
    if not unused.any() and not attempts.hedge.any():
        return Waste()
    used = _tokens(attempts, unused)
    hedged = np.zeros(len(columns.requests), dtype=np.bool_)
    hedged[attempts.request[attempts.hedge]] = True
    lost = unused & hedged[attempts.request] & (attempts.hedge | (attempts.cause == _OUTRUN))
    return Waste(
        attempts=int(unused.sum()),
        silent=int((used.sum(axis=1) == 0).sum()),
        tokens=int(used.sum()),
        cost=_cost(columns, unused, day),
        hedged=int(hedged.sum()),
        hedges=int(attempts.hedge.sum()),
        hedges_won=int((attempts.hedge & attempts.ok).sum()),
        hedge_cost=_cost(columns, lost, day),
    )


def _unused(attempts: AttemptColumns) -> Bools:
    """Which attempts may have been billed for nothing."""
    unused: Bools = ~attempts.ok & (attempts.status < 400) & ~attempts.batch
    return unused


def _tokens(attempts: AttemptColumns, which: Bools) -> Ints:
    """A row for each of these attempts, a column for each kind of token."""
    return np.stack([getattr(attempts, kind)[which] for kind in KINDS], axis=1)


def _cost(columns: Columns, which: Bools, day: date) -> float | None:
    tokens, model = _tokens(columns.attempts, which), columns.requests.model[columns.attempts.request[which]]
    dollars = 0.0
    for code, name in enumerate(columns.models):
        prices = standard_prices(name, day)
        if prices is None:
            return None
        dollars += float(prices.by_kind(tokens[model == code]).sum())
    return dollars
