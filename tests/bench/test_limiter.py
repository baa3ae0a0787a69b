"""Limiters around the official SDK: in virtual time against the mock's engine, and as documented over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic._base_client import get_platform
from anthropic.types import Message

from bench import limiter
from bench.clock import Clock
from bench.clock import run as run_loop
from bench.errors import UsageError
from bench.limiter import Limiter, Limits
from bench.targets.inprocess import EngineTransport
from mock_server.engine import Engine
from mock_server.settings import Settings

MODEL = "claude-sonnet-5"

Ask = Callable[[anthropic.AsyncAnthropic, limiter.Slot, dict[str, str]], Awaitable[Message]]


class Job:
    """Many requests at once through a limiter; after a refusal each tries again."""

    def __init__(self, gate: Limiter, settings: Settings) -> None:
        self.gate, self.settings = gate, settings
        self.refused: list[float] = []
        self.ended = 0.0

    def run(self, count: int, *, stream: bool = False) -> None:
        run_loop(self._main(count, stream=stream), virtual=True)

    async def _main(self, count: int, *, stream: bool) -> None:
        clock = Clock()
        http = httpx2.AsyncClient(transport=EngineTransport(Engine(self.settings), clock))
        async with anthropic.AsyncAnthropic(
            api_key="sk-ant-test", base_url="http://engine", http_client=http, max_retries=0
        ) as client:
            client._platform = get_platform()  # else found out in a thread, for which virtual time does not wait
            ask = self._streamed if stream else self._whole
            messages = await asyncio.gather(*(self._insist(ask, client, clock, seq) for seq in range(count)))
        assert all(message.usage.output_tokens == 100 for message in messages)
        self.ended = clock.now()

    async def _insist(self, ask: Ask, client: anthropic.AsyncAnthropic, clock: Clock, seq: int) -> Message:
        for attempt in range(20):
            try:
                async with self.gate.slot(input_tokens=400, max_tokens=300) as slot:
                    headers = {"x-mock-key": f"1.{seq}.{attempt}", "x-mock-output-tokens": "100"}
                    return await ask(client, slot, headers)
            except anthropic.RateLimitError:
                self.refused.append(clock.now())
        raise AssertionError("refused twenty times")

    async def _whole(self, client: anthropic.AsyncAnthropic, slot: limiter.Slot, headers: dict[str, str]) -> Message:
        raw = await client.messages.with_raw_response.create(**PARAMS, extra_headers=headers)
        message: Message = await raw.parse()
        return slot.done(message, raw.headers)

    async def _streamed(self, client: anthropic.AsyncAnthropic, slot: limiter.Slot, headers: dict[str, str]) -> Message:
        async with client.messages.stream(**PARAMS, extra_headers=headers) as stream:
            return slot.done(await stream.get_final_message(), stream.response.headers)


PARAMS: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "word " * 240}],
}


@pytest.mark.parametrize("stream", [False, True])
def test_adaptive_keeps_the_limits_of_tier_1_without_being_told(stream: bool) -> None:
    job = Job(limiter.adaptive(), Settings(tier="tier-1"))
    job.run(150, stream=stream)
    assert job.gate.in_flight == 0
    assert not job.refused
    # Fifty requests a minute, and fifty at once at the start.
    assert 120 <= job.ended < 140


def test_adaptive_recovers_from_refusals_that_it_could_not_foresee() -> None:
    """The strictest reading of the limits: less than one request at once."""
    job = Job(limiter.adaptive(), Settings(tier="tier-1", burst=1.0))
    job.run(60)
    assert 0 < len(job.refused) <= 20
    assert max(job.refused) < 60
    assert job.gate.in_flight == 0


def test_a_token_bucket_of_the_tier_is_never_refused() -> None:
    job = Job(limiter.token_bucket(limiter.tier("tier-1", MODEL), share=0.9), Settings(tier="tier-1"))
    job.run(100)
    assert not job.refused


def test_a_token_bucket_of_own_limits() -> None:
    job = Job(limiter.token_bucket(Limits(requests=60), burst=1.0), Settings(tier="unlimited", service_time=1.0))
    job.run(60)
    assert job.ended == pytest.approx(60.0, abs=1e-3)


def test_a_semaphore() -> None:
    job = Job(limiter.semaphore(4), Settings(tier="unlimited", service_time=1.0))
    job.run(20)
    assert job.ended == pytest.approx(5.0)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("mine"),
        anthropic.APIConnectionError(request=httpx2.Request("POST", "http://x")),
        asyncio.CancelledError(),
    ],
)
def test_whatever_leaves_the_block_frees_the_slot_and_is_passed_on(error: BaseException) -> None:
    async def main() -> int:
        gate = limiter.adaptive(max_in_flight=1)
        for _ in range(3):
            with pytest.raises(type(error)):
                async with gate.slot(input_tokens=1, max_tokens=1):
                    raise error
        return gate.in_flight

    assert run_loop(main(), virtual=True) == 0


def test_an_unknown_tier_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no tier `biuld`\. Did you mean build\?"):
        limiter.tier("biuld", MODEL)
