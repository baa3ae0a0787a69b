"""Lanes: requests that share rate limits wait for each other, those of other models do not.

The API keeps limits by class of models.  So whatever is kept to per class has a lane of its own: a line, a dispatcher
and an admission.  A model whose bucket is empty then holds up nobody else (docs/adr/0011-lanes.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from bench.clock import Clock
from bench.engine.line import Line
from bench.request import RequestSpec
from bench.scenario.model import Scenario, Strategy
from bench.strategies.admission import Admission, admissions_of
from bench.workload.requests import Source
from mock_server.tiers import find_tier


class Lane(NamedTuple):
    """Requests in their order, and what lets them through."""

    line: Line
    admission: Admission


def entries_of(scenario: Scenario, strategy: Strategy, clock: Clock) -> dict[str, Admission]:
    """What lets the requests of each model through."""
    tier = find_tier(scenario.tier)
    limits = {tier.pool(model): tier.limits_of(model) for model in scenario.models}
    admissions = admissions_of(strategy, limits, clock)
    return {model: admissions[tier.pool(model)] for model in scenario.models}


def lanes_of(
    sources: Iterable[Source], entries: Mapping[str, Admission], clock: Clock, *, by_priority: bool = True,
    wanted: Callable[[RequestSpec], bool] | None = None,
) -> list[Lane]:  # fmt: skip
    """A lane for each admission among `entries`, which has them by model.

    `wanted` says whether anybody still waits for the answer to a request that was not sent yet.
    """
    by_admission: dict[Admission, list[Source]] = {}
    for source in sources:
        by_admission.setdefault(entries[source.model], []).append(source)
    return [
        Lane(Line(own, clock, by_priority=by_priority, wanted=wanted), admission)
        for admission, own in by_admission.items()
    ]
