"""One strategy, run once, as reports see it: its summary beside the rows it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.results.columns import Columns
from bench.results.format import pass_name
from bench.results.summary import ModelSummary, PassSummary, Summary

MOST_FAILED = 0.01
"""Share of failed requests above which a strategy is best at nothing: failing is quick and cheap."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One strategy, run once: what was found and the rows it was found in."""

    name: str
    """With its case, where there are several."""
    summary: PassSummary
    columns: Columns

    @property
    def sound(self) -> bool:
        """Whether so few of its requests failed that it can be compared with others."""
        return (self.summary.values["error_rate"] or 0) <= MOST_FAILED


def by_case(passes: Sequence[Pass]) -> list[tuple[str | None, list[Pass]]]:
    """The passes of each case, which can be compared with each other, called by their strategy alone."""
    cases = dict.fromkeys(run.summary.case for run in passes)
    return [(case, [_without_case(run) for run in passes if run.summary.case == case]) for case in cases]


def _without_case(run: Pass) -> Pass:
    return replace(run, name=pass_name(run.summary.strategy, run.summary.pass_))


def sound_or_all(passes: Sequence[Pass]) -> Sequence[Pass]:
    """The passes that can be compared; all of them where none can."""
    return [run for run in passes if run.sound] or passes


def models_of(summary: PassSummary) -> tuple[ModelSummary, ...]:
    """The models to show by themselves.  Where each stream has a model of its own, the streams say it all already."""
    return summary.models if len(summary.models) != len(summary.streams) else ()


def asked_of(summary: Summary, one: PassSummary) -> tuple[str, str]:
    """The tier and the models of a pass, which a case may have of its own."""
    case = next((case for case in summary.cases if case.name == one.case), None)
    model = case.model if case else summary.model
    several = tuple(dict.fromkeys(own.name for own in one.models))
    return case.tier if case else summary.tier, " and ".join(several) or model
