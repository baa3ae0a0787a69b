"""What a fan-out comes to, in sentences: what waiting for all costs, and whose answer is taken otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.results.format import seconds, share
from bench.results.summary import FanOutSummary, PassSummary


def fan_out_sentences(passes: Sequence[PassSummary]) -> Iterator[str]:
    """One about the first pass of each strategy that asks several models."""
    for one in passes:
        if one.fan_out is not None and one.pass_ == 0 and one.fan_out.answered:
            yield _slowest(one, one.fan_out) if one.fan_out.take == "all" else _taken(one, one.fan_out)


def _slowest(one: PassSummary, fan_out: FanOutSummary) -> str:
    slowest = max(fan_out.members, key=lambda member: member.added or 0.0)
    added, mean = slowest.added or 0.0, one.distributions["group_time"].mean or 0.0
    return (
        f"With {one.strategy}, {slowest.model} is the last for {share((slowest.last or 0) / fan_out.answered)} of the "
        f"prompts; without it they would take {seconds(mean - added)} instead of {seconds(mean)} on average."
    )


def _taken(one: PassSummary, fan_out: FanOutSummary) -> str:
    most = max(fan_out.members, key=lambda member: member.taken)
    return f"With {one.strategy}, {most.model} gives {share(most.taken / fan_out.answered)} of the answers."
