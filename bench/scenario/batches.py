"""What cannot go through message batches, found before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator

from bench.scenario import data
from bench.scenario.arrivals import Backlog, Users
from bench.scenario.document import Loc
from bench.scenario.misfits import workloads_of
from bench.scenario.model import Scenario, Workload


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
    if scenario.fan_out is not None:
        yield ("fan_out",), f"not with {names}: which answers are taken is decided while they come, not after hours"
    for loc, workload, _ in workloads_of(scenario):
        if workload.conversations is not None:
            words = f"a batch cannot wait for answers, and each turn needs the one before it; leave out {names}"
            yield (*loc, "conversations"), words
        if workload.cache is not None and workload.cache.warm:
            words = f"a batch cannot wait for answers, and so not for a request that goes first; leave out {names}"
            yield (*loc, "cache", "warm"), words
    if scenario.workload is not None:
        yield from _of_ids(scenario.workload, scenario)


def _of_ids(workload: Workload, scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    """Names of the dataset's own, which have to be enough."""
    if workload.dataset is None or workload.dataset.id is None:
        return
    loc: Loc = ("workload", "requests")
    own = workload.requests
    if own is None and isinstance(scenario.arrivals, Backlog):
        own, loc = scenario.arrivals.requests, ("arrivals", "backlog")
    if own is None:
        words = "each custom_id can be used once, so `requests` has to say how many there are"
        yield ("workload", "dataset", "id"), words
        return
    rows = sum(1 for _ in data.ids(workload.dataset.path, workload.dataset.id))
    if own > rows:
        yield loc, f"the dataset has {rows:,} custom_ids, and each can be used once; no more requests than that"
