"""Rate-limit tiers as dated data: requests, input tokens and output tokens per minute for each class of models.

Sources: rate-limit page of 2026-10-08 (Start, Build, Scale), its copies of January to April 2026 (Tier 1 to 4, ended
2026-06-26), and a widely copied table of tutorials.  The numbers of the Evaluation tier are not published, so it is
not here.  Every number is a ceiling, not a promise.

A tier may also be a file that holds what `GET /v1/organizations/rate_limits` answers, so that anybody can mirror their
own organisation exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from mock_server.files import read_whole
from mock_server.models import model_class


class Limits(NamedTuple):
    """What one class of models may use per minute; None is no limit."""

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier: who said so, when, and what it allows."""

    name: str
    as_of: date
    source: str
    meaning: str
    default: Limits
    """For every class that has no row of its own."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """By class of models."""
    spend_cap_usd: float | None = None
    """US dollars a month; None is no cap."""
    batch_requests: int | None = None
    """Requests per minute to all batch endpoints together; None is no limit."""
    batch_queue: int | None = None
    """Requests of batches that may wait to be processed; None is no limit."""
    token_counts: int | None = None
    """Calls of count_tokens per minute; None is no limit, or not known."""
    pools: Mapping[str, str] = field(default_factory=dict)
    """Which row a model takes, where it is not that of its class."""

    def pool(self, model_id: str) -> str:
        """The name of the buckets that this model shares with others."""
        return self.pools.get(_DATED.sub("", model_id)) or model_class(model_id)

    def limits_of(self, model_id: str) -> Limits:
        """What this model may use."""
        return self.limits.get(self.pool(model_id), self.default)


_DATED = re.compile(r"-\d{8}$")


def _current(name: str, cap: float, default: Limits, fable: Limits, queue: int) -> Tier:
    """Batch endpoints allow as many requests as Fable, count_tokens twice as many (pages of October, August 2026)."""
    rows = {"fable-5.x": fable, "mythos-5.x": fable}
    meaning = "given by usage history and account standing"
    source = "API documentation, rate limits"
    per_minute = fable.requests or 0
    return Tier(
        name, date(2026, 10, 8), source, meaning, default, rows, cap, per_minute, queue, token_counts=2 * per_minute
    )


def _legacy(name: str, cap: float, meaning: str, default: Limits, haiku_4_5: Limits, queue: int) -> Tier:
    source = "API documentation, rate limits, copies of January to April 2026"
    rows = {"haiku-4.5": haiku_4_5}
    return Tier(name, date(2026, 4, 25), source, meaning, default, rows, cap, default.requests, queue)


def _tutorial(name: str, requests: int, tokens: int) -> Tier:
    """The table has one number of tokens per minute for input and output together, which the API gave up in 2024.

    It becomes a limit on each of the two, so that this tier is never stricter than the table it stands for.
    """
    meaning = f"{requests} requests and {tokens} tokens per minute, as tutorials claim"
    return Tier(name, date(2026, 11, 20), "tutorials on parallel requests", meaning, Limits(requests, tokens, tokens))


TIERS = {
    tier.name: tier
    for tier in (
        _current("start", 500, Limits(1_000, 2_000_000, 400_000), Limits(1_000, 500_000, 100_000), 200_000),
        _current("build", 1_000, Limits(5_000, 5_000_000, 1_000_000), Limits(2_000, 1_500_000, 300_000), 300_000),
        _current("scale", 200_000, Limits(10_000, 10_000_000, 2_000_000), Limits(4_000, 4_000_000, 800_000), 500_000),
        _legacy("tier-1", 100, "$5 of credit", Limits(50, 30_000, 8_000), Limits(50, 50_000, 10_000), 100_000),
        _legacy(
            "tier-2", 500, "$40 of credit", Limits(1_000, 450_000, 90_000), Limits(1_000, 450_000, 90_000), 200_000
        ),
        _legacy(
            "tier-3",
            1_000,
            "$200 of credit",
            Limits(2_000, 800_000, 160_000),
            Limits(2_000, 1_000_000, 200_000),
            300_000,
        ),
        _legacy(
            "tier-4",
            200_000,
            "$400 of credit",
            Limits(4_000, 2_000_000, 400_000),
            Limits(4_000, 4_000_000, 800_000),
            500_000,
        ),
        _tutorial("tutorial-1", 50, 40_000),
        _tutorial("tutorial-2", 1_000, 80_000),
        _tutorial("tutorial-3", 2_000, 160_000),
        _tutorial("tutorial-4", 4_000, 400_000),
        Tier("unlimited", date(2026, 11, 20), "claude-bench", "no limits at all", Limits()),
    )
}
"""All tiers by name."""

_LADDERS = (
    ("start", "build", "scale"),
    ("tier-1", "tier-2", "tier-3", "tier-4"),
    ("tutorial-1", "tutorial-2", "tutorial-3", "tutorial-4"),
)


def tier_above(name: str) -> Tier | None:
    """The next tier up; None for the highest that is published, and for one that is on no ladder."""
    return next((TIERS[up] for ladder in _LADDERS for own, up in pairwise(ladder) if own == name), None)


def limits_for(tier_name: str, model_id: str) -> Limits:
    """What `tier_name` allows for this model.  KeyError for an unknown tier, ValueError for a file that is wrong."""
    return find_tier(tier_name).limits_of(model_id)


def find_tier(name: str) -> Tier:
    """A tier by name, or from a file whose name ends in .json.

    Raises KeyError for an unknown name, and for a file ValueError with what is wrong with it and where.
    """
    return _read_tier(Path(name)) if name.endswith(".json") else TIERS[name]


def check_tier(name: str) -> None:
    """Raise ValueError unless there is such a tier, or such a file and it is right."""
    try:
        find_tier(name)
    except KeyError:
        raise ValueError(f"tier: {name!r} is unknown; known are {', '.join(TIERS)}, or a .json file") from None


class LimitValue(msgspec.Struct, frozen=True):
    """One limiter of a group."""

    type: str
    value: int


class LimitGroup(msgspec.Struct, frozen=True):
    """What a set of limits is for."""

    type: str
    display_name: str = ""


class RateLimit(msgspec.Struct, frozen=True):
    """One entry of the Rate Limits API, in the shape of its pages (`group_type`) or of the SDK since 2.0 (`group`)."""

    limits: tuple[LimitValue, ...]
    models: tuple[str, ...] | None = None
    group_type: str | None = None
    group: LimitGroup | None = None

    @property
    def kind(self) -> str:
        """`model_group`, `batch`, `token_count` ..."""
        return self.group.type if self.group else self.group_type or ""

    def value(self, *types: str) -> int | None:
        """The lowest limit of these types; None if there is none."""
        return min((limit.value for limit in self.limits if limit.type in types), default=None)

    def model_limits(self) -> Limits:
        """The limits of a group of models.

        Input limits with and without `cache_aware` in their name are taken for the same, on which cache reads do not
        count: the API's own examples of 2026-08-22 give current models the name without it.
        """
        return Limits(
            self.value("requests_per_minute"),
            self.value("input_tokens_per_minute", "input_tokens_per_minute_cache_aware"),
            self.value("output_tokens_per_minute"),
        )


class _Answer(msgspec.Struct, frozen=True):
    data: tuple[RateLimit, ...]
    next_page: str | None = None


def _read_tier(path: Path) -> Tier:
    try:
        answer = msgspec.json.decode(read_whole(path), type=_Answer)
        _check(answer)
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        demand = "it must hold what GET /v1/organizations/rate_limits answers"
        raise ValueError(f"{path}: {error}; {demand}") from None
    return tier_of(answer.data, str(path), written)


def tier_of(entries: Iterable[RateLimit], name: str, as_of: date) -> Tier:
    """The tier that such an answer describes.  A model that no group names is not limited."""
    entries = tuple(entries)
    models = [entry for entry in entries if entry.kind == "model_group"]
    batch = next((entry for entry in entries if entry.kind == "batch"), RateLimit(()))
    count = next((entry for entry in entries if entry.kind == "token_count"), RateLimit(()))
    pools = dict(_pools(models))
    return Tier(
        name,
        as_of,
        "Rate Limits API",
        "the limits of one organisation",
        Limits(),
        {pools[_DATED.sub("", entry.models[0])]: entry.model_limits() for entry in models if entry.models},
        batch_requests=batch.value("requests_per_minute"),
        batch_queue=batch.value("enqueued_batch_requests"),
        token_counts=count.value("requests_per_minute"),
        pools=pools,
    )


def _pools(groups: list[RateLimit]) -> Iterator[tuple[str, str]]:
    """Each model without its date, and the name of the pool that its group makes."""
    for group in groups:
        models = group.models or ()
        name = f"group of {models[0]}" if models else ""
        yield from ((_DATED.sub("", model), name) for model in models)


def _check(answer: _Answer) -> None:
    if not answer.data:
        raise ValueError("data: there are no entries")
    if answer.next_page:
        raise ValueError("next_page: this is only the first page; ask without `limit`")
    seen: dict[str, int] = {}
    for place, entry in enumerate(answer.data):
        if not entry.kind:
            raise ValueError(f"data.{place}: neither group nor group_type says what the limits are for")
        if entry.kind == "model_group" and not entry.models:
            raise ValueError(f"data.{place}.models: a model_group must name its models")
        if any(limit.value < 1 for limit in entry.limits):
            raise ValueError(f"data.{place}.limits: a value must be at least 1")
        for model in entry.models or ():
            if (other := seen.setdefault(_DATED.sub("", model), place)) != place:
                raise ValueError(f"data.{place}.models: {model} is in data.{other} already")
