from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.scenario.model import (
    Arrivals,
    Backlog,
    Constant,
    Fixed,
    FromTrace,
    Poisson,
    Retry,
    Scenario,
    Size,
    Strategy,
    Trace,
    Workload,
)
from bench.scenario.traces import Arrival
from bench.workload import arrivals as workload_arrivals
from bench.workload.streams import traffic_of

TRACE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.6805900,396,109
2023-11-16 18:15:50.6805900,10,1
2023-11-16 18:16:46.6805900,20,2
"""


NINE = Fixed(value=9)


def scenario_of(
    arrivals: Arrivals,
    requests: int | None = None,
    duration: float | None = None,
    seed: int = 0,
    size: Size = NINE,
) -> Scenario:
    return Scenario(
        version=1,
        name="job",
        question="?",
        model="claude-sonnet-5",
        workload=Workload(requests=requests, duration=duration, input_tokens=size, output_tokens=size, max_tokens=9),
        arrivals=arrivals,
        retry=Retry(),
        strategies=(Strategy(name="gather", kind="gather", retry=Retry()),),
        seed=seed,
    )


def arrivals_of(scenario: Scenario) -> Iterator[Arrival]:
    [traffic] = traffic_of(scenario)
    return workload_arrivals.arrivals_of(traffic, scenario.seed)


def times(scenario: Scenario) -> list[float]:
    return [arrival.at for arrival in arrivals_of(scenario)]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)
    return path


@pytest.mark.parametrize(
    ("arrivals", "requests", "duration", "expected"),
    [
        (Backlog(), 3, None, [0.0, 0.0, 0.0]),
        (Constant(rate=4.0), 5, None, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (Constant(rate=4.0), None, 1.0, [0.0, 0.25, 0.5, 0.75]),
        (Constant(rate=4.0), 2, 1.0, [0.0, 0.25]),
        (Constant(rate=4.0), 9, 0.5, [0.0, 0.25]),
    ],
)
def test_times(arrivals: Arrivals, requests: int | None, duration: float | None, expected: list[float]) -> None:
    assert times(scenario_of(arrivals, requests, duration)) == expected


@given(st.floats(0.01, 1e4))
def test_constant_arrivals_are_deadlines_that_never_drift(rate: float) -> None:
    """The k-th is due at k / rate, not after k rounded periods."""
    arrivals = arrivals_of(scenario_of(Constant(rate=rate), requests=200))
    assert [arrival.at for arrival in arrivals] == [k / rate for k in range(200)]


@given(st.floats(0.1, 1000), st.integers(0, 2**32))
def test_poisson_arrivals_go_forward_and_repeat(rate: float, seed: int) -> None:
    scenario = scenario_of(Poisson(rate=rate), requests=100, seed=seed)
    first = times(scenario)
    assert first == times(scenario)
    assert all(0 < earlier < later for earlier, later in pairwise(first))


def test_poisson_arrivals_have_the_rate_and_spread_of_a_poisson_process() -> None:
    arrived = times(scenario_of(Poisson(rate=50.0), requests=20_000, seed=7))
    gaps = [later - earlier for earlier, later in pairwise([0.0, *arrived])]
    mean = sum(gaps) / len(gaps)
    spread = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(1 / 50, rel=0.03)
    assert spread == pytest.approx(mean**2, rel=0.06)


def test_other_seeds_give_other_arrivals() -> None:
    arrivals = Poisson(rate=1.0)
    assert times(scenario_of(arrivals, 5, seed=1)) != times(scenario_of(arrivals, 5, seed=2))


@pytest.mark.parametrize(
    ("window", "factor", "requests", "duration", "expected"),
    [
        (None, 1.0, None, None, [0.0, 4.0, 4.0, 60.0]),
        (60.0, 1.0, None, None, [0.0, 4.0, 4.0]),
        (None, 0.5, None, None, [0.0, 2.0, 2.0, 30.0]),
        (60.0, 2.0, None, None, [0.0, 8.0, 8.0]),
        (None, 1.0, 2, None, [0.0, 4.0]),
        (None, 2.0, None, 8.0, [0.0]),
    ],
)
def test_a_trace_in_its_window_at_its_pace(
    trace: Path,
    window: float | None,
    factor: float,
    requests: int | None,
    duration: float | None,
    expected: list[float],
) -> None:
    arrivals = Trace(path=trace, window=window, time_factor=factor)
    assert times(scenario_of(arrivals, requests, duration, size=FromTrace())) == pytest.approx(expected)


def test_a_trace_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ContextTokens,GeneratedTokens,TIMESTAMP,Other\n5,6,100.5,x\n7,8,102,x\n")
    arrivals = list(arrivals_of(scenario_of(Trace(path=tmp_path / "t.csv"))))
    assert arrivals == [Arrival(0.0, 5, 6), Arrival(1.5, 7, 8)]


def test_a_trace_that_was_spoilt_since_loading_says_where(trace: Path) -> None:
    arrivals = arrivals_of(scenario_of(Trace(path=trace)))
    trace.write_text(TRACE.replace("396", "?"))
    with pytest.raises(UsageError, match=r"trace.csv:3: ContextTokens `\?` is not a number of tokens"):
        list(arrivals)


def test_endless_arrivals_are_made_one_by_one() -> None:
    arrivals = arrivals_of(scenario_of(Constant(rate=1.0)))
    assert [arrival.at for arrival in islice(arrivals, 2)] == [0.0, 1.0]
