"""How many tokens each request has: a function of the seed and its place in the workload, never of when it is sent."""

from __future__ import annotations

from collections.abc import Callable

from bench.scenario.model import Exponential, Fixed, Lognormal, Size, Uniform
from bench.scenario.sizes import LARGEST
from mock_server.rng import Draws

Sizer = Callable[[int, int], int]
"""Tokens of request `seq`, for which the trace, if there is one, says so many."""


def sizer(size: Size, seed: int, stream: str) -> Sizer:
    """Sizes of one kind; `stream`, such as `input`, keeps the draws of one apart from those of the other."""
    match size:
        case Fixed(value=value):
            return lambda _seq, _traced: value
        case Uniform(low=low, high=high):
            return lambda seq, _traced: Draws(seed, stream, seq).integer(low, high)
        case Lognormal(median=median, p95=p95):
            return lambda seq, _traced: _whole(Draws(seed, stream, seq).lognormal(median, p95))
        case Exponential(mean=mean):
            return lambda seq, _traced: _whole(Draws(seed, stream, seq).exponential(mean))
    return lambda _seq, traced: traced


def _whole(tokens: float) -> int:
    return max(1, round(min(tokens, LARGEST)))
