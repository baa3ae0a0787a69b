"""What a pass sees of its own client, on a loop whose time these tests set."""

from __future__ import annotations

import asyncio
import gc
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import Clock, VirtualLoop
from bench.clock import run as run_loop
from bench.engine.gauge import EVERY, Delays, Gauge, Gauged
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.results.selfcheck import SelfCheck
from bench.targets.client import Watch

SPEC = RequestSpec(0, 0.0, {"model": "claude-sonnet-5-5"}, 1, 1)


def block(seconds: float) -> None:
    """What code does to an event loop that computes for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.moment += seconds


def gauged(*blocked: float) -> SelfCheck:
    """Ten seconds of a loop that is blocked now and then."""

    async def main() -> SelfCheck:
        clock = Clock()
        with Gauge(clock) as gauge:
            for seconds in blocked:
                await asyncio.sleep(1)
                block(seconds)
            await clock.sleep_until(10)
        assert gauge.found is not None
        return gauge.found

    return run_loop(main(), virtual=True)


def test_a_loop_that_is_never_blocked_is_never_late() -> None:
    found = gauged()
    assert found.moments == pytest.approx(10 / EVERY, abs=1)
    assert (found.lag_median, found.lag_p99, found.lag_max) == (0, 0, 0)


def test_each_moment_of_a_stop_counts_and_not_the_stop_once() -> None:
    found = gauged(6.0)
    assert found.moments == pytest.approx(10 / EVERY, abs=1)
    assert found.lag_max == pytest.approx(6.0, abs=EVERY)
    # Blocked for 6 of 10 seconds: half of all moments were late by a second or more.
    assert found.lag_median == pytest.approx(1.0, rel=0.06)


@pytest.mark.parametrize("elapsed", [-3.0, 0.0, 40.0])
def test_a_clock_that_is_restarted_is_not_late(elapsed: float) -> None:
    async def main() -> SelfCheck:
        clock = Clock()
        with Gauge(clock) as gauge:
            await asyncio.sleep(5)
            clock.restart(elapsed)
            await asyncio.sleep(5)
        assert gauge.found is not None
        return gauge.found

    found = run_loop(main(), virtual=True)
    assert found.moments == pytest.approx(10 / EVERY, abs=1)
    assert found.lag_max == 0


def test_a_millisecond_is_the_timers() -> None:
    assert gauged(0.0009).lag_max == 0


def test_collections_are_counted_and_no_longer_than_the_pass() -> None:
    async def main() -> SelfCheck:
        with Gauge(Clock()) as gauge:
            gc.collect()
            gc.collect()
        gc.collect()
        assert gauge.found is not None
        return gauge.found

    before = len(gc.callbacks)
    found = run_loop(main(), virtual=True)
    assert found.pauses >= 2
    assert 0 < found.longest_pause <= found.paused <= found.seconds
    assert len(gc.callbacks) == before


class Slow:
    """A client that takes half a second of scenario time to get a request out, and one to be answered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def send(
        self,
        spec: RequestSpec,  # noqa: ARG002
        attempt: int,  # noqa: ARG002
        watch: Watch | None = None,  # noqa: ARG002
    ) -> Attempt:
        asked = self._clock.now()
        await self._clock.sleep_until(asked + 1.5)
        return Attempt(asked + 0.5, self._clock.now(), 200)


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_how_long_attempts_take_to_leave_and_how_many_are_open(speed: float) -> None:
    async def main() -> SelfCheck | None:
        clock = Clock(speed)
        with Gauge(clock) as gauge:
            client = Gauged(Slow(clock), gauge, clock)
            await asyncio.gather(*(client.send(SPEC, 1) for _ in range(3)))
            await client.send(SPEC, 2)
        return gauge.found

    found = run_loop(main(), virtual=True)
    assert found is not None
    assert (found.sends, found.most_open) == (4, 3)
    assert found.wait_max == pytest.approx(0.5 / speed)
    assert found.wait_median == pytest.approx(0.5 / speed, rel=0.05)


def test_an_attempt_that_is_given_up_is_not_open_any_more() -> None:
    async def main() -> SelfCheck | None:
        clock = Clock()
        with Gauge(clock) as gauge:
            client = Gauged(Slow(clock), gauge, clock)
            for _ in range(3):
                sending = asyncio.ensure_future(client.send(SPEC, 1))
                await asyncio.sleep(0.1)
                sending.cancel()
                await asyncio.wait({sending})
        return gauge.found

    found = run_loop(main(), virtual=True)
    assert found is not None
    assert (found.sends, found.most_open) == (0, 1)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=200), st.floats(0.01, 1))
def test_quantiles_are_at_most_five_per_cent_too_long(seconds: list[float], share: float) -> None:
    delays = Delays()
    for one in seconds:
        delays.add(one)
    true = float(np.quantile(seconds, share, method="inverted_cdf"))
    found = delays.quantile(share)
    assert delays.longest == max(seconds)
    assert delays.together == pytest.approx(math.fsum(seconds))
    assert found <= delays.longest
    if true > 1e-6:
        assert true * (1 - 1e-9) <= found <= true * 1.0501
    else:
        assert found == 0


def test_nothing_took_no_time() -> None:
    assert Delays().quantile(0.5) == 0
