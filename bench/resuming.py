"""What of a run is left to do.  Pure."""

from __future__ import annotations

from bench.results.folder import LoadedRun
from bench.scenario.model import Scenario


def unfinished(loaded: LoadedRun, scenario: Scenario) -> tuple[set[tuple[str, int]], list[str]]:
    """The passes that need no more, by strategy and repeat, and the names of those among them that were cut off.

    A pass through batches goes on wherever it was.  A live one either came to its end, or was cut off and cannot go on,
    or had not begun.
    """
    ended = {(note.strategy, note.pass_) for note in loaded.ending.passes if note.stopped is None}
    begun = {(columns.strategy, columns.pass_) for columns in loaded.passes}
    over, cut_off = set(ended), []
    for number in range(scenario.repeat):
        for strategy in scenario.strategies:
            key = (strategy.name, number)
            if key in begun - ended and strategy.batch is None:
                over.add(key)
                cut_off.append(f"{strategy.name} #{number + 1}" if number else strategy.name)
    return over, cut_off
