"""Passes of a simulation on many processors: each is a task, and all of them together are what one process makes."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Protocol

from bench.clock import run as run_loop
from bench.clock import utc_now
from bench.engine.observe import Observers
from bench.engine.run import PassEnd, rounds_of, run_pass, run_passes
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.results.batches import BatchLog
from bench.results.record import OfPass, decode_lines, to_line
from bench.scenario.model import Scenario
from bench.spending import cost_of_record, surroundings
from bench.targets.target import Target, open_target
from bench.workload.requests import count_of


class Played(NamedTuple):
    """A pass that was simulated elsewhere."""

    end: PassEnd
    lines: bytes
    """Its records as lines of a journal."""


class Submit(Protocol):
    """Has a function done by another process."""

    def __call__(
        self, function: Callable[[Scenario, str | None, str, int], Played], scenario: Scenario, case: str | None,
        strategy: str, number: int, /,
    ) -> Future[Played]:  # fmt: skip
        """As `concurrent.futures.Executor.submit`."""
        ...


def simulated(
    submit: Submit, scenario: Scenario, targets: Mapping[str | None, Target], around: Surroundings,
    without: Container[OfPass] = (),
) -> Iterator[PassEnd]:  # fmt: skip
    """As `engine.run.run_passes`, with passes side by side where none depends on what another one does.

    A budget is used up pass after pass, a threshold may end the run in any of them, and batches are kept in a file of
    the run: those are simulated here, one after another.
    """
    if _depends(scenario):
        yield from run_passes(scenario, targets, around, without=without)
        return
    rounds = rounds_of(scenario, without)
    playing = [submit(play, variant, case, strategy.name, number) for number, case, variant, strategy in rounds]
    try:
        for (number, case, variant, strategy), future in zip(rounds, playing, strict=True):
            if around.stop.reason is not None:
                return
            played = future.result()
            around.observer.pass_started(strategy.name, number, count_of(variant), 1.0, case)
            for record in decode_lines(played.lines):
                around.observer.sent(strategy.name)
                around.journal(record)
                around.observer.done(record, cost_of_record(around.cost, record))
            around.observer.pass_ended()
            yield played.end
    finally:
        for future in playing:
            future.cancel()


def _depends(scenario: Scenario) -> bool:
    bounds = (scenario.budget.max_cost, scenario.budget.max_requests, scenario.budget.max_time)
    aborting = any(one.abort_after is not None for one in scenario.thresholds)
    batches = any(strategy.batch is not None for _, variant in scenario.variants for strategy in variant.strategies)
    return any(bound is not None for bound in bounds) or aborting or batches


def play(scenario: Scenario, case: str | None, strategy: str, number: int) -> Played:
    """Simulate one pass."""
    [followed] = [one for one in scenario.strategies if one.name == strategy]
    lines: list[bytes] = []
    with TemporaryDirectory(prefix="claude-bench-") as folder, open_target(scenario) as target:
        log = BatchLog(Path(folder), "")
        around = surroundings(
            scenario, lambda record: lines.append(to_line(record)), log, Observers(), Stop(), utc_now().date()
        )
        end = run_loop(run_pass(scenario, case, followed, number, target, around), virtual=True)
    return Played(end, b"".join(lines))
