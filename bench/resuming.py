"""What of a run is left to do.  Pure."""

from __future__ import annotations

from bench.results.folder import LoadedRun
from bench.results.format import pass_name
from bench.results.record import OfPass
from bench.scenario.model import Scenario


def unfinished(loaded: LoadedRun, scenario: Scenario) -> tuple[set[OfPass], list[str]]:
    """The passes that need no more, and the names of those among them that were cut off.

    A pass through batches goes on wherever it was.  A live one either came to its end, or was cut off and cannot go on,
    or had not begun.
    """
    ended = {note.of_pass for note in loaded.ending.passes if note.stopped is None}
    begun = {columns.of_pass for columns in loaded.passes}
    over, cut_off = set(ended), []
    for number in range(scenario.repeat):
        for case, variant in scenario.variants:
            for strategy in variant.strategies:
                of_pass = (case, strategy.name, number)
                if of_pass in begun - ended and strategy.batch is None:
                    over.add(of_pass)
                    cut_off.append(pass_name(strategy.name, number, case))
    return over, cut_off
