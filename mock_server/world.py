"""What a running server is made of: an engine with its time, what really happened, and what was counted."""

from __future__ import annotations

import math
import time
from collections import Counter, deque

import msgspec
from msgspec.structs import replace

from mock_server.engine import Engine
from mock_server.faults import Endpoint, Fault, Faults
from mock_server.plan import Plan, Window
from mock_server.settings import Settings

MAX_TRUTH = 1_000_000
"""Exchanges whose ground truth is kept, so that a server left running does not fill the memory."""


class Levels(msgspec.Struct, frozen=True, gc=False):
    """What the three buckets of a request's models held when it had been let in or refused; None without a limit."""

    requests: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None


class Truth(msgspec.Struct, frozen=True, gc=False):
    """What really happened to one request, in engine seconds.

    The times of bytes are those at which they went to the transport; None where the client went away before.
    """

    request_id: str
    arrived: float
    """When its first byte was there."""
    admitted: float | None
    """When it was let in, with its body read; None if it was refused."""
    first_byte: float | None
    last_byte: float | None
    status: int
    cause: str | None = None
    """Which limit or fault refused or spoiled it."""
    levels: Levels | None = None
    endpoint: Endpoint | None = None
    """What it asked for; None where there is no such thing."""


def _level(window: Window | None) -> float | None:
    return None if window is None else window.level


class World:
    """What a reset throws away."""

    def __init__(self, settings: Settings, speed: float) -> None:
        self.engine = Engine(settings, epoch=time.time())
        self.truth: deque[Truth] = deque(maxlen=MAX_TRUTH)
        self.counts: Counter[tuple[Endpoint | None, int, str | None]] = Counter()
        """Answers by endpoint, status and cause."""
        self.tokens: Counter[str] = Counter()
        """Tokens of the answers that were begun, as their usage says."""
        self.open = 0
        """Requests that have come and not been answered to their end."""
        self.speed = speed
        self._start = time.monotonic()

    def now(self) -> float:
        """Engine seconds.  Not the event loop's clock: uvloop's has a grain of a millisecond."""
        return (time.monotonic() - self._start) * self.speed

    def delay(self, when: float) -> float:
        """Real seconds until engine second `when`, in whole milliseconds, as uvloop counts them; 0 once it has come."""
        left = self._start + when / self.speed - time.monotonic()
        return math.ceil(left * 1_000) / 1_000 if left > 0 else 0.0

    def note(
        self,
        plan: Plan,
        endpoint: Endpoint | None,
        arrived: float,
        first_byte: float | None,
        last_byte: float | None,
    ) -> None:
        """Remember how the plan of a request that came at `arrived` was played."""
        levels, admitted = None, None
        if limits := plan.limits:
            levels = Levels(_level(limits.requests), _level(limits.input_tokens), _level(limits.output_tokens))
        if plan.status == 200:
            admitted, usage, tokens = plan.arrived, plan.usage, self.tokens
            tokens["input_tokens"] += usage.input_tokens
            tokens["output_tokens"] += usage.output_tokens
            if usage.cache_read or usage.cache_write_5m or usage.cache_write_1h:
                tokens["cache_read"] += usage.cache_read
                tokens["cache_write"] += usage.cache_write_5m + usage.cache_write_1h
        self.counts[endpoint, plan.status, plan.cause] += 1
        self.truth.append(
            Truth(plan.request_id, arrived, admitted, first_byte, last_byte, plan.status, plan.cause, levels, endpoint)
        )


class Server:
    """A world and how it began, so that it can begin again."""

    def __init__(self, settings: Settings, speed: float) -> None:
        self._settings, self._speed = settings, speed
        self.world = World(settings, speed)

    def reset(self) -> None:
        """Full buckets, second 0, nothing remembered, faults and tier as at the start; running answers go on."""
        self.world = World(self._settings, self._speed)

    def change_faults(self, faults: dict[str, Fault]) -> None:
        """These faults and no others, from now on.  Raises ValueError."""
        engine = self.world.engine
        engine.faults = Faults(faults, engine.settings.seed)
        engine.settings = replace(engine.settings, faults=faults)

    def change_tier(self, tier: str) -> None:
        """Another tier from now on, with full buckets, for all who have none of their own.  Raises ValueError."""
        self.world.engine.change_tier(tier, self.world.now())
