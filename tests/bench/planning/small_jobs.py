"""Small scenarios to plan, made in code."""

from __future__ import annotations

from typing import Any

from bench.scenario.model import Fixed, Latency, Mock, Retry, Scenario, Size, Strategy, Workload

PATIENT = Retry(attempts=1000)


THOUSAND, HUNDRED = Fixed(value=1000), Fixed(value=100)


def semaphore(limit: int) -> Strategy:
    return Strategy(name=f"semaphore-{limit}", kind="semaphore", limit=limit, retry=PATIENT)


def gather() -> Strategy:
    return Strategy(name="gather", kind="gather", retry=PATIENT)


def made(
    *strategies: Strategy,
    requests: int | None = 100,
    input_tokens: Size = THOUSAND,
    output_tokens: Size = HUNDRED,
    service: float | None = 4.0,
    burst: float = 60.0,
    workload: dict[str, object] | None = None,
    **changes: object,
) -> Scenario:
    """A hundred requests of 1,000 tokens in, 100 out, all there at once, each answered in 4 s."""
    asked: dict[str, Any] = {
        "requests": requests,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "max_tokens": 200,
        **(workload or {}),
    }
    plain = Scenario(
        version=1,
        name="made",
        question="how long?",
        model="claude-sonnet-5",
        workload=Workload(**asked),
        strategies=strategies or (gather(),),
        mock=Mock(burst=burst, latency=Latency(service_time=service)),
    )
    return plain.model_copy(update=changes)
