"""What all requests of a stream begin with: model, options, tools and system prompt, and what of it is to be cached."""

from __future__ import annotations

from typing import Any, NamedTuple

from bench.scenario.model import Workload
from bench.workload import tools
from bench.workload.streams import Traffic
from mock_server.models import estimate_tokens, text_of_tokens

Params = dict[str, Any]


class Prefix(NamedTuple):
    """The parameters that all requests of a stream share."""

    params: Params
    tokens: int
    """Of tools and system prompt."""
    kept: int = 0
    """Of these, those up to the last breakpoint among them."""


def prefix_of(traffic: Traffic, mark: str) -> Prefix:
    """The prefix of a stream.

    `mark` is what cached text begins with: another one in each pass, so that none finds in the API's cache what the
    pass before it has left there.
    """
    workload, model = traffic.workload, traffic.model
    params: Params = {"model": model, "max_tokens": workload.max_tokens, **workload.options}
    if workload.stream:
        params["stream"] = True
    begin = "" if workload.cache is None else f"{mark} {traffic.name or ''}: "
    tools_tokens, system_tokens = (
        _add_tools(params, workload, model, begin),
        _add_system(params, workload, model, begin),
    )
    tokens = tools_tokens + system_tokens
    kept = tokens if "system" in workload.breakpoints else tools_tokens if "tools" in workload.breakpoints else 0
    return Prefix(params, tokens, kept)


def control(workload: Workload) -> Params:
    """The `cache_control` of a breakpoint."""
    assert workload.cache is not None, "nothing is cached"
    return {"type": "ephemeral", "ttl": workload.cache.ttl}


def _add_tools(params: Params, workload: Workload, model: str, begin: str) -> int:
    if workload.tools is None:
        return 0
    params["tools"] = tools.definitions(workload.tools.count, workload.tools.tokens, model, begin)
    if "tools" in workload.breakpoints:
        params["tools"][-1]["cache_control"] = control(workload)
    return workload.tools.tokens


def _add_system(params: Params, workload: Workload, model: str, begin: str) -> int:
    text = workload.system
    if workload.system_tokens is not None:
        text = text_of_tokens(workload.system_tokens, model, begin)
    if text is None:
        return 0
    params["system"] = text
    if "system" in workload.breakpoints:
        params["system"] = [{"type": "text", "text": text, "cache_control": control(workload)}]
    return estimate_tokens(text, model)
