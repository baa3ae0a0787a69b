"""An organisation's own limits: found out, and written to a file that every command takes as its tier."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.clock import run, utc_now
from bench.errors import TargetError, UsageError
from bench.results.cost import worst_case
from bench.results.folder import rfc3339
from bench.results.format import count, dollars
from bench.results.own_limits import OwnLimits, group_of, nearest_tier
from bench.results.record import RateLimits
from bench.targets.limits import limits_told, rate_limits
from bench.targets.target import address_of, key_of
from mock_server.models import MODELS
from mock_server.tiers import TIERS, RateLimit, find_tier

CHEAPEST = "claude-haiku-5-5"
"""Who is asked where nobody is named (price page, 2026-10-08)."""

_INPUT_TOKENS = 100
"""More than a tiny request has: 8 to 12, and what the API adds by itself."""


@dataclass(frozen=True, slots=True, repr=False)
class Inquiry:
    """How limits are going to be found out.  Holds a key: never shown, never written."""

    target: str
    models: tuple[str, ...]
    """Whose limits; none is everybody's."""
    out: Path
    admin: bool
    """Whether the Rate Limits API is asked, which is free; else one tiny request a class of models."""
    key: str

    @property
    def offer(self) -> str:
        """What would be sent, and what it costs at most."""
        prices = [worst_case(model, _INPUT_TOKENS, 1, utc_now().date()) for model in self.models]
        known = [price for price in prices if price is not None]
        cost = f"at most {dollars(sum(known))}" if len(known) == len(prices) else "at a price that is not known"
        return f"{count(len(self.models), 'request')} of one token to {', '.join(self.models)}: {cost}"


def inquiry(target: str, models: Sequence[str], out: Path) -> Inquiry:
    """How to ask: through the Rate Limits API where ANTHROPIC_ADMIN_KEY is set, else by tiny requests.

    UsageError for a target without limits of its own, without a key, or for a file that must not be written.
    """
    if target in ("sim", "mock"):
        raise UsageError(f"{target} has the limits that --tier gives it", "Ask api, or the URL of a gateway.")
    address_of(target)
    _refuse_other_file(out)
    if admin_key := os.environ.get("ANTHROPIC_ADMIN_KEY"):
        return Inquiry(target, tuple(models), out, admin=True, key=admin_key)
    try:
        key = key_of(target)
    except UsageError as problem:
        raise UsageError(
            f"{target} needs a key",
            "Set ANTHROPIC_ADMIN_KEY to read all limits for nothing, or ANTHROPIC_API_KEY to read those of one class "
            "of models from a tiny request.",
        ) from problem
    return Inquiry(target, tuple(_one_a_class(models or (CHEAPEST,))), out, admin=False, key=key)


def own_limits(asked: Inquiry) -> OwnLimits:
    """Ask, write the tier file, and say what it holds.

    TargetError when nobody answers, the key is refused, or no limits are named.
    """
    now = utc_now()
    if asked.admin:
        entries = run(rate_limits(address_of(asked.target), asked.key), virtual=False)
        return _noted(asked, now, list(_of_models(entries, asked)), [])
    told = [
        (model, *run(limits_told(address_of(asked.target), asked.key, model), virtual=False)) for model in asked.models
    ]
    entries = [_entry(model, limits) for model, limits, _ in told if limits is not None]
    return _noted(asked, now, entries, list(_notes(asked, told)))


def show(found: OwnLimits, *, json: bool = False) -> None:
    """Print what was found: as JSON on standard output, or for people."""
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        return
    from rich.console import Console

    from reports.limits import print_limits

    print_limits(found, Console(force_jupyter=False))


