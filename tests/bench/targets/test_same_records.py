"""The direct simulation against the SDK speaking to the same engine: the same workload must give the same records."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import httpx2
import msgspec
import pytest

from bench import clock
from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.targets.client import Client, Watch
from bench.targets.inprocess import EngineTransport
from bench.targets.sdk import SdkClient
from bench.targets.sim import SimClient
from mock_server.engine import Engine
from mock_server.faults import DISGUISES, FLAWS, REFUSALS, Fault
from mock_server.rng import Draws
from mock_server.settings import Settings

SEED = 11

REFUSING = {name: Fault(rate=0.05) for name in (*REFUSALS, *DISGUISES)} | {
    "overloaded": Fault(on=3.0, off=6.0, delay=0.25, retry_after=2),
    "gateway_timeout": Fault(start=10.0, end=12.0, delay=7.5),
}
SPOILING = {name: Fault(rate=0.1) for name in FLAWS} | {"stall": Fault(rate=0.2, delay=1.5)}


def workload(count: int) -> list[RequestSpec]:
    """Requests of all kinds: streamed or not, short and long, cut by max_tokens, and some that are wrong."""
    return [_spec(seq, Draws(SEED, "workload", seq)) for seq in range(count)]


def _spec(seq: int, draws: Draws) -> RequestSpec:
    tokens = draws.integer(1, 700)
    params = {
        "model": "claude-no-such" if seq % 41 == 0 else "claude-sonnet-5-5",
        "max_tokens": -1 if seq % 37 == 0 else 500,
        "messages": [{"role": "user", "content": "word " * draws.integer(1, 1500)}],
        "stream": seq % 2 == 0,
    }
    return RequestSpec(seq, draws.uniform(0.0, 40.0), params, input_tokens=1, output_tokens=tokens)


TOOL = {
    "name": "get_level",
    "input_schema": {
        "type": "object",
        "properties": {"river": {"type": "string"}, "gauges": {"type": "array", "items": {"type": "integer"}}},
        "required": ["river"],
    },
}
LONG = [{"type": "text", "text": "word " * 5_000, "cache_control": {"type": "ephemeral"}}]
SHAPES: list[dict[str, Any]] = [
    {},
    {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
    {"thinking": {"type": "disabled"}},
    {"tools": [TOOL]},
    {"tools": [TOOL], "tool_choice": {"type": "any"}},
    {"system": LONG},
    {"system": LONG, "cache_control": {"type": "ephemeral", "ttl": "5m"}, "tools": [TOOL]},
    {"stop_sequences": ["water", "lamps"]},
    {"output_config": {"format": {"type": "json_schema", "schema": TOOL["input_schema"]}}},
]
"""All that makes an answer other than plain text."""


def shaped_workload(count: int) -> list[RequestSpec]:
    """The same requests, on a model that thinks, with all kinds of answers."""
    return [
        msgspec.structs.replace(
            spec,
            params={
                **spec.params,
                "model": "claude-sonnet-5",
                "max_tokens": 500,
                **SHAPES[spec.seq % len(SHAPES)],
                "stream": spec.seq % 3 > 0,
            },
        )
        for spec in workload(count)
    ]


T = TypeVar("T")
Exchange = Callable[[Client, Clock, RequestSpec], Awaitable[T]]


def play(
    settings: Settings,
    exchange: Exchange[T],
    *,
    direct: bool,
    timeout: float,
    count: int,
    make: Callable[[int], list[RequestSpec]] = workload,
    stall: float = math.inf,
) -> list[T]:
    """What comes of an exchange for each request of a workload."""

    async def main() -> list[T]:
        time, engine = Clock(), Engine(settings)
        async with AsyncExitStack() as stack:
            client: Client = SimClient(engine, time, seed=SEED, timeout=timeout, stall=stall)
            if not direct:
                client = await stack.enter_async_context(_sdk(engine, time, timeout, stall))
            return await asyncio.gather(*(exchange(client, time, spec) for spec in make(count)))

    return clock.run(main(), virtual=True)


def records(
    settings: Settings,
    *,
    direct: bool,
    timeout: float,
    count: int,
    make: Callable[[int], list[RequestSpec]] = workload,
    stall: float = math.inf,
) -> list[list[Attempt]]:
    """All attempts by request; a 429 is tried again after its retry-after."""
    return play(settings, _exchange, direct=direct, timeout=timeout, count=count, make=make, stall=stall)


def _sdk(engine: Engine, time: Clock, timeout: float, stall: float) -> SdkClient:
    def headers(spec: RequestSpec, attempt: int) -> dict[str, str]:
        return {"x-mock-key": f"{SEED}.{spec.seq}.{attempt}", "x-mock-output-tokens": str(spec.output_tokens)}

    http = httpx2.AsyncClient(transport=EngineTransport(engine, time))
    return SdkClient(
        time, http, base_url="http://engine", api_key="sk-ant-test", timeout=timeout, stall=stall, headers=headers
    )


async def _exchange(client: Client, time: Clock, spec: RequestSpec) -> list[Attempt]:
    await time.sleep_until(spec.intended)
    attempts = [await client.send(spec, 1)]
    while attempts[-1].retry_after is not None and len(attempts) < 4:
        await time.sleep_until(attempts[-1].ended + attempts[-1].retry_after)
        attempts.append(await client.send(spec, len(attempts) + 1))
    return attempts


async def _given_up(client: Client, time: Clock, spec: RequestSpec) -> tuple[Attempt | None, list[float]]:
    """What is seen of an attempt that is cancelled at some moment, if it has not ended, and when it had answered."""
    await time.sleep_until(spec.intended)
    answered: list[float] = []
    watch = Watch(
        within=Draws(SEED, "within", spec.seq).uniform(1.0, 9.0), answered=lambda: answered.append(time.now())
    )
    sending = asyncio.ensure_future(client.send(spec, 1, watch))
    time.call_at(spec.intended + Draws(SEED, "patience", spec.seq).uniform(0.0, 8.0), sending.cancel)
    await asyncio.wait({sending})
    return watch.seen if sending.cancelled() else sending.result(), answered


@pytest.mark.parametrize(
    ("settings", "timeout", "causes"),
    [
        (Settings(tier="tier-1", burst=20.0, seed=3), 8.0, {None, "input_tokens", "output_tokens", "timeout"}),
        (Settings(tier="unlimited", service_time=2.5, chunk_tokens=1), 8.0, {None, "invalid_request", "not_found"}),
        (Settings(tier="tutorial-1", reserve_max_tokens=True, rejected_count=True), 3.0, {None, "requests", "timeout"}),
        (Settings(tier="tier-1", faults=REFUSING), 8.0, {None, *REFUSALS}),
        (Settings(tier="scale", faults=SPOILING), 8.0, {None, "connection", "malformed", "stream_error", "timeout"}),
    ],
)
def test_the_direct_simulation_gives_the_records_of_the_sdk(
    settings: Settings, timeout: float, causes: set[str | None]
) -> None:
    direct = records(settings, direct=True, timeout=timeout, count=300)
    sdk = records(settings, direct=False, timeout=timeout, count=300)
    seen = Counter(attempt.cause for attempts in direct for attempt in attempts)
    assert causes <= set(seen)
    for ours, theirs in zip(direct, sdk, strict=True):
        assert ours == theirs


@pytest.mark.parametrize(
    ("settings", "timeout"),
    [
        (Settings(tier="unlimited", seed=3), 8.0),
        (Settings(tier="tier-2", ttft=(0.4, 0.9), tokens_per_second=(90.0, 200.0), chunk_tokens=3), 4.0),
        (Settings(tier="start", service_time=3.0, tool_use_rate=0.5), 30.0),
    ],
)
def test_the_records_of_thinking_tools_and_caching_are_those_of_the_sdk(settings: Settings, timeout: float) -> None:
    direct = records(settings, direct=True, timeout=timeout, count=300, make=shaped_workload)
    sdk = records(settings, direct=False, timeout=timeout, count=300, make=shaped_workload)
    last = [attempts[-1] for attempts in direct]
    assert {attempt.stop_reason for attempt in last} >= {"end_turn", "max_tokens", "tool_use", "stop_sequence"}
    usage = [attempt.usage for attempt in last if attempt.usage]
    assert all(any(getattr(row, name) for row in usage) for name in ("cache_read", "cache_write_5m", "thinking_tokens"))
    assert any(a.first_text and a.first_token and a.first_text > a.first_token for a in last)
    assert any(a.first_event and a.first_token and a.first_token > a.first_event for a in last)
    for ours, theirs in zip(direct, sdk, strict=True):
        assert ours == theirs


@pytest.mark.parametrize(
    ("settings", "stall"),
    [
        (Settings(tier="scale", faults=SPOILING), 1.0),
        (Settings(tier="unlimited", faults=SPOILING, chunk_tokens=30), 0.45),
        (Settings(tier="unlimited", ttft=(0.4, 0.9), tokens_per_second=(20.0, 60.0), ping_interval=None), 0.3),
        (Settings(tier="unlimited", tokens_per_second=(20.0, 60.0), ping_interval=0.4), 0.5),
    ],
)
@pytest.mark.parametrize("make", [workload, shaped_workload])
def test_silences_end_streams_of_the_simulation_when_they_end_those_of_the_sdk(
    settings: Settings, stall: float, make: Callable[[int], list[RequestSpec]]
) -> None:
    direct = records(settings, direct=True, timeout=20.0, count=300, make=make, stall=stall)
    sdk = records(settings, direct=False, timeout=20.0, count=300, make=make, stall=stall)
    stalled = [one for attempts in direct for one in attempts if one.cause == "stalled"]
    assert stalled or (settings.ping_interval or 1) < stall
    assert all(one.headers is not None and one.ended >= one.headers + stall for one in stalled)
    for ours, theirs in zip(direct, sdk, strict=True):
        assert ours == theirs


@pytest.mark.parametrize(
    "settings", [Settings(tier="unlimited", seed=3), Settings(tier="tier-2", faults=SPOILING | REFUSING)]
)
def test_what_is_seen_of_a_cancelled_attempt_is_what_the_sdk_sees(settings: Settings) -> None:
    direct = play(settings, _given_up, direct=True, timeout=8.0, count=300)
    sdk = play(settings, _given_up, direct=False, timeout=8.0, count=300)
    cancelled = [seen for seen, _ in direct if seen and seen.cause == "cancelled"]
    assert len(cancelled) > 50
    assert any(seen.usage for seen in cancelled)
    assert not all(seen.usage for seen in cancelled)
    assert any(times for _, times in direct)
    assert all(times == [seen.first_token] for seen, times in direct if seen and seen.first_token)
    for ours, theirs in zip(direct, sdk, strict=True):
        assert ours == theirs


def test_a_simulation_repeats_exactly() -> None:
    settings = Settings(tier="tier-1", burst=5.0)
    first, second = (records(settings, direct=True, timeout=8.0, count=200) for _ in range(2))
    assert first == second
