"""An organisation's own limits, and the published tier that is nearest to them.  schema_version 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mock_server.tiers import TIERS, RateLimit, Tier

SCHEMA_VERSION = 1

PUBLISHED = tuple(name for name in TIERS if not name.startswith("tutorial") and name != "unlimited")
"""The tiers that an organisation may be on: those of today, then those of before 2026-06-26."""


class LimitGroup(msgspec.Struct, frozen=True):
    """What shares one set of limits.  None is a limit that was not named."""

    name: str
    kind: str
    """`model_group`, `batch`, `token_count` or another of the Rate Limits API."""
    models: tuple[str, ...]
    """None but in a model_group."""
    requests: int | None
    """Per minute, like the two below."""
    input_tokens: int | None
    output_tokens: int | None
    queue: int | None
    """Requests of message batches that may wait to be processed."""
    tier: str | None
    """The published tier whose limits are nearest; None where none has such limits."""
    exact: bool
    """Whether they are the same."""


class OwnLimits(msgspec.Struct, frozen=True):
    """What an organisation may use, as far as it was told."""

    target: str
    """Who was asked: `api` or a URL."""
    source: str
    """`Rate Limits API`, or `headers` of a tiny request for each class of models."""
    read_at: str
    """UTC, RFC 3339."""
    groups: tuple[LimitGroup, ...]
    tier: str | None
    """The published tier that is nearest to all of them; None where none can be compared."""
    exact: bool
    """Whether it has all of these limits."""
    notes: tuple[str, ...]
    """What a reader must know before relying on them."""
    file: str
    """The tier file they were written to."""
    schema_version: int = SCHEMA_VERSION


Named = Mapping[str, int | None]
"""Limits by what a `LimitGroup` calls them."""


def group_of(entry: RateLimit) -> LimitGroup:
    """An entry of the Rate Limits API, beside the tiers."""
    limits = entry.model_limits()
    named = {**limits._asdict(), "queue": entry.value("enqueued_batch_requests")}
    near = _distances([(entry.kind, entry.models or (), named)])
    tier = min(near, key=near.__getitem__, default=None)
    return LimitGroup(
        name=_name(entry),
        kind=entry.kind,
        models=entry.models or (),
        **named,
        tier=tier,
        exact=tier is not None and near[tier] == 0,
    )


def nearest_tier(groups: Iterable[LimitGroup]) -> tuple[str | None, bool]:
    """The published tier nearest to several groups at once, and whether it has all of their limits."""
    near = _distances([(one.kind, one.models, _named(one)) for one in groups])
    tier = min(near, key=near.__getitem__, default=None)
    return tier, tier is not None and near[tier] == 0


def _distances(groups: Sequence[tuple[str, Sequence[str], Named]]) -> dict[str, float]:
    """By tier: by how many e-folds the limit that differs most from it does; only tiers that have such limits."""
    found = {}
    for name in PUBLISHED:
        pairs = [
            (value, its)
            for kind, models, named in groups
            for limiter, its in _of_tier(TIERS[name], kind, models).items()
            if (value := named[limiter]) is not None and its is not None
        ]
        if pairs:
            found[name] = max(abs(math.log(value / its)) for value, its in pairs)
    return found


def _of_tier(tier: Tier, kind: str, models: Sequence[str]) -> Named:
    match kind:
        case "model_group":
            return tier.limits_of(models[0])._asdict()
        case "batch":
            return {"requests": tier.batch_requests, "queue": tier.batch_queue}
        case "token_count":
            return {"requests": tier.token_counts}
        case _:
            return {}


def _named(group: LimitGroup) -> Named:
    return {name: getattr(group, name) for name in ("requests", "input_tokens", "output_tokens", "queue")}


_KINDS = {"batch": "message batches", "token_count": "token counting", "web_search": "web search"}


def _name(entry: RateLimit) -> str:
    if entry.group and entry.group.display_name:
        return entry.group.display_name
    if entry.models:
        return entry.models[0] + (f" and {len(entry.models) - 1} more" if len(entry.models) > 1 else "")
    return _KINDS.get(entry.kind, entry.kind)
