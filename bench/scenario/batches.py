"""What cannot go through message batches, found before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.scenario import data
from bench.scenario.arrivals import Users

if TYPE_CHECKING:
    from bench.scenario.document import Loc
    from bench.scenario.model import Scenario


def unfit_for_batches(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    """Where the workload and a strategy that uses batches do not go together."""
    if not any(strategy.batch for strategy in scenario.strategies):
        return
    names = " and ".join(f"`{strategy.name}`" for strategy in scenario.strategies if strategy.batch)
    if isinstance(scenario.arrivals, Users):
        yield ("arrivals",), f"users wait for each answer, which {names} gives after hours; use open arrivals"
    for place, stream in enumerate(scenario.streams):
        if isinstance(stream.arrivals, Users):
            yield ("streams", place, "arrivals"), f"users wait for each answer, which {names} gives after hours"
    workload = scenario.workload
    if workload and workload.dataset and workload.dataset.id and workload.requests:
        rows = sum(1 for _ in data.ids(workload.dataset.path, workload.dataset.id))
        if workload.requests > rows:
            words = f"the dataset has {rows:,} custom_ids, and each can be used once; no more requests than that"
            yield ("workload", "requests"), words
