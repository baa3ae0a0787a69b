"""The arithmetic of a scenario: what it asks for, what the limits of its tier make of that, what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from math import ceil

from bench.planning.bounds import closed_form, pools_of
from bench.planning.demand import Asked, Demand, demand_of
from bench.planning.explain_tier import source_of
from bench.planning.rates import LIMITER_WORDS, LITTLE, RULES, allowed, binding, in_flight, smallest, whole
from bench.results.cost import prices_as_of, standard_prices
from bench.results.explanation import Explanation, Part, Statement
from bench.results.format import count, dollars, number, seconds, share, three
from bench.results.plan import BINDING, Bound, ClosedForm
from bench.results.summarize import MONTH
from bench.scenario.batches import unfit_for_batches
from bench.scenario.model import Scenario, Strategy
from bench.scenario.strategies import Batching
from bench.targets.target import mock_settings
from mock_server.profile import AS_OF
from mock_server.tiers import Tier, find_tier, tier_above


@dataclass(frozen=True, slots=True)
class _Subject:
    """One case of a scenario, and what was worked out of it."""

    scenario: Scenario
    demand: Demand
    tier: Tier
    day: date

    def bounds(self, tier: Tier, strategy: Strategy | None = None) -> ClosedForm:
        """Of a strategy; left out, of one that holds nothing back, so that only limits and arrivals do."""
        settings = mock_settings(self.scenario)
        everything = Strategy(name="everything", kind="gather", retry=self.scenario.retry)
        return closed_form(
            self.demand,
            strategy or everything,
            tier,
            burst=settings.burst,
            batch_time=settings.batch_time,
            seed=self.scenario.seed,
        )

    @property
    def pools(self) -> Iterator[tuple[str, Asked, dict[str, float]]]:
        """By the limits they share: the models, what they are asked, and how much of that a minute lets through."""
        yield from self.pools_of(self.tier)

    def pools_of(self, tier: Tier) -> Iterator[tuple[str, Asked, dict[str, float]]]:
        """The same on another tier."""
        for models in pools_of(self.demand.asked, tier).values():
            asked = self.demand.of(models)
            each = {limiter: units / asked.requests for limiter, units in asked.drawn.items()}
            yield ", ".join(models), asked, allowed(tier.limits_of(models[0]), each)

    @property
    def file(self) -> str:
        """Where its sizes are from."""
        name = self.scenario.source.name if self.scenario.source else self.scenario.name
        drawn = "" if self.demand.exact else f", from {number(self.demand.looked_at)} of its requests"
        return f"{name}, seed {self.scenario.seed}{drawn}"

    @property
    def times(self) -> str:
        """Where the times of its answers are from."""
        latency = self.scenario.mock.latency
        if latency.profile is not None:
            return f"latency profile {latency.profile.name}"
        if latency.service_time is not None or (latency.ttft is not None and latency.tokens_per_second is not None):
            return f"{self.file.partition(',')[0]}: mock.latency"
        return f"presets of the mock, {AS_OF.isoformat()}: medians from sources that differ by 2 to 5 times"


def explain_scenario(scenario: Scenario, day: date) -> Explanation:
    """What each case of a scenario comes to on its tier, at the prices of that day (UTC), by arithmetic alone.

    Raises UsageError where the scenario cannot be played.
    """
    cases = [(case, _subject(variant, day)) for case, variant in scenario.variants]
    return Explanation(
        scenario.name,
        "scenario",
        tuple(_answer(scenario.name if case is None else f"{scenario.name}, {case}", one) for case, one in cases),
        tuple(part for case, one in cases for part in _parts("" if case is None else f"{case}: ", one)),
    )


def _subject(scenario: Scenario, day: date) -> _Subject:
    return _Subject(scenario, demand_of(scenario), find_tier(scenario.tier), day)


def _parts(case: str, one: _Subject) -> Iterator[Part]:
    yield Part(f"{case}What it asks for", tuple(_asks(one)))
    yield Part(f"{case}What the limits of {one.tier.name} make of it", tuple(_limits(one)))
    yield Part(f"{case}How many in flight", tuple(_in_flight(one)))
    yield Part(f"{case}What its strategies cannot be faster than", tuple(_strategies(one)))
    yield Part(f"{case}What it costs", tuple(_money(one)))
    yield Part(f"{case}The next tier up", tuple(_above(one)))


def _answer(name: str, one: _Subject) -> str:
    demand, form, cost = one.demand, one.bounds(one.tier), one.demand.cost(one.day)
    words = f"{name}: {count(round(demand.requests), 'request')}, {_tokens(demand)}; on {one.tier.name} it cannot be "
    words += f"done before {seconds(form.makespan)}, because of {BINDING[form.binds]}"
    return words + ("." if cost is None else f", and costs {dollars(cost)}.")


def _tokens(demand: Demand) -> str:
    asked = demand.asked.values()
    return (
        f"{whole(sum(each.input_tokens for each in asked))} input and "
        f"{whole(sum(each.output_tokens for each in asked))} output tokens"
    )


def _asks(one: _Subject) -> Iterator[Statement]:
    demand, file = one.demand, one.file
    for model, asked in demand.asked.items():
        n = asked.requests
        yield Statement(f"{count(round(n), 'request')} to {model}.", value=n, unit="count", sources=(file,))
        words = f"{whole(asked.input_tokens)} input tokens count on the limit, {whole(asked.input_tokens / n)} each."
        formula = f"{whole(asked.input_tokens)} / {whole(n)}"
        yield Statement(words, formula, asked.input_tokens, "tokens", (file,))
        if asked.cache_read:
            words = f"{whole(asked.cache_read)} more are read from the cache, which does not count."
            yield Statement(words, value=asked.cache_read, unit="tokens", sources=(file, RULES))
        words = f"{whole(asked.output_tokens)} output tokens, {whole(asked.output_tokens / n)} each; max_tokens would "
        words += f"allow {whole(asked.max_tokens)}."
        formula = f"{whole(asked.output_tokens)} / {whole(n)}"
        yield Statement(words, formula, asked.output_tokens, "tokens", (file,))
    if demand.requests:
        words = (
            f"An answer takes {seconds(demand.mean_service)} on average; all together {seconds(demand.service_time)}."
        )
        formula = f"{whole(demand.service_time)} s / {whole(demand.requests)}"
        yield Statement(words, formula, demand.mean_service, "s", (one.times,))
    if demand.span:
        rate = demand.requests / demand.span * 60
        words = f"The last one comes after {seconds(demand.span)} if nobody has to wait: {whole(rate)} a minute."
        yield Statement(words, f"{whole(demand.requests)} / {seconds(demand.span)}", rate, "1/min", (file,))


def _limits(one: _Subject) -> Iterator[Statement]:
    form = one.bounds(one.tier)
    for bound in form.bounds:
        if bound.per_minute is not None and bound.demand is not None:
            yield from _limit(bound, one)
        elif bound.name == "arrivals":
            words = f"If nobody had to wait, the last answer would be there after {seconds(bound.seconds)}."
            yield Statement(words, value=bound.seconds, unit="s", sources=(one.file, one.times))
        elif bound.name == "answers" and bound.seconds:
            words = f"The longest answer takes {seconds(bound.seconds)}."
            yield Statement(words, value=bound.seconds, unit="s", sources=(one.file, one.times))
    if len(form.bounds) == 1:
        yield Statement("It has no limits.", sources=(source_of(one.tier),))
    words = f"So it cannot be done before {seconds(form.makespan)}, because of {BINDING[form.binds]}."
    later = [seconds(bound.seconds) for bound in form.bounds if bound.seconds]
    formula, sources = (f"max({'; '.join(later)})", ()) if len(later) > 1 else ("", (one.file, one.times))
    yield Statement(words, formula, form.makespan, "s", sources)


def _limit(bound: Bound, one: _Subject) -> Iterator[Statement]:
    assert bound.demand is not None
    assert bound.per_minute is not None
    assert bound.burst is not None
    name = LIMITER_WORDS[bound.name].capitalize() + (f" of {bound.pool}" if bound.pool else "")
    alone = bound.demand / bound.per_minute * 60
    words = f"{name}: {whole(bound.demand)} at {whole(bound.per_minute)} a minute are {seconds(alone)} of the limit."
    formula = f"{whole(bound.demand)} / {whole(bound.per_minute)} a minute"
    yield Statement(words, formula, alone, "s", (source_of(one.tier),))
    if not bound.seconds:
        words = f"All of it fits into what need not be waited for, {whole(bound.burst)}."
        yield Statement(words, sources=(_burst(one),))
        return
    words = f"{whole(bound.burst)} need not be waited for; the last goes after the rest, and is answered by "
    words += f"{seconds(bound.seconds)}."
    yield Statement(words, _after_burst(bound, one), bound.seconds, "s", (_burst(one),))


def _burst(one: _Subject) -> str:
    held = f"a full bucket holds {seconds(one.scenario.mock.burst)} of its limit, which is not published"
    return f"mock.burst: {held}; output tokens of answers that still run are not waited for"


def _in_flight(one: _Subject) -> Iterator[Statement]:
    pools = list(one.pools)
    for models, asked, rates in pools:
        whose = f" to {models}" if len(pools) > 1 else ""
        if not rates:
            yield Statement(f"Nothing limits how many requests{whose} are in flight.", sources=(source_of(one.tier),))
            continue
        rate, took = min(rates.values()), float(asked.service.mean())
        words = f"A minute lets through {whole(rate)} such requests{whose}; {binding(rates)} bind."
        yield Statement(words, smallest(rates), rate, "1/min", (source_of(one.tier),))
        flying = in_flight(rate, took)
        words = f"At {seconds(took)} each, {whole(flying)} in flight use all of it: rate x time."
        yield Statement(words, f"{whole(rate)} / 60 x {seconds(took)}", flying, "count", (LITTLE,))
    if one.demand.span:
        come = one.demand.requests / one.demand.span * 60
        if len(pools) == 1 and (rates := pools[0][2]):
            rate = min(rates.values())
            words = f"They come at {share(come / rate)} of what a minute lets through."
            yield Statement(words, f"{whole(come)} / {whole(rate)}", come / rate, "share")
        flying = in_flight(come, one.demand.mean_service)
        words = f"As they come, {whole(come)} a minute, {whole(flying)} are in flight if nobody has to wait."
        yield Statement(words, f"{whole(come)} / 60 x {seconds(one.demand.mean_service)}", flying, "count", (LITTLE,))


def _strategies(one: _Subject) -> Iterator[Statement]:
    for strategy in one.scenario.strategies:
        form = one.bounds(one.tier, strategy)
        first = form.bounds[0]
        why, formula, sources = _because(first, form, one)
        if strategy.kind == "hybrid" and strategy.batch is not None and strategy.batch.share is None:
            why, formula, sources = "if all of it goes live, as much as there is of it", "", (one.file,)
        yield Statement(f"{strategy.name}: {seconds(first.seconds)}, {why}.", formula, first.seconds, "s", sources)


def _because(bound: Bound, form: ClosedForm, one: _Subject) -> tuple[str, str, tuple[str, ...]]:
    """Why a strategy is not faster: in words, its formula and its sources."""
    why, demand = f"because of {BINDING[bound.name]}", one.demand
    match bound.name:
        case "in_flight":
            rounds = ceil(demand.requests / form.in_flight)
            if rounds * demand.shortest > demand.service_time / form.in_flight:
                return why, f"{number(rounds)} rounds x {seconds(demand.shortest)}", ()
            return why, f"{whole(demand.service_time)} s / {whole(form.in_flight)}", ()
        case "arrivals" | "answers":
            return why, "", (one.file, one.times)
        case "batches" | "batch_queue":
            return why, "", ("mock.batch_time: most batches end within an hour, more is not published",)
    if bound.keeps == "strategy":
        why += ", which it keeps itself"
    return why, _after_burst(bound, one), (source_of(one.tier),)


def _after_burst(bound: Bound, one: _Subject) -> str:
    wanted, held, rate = bound.demand or 0.0, bound.burst or 0.0, bound.per_minute or 0.0
    return f"({whole(wanted)} - {whole(held)}) / {whole(rate)} a minute + {seconds(one.demand.mean_service)}"


def _money(one: _Subject) -> Iterator[Statement]:
    demand, day, prices = one.demand, one.day, prices_as_of()
    cost, worst, batched = demand.cost(day), demand.worst_cost(day), demand.cost(day, batched=True)
    if cost is None or worst is None:
        unknown = [model for model, each in demand.asked.items() if Demand({model: each}, 0, 0, 0).cost(day) is None]
        yield Statement(f"No price is known for {', '.join(unknown)}, so nothing can be said.", sources=(prices,))
        return
    yield Statement(f"One run costs {dollars(cost)}.", _priced(one), cost, "USD", (prices,))
    words = f"At worst {dollars(worst)}: every answer as long as max_tokens allows, nothing read from the cache."
    yield Statement(words, value=worst, unit="USD", sources=(prices,))
    if batched is not None and _fits_batches(one.scenario):
        words = f"As message batches {dollars(batched)}, {share(batched / cost)} of that, with answers within 24 hours."
        yield Statement(words, value=batched, unit="USD", sources=(prices,))
    if one.tier.spend_cap_usd is not None:
        cap = one.tier.spend_cap_usd
        words = f"That is {share(cost / cap)} of the {dollars(cap)} a month that {one.tier.name} allows."
        yield Statement(words, f"{dollars(cost)} / {dollars(cap)}", cost / cap, "share", (source_of(one.tier),))
    if one.scenario.volume is not None:
        month = one.scenario.volume * MONTH
        each = cost / demand.requests
        words = f"At {whole(month)} requests a month it costs {dollars(each * month)} a month."
        yield Statement(words, f"{dollars(each)} x {whole(month)}", each * month, "USD", (f"{one.file}: volume",))


def _fits_batches(scenario: Scenario) -> bool:
    """Whether nobody waits for its answers."""
    through = Strategy(name="batch", kind="batch", batch=Batching(), retry=scenario.retry)
    return not any(unfit_for_batches(scenario.model_copy(update={"strategies": (through,)})))


def _priced(one: _Subject) -> str:
    """Tokens times prices; empty where a price depends on how long a prompt is."""
    terms = []
    for model, asked in one.demand.asked.items():
        prices = standard_prices(model, one.day)
        if prices is None or len(prices.rates) > 1:
            return ""
        tokens = asked.tokens.sum(axis=0) * asked.weight
        rates = prices.rates[0]
        terms += [f"{whole(n)} x {dollars(rate * 1e6)}" for n, rate in zip(tokens, rates, strict=True) if n]
    return f"({' + '.join(terms)}) / 1,000,000"


def _above(one: _Subject) -> Iterator[Statement]:
    higher = tier_above(one.tier.name)
    if higher is None:
        yield Statement("None is published above it; more is arranged with an account team.", sources=(RULES,))
        return
    here, there = one.bounds(one.tier), one.bounds(higher)
    words = f"On {higher.name} it cannot be done before {seconds(there.makespan)}, because of {BINDING[there.binds]}"
    words += "." if there.makespan == here.makespan else f": {three(here.makespan / there.makespan)} times as fast."
    yield Statement(words, "", there.makespan, "s", (source_of(higher),))
    for models, asked, rates in one.pools_of(higher):
        if rates:
            rate = min(rates.values())
            flying = in_flight(rate, float(asked.service.mean()))
            words = f"A minute lets through {whole(rate)} requests to {models}, with {whole(flying)} in flight."
            yield Statement(words, smallest(rates), rate, "1/min", (source_of(higher),))
    if higher.spend_cap_usd is not None:
        words = f"Its cap is {dollars(higher.spend_cap_usd)} a month."
        yield Statement(words, value=higher.spend_cap_usd, unit="USD", sources=(source_of(higher),))
