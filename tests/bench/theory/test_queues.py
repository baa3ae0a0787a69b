"""N slots are N servers with one line in front of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queueing import erlang_c, wait_with_exponential_service, wait_with_one_server, waits
from queues import A_SECOND_ON_AVERAGE, BACKLOG, ONE_SECOND, in_order, play, scenario, slots

from bench.scenario.model import Arrivals, Constant, Gamma, Lognormal, Poisson, Size, Uniform


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(1, 50), st.floats(0.001, 500))
def test_constant_service_takes_as_many_rounds_as_it_needs(requests: int, servers: int, service: float) -> None:
    """Makespan = ceil(n / N) s: n requests, N slots, s seconds each, all there at the start.  Exact."""
    done = play(scenario(slots(servers), requests, service)).requests
    assert done.makespan == pytest.approx(math.ceil(requests / servers) * service, rel=1e-12)


ARRIVALS = st.one_of(
    st.just(BACKLOG),
    st.builds(Constant, rate=st.floats(0.5, 20)),
    st.builds(Poisson, rate=st.floats(0.5, 20)),
    st.builds(Gamma, rate=st.floats(0.5, 20), burstiness=st.floats(0.3, 4)),
)
SERVICES = st.one_of(
    st.just(ONE_SECOND),
    st.just(A_SECOND_ON_AVERAGE),
    st.just(Uniform(low=100, high=2_000)),
    st.just(Lognormal(median=700, p95=4_000)),
)


@settings(max_examples=60)
@given(ARRIVALS, SERVICES, st.integers(1, 12), st.integers(0, 2**32))
def test_every_request_waits_what_the_recursion_says(
    arrivals: Arrivals, service: Size, servers: int, seed: int
) -> None:
    """The Kiefer-Wolfowitz recursion, request by request: G/G/N, first come first served.  Exact."""
    arrived, served, waited = in_order(
        play(scenario(slots(servers), 200, service, arrivals=arrivals, seed=seed)).requests
    )
    assert waited == pytest.approx(waits(arrived, served, servers), rel=1e-9, abs=1e-9)


def test_poisson_arrivals_and_exponential_answers_wait_as_erlang_says() -> None:
    """Mean wait = C(N, a) s / (N - a), and P(wait > t) = C(N, a) exp(-(N - a) t / s), a = rate x s: Erlang C (1917).

    200,000 requests, within 3 %.  The waits of neighbours are alike, so that even of so many the mean has a standard
    error of 1.3 % with two servers half of whose time is taken, and of more with more of either.
    """
    servers, rate = 2, 1.0
    waited = play(
        scenario(slots(servers), 200_000, A_SECOND_ON_AVERAGE, arrivals=Poisson(rate=rate))
    ).requests.queue_time
    assert waited.mean() == pytest.approx(wait_with_exponential_service(servers, rate, service=1.0), rel=0.03)
    for longer in (0.0, 0.5, 1.0, 2.0):
        share = erlang_c(servers, rate) * math.exp(-(servers - rate) * longer)
        assert (waited > longer + 1e-9).mean() == pytest.approx(share, rel=0.03)


@pytest.mark.parametrize(
    ("service", "variation"),
    [(ONE_SECOND, 0.0), (Uniform(low=1, high=1_999), math.sqrt(1 / 3))],
    ids=["M/D/1", "M/U/1"],
)
def test_one_server_waits_as_pollaczek_and_khinchine_say(service: Size, variation: float) -> None:
    """Mean wait = rho s (1 + c^2) / 2 (1 - rho), c the coefficient of variation of the service (1930, 1932).

    30,000 requests, whose mean wait has a standard error of about 1.5 %; within 3 %.
    """
    done = play(scenario(slots(1), 30_000, service, arrivals=Poisson(rate=0.5))).requests
    assert done.queue_time.mean() == pytest.approx(wait_with_one_server(0.5, 1.0, variation), rel=0.03)
