"""A scenario played in virtual time with nothing written: what planning tries things out with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.clock import utc_now
from bench.engine.observe import Observer, Observers
from bench.engine.run import run_passes
from bench.engine.stop import Stop
from bench.noting import info_of
from bench.reading import summarize_run
from bench.results.batches import BatchLog
from bench.results.columns import Columns, ColumnsBuilder
from bench.results.folder import Ending, LoadedRun, PassNote
from bench.results.record import OfPass, Record
from bench.results.summary import Summary
from bench.scenario.model import Budget, Scenario
from bench.spending import surroundings
from bench.targets.target import open_targets


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulation came to."""

    summary: Summary
    columns: list[Columns]
    """The requests and attempts of each pass, in the order of `summary.passes`."""


def simulated(scenario: Scenario) -> Scenario:
    """The scenario as a simulation plays it: on `sim`, to its end whatever it costs."""
    changes = {"target": "sim", "speed": 1.0, "budget": Budget()}
    cases = tuple(case.model_copy(update={"scenario": simulated(case.scenario)}) for case in scenario.cases)
    return scenario.model_copy(update={**changes, "cases": cases})


def simulate(scenario: Scenario, *, observer: Observer | None = None, stop: Stop | None = None) -> Simulated:
    """Play every case, strategy and repeat of a scenario, whatever its target, and keep the columns in memory.

    A `stop` ends it early, as it does a run.  Raises UsageError when the scenario cannot be played.
    """
    scenario, stop, now = simulated(scenario), stop or Stop(), utc_now()
    builders: dict[OfPass, ColumnsBuilder] = {}

    def keep(record: Record) -> None:
        if record.of_pass not in builders:
            builders[record.of_pass] = ColumnsBuilder(record.strategy, record.pass_, record.case)
        builders[record.of_pass].add(record)

    info = info_of(scenario, "simulated", now)
    with TemporaryDirectory(prefix="claude-bench-") as folder, open_targets(scenario) as targets:
        log = BatchLog(Path(folder), info.token)
        with log:
            around = surroundings(scenario, keep, log, observer or Observers(), stop, now.date())
            notes = tuple(
                PassNote(end.strategy, end.number, end.stopped, case=end.case)
                for end in run_passes(scenario, targets, around)
            )
    columns = [builder.columns() for builder in builders.values()]
    ending = Ending(notes, stop.reason, int(stop.exit_code))
    loaded = LoadedRun(Path(folder), info, summary=None, passes=columns, torn=0, ending=ending)
    return Simulated(summarize_run(loaded), columns)
