"""What the same work would have cost otherwise: in a batch, without the cache, from another model.  Estimates, and so
called: the same prompts and answers at list prices, nothing retried, nothing lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import numpy as np

from bench.results.columns import Columns, Ints
from bench.results.cost import KINDS, Prices, batch_prices, standard_prices
from bench.results.summary import Alternative
from mock_server.models import chars_per_token

OTHERS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-2")
"""The newest model of each family (model overview, 2026-10-10)."""

_CACHED = [KINDS.index(kind) for kind in ("cache_read", "cache_write_5m", "cache_write_1h")]
_INPUT = KINDS.index("input_tokens")


def alternatives(columns: Columns, day: date) -> tuple[Alternative, ...]:
    """The work of a pass at other prices, for all its requests that succeeded.  Nothing where no price is known."""
    return tuple(_alternatives(columns, day))


def _alternatives(columns: Columns, day: date) -> Iterator[Alternative]:
    attempts = columns.attempts
    tokens = np.stack([getattr(attempts, kind) for kind in KINDS], axis=1)[attempts.ok]
    model = columns.requests.model[attempts.request][attempts.ok]
    batch = attempts.batch[attempts.ok]

    def total(prices: Callable[[str], Prices | None], counts: Ints) -> float | None:
        return _total(columns.models, model, counts, prices)

    if not batch.all() and (cost := total(lambda name: batch_prices(name, day), tokens)) is not None:
        yield Alternative("as message batches", cost, "half price, and up to 24 hours")
    if batch.any() and (cost := total(lambda name: standard_prices(name, day), tokens)) is not None:
        yield Alternative("live, not in batches", cost, "answers at once, at the standard price")
    if (
        tokens[:, _CACHED].any()
        and (cost := total(lambda name: standard_prices(name, day), _uncached(tokens))) is not None
    ):
        yield Alternative("without the prompt cache", cost, "every token of input at the price of one not cached")
    if len(columns.models) == 1:
        yield from _other_models(columns.models[0], tokens, day)


def _total(
    names: tuple[str, ...], model: Ints, tokens: Ints, prices_of: Callable[[str], Prices | None]
) -> float | None:
    cost = 0.0
    for code, name in enumerate(names):
        prices = prices_of(name)
        if prices is None:
            return None
        cost += float(prices.by_kind(tokens[model == code]).sum())
    return cost


def _uncached(tokens: Ints) -> Ints:
    moved = tokens.copy()
    moved[:, _INPUT] += tokens[:, _CACHED].sum(axis=1)
    moved[:, _CACHED] = 0
    return moved


def _other_models(own: str, tokens: Ints, day: date) -> Iterator[Alternative]:
    for name in OTHERS:
        prices = standard_prices(name, day)
        if name == own or prices is None:
            continue
        longer = chars_per_token(own) / chars_per_token(name)
        cost = float(prices.by_kind(np.rint(tokens * longer).astype(np.int64)).sum())
        same = "the same number of tokens"
        yield Alternative(
            f"with {name}", cost, same if longer == 1 else f"{longer:.2g} times the tokens for the same text"
        )
