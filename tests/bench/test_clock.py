from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import Clock, SimulationStalledError, run


def test_a_day_passes_at_once_and_exactly() -> None:
    async def main() -> float:
        clock = Clock()
        await clock.sleep_until(86_400.0)
        return clock.now()

    assert run(main(), virtual=True) == 86_400.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_sleepers_wake_at_their_own_deadline_in_order(deadlines: list[float]) -> None:
    async def main() -> list[float]:
        clock = Clock()
        woken: list[float] = []

        async def sleeper(when: float) -> None:
            await clock.sleep_until(when)
            woken.append(clock.now())

        await asyncio.gather(*map(sleeper, deadlines))
        return woken

    assert run(main(), virtual=True) == pytest.approx(sorted(deadlines), abs=1e-8)


def test_a_deadline_in_the_past_does_not_wait() -> None:
    async def main() -> float:
        clock = Clock()
        await clock.sleep_until(5)
        await clock.sleep_until(3)
        return clock.now()

    assert run(main(), virtual=True) == 5.0


def test_speed_makes_scenario_time_pass_faster_than_the_loop() -> None:
    async def main() -> tuple[float, float]:
        clock = Clock(speed=60)
        await clock.sleep_until(90)
        return clock.now(), asyncio.get_running_loop().time()

    assert run(main(), virtual=True) == (90.0, 1.5)


def test_timeout_counts_scenario_seconds() -> None:
    async def main() -> float:
        clock = Clock(speed=10)
        with pytest.raises(TimeoutError):
            async with clock.timeout(30):
                await clock.sleep_until(1000)
        return clock.now()

    assert run(main(), virtual=True) == pytest.approx(30)


def test_waiting_for_nothing_is_an_error_and_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SimulationStalledError):
        run(main(), virtual=True)


def test_a_callback_from_a_signal_reaches_a_virtual_loop() -> None:
    async def main() -> bool:
        heard = asyncio.Event()
        asyncio.get_running_loop().call_soon_threadsafe(heard.set)
        await heard.wait()
        return heard.is_set()

    assert run(main(), virtual=True)
