"""Before a run on the API: one tiny request to each model.  Does it answer, and are the limits those assumed?

What would fail every request of a run (a key, a model's name, an empty account) fails here, for next to nothing and
before anything is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from bench.clock import Clock, utc_now
from bench.clock import run as run_loop
from bench.engine.budget import certain
from bench.errors import BudgetError, Exit, TargetError, UsageError
from bench.request import RequestSpec
from bench.results.assumed import Difference, differences, named_by, right_tier
from bench.results.causes import CAUSES
from bench.results.folder import Aside
from bench.results.format import count, dollars, number, seconds
from bench.results.record import Attempt
from bench.scenario.model import Scenario
from bench.scenario.problems import nearest
from bench.spending import cost_of, worst_of
from bench.targets.client import Client
from bench.targets.target import open_target
from mock_server.models import MODELS
from mock_server.tiers import limits_for

TRIES = 3
"""For what passes with time; nothing that costs anything is tried again."""

_LONGEST_WAIT = 30.0
"""Wall-clock seconds between two of them, whatever the server asks for."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found.  Nothing of it is a record of the run; the budget counts it all the same."""

    spent: Aside = field(default_factory=Aside)
    answers: tuple[str, ...] = ()
    """What each model did, in words."""
    surprises: tuple[str, ...] = ()
    """Limits that are not those of the tier that was assumed, in words; none is as it should be."""

    def __str__(self) -> str:
        return f"Preflight: {', '.join(self.answers)}; {dollars(self.spent.dollars)}."


def offer(scenario: Scenario) -> str:
    """What is going to be sent, and what it costs at most."""
    specs = [_tiny(model) for model in sorted(scenario.models)]
    most = sum(worst_of(spec, utc_now().date()) for spec in specs)
    return f"Preflight: {count(len(specs), 'request')} of one token to {', '.join(sorted(scenario.models))}, " + (
        f"at most {dollars(most)}."
    )


def preflight(scenario: Scenario, say: Callable[[str], None]) -> Preflight:
    """Ask each model of a scenario on its target, and say what is not as it was assumed.

    Raises UsageError where the budget has no room for that, TargetError when nobody answers or a key or a model is
    refused, BudgetError when there is no money.
    """
    day = utc_now().date()
    specs = [_tiny(model) for model in sorted(scenario.models)]
    _refuse_small_budget(scenario, specs, day)
    # One case is as good as another: a key, a network and an address are common to all.
    with open_target(scenario) as target:

        async def ask() -> list[tuple[RequestSpec, list[Attempt]]]:
            clock = Clock()
            async with target.session(clock, 0) as session:
                return [(spec, await _asked(spec, session.client, clock)) for spec in specs]

        asked = run_loop(ask(), virtual=False)
    spent, answers, surprises = Aside(), [], list[str]()
    for spec, attempts in asked:
        model = spec.params["model"]
        for attempt in attempts:
            known = certain(cost_of(model, attempt, day), attempt)
            spent = spent.plus(1, worst_of(spec, day) if known is None else known)
        answers.append(f"{model} answered in {seconds(attempts[-1].ended - attempts[-1].sent)}")
        surprises += _surprises(scenario, model, attempts[-1])
    found = Preflight(spent, tuple(answers), tuple(dict.fromkeys(surprises)))
    for words in found.surprises:
        say(words)
    return found


def _tiny(model: str) -> RequestSpec:
    params = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    return RequestSpec(seq=-1, intended=0.0, params=params, input_tokens=8, output_tokens=1)


def _refuse_small_budget(scenario: Scenario, specs: list[RequestSpec], day: date) -> None:
    budget, most = scenario.budget, sum(worst_of(spec, day) for spec in specs)
    if budget.max_cost is not None and most > budget.max_cost:
        raise UsageError(
            f"the budget of {dollars(budget.max_cost)} has no room for the preflight, which takes up to {dollars(most)}"
        )
    if budget.max_requests is not None and len(specs) > budget.max_requests:
        raise UsageError(
            f"the budget of {count(budget.max_requests, 'request')} has no room for the preflight, "
            f"which sends {len(specs)}"
        )


async def _asked(spec: RequestSpec, client: Client, clock: Clock) -> list[Attempt]:
    """The attempts of one model, the last of which was answered.  Raises what `preflight` does where none was."""
    attempts: list[Attempt] = []
    while True:
        attempt = await client.send(spec, len(attempts) + 1)
        attempts.append(attempt)
        if attempt.cause is None:
            return attempts
        free = certain(cost_of(spec.params["model"], attempt, utc_now().date()), attempt) == 0
        if len(attempts) == TRIES or not (free and CAUSES[attempt.cause].retryable):
            raise _failure(spec.params["model"], attempt)
        await clock.sleep_until(clock.now() + min(attempt.retry_after or len(attempts), _LONGEST_WAIT))


def _failure(model: str, attempt: Attempt) -> BudgetError | TargetError:
    assert attempt.cause is not None
    cause = CAUSES[attempt.cause]
    words = f"the preflight failed: {model}: {cause.meaning}{f': {attempt.message}' if attempt.message else ''}"
    if cause.ends_run is Exit.BUDGET:
        return BudgetError(words, "Nothing of the run was sent.  The Console says what is left, and what bounds it.")
    match cause.name:
        case "not_found":
            hint = f"Check the model's name.{nearest(model, MODELS)}"
        case "authentication" | "permission":
            hint = "Check which key is set, and its rights."
        case _:
            hint = "Try again later." if cause.retryable else "Check the address and the key."
    return TargetError(words, f"Nothing of the run was sent.  {hint}")


def _surprises(scenario: Scenario, model: str, attempt: Attempt) -> Iterator[str]:
    """The limits of a model that are not as the tier of a case has them."""
    if attempt.limits is None:
        return
    named = named_by(attempt.limits)
    for _, variant in scenario.variants:
        if model in variant.models:
            found = [*differences(limits_for(variant.tier, model)._asdict(), named)]
            if found:
                limits = ", ".join(map(_in_words, found))
                yield f"{model} is not on tier {variant.resolved()['tier']}: {limits}. {right_tier(model, named)}"


def _in_words(one: Difference) -> str:
    its = "none" if one.assumed is None else number(one.assumed)
    return f"{number(one.named)} {one.limiter.replace('_', ' ')} a minute where the tier has {its}"
