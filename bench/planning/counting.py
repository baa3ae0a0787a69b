"""The API's own count of a scenario's prompts: a sample of them, by the endpoint that costs nothing.

How a model splits text into tokens is not published; the estimator that sizes prompts is off by some per cent.  What it
is off by in the sample is taken for all prompts of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import anthropic

from bench.clock import Clock, run
from bench.errors import TargetError
from bench.request import RequestSpec
from bench.results.format import count
from bench.scenario.model import Scenario
from bench.targets.sdk import SdkClient
from bench.targets.target import open_target
from bench.workload.requests import WARM, sources_of
from mock_server.models import chars_per_token, describe

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
    total = 0
    async with target.session(Clock(), 0) as session:
        assert isinstance(session.client, SdkClient), "counting goes over HTTP"
        messages = session.client.sdk.with_options(max_retries=2).messages
        for spec in specs:
            params: dict[str, Any] = {name: spec.params[name] for name in _COUNTED if name in spec.params}
            try:
                total += (await messages.count_tokens(**params)).input_tokens
            except anthropic.APIError as refused:
                raise TargetError(
                    f"the prompts could not be counted: {refused.message}", "Plan without --count-tokens."
                ) from None
    return total


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
