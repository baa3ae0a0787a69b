from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.record import Attempt
from bench.results.statistics import samples_needed
from bench.scenario.strategies import Hedge
from bench.strategies.hedging import ENOUGH, Hedging, Percentile


def answered(seconds: float, first_token: float | None = None, *, hedge: bool = False) -> Attempt:
    return Attempt(10.0, 10.0 + seconds, 200, first_token=first_token and 10.0 + first_token, hedge=hedge)


@given(st.lists(st.floats(1e-5, 1e5), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_running_percentile_is_that_of_all_values_to_one_per_cent(values: list[float], p: float) -> None:
    running = Percentile(p)
    for value in values:
        running.add(value)
    exact = float(np.quantile(values, p, method="inverted_cdf"))
    assert exact <= running.value * (1 + 1e-9)
    assert running.value <= exact * 1.0101


def test_a_fixed_time_is_known_from_the_start_a_percentile_once_it_has_an_interval() -> None:
    assert Hedging(Hedge(after=3.0)).after == 3.0
    assert samples_needed(0.95) == ENOUGH
    hedging = Hedging(Hedge(after="p95"))
    for _ in range(ENOUGH):
        assert hedging.after is None
        hedging.learn(answered(2.0))
    assert hedging.after == pytest.approx(2.0, rel=0.01)


def test_of_a_stream_the_first_token_counts() -> None:
    hedging = Hedging(Hedge(after="p50"))
    for _ in range(ENOUGH):
        hedging.learn(answered(9.0, first_token=0.5))
    assert hedging.after == pytest.approx(0.5, rel=0.01)


def test_the_percentile_stays_where_it_is_though_late_attempts_are_cut_short() -> None:
    """A tenth takes 10 s and is outrun once it is late: were that forgotten, the p95 would sink to the others' 1 s."""
    hedging = Hedging(Hedge(after="p90"))
    for k in range(2_000):
        seconds = 10.0 if k % 8 == 0 else 1.0
        late = hedging.after
        if late is not None and seconds > late:
            hedging.learn(Attempt(0.0, late + 0.3, cause="outrun"))
            hedging.learn(Attempt(late, late + 0.3, hedge=True))
        else:
            hedging.learn(Attempt(0.0, seconds))
    assert hedging.after is not None
    assert hedging.after > 1.3


def test_failures_teach_nothing() -> None:
    hedging = Hedging(Hedge(after="p95"))
    for _ in range(200):
        hedging.learn(Attempt(0.0, 0.1, 529, cause="overloaded"))
    assert hedging.after is None


def test_no_more_than_their_share_of_the_requests_are_hedged() -> None:
    hedging = Hedging(Hedge(after=1.0, most=0.05))
    allowed = 0
    for _ in range(100):
        hedging.requests += 1
        allowed += hedging.may()
    assert allowed == 5
    hedging.take_back()
    assert hedging.may()
    assert not hedging.may()
