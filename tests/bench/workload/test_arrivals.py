from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice, pairwise
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.scenario.model import (
    Arrivals,
    Backlog,
    Constant,
    Diurnal,
    Fixed,
    FromTrace,
    Gamma,
    Point,
    Poisson,
    Ramp,
    Retry,
    Rounds,
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


def gaps_of(arrivals: Arrivals, requests: int, seed: int = 7) -> tuple[float, float]:
    """Mean gap and coefficient of variation."""
    arrived = times(scenario_of(arrivals, requests, seed=seed))
    gaps = [later - earlier for earlier, later in pairwise([0.0, *arrived])]
    return fmean(gaps), pstdev(gaps) / fmean(gaps)


@pytest.mark.parametrize("burstiness", [0.3, 0.8, 1.5, 3.0])
def test_gamma_arrivals_have_the_rate_and_burstiness_asked_for(burstiness: float) -> None:
    mean, variation = gaps_of(Gamma(rate=20.0, burstiness=burstiness), 40_000)
    assert mean == pytest.approx(1 / 20, rel=0.02 * max(1, burstiness))
    assert variation == pytest.approx(burstiness, rel=0.04)


def test_a_burstiness_of_one_is_poisson() -> None:
    poisson = times(scenario_of(Poisson(rate=5.0), 100))
    assert times(scenario_of(Gamma(rate=5.0, burstiness=1.0), 100)) == poisson
    flat = Ramp(points=(Point(at=0, rate=5.0), Point(at=10, rate=5.0)), burstiness=1.0)
    assert times(scenario_of(flat, 100)) == pytest.approx(poisson)


RISE = (Point(at=0, rate=0.0), Point(at=60, rate=10.0))
STEP = (Point(at=0, rate=2.0), Point(at=30, rate=2.0), Point(at=30, rate=20.0), Point(at=40, rate=20.0),
        Point(at=40, rate=0.0), Point(at=50, rate=0.0), Point(at=50, rate=1.0))  # fmt: skip


@pytest.mark.parametrize(
    ("points", "until", "expected"),
    [
        (RISE, 60.0, 300),  # 60 s at a mean of 5
        (RISE, 30.0, 75),
        (RISE, 90.0, 600),  # the last rate stays
        (STEP, 30.0, 60),
        (STEP, 40.0, 260),
        (STEP, 50.0, 260),
        (STEP, 60.0, 270),
    ],
)
def test_evenly_spaced_arrivals_are_as_many_as_the_area_under_the_rate(
    points: tuple[Point, ...], until: float, expected: int
) -> None:
    assert len(times(scenario_of(Ramp(points=points, burstiness=0.0), None, until))) == expected


def test_a_rate_that_ends_at_nothing_ends_the_arrivals() -> None:
    points = (Point(at=0, rate=10.0), Point(at=6, rate=0.0))
    arrived = times(scenario_of(Ramp(points=points, burstiness=0.0), 1000))
    assert len(arrived) == 30
    assert arrived[-1] < 6


rates = st.just(0.0) | st.floats(0.001, 50)
ramps = st.lists(st.tuples(st.floats(0.1, 100), rates), min_size=1, max_size=5)


@given(rates, ramps, st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.integers(0, 2**32))
def test_ramps_are_sorted_and_evenly_spaced_ones_never_exceed_their_highest_rate(
    first: float, spans: list[tuple[float, float]], burstiness: float, seed: int
) -> None:
    moments = [0.0, *accumulate(span for span, _ in spans)]
    points = tuple(Point(at=at, rate=rate) for at, rate in zip(moments, [first, *(r for _, r in spans)], strict=True))
    highest = max(point.rate for point in points)
    assume(highest > 0.01)
    scenario = scenario_of(Ramp(points=points, burstiness=burstiness), 200, seed=seed)
    arrived = times(scenario)
    assert arrived == times(scenario)
    assert arrived == sorted(arrived)
    if burstiness == 0:
        assert all(later - earlier >= (1 / highest) * (1 - 1e-6) for earlier, later in pairwise(arrived))


@given(st.floats(0.1, 20), st.floats(0, 1), st.floats(10, 1000), st.floats(0, 1000))
def test_a_day_has_as_many_requests_as_its_mean_rate_says(
    rate: float, amplitude: float, period: float, peak: float
) -> None:
    curve = Diurnal(rate=rate, amplitude=amplitude, period=period, peak=peak, burstiness=0.0)
    expected = rate * period * 2
    assume(expected < 2000)
    arrived = times(scenario_of(curve, None, 2 * period))
    assert arrived == sorted(arrived)
    assert abs(len(arrived) - expected) <= 1.01
    assert all(b - a >= 1 / (rate * (1 + amplitude)) - 1e-6 for a, b in pairwise(arrived))


def test_a_diurnal_rate_is_highest_at_its_peak() -> None:
    curve = Diurnal(rate=10.0, amplitude=0.8, period=100.0, peak=25.0, burstiness=1.0)
    arrived = times(scenario_of(curve, None, 100.0))
    by_quarter = [sum(start <= at < start + 20 for at in arrived) for start in (15, 65)]
    assert by_quarter[0] > 5 * by_quarter[1]


@given(st.integers(1, 9), st.floats(0.001, 1e5), st.integers(1, 200))
def test_rounds_come_at_multiples_of_their_interval(requests: int, every: float, wanted: int) -> None:
    arrived = times(scenario_of(Rounds(every=every, requests=requests), wanted))
    assert arrived == [number // requests * every for number in range(wanted)]


def test_rounds_end_before_their_duration_does() -> None:
    assert times(scenario_of(Rounds(every=10.0, requests=2), None, 30.0)) == [0.0, 0.0, 10.0, 10.0, 20.0, 20.0]


def test_part_of_a_trace_from_its_middle(trace: Path) -> None:
    assert times(scenario_of(Trace(path=trace, start=2.0, window=10.0, time_factor=2.0))) == [4.0, 4.0]


@pytest.mark.parametrize(("factor", "low", "high"), [(3.0, 3000, 3000), (0.5, 440, 560), (1.25, 1200, 1300)])
def test_a_trace_at_another_rate_keeps_its_length_and_shape(tmp_path: Path, factor: float, low: int, high: int) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"{at},1{at % 10},5\n" for at in sorted((k * k) % 1000 for k in range(1000)))
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + rows)
    scenario = scenario_of(Trace(path=path, rate_factor=factor))
    arrived = list(arrivals_of(scenario))
    assert arrived == list(arrivals_of(scenario))
    assert low <= len(arrived) <= high
    assert [one.at for one in arrived] == sorted(one.at for one in arrived)
    first_half = sum(one.at < 400 for one in arrived) / len(arrived)
    before = sum(one.at < 400 for one in arrivals_of(scenario_of(Trace(path=path)))) / 1000
    assert first_half == pytest.approx(before, abs=0.05)
    assert 990 <= arrived[-1].at <= 1000
