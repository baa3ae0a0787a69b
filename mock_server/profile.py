"""How fast each family of models is.  Presets to try things with, never the truth about a model.

Published medians differ by 2 to 5 times (facts gathered 2026-11-20 from Artificial Analysis, modelstats.ai,
claudexia.tech and others); no source gives percentiles for each model.  The medians here lie in the middle of what was
published, the 95th percentiles follow the shape of one published set (p95 about 3 times the median).  The effect of the
prompt's length is what lies between figures for short prompts and for 10,000 tokens, about a second on Opus.

A profile that was measured replaces all of it: a JSON file such as

    {"name": "ours, 2026-11-20", "families": {"sonnet": {"ttft": [0.7, 1.9], "tokens_per_second": [80, 120]}}}

A distribution is a median and a 95th percentile, or, where no lognormal has its shape, a table of quantiles:
`{"quantiles": [[0, 0.3], [0.5, 0.7], [0.95, 1.9], [1, 4.2]]}`.  `claude-bench calibrate` writes such files, with
schema_version 2; files without a version are of version 1, which had neither tables nor what stands beside them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import msgspec

from mock_server.faults import Fault
from mock_server.files import read_whole
from mock_server.rng import Z95, below

SCHEMA_VERSION = 2
"""Of the profiles that are written; those of every version up to it are read."""

Spread = tuple[float, float]
"""Median and 95th percentile of a lognormal distribution; equal values are a constant."""


def is_spread(spread: Spread) -> bool:
    """Whether these can be a median and a 95th percentile."""
    return 0 < spread[0] <= spread[1] < math.inf


class Quantiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A distribution of any shape.  Raises ValueError for a table that is none."""

    quantiles: tuple[tuple[float, float], ...]
    """Pairs of a share, from 0 to 1, and the value that this share of the draws lies below.  Logarithms are
    interpolated in between.  The values at 0 and 1 are the least and the most that is ever drawn: where the tail
    ends is said, not guessed."""

    def __post_init__(self) -> None:
        shares, values = [p for p, _ in self.quantiles], [value for _, value in self.quantiles]
        if len(shares) < 2 or (shares[0], shares[-1]) != (0, 1) or any(b <= a for a, b in pairwise(shares)):
            raise ValueError("quantiles: the shares must rise from 0 to 1")
        if not (values[0] > 0 and values[-1] < math.inf and all(a <= b for a, b in pairwise(values))):
            raise ValueError("quantiles: the values must be above 0 and not fall")

    def at(self, share: float) -> float:
        """The value that this share of the draws lies below."""
        place = min(bisect_right(self.quantiles, (share, math.inf)), len(self.quantiles) - 1)
        (low, least), (high, most) = self.quantiles[place - 1 : place + 1]
        return least * math.exp(math.log(most / least) * (share - low) / (high - low))


Distribution: TypeAlias = Spread | Quantiles
"""Of a positive number."""


def is_distribution(distribution: Distribution) -> bool:
    """Whether one can draw from it."""
    return isinstance(distribution, Quantiles) or is_spread(distribution)


def value_at(distribution: Distribution, z: float) -> float:
    """The value as far out in the distribution as `z` is in the standard normal one."""
    if isinstance(distribution, Quantiles):
        return distribution.at(below(z))
    median, p95 = distribution
    return median * math.exp(math.log(p95 / median) / Z95 * z)


def median(distribution: Distribution) -> float:
    """The value in the middle of a distribution."""
    return value_at(distribution, 0.0)


def scaled(distribution: Distribution, factor: float) -> Distribution:
    """The same with every value so many times as large."""
    if isinstance(distribution, Quantiles):
        return Quantiles(tuple((share, value * factor) for share, value in distribution.quantiles))
    middle, p95 = distribution
    return middle * factor, p95 * factor


class Speed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family.  Raises ValueError for values that make no sense."""

    ttft: Distribution
    """Seconds to the first token of an answer to a prompt of up to 1,000 tokens."""
    tokens_per_second: Distribution
    """Of one answer."""
    prefill: float = 0.0
    """Seconds more for each further 1,000 tokens of the prompt ..."""
    cached: float = 0.1
    """... of which those read from the cache count as this part."""
    correlation: float = 0.0
    """Of the two, between their normal scores (a Gaussian copula): -1 where what begins late also comes slowly, 0 where
    one says nothing of the other."""
    length: Distribution | None = None
    """How long answers are, as a multiple of what the client expects; None is exactly that."""

    def __post_init__(self) -> None:
        for name in ("ttft", "tokens_per_second", "length"):
            distribution: Distribution | None = getattr(self, name)
            if distribution is not None and not is_distribution(distribution):
                raise ValueError(f"{name}: must be a median above 0 and a 95th percentile not below it")
        if not -1 <= self.correlation <= 1:
            raise ValueError("correlation: must be from -1 to 1")
        if not (0 <= self.prefill < math.inf and 0 <= self.cached <= 1):
            raise ValueError("prefill: must not be negative; cached: must be from 0 to 1")


class Beside(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured beside the times.  It is kept here for whoever sets it; a profile alone sets only times."""

    burst: float | None = None
    """Seconds' worth of each limit that a full bucket holds: `mock.burst` in a scenario; None is not known."""
    faults: dict[str, Fault] = {}
    """What failed, and how often: `mock.faults` in a scenario."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The speeds of families, in place of the presets.  Raises ValueError for an unknown family."""

    families: dict[str, Speed]
    """By family: fable, opus, sonnet, haiku.  One that is missing is as fast as its preset."""
    name: str = ""
    """Where it is from, for people."""
    as_of: str = ""
    """Date of the measurement."""
    load: float = 0.0
    """By how much a hundred answers at a time slow each other down, where the settings do not say."""
    beside: Beside = Beside()
    schema_version: int = 1

    def __post_init__(self) -> None:
        _check_version(self.schema_version)
        if not 0 <= self.load < math.inf:
            raise ValueError("load: must not be negative")
        for family in self.families:
            if family not in PRESETS:
                raise ValueError(f"families: {family!r} is unknown; known are {', '.join(PRESETS)}")


class _Version(msgspec.Struct):
    schema_version: int = 1


def _check_version(found: int) -> None:
    if found not in range(1, SCHEMA_VERSION + 1):
        raise ValueError(
            f"this profile has schema version {found}, and versions 1 to {SCHEMA_VERSION} are read here; "
            f"use {'a newer' if found > SCHEMA_VERSION else 'another'} claude-bench, or calibrate again"
        )


def read_profile(path: Path) -> Profile:
    """The profile in a file.  Raises ValueError that names the file when it is none, or of another version."""
    try:
        content = read_whole(path)
        _check_version(msgspec.json.decode(content, type=_Version).schema_version)  # nothing else is sure before
        return msgspec.json.decode(content, type=Profile)
    except OSError as error:
        raise ValueError(f"{path.name}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
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
