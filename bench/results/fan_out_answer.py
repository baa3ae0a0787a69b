"""What a fan-out comes to, in sentences: what waiting for all costs, and whose answer is taken otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.results.format import count, seconds, share
from bench.results.summary import FanOutSummary, PassSummary


def fan_out_sentences(passes: Sequence[PassSummary]) -> Iterator[str]:
    """One for each way to take answers, about the first pass that takes them so."""
    told: set[str] = set()
    for one in passes:
        if one.fan_out is not None and one.fan_out.answered and one.fan_out.take not in told:
            told.add(one.fan_out.take)
            said = _slowest(one, one.fan_out) if one.fan_out.take == "all" else _taken(one.fan_out)
            yield f"With {one.strategy}, {said}{_unanswered(one.fan_out)}."


def _slowest(one: PassSummary, fan_out: FanOutSummary) -> str:
    slowest = max(fan_out.members, key=lambda member: member.added or 0.0)
    added, mean = slowest.added or 0.0, one.distributions["group_time"].mean or 0.0
    return (
        f"{slowest.model} is the last for {share((slowest.last or 0) / fan_out.answered)} of the prompts; without it "
        f"they would take {seconds(mean - added)} instead of {seconds(mean)} on average"
    )


def _taken(fan_out: FanOutSummary) -> str:
    most = max(fan_out.members, key=lambda member: member.taken)
    return f"{most.model} gives {share(most.taken / fan_out.answered)} of the answers"


def _unanswered(fan_out: FanOutSummary) -> str:
    missing = fan_out.prompts - fan_out.answered
    what = {"all": "not all answers", "first": "no answer", "cheapest": "no acceptable answer"}[fan_out.take]
    return f", and {count(missing, 'prompt')} got {what}" if missing else ""
