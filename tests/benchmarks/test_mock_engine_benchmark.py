"""What one request costs the mock, and the parts of it, beside a few draws of a random number."""

from collections.abc import Callable
from itertools import count
from statistics import median
from timeit import repeat
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.table import AddRow, seconds
from mock_server import wire
from mock_server.engine import Engine
from mock_server.models import text_of_tokens
from mock_server.plan import Plan
from mock_server.rng import Draws
from mock_server.settings import Settings

MODEL = "claude-sonnet-4-6"  # thinks only when asked to
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 1_000,
    "messages": [{"role": "user", "content": text_of_tokens(1_000, MODEL)}],
    "stream": True,
}


Show = Callable[[str], None]


@pytest.fixture(scope="module")
def draws() -> float:
    """Microseconds that a few draws take: the unit of all others."""
    return median(repeat(lambda: Draws(7, 12, 1).lognormal(1.0, 3.0), number=1_000)) * 1_000


@pytest.fixture
def show(benchmark: BenchmarkFixture, row: AddRow, draws: float) -> Show:
    """Adds what was measured to the table."""
    return lambda work: row(f"mock engine, {work}", seconds(benchmark) * 1e6, "us", beside=("a few draws", draws))


@pytest.mark.parametrize("tier", ["unlimited", "scale"])
def test_an_admitted_request(benchmark: BenchmarkFixture, show: Show, tier: str) -> None:
    engine, number = Engine(Settings(tier=tier)), count()

    def handle() -> Plan:
        n = next(number)  # 100 a second, about 170 answers running at once
        return engine.handle(ASK, n / 100, key=(7, n, 1), output_tokens=100)

    assert benchmark(handle).status == 200
    show(f"a request admitted, {tier}")


def test_a_refused_request(benchmark: BenchmarkFixture, show: Show) -> None:
    engine = Engine(Settings(tier="tier-1"))
    for n in range(50):
        engine.handle(ASK, 0.0, key=(7, n, 1), output_tokens=100)
    assert benchmark(lambda: engine.handle(ASK, 0.0, key=(7, 50, 1), output_tokens=100)).status == 429
    show("a request refused")


def test_headers(benchmark: BenchmarkFixture, show: Show) -> None:
    plan = Engine(Settings()).handle(ASK, 0.0, key=(7, 1, 1), output_tokens=100)
    assert len(benchmark(lambda: wire.headers(plan))) == 17
    show("17 headers")


def test_a_stream_of_21_events(benchmark: BenchmarkFixture, show: Show) -> None:
    plan = Engine(Settings()).handle(ASK, 0.0, key=(7, 1, 1), output_tokens=100)
    assert len(benchmark(lambda: list(wire.events(plan)))) == 21
    show("21 events")
