"""What one request costs the mock, and the parts of it: compare the rows of one run with each other."""

from itertools import count
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

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


def test_a_few_draws_as_the_unit(benchmark: BenchmarkFixture) -> None:
    benchmark(lambda: Draws(7, 12, 1).lognormal(1.0, 3.0))


@pytest.mark.parametrize("tier", ["unlimited", "scale"])
def test_an_admitted_request(benchmark: BenchmarkFixture, tier: str) -> None:
    engine, number = Engine(Settings(tier=tier)), count()

    def handle() -> Plan:
        n = next(number)  # 100 a second, about 170 answers running at once
        return engine.handle(ASK, n / 100, key=(7, n, 1), output_tokens=100)

    assert benchmark(handle).status == 200


def test_a_refused_request(benchmark: BenchmarkFixture) -> None:
    engine = Engine(Settings(tier="tier-1"))
    for n in range(50):
        engine.handle(ASK, 0.0, key=(7, n, 1), output_tokens=100)
    assert benchmark(lambda: engine.handle(ASK, 0.0, key=(7, 50, 1), output_tokens=100)).status == 429


def test_headers(benchmark: BenchmarkFixture) -> None:
    plan = Engine(Settings()).handle(ASK, 0.0, key=(7, 1, 1), output_tokens=100)
    assert len(benchmark(lambda: wire.headers(plan))) == 17


def test_a_stream_of_21_events(benchmark: BenchmarkFixture) -> None:
    plan = Engine(Settings()).handle(ASK, 0.0, key=(7, 1, 1), output_tokens=100)
    assert len(benchmark(lambda: list(wire.events(plan)))) == 21
