"""The doctor's limits against a bare asyncio client: the SDK and asyncio alone, on a server that is not ours either.

    python -m pytest -m soak -s tests/bench/test_doctor_against_asyncio.py

Takes about ten minutes.  Both are measured in turn, three times, and the medians compared: a machine on which
something else runs has another limit every minute.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import anthropic
import httpx2
import numpy as np
import pytest
from anthropic.types import MessageParam

from bench.planning.doctor import FULL, LOADS, Load, reach
from bench.results.diagnosis import TOLERANCE

BARE_SERVER = Path(__file__).parents[1] / "benchmarks" / "bare_server.py"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "word " * 4}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 100, "output_tokens": 4},
}
PROMPT: list[MessageParam] = [{"role": "user", "content": "hello " * 80}]


@dataclass(frozen=True)
class Kind:
    load: Load
    takes: float
    """Seconds of each answer."""

    def rate(self, offered: float) -> float:
        """Requests a second."""
        return offered / self.takes if self.load.stream else offered

    def served(self) -> dict[str, object]:
        """What the bare server sends, and when."""
        if not self.load.stream:
            return served("application/json", [json.dumps(MESSAGE)], [self.takes])
        deltas = 12
        text = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "word " * 5})
        last = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 60})
        pieces = [
            event("message_start", message={**MESSAGE, "content": []})
            + event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *[text] * deltas,
            event("content_block_stop", index=0) + last + event("message_stop"),
        ]
        return served("text/event-stream", pieces, [self.takes * k / (deltas + 1) for k in range(deltas + 2)])


def served(kind: str, pieces: list[str], times: list[float]) -> dict[str, object]:
    headers = [["content-type", kind], ["request-id", "req_1"]]
    length = [] if len(pieces) > 1 else [["content-length", str(len(pieces[0]))]]
    return {"headers": headers + length, "pieces": pieces, "times": times}


def event(kind: str, **fields: object) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


@contextmanager
def bare_server(given: dict[str, object]) -> Iterator[str]:
    command = [sys.executable, str(BARE_SERVER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        yield next(word for word in process.stdout.readline().split() if word.startswith("http"))
        process.kill()


async def over_report(url: str, kind: Kind, offered: float) -> float:
    """The larger of median and p95 of what is measured beyond the known delay, as a share of it."""
    http = anthropic.DefaultAioHttpClient(limits=httpx2.Limits(max_connections=100_000))
    sdk = anthropic.AsyncAnthropic(api_key="sk-ant-none", base_url=url, max_retries=0, http_client=http)
    over: list[float] = []

    async def ask(due: float) -> None:
        async with sdk.messages.with_streaming_response.create(
            model="claude-sonnet-5-5", max_tokens=100, messages=PROMPT, stream=kind.load.stream
        ) as response:
            async for _ in response.iter_bytes():
                pass
        over.append((time.perf_counter() - due - kind.takes) / kind.takes)

    async with sdk, asyncio.TaskGroup() as group:
        await ask(time.perf_counter())  # what the first call of a program loads is no part of it
        over.clear()
        began, rate = time.perf_counter() + 0.1, kind.rate(offered)
        for number in range(round(rate * kind.takes * 1.5)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(ask(due))
    later = over[len(over) // 3 :]
    return max(median(later), float(np.quantile(later, 0.95)))


def bare_limit(kind: Kind, about: float) -> float:
    """The highest of a ladder of steps of 7 % that is timed: from `about` up to the first miss, or down to a hit."""
    with bare_server(kind.served()) as url:

        def timed(offered: float) -> bool:
            return any(asyncio.run(over_report(url, kind, offered)) <= TOLERANCE for _ in range(2))

        if not timed(about):
            while about >= 1 and not timed(about := about / 1.07):
                pass
            return about
        while timed(about * 1.07):
            about *= 1.07
        return about


@pytest.mark.soak
@pytest.mark.parametrize("load", LOADS[:2], ids=lambda load: load.name)
def test_the_limit_agrees_with_a_bare_asyncio_client(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    kind, rounds = Kind(load, load.takes), []
    for _ in range(3):
        found = reach(load, FULL).most
        rounds.append((found, bare_limit(kind, found)))
    doctor, bare = (median(column) for column in zip(*rounds, strict=True))
    with capsys.disabled():
        each = "; ".join(f"{one:,.0f} and {other:,.0f}" for one, other in rounds)
        print(f"\n{load.name}: doctor {doctor:,.0f}, bare asyncio {bare:,.0f}: {doctor / bare - 1:+.0%} ({each})")
    assert abs(doctor / bare - 1) <= 0.2
