"""What was paid for and not used: attempts that the service had taken on and that came to no answer of use.

An attempt that was refused is free, and a request of a batch that failed is not billed.  Any other that failed may have
been: one that timed out or fell silent, was cut, outrun or cancelled.  A client knows only what the stream had said of
its usage by then: the whole input, and output tokens as of its beginning.  So what is known is the least it can be; of
an attempt that said nothing, such as one that was not streamed, nothing is known, and it is counted apart.  But where a
hedged request had two attempts, the one that lost had the same prompt as the one that won, whose usage says its size.
"""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np

from bench.results.columns import CAUSE_NAMES, AttemptColumns, Columns, Ints, ended_by
from bench.results.cost import KINDS, standard_prices

_OUTRUN = CAUSE_NAMES.index("outrun")


class Waste(msgspec.Struct, frozen=True):
    """The waste of a pass, and what its hedges came to."""

    attempts: int = 0
    """Attempts that may have been billed and were not used."""
    silent: int = 0
    """Of these, those of whose use nothing is known."""
    tokens: int = 0
    """Of any kind, as far as is known."""
    cost: float | None = 0.0
    """Dollars, as far as is known; None when a price is not."""
    hedged: int = 0
    """Requests that were hedged."""
    hedges: int = 0
    """Hedges sent."""
    hedges_won: int = 0
    """Hedges that answered first."""
    hedge_cost: float | None = 0.0
    """Dollars for the losing attempts of hedged requests, as far as is known; None when a price is not."""


def waste_of(columns: Columns, day: date) -> Waste:
    """The waste of a pass at that day's prices."""
    attempts = columns.attempts
    sent = ~ended_by("unsent", of=attempts)
    unused = np.flatnonzero(~attempts.ok & sent & (attempts.status < 400) & ~attempts.batch)
    if not len(unused) and not attempts.hedge.any():
        return Waste()
    hedged = np.zeros(len(columns.requests), dtype=np.bool_)
    hedged[attempts.request[attempts.hedge]] = True
    lost = hedged[attempts.request[unused]] & (attempts.hedge[unused] | (attempts.cause[unused] == _OUTRUN))
    tokens = _tokens(attempts, unused)
    quiet = lost & (tokens.sum(axis=1) == 0)
    tokens[quiet] = _prompts(attempts, attempts.request[unused[quiet]])
    return Waste(
        attempts=len(unused),
        silent=int((tokens.sum(axis=1) == 0).sum()),
        tokens=int(tokens.sum()),
        cost=_cost(columns, unused, tokens, day),
        hedged=int(hedged.sum()),
        hedges=int(attempts.hedge.sum()),
        hedges_won=int((attempts.hedge & attempts.ok).sum()),
        hedge_cost=_cost(columns, unused[lost], tokens[lost], day),
    )


def _tokens(attempts: AttemptColumns, which: Ints) -> Ints:
    """A row for each of these attempts, a column for each kind of token."""
    return np.stack([getattr(attempts, kind)[which] for kind in KINDS], axis=1)


def _prompts(attempts: AttemptColumns, requests: Ints) -> Ints:
    """What the answered attempts of these requests took in; nothing where there is none."""
    answered = np.flatnonzero(attempts.ok & np.isin(attempts.request, requests))
    place = np.searchsorted(attempts.request[answered], requests)  # attempts stand in the order of their requests
    found = place < len(answered)
    found[found] = attempts.request[answered[place[found]]] == requests[found]
    tokens = np.zeros((len(requests), len(KINDS)), dtype=np.int64)
    tokens[found] = _tokens(attempts, answered[place[found]])
    tokens[:, KINDS.index("output_tokens")] = 0
    return tokens


def _cost(columns: Columns, which: Ints, tokens: Ints, day: date) -> float | None:
    """Dollars for the tokens of these attempts, a row each."""
    model = columns.requests.model[columns.attempts.request[which]]
    dollars = 0.0
    for code, name in enumerate(columns.models):
        prices = standard_prices(name, day)
        if prices is None:
            return None
        dollars += float(prices.by_kind(tokens[model == code]).sum())
    return dollars
