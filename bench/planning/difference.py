"""Why the simulation of a job takes longer, or less long, than arithmetic says: in words, from what was seen in it."""

from __future__ import annotations

from collections.abc import Iterator

from bench.planning.demand import Demand
from bench.results.format import count, seconds, share
from bench.results.plan import ClosedForm
from bench.results.summary import PassSummary
from bench.scenario.model import Scenario, Strategy

WORTH_SAYING = 0.03
"""Share by which the two may differ without a word."""

LIMITS = ("requests", "input_tokens", "output_tokens")


def difference(simulated: float, form: ClosedForm) -> float | None:
    """Simulated over calculated, less one; None where nothing was to be done."""
    return simulated / form.makespan - 1 if form.makespan else None


def why(one: PassSummary, form: ClosedForm, demand: Demand, scenario: Scenario, strategy: Strategy) -> str:
    """The reasons, the weightiest first; empty where the two hardly differ."""
    makespan = one.values["makespan"] or 0.0
    found = difference(makespan, form)
    if found is None or abs(found) <= WORTH_SAYING:
        return ""
    sooner, later = _sooner(one, form, strategy), _later(one, form, demand, scenario, strategy)
    reasons = [*(sooner if found < 0 else later)]
    return "; ".join(reasons[:3])


def _sooner(one: PassSummary, form: ClosedForm, strategy: Strategy) -> Iterator[str]:
    if failed := int(one.values["failed"] or 0):
        yield f"{count(failed, 'request')} gave up, and what is not done takes no time"
    if one.values["unneeded"]:
        yield "answers that are not taken are given up before their end"
    if strategy.batch is not None:
        yield "what is not back from its batch in time goes live"
    if not failed and form.binds in LIMITS:
        yield "answers in flight overdrew the limit more than their mean length lets expect"


def _later(one: PassSummary, form: ClosedForm, demand: Demand, scenario: Scenario, strategy: Strategy) -> Iterator[str]:
    makespan = one.values["makespan"] or 0.0
    if strategy.batch is not None:
        yield from _of_batches(form, strategy, makespan)
    if scenario.mock.faults and (tried := one.values["attempts_per_request"] or 1.0) > 1.01:
        yield f"failures on purpose make it {tried:.2f} attempts a request, with waits between them"
    if strategy.adaptive is not None:
        yield "the strategy begins with few in flight and feels its way up"
    refused = int(one.values["rate_limited"] or 0)
    if refused and form.binds not in ("arrivals", "answers"):
        waited = one.distributions["throttle_wait"].mean or 0.0
        yield (
            f"{count(refused, '429')}, each with a retry-after of whole seconds in which the limit may go unused "
            f"(a request waits {seconds(waited)} on average)"
        )
    if form.binds in ("arrivals", "answers"):
        yield from _of_arrivals(one, form, makespan)
    tail = demand.longest - demand.mean_service
    if form.binds == "in_flight" and tail > 0:
        yield (
            f"at the end fewer than {form.in_flight:,.0f} are left in flight: the longest answer takes "
            f"{seconds(demand.longest)}, the mean one {seconds(demand.mean_service)}"
        )
    if form.binds in LIMITS:
        yield from _of_limits(form, demand, strategy, tail)


def _of_batches(form: ClosedForm, strategy: Strategy, makespan: float) -> Iterator[str]:
    assert strategy.batch is not None
    if strategy.kind == "hybrid" and strategy.batch.share is None:
        yield "it waits for its batches as long as the deadline allows, where all live would be done sooner"
        return
    cap = strategy.batch.poll.cap
    if form.binds == "batches" and makespan - form.makespan <= cap * 1.5:
        yield f"a batch that has ended is found when it is next looked at, every {seconds(cap)}"
    elif form.binds == "batches":
        yield "requests that expire or fail in a batch go into another one"


def _of_arrivals(one: PassSummary, form: ClosedForm, makespan: float) -> Iterator[str]:
    waited = one.distributions["queue_time"].mean or 0.0
    throttled = one.distributions["throttle_wait"].mean or 0.0
    used = [use for use in one.limits if (use.share or 0.0) > 0.8]
    if waited + throttled > 0.05 * (makespan - form.makespan) and used:
        most = max(used, key=lambda use: use.share or 0.0)
        yield (
            f"in bursts more arrives than the limit on {most.limiter.replace('_', ' ')} lets through: requests wait "
            f"{seconds(waited + throttled)} on average"
        )
    elif waited + throttled > 0:
        yield f"requests wait {seconds(waited + throttled)} on average before they are let through"


def _of_limits(form: ClosedForm, demand: Demand, strategy: Strategy, tail: float) -> Iterator[str]:
    bound = form.bounds[0]
    close = [other for other in form.bounds[1:] if other.seconds > 0.85 * form.makespan]
    if close:
        other = close[0].name.replace("_", " ")
        nearly = share(close[0].seconds / form.makespan)
        yield f"{other} nearly bind as well ({nearly} of the time), and the two take turns"
    if bound.name == "output_tokens" and strategy.pacer is None:
        yield "less is in flight at the end than could be, and so the output limit has to give more than that"
    if tail > 0.02 * form.makespan:
        yield (
            f"the last answers take longer than the mean: up to {seconds(demand.longest)} instead of "
            f"{seconds(demand.mean_service)}"
        )
