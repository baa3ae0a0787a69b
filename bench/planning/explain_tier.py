"""The arithmetic of a tier: what its limits mean for requests of one size, and what its spend cap buys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from bench.planning.rates import LIMITER_WORDS, LITTLE, RULES, allowed, binding, in_flight, smallest, whole
from bench.results.cost import Prices, batch_prices, prices_as_of, standard_prices
from bench.results.explanation import Explanation, Part, Statement
from bench.results.format import dollars, number, seconds, three
from bench.results.record import Usage
from mock_server.latency import PLAIN_PROMPT
from mock_server.models import MODELS, describe
from mock_server.profile import AS_OF, PRESETS, median
from mock_server.tiers import Limits, Tier, tier_above


@dataclass(frozen=True, slots=True)
class Size:
    """What one request is like."""

    input_tokens: int
    """Not read from the cache."""
    output_tokens: int
    latency: float | None
    """Seconds an answer takes; None is the mock's preset for the model's family."""
    model: str

    @property
    def words(self) -> str:
        """As a sentence names it."""
        return f"{number(self.input_tokens)} input and {number(self.output_tokens)} output tokens"

    @property
    def each(self) -> dict[str, float]:
        """What one takes of each limit."""
        return {"requests": 1, "input_tokens": self.input_tokens, "output_tokens": self.output_tokens}


def explain_tier(tier: Tier, size: Size, day: date) -> Explanation:
    """What a tier comes to for requests of this size, at the prices of that day (UTC)."""
    parts = (
        Part("What it is", tuple(_tier(tier))),
        Part("What a minute allows", tuple(_limits(tier))),
        Part(f"Requests of {size.words} to {size.model}", tuple(_size(tier, size))),
        Part("What the monthly spend cap buys", tuple(_money(tier, size, day))),
        Part("The next tier up", tuple(_above(tier, size))),
    )
    return Explanation(tier.name, "tier", (_answer(tier, size, day),), parts)


def source_of(tier: Tier) -> str:
    """Where a tier's numbers are from, and of which day."""
    return f"{tier.source}, {tier.as_of.isoformat()}"


def _answer(tier: Tier, size: Size, day: date) -> str:
    rates, own = allowed(tier.limits_of(size.model), size.each), standard_prices(size.model, day)
    what = f"requests of {size.words} to {size.model}"
    if not rates:
        return f"{tier.name} sets no limit to {what}."
    rate = min(rates.values())
    words = f"{tier.name} lets through {whole(rate)} {what} a minute, bound by {binding(rates)}"
    words += f": {whole(in_flight(rate, _latency(size)))} in flight where one takes {seconds(_latency(size))}"
    if tier.spend_cap_usd is None or own is None:
        return f"{words}."
    return f"{words}; its {dollars(tier.spend_cap_usd)} a month buy {whole(tier.spend_cap_usd / _cost(own, size))}."


def _tier(tier: Tier) -> Iterator[Statement]:
    yield Statement(f"{tier.name}: {tier.meaning}.", sources=(source_of(tier),))
    yield Statement(
        "Every limit is a ceiling, not a promise. It is a token bucket that refills all the time, kept for a whole "
        "organisation and each class of models by itself.",
        sources=(RULES,),
    )
    yield Statement(
        "Requests count when they start. Input tokens count without those read from the cache. Output tokens count "
        "as they are produced, whatever max_tokens says.",
        sources=(RULES,),
    )


def _limits(tier: Tier) -> Iterator[Statement]:
    source = source_of(tier)
    for limits, classes in _classes(tier).items():
        yield Statement(f"{classes}: {_per_minute(limits)}.", _per_second(limits), sources=(source,))
    if tier.batch_requests is not None:
        queue = f", {number(tier.batch_queue)} requests waiting in them" if tier.batch_queue is not None else ""
        words = f"Message batches, all models together: {number(tier.batch_requests)} calls{queue}."
        yield Statement(words, value=tier.batch_requests, unit="1/min", sources=(source,))
    if tier.token_counts is not None:
        words = f"Counting tokens, which is free: {number(tier.token_counts)} calls."
        yield Statement(words, value=tier.token_counts, unit="1/min", sources=(source,))


def _classes(tier: Tier) -> dict[Limits, str]:
    """The classes of models by what they may use; those of the most last, together."""
    found: dict[Limits, list[str]] = {}
    models = [*tier.pools] or [*MODELS]
    for name in models:
        pools = found.setdefault(tier.limits_of(name), [])
        if tier.pool(name) not in pools:
            pools.append(tier.pool(name))
    if tier.pools:
        found.setdefault(tier.default, []).append("every other model")
    return {limits: "Every model" if len(found) == 1 else ", ".join(pools) for limits, pools in found.items()}


def _per_minute(limits: Limits) -> str:
    if not any(limits):
        return "no limit"
    return ", ".join(
        f"{number(limit)} {LIMITER_WORDS[name]}" for name, limit in limits._asdict().items() if limit is not None
    )


def _per_second(limits: Limits) -> str:
    known = [(limit, LIMITER_WORDS[name]) for name, limit in limits._asdict().items() if limit is not None]
    a_second = ", ".join(f"{number(limit)} / 60 = {whole(limit / 60)} {name}" for limit, name in known)
    return f"{a_second} a second" if known else ""


