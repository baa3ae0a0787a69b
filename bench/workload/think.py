"""How long somebody thinks, or a tool runs."""

from __future__ import annotations

from bench.scenario.model import Exponential, Lognormal
from mock_server.rng import Draws


def think_time(think: float | Exponential | Lognormal, draws: Draws) -> float:
    """Seconds."""
    match think:
        case Exponential(mean=mean):
            return draws.exponential(mean)
        case Lognormal(median=median, p95=p95):
            return draws.lognormal(median, p95)
    return think
