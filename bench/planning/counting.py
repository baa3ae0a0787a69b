"""The API's own count of a scenario's prompts: a sample of them, by the endpoint that costs nothing.

How a model splits text into tokens is not published; the estimator that sizes prompts is off by some per cent.  What it
is off by in the sample is taken for all prompts of the model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import anthropic

from bench.clock import Clock, run
from bench.errors import TargetError
from bench.request import RequestSpec
from bench.results.format import count
from bench.scenario.model import Retry, Scenario
from bench.strategies.retry import retry_delay
from bench.targets.sdk import SdkClient
from bench.targets.target import open_target
from bench.targets.wire import WireClient
from bench.workload.requests import WARM, sources_of
from mock_server.models import chars_per_token, describe
from mock_server.rng import Draws

if TYPE_CHECKING:
    from bench.targets.target import Target

SAMPLE = 20
"""Prompts of each model that are counted."""

_COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config")
"""Parameters that `count_tokens` takes (SDK 2.10); the others do not shape a prompt."""


def with_counts(scenario: Scenario) -> tuple[Scenario, str]:
    """The scenario with as many characters a token as the API counts, and what was found, in words.

    Asks the API, or the URL that is the scenario's target.  Raises UsageError without a key, TargetError when it cannot
    be had.
    """
    asked = scenario if "://" in scenario.target else scenario.model_copy(update={"target": "api"})
    found: dict[str, float] = {}
    words = []
    with open_target(asked) as target:
        for _, variant in scenario.variants:
            for model, specs in samples(variant).items():
                if model in found:
                    continue
                expected = sum(spec.input_tokens for spec in specs)
                counted = run(_count(target, specs), virtual=False)
                found[model] = counted / expected
                words.append(
                    f"{model}: {count(len(specs), 'prompt')} counted by the API, {counted:,} input tokens where "
                    f"{expected:,} were estimated ({(found[model] - 1) * 100:+.1f} %); the plan's are scaled by that"
                )
    return _scaled(scenario, found), "; ".join(words)


def samples(scenario: Scenario, each: int = SAMPLE) -> Mapping[str, list[RequestSpec]]:
    """The first prompts of each model, of those that wait for no answer."""
    return {
        source.model: [*islice(_specs(source.arrivals, source.spec), each)] for source in sources_of(scenario, "plan")
    }


def _specs(arrivals: Any, spec: Any) -> Iterator[RequestSpec]:  # noqa: ANN401  as `Source` has them
    for place, arrival in arrivals:
        yield spec(place, arrival)
        if place == WARM:
            return


async def _count(target: Target, specs: list[RequestSpec]) -> int:
    """Input tokens of all of them, as the API counts."""
    total, clock = 0, Clock()
    async with target.session(clock, 0) as session:
        for spec in specs:
            params = {name: spec.params[name] for name in _COUNTED if name in spec.params}
            match session.client:
                case SdkClient(sdk=sdk):
                    total += await _by_sdk(sdk, params)
                case WireClient() as wire:
                    total += await _by_wire(wire, params, clock)
                case _:
                    raise AssertionError("counting goes over HTTP")
    return total


async def _by_sdk(sdk: anthropic.AsyncAnthropic, params: dict[str, Any]) -> int:
    try:
        return (await sdk.with_options(max_retries=_TRIES - 1).messages.count_tokens(**params)).input_tokens
    except anthropic.APIError as refused:
        raise _not_counted(refused.message) from None


async def _by_wire(wire: WireClient, params: dict[str, Any], clock: Clock) -> int:
    """The same, tried again by the SDK's rule."""
    for made in itertools.count(1):
        attempt, tokens = await wire.count_tokens(params)
        if attempt.ok:
            return tokens
        delay = retry_delay(Retry(policy="sdk", attempts=_TRIES), made, attempt, partial(Draws, made))
        if delay is None:
            raise _not_counted(attempt.message or attempt.cause or "")
        await clock.sleep_until(clock.now() + delay)
    raise AssertionError("tried for ever")


def _not_counted(why: str) -> TargetError:
    return TargetError(f"the prompts could not be counted: {why}", "Plan without --count-tokens.")


_TRIES = 3
"""As often as the SDK tries if it is told nothing."""


def _scaled(scenario: Scenario, found: Mapping[str, float]) -> Scenario:
    """In each case: a model whose prompts turned out longer has fewer characters a token."""
    rates = {
        describe(model).id: max(1.0, chars_per_token(model) / times) for model, times in found.items() if times > 0
    }
    cases = tuple(one.model_copy(update={"scenario": _tuned(one.scenario, rates)}) for one in scenario.cases)
    return _tuned(scenario, rates).model_copy(update={"cases": cases})


def _tuned(scenario: Scenario, rates: Mapping[str, float]) -> Scenario:
    return scenario.model_copy(
        update={"mock": scenario.mock.model_copy(update={"chars_per_token": dict(rates) or None})}
    )
