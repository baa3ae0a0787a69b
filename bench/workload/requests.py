"""The requests of a workload, made one by one when they are asked for.

The same scenario and seed give the same requests, whatever strategy sends them and in whatever order they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice, repeat
from typing import Any

from bench.request import RequestSpec
from bench.scenario.model import Scenario, Workload
from bench.workload.arrivals import Arrival, arrivals_of, window
from bench.workload.prompts import Prompt, from_dataset, synthetic
from bench.workload.sizes import sizer
from mock_server.models import estimate_tokens


def requests_of(scenario: Scenario) -> Iterator[RequestSpec]:
    """The requests in the order of their arrival, numbered from 0."""
    return _specs(scenario, zip(count(), arrivals_of(scenario)))


def warmup_of(scenario: Scenario) -> Iterator[RequestSpec]:
    """Requests like those of the workload to send beforehand: numbered -1, -2 ..., all due at once."""
    rows = window(scenario.arrivals) if scenario.arrivals.kind == "trace" else repeat(None)
    numbered = zip(count(-1, -1), ((0.0, row) for row in rows))
    return _specs(scenario, islice(numbered, scenario.warmup.requests))


def count_of(scenario: Scenario) -> int:
    """How many requests `requests_of` yields.  Reads a trace through, sends and builds nothing."""
    if scenario.arrivals.kind == "backlog":
        return scenario.workload.requests or 0
    return sum(1 for _ in arrivals_of(scenario))


def _specs(scenario: Scenario, numbered: Iterator[tuple[int, Arrival]]) -> Iterator[RequestSpec]:
    workload, model = scenario.workload, scenario.model
    fixed = _fixed_params(scenario)
    system_tokens = 0 if workload.system is None else estimate_tokens(workload.system, model)
    output_tokens = sizer(workload.output_tokens, scenario.seed, "output")
    prompt_of = _prompts(workload, model, scenario.seed)
    for seq, (intended, row) in numbered:
        prompt, tokens = prompt_of(seq, row)
        yield RequestSpec(
            seq,
            intended,
            {**fixed, "messages": [{"role": "user", "content": prompt}]},
            system_tokens + tokens,
            output_tokens(seq, row),
        )


def _fixed_params(scenario: Scenario) -> dict[str, Any]:
    """The parameters that all requests share."""
    params: dict[str, Any] = {"model": scenario.model, "max_tokens": scenario.workload.max_tokens}
    if scenario.workload.system is not None:
        params["system"] = scenario.workload.system
    if scenario.workload.stream:
        params["stream"] = True
    return params


def _prompts(workload: Workload, model: str, seed: int) -> Callable[[int, Any], Prompt]:
    if workload.dataset is not None:
        prompts = from_dataset(workload.dataset, model)
        return lambda seq, row: next(prompts)
    assert workload.input_tokens is not None
    input_tokens = sizer(workload.input_tokens, seed, "input")
    return lambda seq, row: synthetic(seq, input_tokens(seq, row), model)
