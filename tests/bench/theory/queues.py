"""Scenarios made of the few things that queueing theory speaks of, played on the simulation."""

from __future__ import annotations

from bench.planning.simulate import simulate
from bench.results.columns import Columns, RequestColumns
from bench.scenario.model import (
    Arrivals,
    Backlog,
    Exponential,
    Fixed,
    Latency,
    Mock,
    Retry,
    Scenario,
    Size,
    Strategy,
    Workload,
)
from bench.scenario.strategies import TokenBucket

BACKLOG = Backlog()
TOKENS_PER_SECOND = 1_000.0
ONE_SECOND = Fixed(value=1_000)
"""An answer that takes so long: its tokens come at that rate, the first one after one thousandth of a second too."""
A_SECOND_ON_AVERAGE = Exponential(mean=1_000)


def slots(number: int) -> Strategy:
    """At most so many in flight: so many servers."""
    return Strategy(name="slots", kind="semaphore", limit=number, retry=Retry(policy="none"))


def paced(burst: float = 10.0) -> Strategy:
    """At the tier's limits, a whole share of them."""
    return Strategy(name="paced", kind="token_bucket", pacer=TokenBucket(burst=burst), retry=Retry(policy="none"))


def scenario(
    strategy: Strategy,
    requests: int | None,
    service: Size | float,
    *,
    arrivals: Arrivals = BACKLOG,
    tier: str = "unlimited",
    input_tokens: int = 10,
    output_tokens: int = 1,
    burst: float = 60.0,
    duration: float | None = None,
    seed: int = 1,
) -> Scenario:
    """`service` is seconds, then `output_tokens` is how long answers are; or a size in thousandths of a second."""
    by_tokens = Latency(ttft=1 / TOKENS_PER_SECOND, tokens_per_second=TOKENS_PER_SECOND)
    return Scenario(
        version=1,
        name="theory",
        question="Is it as theory has it?",
        model="claude-opus-4-8",
        tier=tier,
        workload=Workload(
            requests=requests,
            duration=duration,
            input_tokens=Fixed(value=input_tokens),
            output_tokens=Fixed(value=output_tokens) if isinstance(service, float) else service,
            max_tokens=128_000,
        ),
        arrivals=arrivals,
        strategies=(strategy,),
        mock=Mock(latency=Latency(service_time=service) if isinstance(service, float) else by_tokens, burst=burst),
        seed=seed,
    )


def play(scenario: Scenario) -> Columns:
    """What came of its one pass.  All requests succeeded."""
    [columns] = simulate(scenario).columns
    assert columns.requests.ok.all()
    return columns


def in_order(requests: RequestColumns) -> tuple[list[float], list[float], list[float]]:
    """Arrival, service and wait of each request, in the order of their arrivals."""
    order = requests.seq.argsort()
    return (
        requests.intended[order].tolist(),
        requests.latency[order].tolist(),
        requests.queue_time[order].tolist(),
    )
