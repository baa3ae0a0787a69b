"""How long answers take and how long they are.  Presets to try things with, never the truth about a model.

Published medians differ by 2 to 5 times (facts gathered 2026-11-20 from Artificial Analysis, modelstats.ai,
claudexia.tech and others); no source gives percentiles for each model.  The medians here lie in the middle of what was
published, the 95th percentiles follow the shape of one published set (p95 about 3 times the median).
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from mock_server.rng import Draws
from mock_server.settings import Settings, Spread

AS_OF = date(2026, 11, 20)


class Speed(NamedTuple):
    """Seconds to the first token, and tokens per second of one answer, as median and 95th percentile."""

    ttft: Spread
    tokens_per_second: Spread


PRESETS = {
    "haiku": Speed((0.55, 1.6), (110.0, 180.0)),
    "sonnet": Speed((0.85, 2.5), (75.0, 105.0)),
    "opus": Speed((1.5, 4.5), (50.0, 90.0)),
    "fable": Speed((2.5, 7.5), (40.0, 60.0)),  # nothing published but its rank: slower than Opus
}
"""By model family."""


class Timing(NamedTuple):
    """When the tokens of an answer come, seconds since it arrived."""

    first_token: float
    interval: float
    last_token: float


def draw_timing(draws: Draws, family: str, settings: Settings, tokens: int) -> Timing:
    """The timing of an answer of this many tokens."""
    if settings.service_time is not None:
        interval = settings.service_time / max(1, tokens)
        return Timing(interval, interval, settings.service_time)
    preset = PRESETS[family]
    first = draws.lognormal(*(settings.ttft or preset.ttft))
    interval = 1 / draws.lognormal(*(settings.tokens_per_second or preset.tokens_per_second))
    return Timing(first, interval, first + max(0, tokens - 1) * interval)


def draw_length(draws: Draws, settings: Settings) -> int:
    """Output tokens of an answer for which the request gives no hint."""
    return max(1, round(draws.lognormal(*settings.output_tokens)))
