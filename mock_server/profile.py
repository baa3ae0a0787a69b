"""How fast each family of models is.  Presets to try things with, never the truth about a model.

Published medians differ by 2 to 5 times (facts gathered 2026-11-20 from Artificial Analysis, modelstats.ai,
claudexia.tech and others); no source gives percentiles for each model.  The medians here lie in the middle of what was
published, the 95th percentiles follow the shape of one published set (p95 about 3 times the median).  The effect of the
prompt's length is what lies between figures for short prompts and for 10,000 tokens, about a second on Opus.

A profile that was measured replaces all of it: a JSON file such as

    {"name": "ours, 2026-11-20", "families": {"sonnet": {"ttft": [0.7, 1.9], "tokens_per_second": [80, 120]}}}
"""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import msgspec

Spread = tuple[float, float]
"""Median and 95th percentile of a lognormal distribution; equal values are a constant."""


def is_spread(spread: Spread) -> bool:
    """Whether these can be a median and a 95th percentile."""
    return 0 < spread[0] <= spread[1] < math.inf


class Speed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family.  Raises ValueError for values that make no sense."""

    ttft: Spread
    """Seconds to the first token of an answer to a prompt of up to 1,000 tokens."""
    tokens_per_second: Spread
    """Of one answer."""
    prefill: float = 0.0
    """Seconds more for each further 1,000 tokens of the prompt ..."""
    cached: float = 0.1
    """... of which those read from the cache count as this part."""

    def __post_init__(self) -> None:
        for name in ("ttft", "tokens_per_second"):
            if not is_spread(getattr(self, name)):
                raise ValueError(f"{name}: must be a median above 0 and a 95th percentile not below it")
        if not (0 <= self.prefill < math.inf and 0 <= self.cached <= 1):
            raise ValueError("prefill: must not be negative; cached: must be from 0 to 1")


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The speeds of families, in place of the presets.  Raises ValueError for an unknown family."""

    families: dict[str, Speed]
    """By family: fable, opus, sonnet, haiku.  One that is missing is as fast as its preset."""
    name: str = ""
    """Where it is from, for people."""
    as_of: str = ""
    """Date of the measurement."""

    def __post_init__(self) -> None:
        for family in self.families:
            if family not in PRESETS:
                raise ValueError(f"families: {family!r} is unknown; known are {', '.join(PRESETS)}")


def read_profile(path: Path) -> Profile:
    """The profile in a file.  Raises ValueError that names the file when it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Profile)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name}: {error}") from None


AS_OF = date(2026, 11, 20)
"""When the presets were last compared with what is published."""

PRESETS = {
    "haiku": Speed((0.55, 1.6), (110.0, 180.0), 0.03),
    "sonnet": Speed((0.85, 2.5), (75.0, 105.0), 0.06),
    "opus": Speed((1.5, 4.5), (50.0, 90.0), 0.11),
    "fable": Speed((2.5, 7.5), (40.0, 60.0), 0.15),  # nothing published but its rank: slower than Opus
}
"""By model family."""
