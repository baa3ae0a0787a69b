"""What a workload asks of its model that the model does not do: found before anything is sent.

Thinking and effort are held against the rules that the mock server answers by, so that a file is refused in the words
in which the API would refuse each of its requests.  Models that the table does not know are let pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.scenario.document import Loc
from bench.scenario.model import Scenario, Workload
from mock_server.errors import RequestError
from mock_server.models import Model, count_tokens, find_model
from mock_server.options import NEW_VERSION, read_options


def misfits(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    """Where in the file, and what."""
    for loc, workload, model_id in workloads_of(scenario):
        model = find_model(model_id)
        if model is not None and model_id.startswith(model.id):  # else it is taken for one newer than the table
            yield from ((loc + where, message) for where, message in _of_options(workload, model))
            yield from ((loc + where, message) for where, message in _of_cache(workload, model))


def workloads_of(scenario: Scenario) -> Iterator[tuple[Loc, Workload, str]]:
    """Each workload of a scenario, where it stands, and the model that it asks."""
    if scenario.workload is not None:
        yield ("workload",), scenario.workload, scenario.model
    for place, stream in enumerate(scenario.streams):
        yield ("streams", place, "workload"), stream.workload, stream.model or scenario.model


def _of_options(workload: Workload, model: Model) -> Iterator[tuple[Loc, str]]:
    """Thinking, effort, and if each is fine by itself, both together."""
    options = workload.options
    apart = [({name: value}, _KEYS[name]) for name, value in options.items()]
    refused = [(loc, words) for some, loc in apart if (words := _refusal(some, workload, model))]
    if not refused and (words := _refusal(options, workload, model)):
        refused = [(("effort",), words)]
    for loc, words in refused:
        yield loc, f"{model.id} would refuse it: {words}"


_KEYS: Mapping[str, Loc] = {"thinking": ("thinking",), "output_config": ("effort",)}
"""The keys of a workload that the API's parameters come from."""


def _refusal(options: Mapping[str, Any], workload: Workload, model: Model) -> str | None:
    try:
        read_options(options, model, NEW_VERSION, workload.max_tokens)
    except RequestError as refused:
        return refused.error.message
    return None


def _of_cache(workload: Workload, model: Model) -> Iterator[tuple[Loc, str]]:
    """Parts that are too short to be kept.  A conversation grows, and may begin with less."""
    if workload.cache is None:
        return
    written = workload.cache.breakpoints
    for place, part in enumerate(written or workload.breakpoints):
        tokens = _tokens_to(part, workload, model)
        grows = "conversation" in workload.breakpoints and not written
        if tokens is not None and tokens < model.cache_minimum and not grows:
            loc: Loc = ("cache", "breakpoints", place) if written else ("cache",)
            least = f"{model.id} keeps nothing shorter than {model.cache_minimum:,} tokens"
            yield loc, f"{least}, and up to the end of the {part} there are {tokens:,}"


def _tokens_to(part: str, workload: Workload, model: Model) -> int | None:
    """Tokens of a prompt up to the end of a part that all requests share; None of a part that they do not."""
    tools = 0 if workload.tools is None else workload.tools.tokens
    if part == "tools":
        return tools
    if part != "system":
        return None
    return tools + (workload.system_tokens or 0) + (count_tokens(workload.system, model) if workload.system else 0)
