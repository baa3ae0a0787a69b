"""What tokens cost, in US dollars, from the price table that `genai-prices` carries.  Nothing is fetched.

A model that the table does not know costs None, never 0.  Asking the table takes about 0.1 ms, too long for each of
100,000 requests; so a model's unit prices are asked for once per length of prompt and the rest is multiplication.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from bench.results.columns import Columns, Floats, Ints
from bench.results.record import Usage
from bench.results.summary import Cost

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

KINDS = Usage.__struct_fields__[:5]
"""The kinds of token that are priced, in the order of `Usage`; thinking is part of the output."""

_OUTPUT = KINDS.index("output_tokens")

_COMPARED = {"0.2.3": date(2026, 10, 8)}
"""Versions of genai-prices held against the API's own price page, and the date of that page.

The package states no date itself: neither its metadata nor its data says when prices were last looked up.
"""

UNKNOWN = Cost(total=None, input=None, cache_write=None, cache_read=None, output=None)
"""The cost of what has no known price."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Unit prices of one model."""

    above: tuple[int, ...]
    """A prompt of more tokens than this, cached ones included, pays the rates at the same place; the first is 0."""
    rates: tuple[tuple[float, ...], ...]
    """US dollars per token, for each of `KINDS`."""

    def of(self, usage: Usage) -> float:
        """What one attempt cost."""
        rates = self.rates[0] if len(self.rates) == 1 else self.rates_of(usage.total_input)
        return (
            usage.input_tokens * rates[0]
            + usage.output_tokens * rates[1]
            + usage.cache_read * rates[2]
            + usage.cache_write_5m * rates[3]
            + usage.cache_write_1h * rates[4]
        )

    def rates_of(self, prompt: int) -> tuple[float, ...]:
        """US dollars per token, for each of `KINDS`, where the whole prompt has so many tokens."""
        return self.rates[bisect_left(self.above, prompt, lo=1) - 1]

    def by_kind(self, tokens: Ints) -> Floats:
        """What many attempts, a row each with a column for each of `KINDS`, cost by kind.  Counts are summed first."""
        prompt = tokens.sum(axis=1) - tokens[:, _OUTPUT]
        bracket = np.searchsorted(self.above[1:], prompt, side="left")
        sums = np.stack([tokens[bracket == i].sum(axis=0) for i in range(len(self.above))])
        return np.asarray((sums * np.asarray(self.rates)).sum(axis=0))


def prices_as_of() -> str:
    """Which prices are in use and, where known, the date of the page they were held against."""
    installed = version("genai-prices")
    compared = _COMPARED.get(installed)
    if compared is None:
        return f"genai-prices {installed}, which gives no date"
    return f"genai-prices {installed}, equal to the price page of {compared.isoformat()}"


@lru_cache(maxsize=64)
def standard_prices(model: str, day: date) -> Prices | None:
    """Prices of ordinary requests sent that day (UTC); None for a model without a known price."""
    return _prices(model, day, {})


@lru_cache(maxsize=64)
def batch_prices(model: str, day: date) -> Prices | None:
    """Prices inside a message batch; None where they are not known.

    For days and models without a batch price (before 2026-10-14, Opus 4.1) the table answers silently with the
    standard price.  Batches are half price, so a batch price equal to the standard price is taken as not known.
    """
    prices = _prices(model, day, {"processing": "batch"})
    return None if prices == standard_prices(model, day) else prices


def cost_of(columns: Columns, day: date) -> Cost:
    """What all attempts of a pass cost that day, those in batches at batch prices; all None if a price is not known."""
    attempts = columns.attempts
    tokens = np.stack([getattr(attempts, kind) for kind in KINDS], axis=1)
    model = columns.requests.model[attempts.request]
    spent = np.zeros(len(KINDS))
    for code, name in enumerate(columns.models):
        for batched in (False, True):
            chosen = (model == code) & (attempts.batch == batched)
            if not chosen.any():
                continue
            prices = prices_of(name, day, batched=batched)
            if prices is None:
                return UNKNOWN
            spent += prices.by_kind(tokens[chosen])
    kind = dict(zip(KINDS, map(float, spent), strict=True))
    return Cost(
        total=float(spent.sum()),
        input=kind["input_tokens"],
        cache_write=kind["cache_write_5m"] + kind["cache_write_1h"],
        cache_read=kind["cache_read"],
        output=kind["output_tokens"],
        cache_saving=_saving(columns, day, float(spent.sum())),
    )


