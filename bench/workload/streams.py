"""The streams of traffic of a scenario, each with everything filled in that it takes from the scenario."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import NamedTuple

from bench.scenario.model import Arrivals, Scenario, Workload


class Traffic(NamedTuple):
    """One stream: what is sent to which model, and when."""

    model: str
    workload: Workload
    arrivals: Arrivals
    name: str | None = None
    """None for the only stream of a scenario without `streams`."""
    priority: int = 0
    key: tuple[str, ...] = ()
    """What tells its draws of arrival times from those of other streams."""
    part: tuple[float, float] | None = None
    """Of arrivals that several streams share, its own are those whose draw is in here."""
    named_rows: bool = False
    """Whether its own are the rows of a trace that bear its name."""
    members: int = 1
    """How many models are asked each prompt, each by a stream like this one."""
    sized_by: str | None = None
    """The model in whose tokens prompts are sized, where that is not the one that is asked."""


def traffic_of(scenario: Scenario) -> list[Traffic]:
    """The streams of a scenario, in the order of the file."""
    if not scenario.streams:
        assert scenario.workload is not None, "neither a workload nor streams"
        alone = Traffic(scenario.model, scenario.workload, scenario.arrivals)
        return [alone] if scenario.fan_out is None else _to_each(scenario.fan_out.models, alone)
    parts = pairwise(accumulate((one.share or 0.0 for one in scenario.streams), initial=0.0))
    return [
        Traffic(
            model=scenario.model if one.model is None else one.model,
            workload=one.workload,
            arrivals=scenario.arrivals if one.arrivals is None else one.arrivals,
            name=one.name,
            priority=one.priority,
            key=() if one.arrivals is None else (one.name,),
            part=None if one.share is None else part,
            named_rows=one.arrivals is None and one.share is None,
        )
        for one, part in zip(scenario.streams, parts, strict=True)
    ]


def _to_each(models: tuple[str, ...], traffic: Traffic) -> list[Traffic]:
    """The same prompts at the same times for each model."""
    first = models[0]
    return [
        traffic._replace(model=model, members=len(models), sized_by=None if model == first else first)
        for model in models
    ]