def _noted(asked: Inquiry, now: datetime, entries: Sequence[dict[str, Any]], notes: Sequence[str]) -> OwnLimits:
    if not entries:
        raise TargetError(
            f"{asked.target} names no limits",
            "The organisation may have none (--tier unlimited), or a gateway may drop them from its answers.",
        )
    _write(asked.out, entries)
    groups = tuple(group_of(entry) for entry in msgspec.convert(entries, list[RateLimit]))
    tier, exact = nearest_tier(groups)
    source = "Rate Limits API" if asked.admin else "headers"
    return OwnLimits(asked.target, source, rfc3339(now), groups, tier, exact, tuple(notes), str(asked.out))


def _of_models(entries: Iterable[dict[str, Any]], asked: Inquiry) -> Iterator[dict[str, Any]]:
    """The entries of the models that were named, and what concerns all models.  UsageError where one has none."""
    entries = list(entries)
    listed = {model for entry in entries for model in entry.get("models") or ()}
    if strangers := [model for model in asked.models if model not in listed]:
        raise UsageError(
            f"--model: no limits of {', '.join(strangers)}", f"There are those of {', '.join(sorted(listed))}."
        )
    for entry in entries:
        models = entry.get("models")
        if not models or not asked.models or {*asked.models} & {*models}:
            yield entry


def _one_a_class(models: Iterable[str]) -> Iterator[str]:
    """Of models that share their limits the first."""
    seen: set[str] = set()
    for model in models:
        if (pool := _TODAY.pool(model)) not in seen:
            seen.add(pool)
            yield model


_TODAY = TIERS["start"]
"""Which models share their limits (rate-limit page, 2026-10-08) is the same in all tiers of today."""


def _entry(model: str, limits: RateLimits) -> dict[str, Any]:
    """What the headers named, as the Rate Limits API would say it of the class of the model."""
    named = {
        "requests_per_minute": limits.requests_limit,
        "input_tokens_per_minute": limits.input_tokens_limit,
        "output_tokens_per_minute": limits.output_tokens_limit,
    }
    alike = [name for name in MODELS if name and _TODAY.pool(name) == _TODAY.pool(model)]
    return {
        "type": "rate_limit",
        "group_type": "model_group",
        "models": list(dict.fromkeys([model, *alike])),
        "limits": [{"type": kind, "value": value} for kind, value in named.items() if value is not None],
    }


def _notes(asked: Inquiry, told: Sequence[tuple[str, RateLimits | None, int | None]]) -> Iterator[str]:
    """What headers do not tell."""
    yield (
        "Headers tell of the models that were asked, not of others, of batches or of token counting: those have no "
        f"limit in {asked.out}. An Admin key (ANTHROPIC_ADMIN_KEY) reads all, for nothing."
    )
    for model, limits, tokens in told:
        if limits is None:
            yield f"The answer of {model} names no limits."
        elif tokens is not None and tokens < (limits.input_tokens_limit or 0) + (limits.output_tokens_limit or 0):
            yield f"{model}: a lower limit is in effect, {tokens:,} tokens a minute, as a workspace may have."


def _refuse_other_file(out: Path) -> None:
    """Refuse to write what no command would take, where nothing can be written, or over what is no tier file."""
    if out.suffix != ".json":
        raise UsageError(f"--out: {out} must end in .json, by which --tier knows a file from a name")
    if not out.parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}")
    if out.exists():
        try:
            find_tier(str(out))
        except ValueError:
            raise UsageError(f"--out: {out} exists and is no tier file", "Name another one.") from None


def _write(out: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Write a tier file in the shape of the Rate Limits API, once it reads back as one."""
    part = out.with_suffix(".part.json")
    try:
        part.write_bytes(
            msgspec.json.format(msgspec.json.encode({"data": entries, "next_page": None}), indent=2) + b"\n"
        )
        find_tier(str(part))
        part.replace(out)
    except ValueError as problem:
        raise TargetError(f"the limits cannot be used: {str(problem).removeprefix(f'{part}: ')}") from None
    except OSError as problem:
        raise UsageError(f"cannot write {out}: {problem.strerror}") from problem
    finally:
        part.unlink(missing_ok=True)
