"""Users who wait for an answer and think before they ask again: the closed model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queueing import throughput_of_users
from queues import A_SECOND_ON_AVERAGE, play, scenario, slots

from bench.results.columns import RequestColumns
from bench.scenario.model import Exponential, Fixed, Lognormal, Size, Users


def throughput(done: RequestColumns, begin: float, end: float) -> float:
    """Answers a second between two moments."""
    return float(((done.ended > begin) & (done.ended <= end)).sum()) / (end - begin)


SERVICES = st.sampled_from([Fixed(value=2_000), A_SECOND_ON_AVERAGE, Lognormal(median=700, p95=4_000)])


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(1, 20), SERVICES, st.floats(0, 60), st.integers(0, 2**32))
def test_response_time_is_what_the_law_says(users: int, servers: int, service: Size, think: float, seed: int) -> None:
    """R = N / X - Z, the interactive response-time law (Denning and Buzen, 1978), whatever the service.  Exact.

    X counts each user for as long as that user is there: until the last answer has been read.
    """
    arrivals = Users(count=users, think=think)
    done = play(scenario(slots(servers), users * 12, service, arrivals=arrivals, seed=seed)).requests
    left = [done.ended[done.seq % users == user].max() + think for user in range(users)]
    x = len(done) / np.mean(left)
    assert done.response_time.mean() == pytest.approx(users / x - think, rel=1e-6)


@pytest.mark.parametrize(("users", "servers"), [(10, 4), (40, 4), (60, 4)], ids=["idle", "at the knee", "full"])
def test_users_get_the_throughput_of_the_repairman(users: int, servers: int) -> None:
    """X of the machine-repairman model within 2 %, and R + Z = N / X of what was measured within 1 %.

    Users who think for 10 s and answers of 1 s on average, both exponential; an hour and more of virtual time.
    """
    think, until = 10.0, 20_000.0 if users == 10 else 6_000.0
    arrivals = Users(count=users, think=Exponential(mean=think), ramp_up=think)
    done = play(scenario(slots(servers), None, A_SECOND_ON_AVERAGE, arrivals=arrivals, duration=until)).requests
    x = throughput(done, 100.0, until)
    assert x == pytest.approx(throughput_of_users(users, servers, 1.0, think), rel=0.02)
    settled = done.response_time[done.intended > 100.0]
    assert settled.mean() + think == pytest.approx(users / x, rel=0.01)
