"""How long answers take.  All of it is drawn from the request's own draws; what is not asked for costs nothing."""

from __future__ import annotations

import math
from heapq import heappop, heappush

import msgspec

from mock_server.profile import PRESETS, Speed, value_at
from mock_server.rng import Draws
from mock_server.settings import Settings

PLAIN_PROMPT = 1_000
"""Tokens of a prompt up to which its length makes no difference."""

FAST = 2.5
"""How many times faster tokens come with `speed: fast`, the first one apart (fast mode, 2026-08-22: up to 2.5)."""

BUSIEST_HOUR = 16.0
"""Hour of the day (UTC) at which answers are slowest, where the settings have a daily swing: working time on both sides
of the Atlantic.  Made up."""


class Pace(msgspec.Struct, frozen=True, gc=False):
    """How fast one answer comes."""

    first_token: float
    """Seconds from the arrival."""
    interval: float
    """Seconds between tokens."""


class Timing(msgspec.Struct, frozen=True, gc=False):
    """When the tokens of an answer come, seconds since it arrived."""

    first_token: float
    interval: float
    last_token: float


def draw_pace(
    draws: Draws, family: str, settings: Settings, uncached: int = 0, read: int = 0, *, fast: bool = False
) -> Pace | None:
    """The pace of an answer to a prompt with so many tokens; None where its whole time is fixed (`service_time`).

    The length of the prompt counts with the speeds it belongs to: not where the settings name a time to first token.
    """
    if settings.service_time is not None:
        return None
    speed = speed_of(family, settings)
    early, quick = draws.normal(), draws.normal()
    if speed.correlation:
        quick = speed.correlation * early + math.sqrt(1 - speed.correlation**2) * quick
    first = value_at(settings.ttft or speed.ttft, early)
    interval = 1 / value_at(settings.tokens_per_second or speed.tokens_per_second, quick)
    if settings.ttft is None and uncached + read > PLAIN_PROMPT:
        first += max(0.0, uncached + read * speed.cached - PLAIN_PROMPT) / 1_000 * speed.prefill
    return Pace(first, interval / FAST if fast else interval)


def speed_of(family: str, settings: Settings) -> Speed:
    """The measured speed of a family, or its preset."""
    return (settings.profile.families.get(family) if settings.profile else None) or PRESETS[family]


def true_length(draws: Draws, family: str, settings: Settings, expected: int) -> int:
    """Output tokens of an answer of which the client expects so many."""
    length = speed_of(family, settings).length
    return expected if length is None else max(1, round(expected * value_at(length, draws.of("length").normal())))


def time(pace: Pace | None, settings: Settings, tokens: int) -> Timing:
    """The timing of an answer of this many tokens."""
    if pace is None:
        whole = settings.service_time or 0.0
        interval = whole / max(1, tokens)
        return Timing(interval, interval, whole)
    return Timing(pace.first_token, pace.interval, pace.first_token + max(0, tokens - 1) * pace.interval)


class Strain:
    """How much slower than planned everything is, because of the mock's own load or the time of day."""

    __slots__ = ("_daily", "_ends", "_load")

    def __init__(self, settings: Settings) -> None:
        self._load = settings.load or (settings.profile.load if settings.profile else 0.0)
        self._daily = settings.daily_swing
        self._ends: list[float] = []

    def __bool__(self) -> bool:
        return bool(self._load or self._daily)

    def factor(self, now: float, epoch: float) -> float:
        """By what to multiply times, with the answers that run at engine second `now`."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        hour = (epoch + now) / 3_600
        daily = 1 + self._daily * math.cos((hour - BUSIEST_HOUR) / 24 * math.tau)
        return daily * (1 + self._load * len(self._ends) / 100)

    def runs_until(self, ended: float) -> None:
        """An answer was taken on that ends then."""
        if self._load:
            heappush(self._ends, ended)