def _size(tier: Tier, size: Size) -> Iterator[Statement]:
    limits = tier.limits_of(size.model)
    rates = allowed(limits, size.each)
    if not rates:
        yield Statement(f"Nothing limits {size.model} here.", sources=(source_of(tier),))
        return
    for limiter, rate in rates.items():
        formula = f"{number(getattr(limits, limiter))} / {number(size.each[limiter])}"
        yield Statement(f"{LIMITER_WORDS[limiter].capitalize()} allow {whole(rate)}.", formula, rate, "1/min")
    rate = min(rates.values())
    words = f"So {whole(rate)} fit into a minute, {whole(rate / 60)} into a second; {binding(rates)} bind."
    yield Statement(words, smallest(rates), rate, "1/min")
    took = _latency(size)
    yield _takes(size)
    flying = in_flight(rate, took)
    words = f"Then {whole(flying)} are in flight: rate x time. Fewer leave some of the limit unused, more are refused."
    yield Statement(words, f"{whole(rate)} / 60 x {seconds(took)}", flying, "count", (LITTLE,))
    words = (
        f"How much of it may go in one instant is not published: between {whole(max(1.0, rate / 60))}, a second of the "
        f"limit, and {whole(rate)}, all of its minute."
    )
    yield Statement(words, sources=(RULES,))


def _takes(size: Size) -> Statement:
    took = _latency(size)
    if size.latency is not None:
        return Statement(f"One takes {seconds(took)}.", "", took, "s", ("as given with --latency",))
    speed = PRESETS[describe(size.model).family]
    first, rate = median(speed.ttft), median(speed.tokens_per_second)
    longer = max(0, size.input_tokens - PLAIN_PROMPT)
    formula = f"{three(first)} s + ({number(size.output_tokens)} - 1) / {three(rate)}"
    formula += f" + {three(longer / 1_000)} x {three(speed.prefill)} s" if longer and speed.prefill else ""
    source = f"presets of the mock, {AS_OF.isoformat()}: medians from sources that differ by 2 to 5 times"
    return Statement(
        f"One takes {seconds(took)}, as a guess: give yours with --latency.", formula, took, "s", (source,)
    )


def _latency(size: Size) -> float:
    """Seconds from the send to the last token, with nothing drawn: at the medians."""
    if size.latency is not None:
        return size.latency
    speed = PRESETS[describe(size.model).family]
    longer = max(0, size.input_tokens - PLAIN_PROMPT) / 1_000 * speed.prefill
    return median(speed.ttft) + longer + (size.output_tokens - 1) / median(speed.tokens_per_second)


def _money(tier: Tier, size: Size, day: date) -> Iterator[Statement]:
    own, batched = standard_prices(size.model, day), batch_prices(size.model, day)
    if own is None:
        yield Statement(f"No price is known for {size.model}, so nothing can be said.", sources=(prices_as_of(),))
        return
    cost = _cost(own, size)
    yield Statement(f"One costs {dollars(cost)}.", _priced(own, size), cost, "USD", (prices_as_of(),))
    cap = tier.spend_cap_usd
    if cap is None:
        yield Statement("No cap is known for this tier.", sources=(source_of(tier),))
        return
    bought = cap / cost
    words = f"The cap of {dollars(cap)} a month buys {whole(bought)}."
    yield Statement(words, f"{dollars(cap)} / {dollars(cost)}", bought, "count", (source_of(tier),))
    if rates := allowed(tier.limits_of(size.model), size.each):
        rate = min(rates.values())
        words = f"At the full rate that is {seconds(bought / rate * 60)} of a month."
        yield Statement(words, f"{whole(bought)} / {whole(rate)} a minute", bought / rate * 60, "s")
    if batched is not None:
        half = _cost(batched, size)
        words = f"In message batches, at {dollars(half)} each, it buys {whole(cap / half)}."
        yield Statement(words, f"{dollars(cap)} / {dollars(half)}", cap / half, "count", (prices_as_of(),))


def _cost(prices: Prices, size: Size) -> float:
    return prices.of(Usage(input_tokens=size.input_tokens, output_tokens=size.output_tokens))


def _priced(prices: Prices, size: Size) -> str:
    """The formula of what one costs: of each token what one more of it does, in a prompt of this length."""
    rates = prices.rates_of(size.input_tokens)
    kinds = ((size.input_tokens, rates[0]), (size.output_tokens, rates[1]))
    return f"({' + '.join(f'{number(tokens)} x {dollars(rate * 1e6)}' for tokens, rate in kinds)}) / 1,000,000"


def _above(tier: Tier, size: Size) -> Iterator[Statement]:
    higher = tier_above(tier.name)
    if higher is None:
        words = "None is published above it. More is arranged with an account team: Request rate limit increase, on "
        yield Statement(f"{words}platform.claude.com/settings/limits.", sources=(RULES,))
        return
    before, after = (allowed(one.limits_of(size.model), size.each) for one in (tier, higher))
    was, now = min(before.values()), min(after.values())
    words = f"{higher.name} lets through {whole(now)} of these a minute, {three(now / was)} times as many; "
    words += f"{binding(after)} bind."
    yield Statement(words, smallest(after), now, "1/min", (source_of(higher),))
    if higher.spend_cap_usd is not None:
        words = f"Its cap is {dollars(higher.spend_cap_usd)} a month."
        yield Statement(words, value=higher.spend_cap_usd, unit="USD", sources=(source_of(higher),))
