"""A job that a limit binds takes its demand over the rate, and Little's law says how many in flight that is."""

from __future__ import annotations

import math

import pytest
from queues import paced, play, scenario, slots

from bench.planning.simulate import simulate
from bench.scenario.model import Lognormal, Retry, Size
from mock_server.tiers import limits_for

TIER = "tier-1"
"""50 requests, 30,000 input tokens and 8,000 output tokens a minute."""
LIMITS = limits_for(TIER, "claude-opus-4-8")
SERVICE = 5.0


@pytest.mark.parametrize("burst", [1.0, 10.0, 60.0])
@pytest.mark.parametrize(
    ("binds", "input_tokens", "output_tokens"),
    [("requests", 100, 10), ("input_tokens", 2_000, 10), ("output_tokens", 100, 1_000)],
)
def test_a_paced_job_takes_its_demand_over_the_rate(
    binds: str, input_tokens: int, output_tokens: int, burst: float
) -> None:
    """Makespan = (demand - burst x rate) / rate + s, on the limit that binds.  Exact where requests are alike.

    The last request goes when all that was asked for, itself included, has come in beside what was there at the start
    (the arithmetic of a token bucket: Turner, New directions in communications, 1986), or, where a bucket holds less
    than a request, when it is full again.  Nobody is refused: pacer and server keep the same books.
    """
    requests = 2_000
    each = {"requests": 1, "input_tokens": input_tokens, "output_tokens": output_tokens}[binds]
    rate = getattr(LIMITS, binds) / 60
    done = play(
        scenario(
            paced(burst),
            requests,
            SERVICE,
            tier=TIER,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            burst=60.0,
        )
    ).requests
    at_once = max(burst * rate, each)
    assert done.makespan == pytest.approx((requests * each - at_once) / rate + SERVICE, rel=1e-6)


@pytest.mark.parametrize("answers", [Lognormal(median=600, p95=2_500), Lognormal(median=1_500, p95=1_500)])
def test_a_token_bound_job_takes_its_tokens_over_the_rate(answers: Size) -> None:
    """Makespan = tokens / rate within 1 %, whatever the spread of the answers: a mean is all that counts."""
    done = play(scenario(paced(burst=1.0), 5_000, answers, tier=TIER)).requests
    assert done.makespan == pytest.approx(done.output_tokens.sum() / (LIMITS.output_tokens or 0) * 60, rel=0.01)


def test_littles_number_in_flight_uses_the_whole_limit_and_one_more_is_refused() -> None:
    """N = rate x s (Little, 1961): 50 a minute and 6 s are 5 in flight, which the limit lets go at once here."""
    number = 5
    assert number == (LIMITS.requests or 0) / 60 * 6.0
    within = play(scenario(slots(number), 2_000, 6.0, tier=TIER, burst=6.0)).requests
    assert within.makespan == pytest.approx(math.ceil(2_000 / number) * 6.0)
    patient = slots(number + 1).model_copy(update={"retry": Retry(attempts=1_000)})
    beyond = simulate(scenario(patient, 2_000, 6.0, tier=TIER, burst=6.0)).columns[0]
    refused = int((beyond.attempts.status == 429).sum())
    assert refused > 100
    assert beyond.requests.makespan >= within.makespan * 0.99
