"""How many tokens each request has: a function of the seed and its place in the workload, never of when it is sent."""

from __future__ import annotations

from collections.abc import Callable

from bench.scenario.data import TraceRow
from bench.scenario.model import Fixed, Lognormal, Size, Uniform
from bench.scenario.sizes import LARGEST
from mock_server.rng import Draws

Sizer = Callable[[int, TraceRow | None], int]
"""Tokens of request `seq`, which came from this row of the trace, if from any."""


def sizer(size: Size, seed: int, stream: str) -> Sizer:
    """Sizes of one kind; `stream` (`input` or `output`) keeps the draws of one apart from those of the other."""
    match size:
        case Fixed(value=value):
            return lambda seq, row: value
        case Uniform(low=low, high=high):
            return lambda seq, row: Draws(seed, stream, seq).integer(low, high)
        case Lognormal(median=median, p95=p95):
            return lambda seq, row: _whole(Draws(seed, stream, seq).lognormal(median, p95))
    return _input if stream == "input" else _output


def _whole(tokens: float) -> int:
    return max(1, round(min(tokens, LARGEST)))


def _input(seq: int, row: TraceRow | None) -> int:
    assert row is not None
    return row.input_tokens


def _output(seq: int, row: TraceRow | None) -> int:
    assert row is not None
    return row.output_tokens
