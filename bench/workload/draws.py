"""Random variables that `mock_server.rng` does not have."""

from __future__ import annotations

import math

from mock_server.rng import Draws


def gamma(draws: Draws, shape: float) -> float:
    """A draw from the gamma distribution of scale 1 (Marsaglia and Tsang, ACM TOMS 26, 2000)."""
    if shape < 1:
        return gamma(draws, shape + 1) * math.pow(draws.uniform(), 1 / shape)
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x = draws.normal()
        v = (1 + c * x) ** 3
        if v > 0 and math.log(draws.uniform()) < x * x / 2 + d - d * v + d * math.log(v):
            return d * v
