"""Reading a run back: from the records in its folder to its summary, as often as one likes."""

from __future__ import annotations

from datetime import date

import msgspec

from bench.errors import Exit
from bench.results.columns import Columns
from bench.results.folder import LoadedRun
from bench.results.metrics import Slo
from bench.results.question import Question
from bench.results.summarize import summarize, summarize_pass
from bench.results.summary import PassSummary, Summary
from bench.results.thresholds import evaluate
from bench.scenario.model import Scenario
from mock_server.tiers import TIERS, limits_for

UNFINISHED = "the run was ended before this pass was"


def summarize_run(loaded: LoadedRun) -> Summary:
    """The summary of a run that was finished, stopped or killed."""
    scenario = Scenario.model_validate_json(msgspec.json.encode(loaded.info.scenario))
    question = _question(scenario, loaded)
    passes = [_summarize_pass(columns, scenario, question, loaded) for columns in loaded.passes]
    thresholds = evaluate(scenario.thresholds, passes, loaded.passes)
    ending = loaded.ending
    reasons = [(Exit(ending.exit_code), ending.stopped)] if ending.stopped is not None else []
    return summarize(question, passes, thresholds, reasons)


def _question(scenario: Scenario, loaded: LoadedRun) -> Question:
    return Question(
        name=scenario.name,
        question=scenario.question,
        claim=scenario.claim,
        model=scenario.model,
        target=scenario.target,
        tier=scenario.tier,
        tier_as_of=loaded.info.tier_as_of,
        day=date.fromisoformat(loaded.info.started_at[:10]),
        seed=scenario.seed,
        speed=scenario.speed,
        own_times=scenario.arrivals.kind != "backlog",
        slo=Slo(**scenario.slo.model_dump()),
        limits=limits_for(scenario.tier, scenario.model)._asdict(),
    )


def _summarize_pass(columns: Columns, scenario: Scenario, question: Question, loaded: LoadedRun) -> PassSummary:
    kinds = {strategy.name: strategy.kind for strategy in scenario.strategies}
    notes = {(note.strategy, note.pass_): note for note in loaded.ending.passes}
    note = notes.get((columns.strategy, columns.pass_))
    return summarize_pass(
        columns,
        question,
        kind=kinds[columns.strategy],
        overhead=note.overhead if note else None,
        stopped=note.stopped if note else UNFINISHED,
    )


def tier_date(tier: str) -> str:
    """When the tier's numbers were true, as an ISO date."""
    return TIERS[tier].as_of.isoformat()
