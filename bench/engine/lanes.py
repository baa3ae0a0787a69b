"""Lanes: requests that share rate limits wait for each other, those of other models do not.

The API keeps limits by class of models.  So whatever is kept to per class has a lane of its own: a line, a dispatcher
and an admission.  A model whose bucket is empty then holds up nobody else (docs/adr/0011-lanes.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.clock import Clock
from bench.engine.line import Line
from bench.request import RequestSpec
from bench.scenario.model import Scenario, Strategy
from bench.strategies.admission import Admission, admissions_of
from bench.workload.requests import Source, sources_of
from mock_server.tiers import find_tier


class Lane(NamedTuple):
    """Requests in their order, and what lets them through."""

    line: Line
    admission: Admission


def lanes_of(
    scenario: Scenario, strategy: Strategy, clock: Clock, wanted: Callable[[RequestSpec], bool] | None = None
) -> list[Lane]:
    """One lane, or one for each class of models where the strategy treats classes apart.

    `wanted` says whether anybody still waits for the answer to a request that was not sent yet.
    """
    tier = find_tier(scenario.tier)
    limits = {tier.pool(model): tier.limits_of(model) for model in scenario.models}
    admissions = admissions_of(strategy, limits, clock)
    sources: dict[Admission, list[Source]] = {}
    for source in sources_of(scenario):
        sources.setdefault(admissions[tier.pool(source.model)], []).append(source)
    return [
        Lane(Line(own, clock, by_priority=strategy.priority, wanted=wanted), admission)
        for admission, own in sources.items()
    ]
