"""Which pass a number is of: the only file of the exports that knows what passes are told apart by."""

from __future__ import annotations

from bench.results.format import pass_name
from bench.results.summary import PassSummary, ThresholdResult


def strategy_name(one: PassSummary | ThresholdResult) -> str:
    """What all repeats of a pass share."""
    return one.strategy if one.case is None else f"{one.case}/{one.strategy}"


def title(one: PassSummary | ThresholdResult) -> str:
    """A pass, for people."""
    return pass_name(one.strategy, one.pass_, one.case)


def labels(one: PassSummary | ThresholdResult) -> dict[str, str]:
    """A pass, for machines; repeats count from 0, as in the files of a run."""
    case = {} if one.case is None else {"case": one.case}
    return {**case, "strategy": one.strategy, "pass": str(one.pass_)}