def _saving(columns: Columns, day: date, spent: float) -> float | None:
    """What the cache saved: negative where writing to it cost more than reading from it saved."""
    attempts = columns.attempts
    cached = attempts.cache_read + attempts.cache_write_5m + attempts.cache_write_1h
    if not cached.any():
        return None
    none = np.zeros_like(cached)
    plain = replace(
        attempts,
        input_tokens=attempts.input_tokens + cached,
        cache_read=none,
        cache_write_5m=none,
        cache_write_1h=none,
    )
    uncached = cost_of(replace(columns, attempts=plain), day).total
    return None if uncached is None else uncached - spent


_WRITES = {None: "input_tokens", "5m": "cache_write_5m", "1h": "cache_write_1h"}


def prices_of(model: str, day: date, *, batched: bool) -> Prices | None:
    """Prices of requests sent that day, in a message batch or by themselves; None where they are not known."""
    return batch_prices(model, day) if batched else standard_prices(model, day)


def worst_case(
    model: str, input_tokens: int, max_tokens: int, day: date, cache: str | None = None, *, batched: bool = False
) -> float | None:
    """The most one request can cost if it is answered in full and nothing of it is cached yet; None if unknown.

    `cache` is for how long it asks the API to keep what it sends, which costs more than sending alone.
    """
    prices = prices_of(model, day, batched=batched)
    return None if prices is None else prices.of(Usage(**{_WRITES[cache]: input_tokens, "output_tokens": max_tokens}))


def by_price(models: Iterable[str], day: date) -> tuple[str, ...]:
    """Models by what a thousand input and a thousand output tokens cost that day; those without a price last."""

    def price(model: str) -> float:
        prices = standard_prices(model, day)
        return math.inf if prices is None else prices.of(Usage(input_tokens=1000, output_tokens=1000))

    return tuple(sorted(models, key=price))


def _prices(model: str, day: date, context: Mapping[str, str]) -> Prices | None:
    try:
        above = (0, *_steps(_ask(model, day, context, Usage(input_tokens=1))))
    except LookupError:
        return None
    return Prices(above, tuple(tuple(_rate(model, day, context, kind, start + 1) for kind in KINDS) for start in above))


def _rate(model: str, day: date, context: Mapping[str, str], kind: str, prompt: int) -> float:
    """Dollars per token of one kind in a prompt of this many tokens."""
    if kind == "output_tokens":
        answer = _ask(model, day, context, Usage(input_tokens=prompt, output_tokens=prompt))
        return float(answer.output_price / prompt)
    return float(_ask(model, day, context, Usage(**{kind: prompt})).input_price / prompt)


def _steps(answer: PriceCalculation) -> list[int]:
    """Lengths of prompt beyond which a price of the model changes."""
    from genai_prices.types import TieredPrices

    prices = vars(answer.model_price).values()
    return sorted({tier.start for price in prices if isinstance(price, TieredPrices) for tier in price.tiers})


def _ask(model: str, day: date, context: Mapping[str, str], usage: Usage) -> PriceCalculation:
    """Ask genai-prices, whose `input_tokens` are all of the input.  LookupError for an unknown model."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    return calc_price(
        Tokens(
            input_tokens=usage.total_input,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
            cache_write_5m_tokens=usage.cache_write_5m,
            cache_write_1h_tokens=usage.cache_write_1h,
        ),
        model,
        provider_id="anthropic",
        genai_request_timestamp=datetime.combine(day, time.min, UTC),
        price_context=dict(context),
    )
