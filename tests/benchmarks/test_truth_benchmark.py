"""How much later than the server's own ground truth does the client say an answer was complete?

The mock answers after exactly 0.2 s; 50 requests are in flight, or 200 and 500 streams; both sides of each request are
compared by its id.
"""

from __future__ import annotations

import asyncio

import pytest

from bench import clock
from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.scenario.model import Fixed, Latency, Mock, Retry, Scenario, Strategy, Workload
from bench.targets.target import open_target
from benchmarks.table import AddRow, Once
from benchmarks.trial import spread

CLIENTS: dict[str, dict[str, str]] = {
    "sdk on aiohttp": {"transport": "aiohttp"},
    "sdk on httpx": {"transport": "httpx"},
    "wire": {"client": "wire"},
}
IN_FLIGHT = 50
TURNS = 15
"""Requests one after another in each place."""


def _scenario(client: str) -> Scenario:
    return Scenario(
        version=1,
        name="truth",
        question="how far is the client's clock from the server's?",
        model="claude-sonnet-5-5",
        target="mock",
        tier="unlimited",
        workload=Workload(output_tokens=Fixed(value=100), max_tokens=200),
        strategies=(Strategy(name="semaphore-50", kind="semaphore", limit=IN_FLIGHT, retry=Retry()),),
        mock=Mock(latency=Latency(service_time=0.2)),
    ).model_copy(update=CLIENTS[client])


def _spec(seq: int, stream: bool) -> RequestSpec:
    messages = [{"role": "user", "content": "word " * 800}]
    params = {"model": "claude-sonnet-5-5", "max_tokens": 200, "messages": messages, "stream": stream}
    return RequestSpec(seq, 0.0, params, 1000, 100)


async def _measure(scenario: Scenario, stream: bool, in_flight: int) -> tuple[list[Attempt], dict[str, float]]:
    with open_target(scenario) as target:
        async with target.session(Clock(), 1) as session:
            pending = iter([_spec(seq, stream) for seq in range(TURNS * in_flight)])

            async def worker() -> list[Attempt]:
                return [await session.client.send(spec, 1) for spec in pending]

            done = await asyncio.gather(*(worker() for _ in range(in_flight)))
            latencies = await session.server_latencies()
    assert latencies is not None
    return [attempt for attempts in done for attempt in attempts], latencies


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", CLIENTS)
def test_client_against_ground_truth(once: Once, row: AddRow, client: str, stream: bool) -> None:
    _report(once, row, client, stream, IN_FLIGHT)


@pytest.mark.parametrize("in_flight", [200, 500])
@pytest.mark.parametrize("client", ["sdk on aiohttp", "wire"])
def test_many_streams_against_ground_truth(once: Once, row: AddRow, client: str, in_flight: int) -> None:
    _report(once, row, client, True, in_flight)


def _report(once: Once, row: AddRow, client: str, stream: bool, in_flight: int) -> None:
    def run() -> tuple[list[Attempt], dict[str, float]]:
        return clock.run(_measure(_scenario(client), stream, in_flight), virtual=False)

    attempts, truth = once(run)
    assert all(attempt.ok for attempt in attempts)
    took = [attempt.ended - attempt.sent for attempt in attempts]
    late = spread([ours - truth[attempt.request_id or ""] for ours, attempt in zip(took, attempts, strict=True)])
    work = f"mock, {in_flight} {'streamed' if stream else 'whole'}, {client}"
    beside = ("the mock's own", spread(list(truth.values())).p50 * 1000)
    row(f"{work}: latency, median", spread(took).p50 * 1000, "ms", beside=beside)
    row(f"{work}: later than the mock, p99", late.p99 * 1000, "ms")
