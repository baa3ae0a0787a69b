"""The requests of a workload, made one by one when they are asked for.

The same scenario and seed give the same requests, whatever strategy sends them and in whatever order they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice, repeat
from typing import Any

from bench.request import RequestSpec
from bench.scenario.data import TraceRow
from bench.scenario.model import Scenario
from bench.workload.arrivals import AT_ONCE, arrivals_of, window
from bench.workload.prompts import Prompt, from_dataset, synthetic
from bench.workload.sizes import sizer
from mock_server.models import estimate_tokens


def requests_of(scenario: Scenario) -> Iterator[RequestSpec]:
    """The requests in the order of their arrival, numbered from 0."""
    return _specs(scenario, zip(count(), arrivals_of(scenario)))


def warmup_of(scenario: Scenario) -> Iterator[RequestSpec]:
    """Requests like those of the workload to send beforehand: numbered -1, -2 ..., all due at once."""
    arrivals = window(scenario.arrivals) if scenario.arrivals.kind == "trace" else repeat(AT_ONCE)
    at_once = (arrival._replace(at=0.0) for arrival in islice(arrivals, scenario.warmup.requests))
    return _specs(scenario, zip(count(-1, -1), at_once))


def count_of(scenario: Scenario) -> int:
    """How many requests `requests_of` yields.  Reads a trace through, builds nothing."""
    return sum(1 for _ in arrivals_of(scenario))


def _specs(scenario: Scenario, numbered: Iterable[tuple[int, TraceRow]]) -> Iterator[RequestSpec]:
    workload, seed = scenario.workload, scenario.seed
    shared = _shared_params(scenario)
    system_tokens = 0 if workload.system is None else estimate_tokens(workload.system, scenario.model)
    output_tokens = sizer(workload.output_tokens, seed, "output")
    prompt = _prompts(scenario)
    for seq, (intended, traced_input, traced_output) in numbered:
        text, tokens = prompt(seq, traced_input)
        yield RequestSpec(
            seq=seq,
            intended=intended,
            params={**shared, "messages": [{"role": "user", "content": text}]},
            input_tokens=system_tokens + tokens,
            output_tokens=output_tokens(seq, traced_output),
        )


def _shared_params(scenario: Scenario) -> dict[str, Any]:
    """The parameters that all requests share."""
    params: dict[str, Any] = {"model": scenario.model, "max_tokens": scenario.workload.max_tokens}
    if scenario.workload.system is not None:
        params["system"] = scenario.workload.system
    if scenario.workload.stream:
        params["stream"] = True
    return params


def _prompts(scenario: Scenario) -> Callable[[int, int], Prompt]:
    """The prompt of request `seq`, which has so many tokens in the trace."""
    workload, model = scenario.workload, scenario.model
    if workload.dataset is not None:
        prompts = from_dataset(workload.dataset, model)
        return lambda _seq, _traced: next(prompts)
    assert workload.input_tokens is not None, "neither prompts nor their size"
    tokens = sizer(workload.input_tokens, scenario.seed, "input")
    return lambda seq, traced: synthetic(seq, tokens(seq, traced), model)
