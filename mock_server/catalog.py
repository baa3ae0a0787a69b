"""What the API says of itself: the models it serves, and the limits of those who ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from mock_server.account import Account
from mock_server.models import EFFORTS, MODELS, Model, find_model
from mock_server.paging import page, read_limit
from mock_server.plan import Error, base62
from mock_server.request import RequestError, invalid
from mock_server.rng import Draws
from mock_server.tenants import Tenant
from mock_server.tiers import Limits, RateLimit

RELEASED = {
    "claude-fable-5-2": date(2026, 11, 9),
    "claude-mythos-5-2": date(2026, 11, 9),
    "claude-haiku-5-5": date(2026, 10, 7),
    "claude-sonnet-5-5": date(2026, 9, 28),
    "claude-opus-5-5": date(2026, 9, 22),
    "claude-fable-5-1": date(2026, 9, 1),
    "claude-mythos-5-1": date(2026, 9, 1),
    "claude-opus-5": date(2026, 7, 24),
    "claude-sonnet-5": date(2026, 6, 30),
    "claude-fable-5": date(2026, 6, 9),
    "claude-mythos-5": date(2026, 6, 9),
    "claude-opus-4-8": date(2026, 5, 28),
    "claude-opus-4-7": date(2026, 4, 16),
    "claude-sonnet-4-6": date(2026, 2, 17),
    "claude-opus-4-6": date(2026, 2, 5),
    "claude-opus-4-5": date(2025, 11, 24),
    "claude-haiku-4-5": date(2025, 10, 15),
    "claude-sonnet-4-5": date(2025, 9, 29),
}
"""Newest first, as the list is (pricing page of 2026-10-08; 4.x models and Sonnet 5 may be off by days)."""

SNAPSHOTS = {
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}
"""The dated ids behind those ids that are only aliases."""

RETIRES = {"claude-sonnet-4-5": date(2026, 11, 30)}
"""Models that are deprecated, with the day on which they retire."""

GROUP_TYPES = ("model_group", "batch", "token_count", "files", "skills", "web_search")


def list_models(query: Mapping[str, str]) -> dict[str, Any]:
    """The answer of `GET /v1/models`.  Raises RequestError."""
    models = [describe_model(MODELS[name]) for name in RELEASED]
    ids = [model["id"] for model in models]
    part = page(ids, query)
    return as_page(models[part.begin : part.end], has_more=part.has_more)


def as_page(items: Sequence[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page of a list, in the API's shape."""
    first, last = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return {"data": items, "has_more": has_more, "first_id": first, "last_id": last}


def retrieve_model(model_id: str) -> dict[str, Any]:
    """The answer of `GET /v1/models/{id}`, by id or alias.  404 for one that is not served (any more)."""
    model = find_model(model_id)
    if model is None or model_id not in (model.id, SNAPSHOTS.get(model.id)):
        raise RequestError(404, Error("not_found_error", f"model: {model_id[:200]}"))
    return describe_model(model)


def describe_model(model: Model) -> dict[str, Any]:
    """A model as the API shows it."""
    number = model.id.removeprefix(f"claude-{model.line}-").replace("-", ".")
    retires = RETIRES.get(model.id)
    return {
        "id": SNAPSHOTS.get(model.id, model.id),
        "type": "model",
        "display_name": f"Claude {model.line.title()} {number}",
        "created_at": f"{RELEASED[model.id]}T00:00:00Z",
        "line": model.line,
        "lifecycle": "deprecated" if retires else "active",
        "deprecated_at": f"{RELEASED[model.id]}T00:00:00Z" if retires else None,
        "retires_at": f"{retires}T00:00:00Z" if retires else None,
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(model),
    }


def _capabilities(model: Model) -> dict[str, Any]:
    """What the table of models knows, in the shape of the API; what every served model can do is not in the table."""
    yes, efforts = {"supported": True}, {level: {"supported": level in model.efforts} for level in EFFORTS}
    kinds = ("adaptive", "between_tools", "disabled", "enabled")
    return {
        "batch": yes,
        "citations": yes,
        "code_execution": yes,
        "context_management": {
            "supported": True,
            "clear_thinking_20251015": yes,
            "clear_tool_uses_20250919": yes,
            "compact_20260112": {"supported": "4-5" not in model.id},
        },
        "effort": {"supported": bool(model.efforts), **efforts},
        "image_input": yes,
        "pdf_input": yes,
        "server_tools": {"supported": True, "code_execution": yes, "web_search": yes},
        "structured_outputs": yes,
        "thinking": {"supported": True, "types": {kind: {"supported": kind in model.thinking} for kind in kinds}},
    }


def organization_limits(account: Account, tenant: Tenant, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer of `GET /v1/organizations/rate_limits`.  Raises RequestError."""
    entries = [_entry(tenant, kind, name, models, limits) for kind, name, models, limits in _groups(account)]
    if wanted := query.get("model"):
        entries = [entry for entry in entries if wanted in (entry["models"] or ())]
        if not entries:
            raise RequestError(404, Error("not_found_error", f"model: {wanted[:200]}"))
    return _cursor_page(_of_type(entries, query), query)


def workspace_limits(account: Account, tenant: Tenant, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer of `GET /v1/organizations/workspaces/{id}/rate_limits`: what differs from the organisation's.

    With `include_inherited=true` also what does not.  Raises RequestError.
    """
    own = account.describe_workspace(tenant.workspace).limits
    inherited = query.get("include_inherited") == "true"
    entries = []
    for kind, name, models, limits in _groups(account):
        mine = _override(own, models)
        values = [
            {
                "type": limiter,
                "value": mine.get(limiter, value),
                "org_limit": value,
                "source": {"type": "workspace" if limiter in mine else "organization"},
            }
            for limiter, value in {**dict.fromkeys(mine), **limits}.items()
            if limiter in mine or (inherited and value is not None)
        ]
        if values:
            entry = _entry(tenant, kind, name, models, {})
            rate_limit_id = entry.pop("id")
            entry |= {"type": "workspace_rate_limit", "workspace_id": tenant.workspace_id, "limits": values}
            entries.append({"rate_limit_id": rate_limit_id, **entry})
    return _cursor_page(_of_type(entries, query), query)


def _groups(account: Account) -> Iterator[tuple[str, str, list[str] | None, dict[str, int | None]]]:
    """Kind, name, models and limits of each group."""
    tier = account.tier
    pools: dict[str, list[str]] = {}
    for name in RELEASED:
        pools.setdefault(tier.pool(name), []).append(name)
    for models in pools.values():
        dated = [SNAPSHOTS[name] for name in models if name in SNAPSHOTS]
        yield "model_group", _group_name(models), sorted([*models, *dated]), _values(tier.limits_of(models[0]))
    batch = {"requests_per_minute": tier.batch_requests, "enqueued_batch_requests": tier.batch_queue}
    yield "batch", "batch", None, batch
    yield "token_count", "token_count", None, {"requests_per_minute": tier.token_counts}


def _values(limits: Limits) -> dict[str, int | None]:
    names = ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute")
    return dict(zip(names, limits, strict=True))


def _group_name(models: Sequence[str]) -> str:
    name = describe_model(MODELS[models[0]])["display_name"]
    return name if len(models) == 1 else f"{name[:-1]}x"


def _entry(
    tenant: Tenant, kind: str, name: str, models: list[str] | None, limits: Mapping[str, int | None]
) -> dict[str, Any]:
    """Both shapes in one: `group_type` as the pages of August 2026 show it, `group` as the SDK reads it since 2.0."""
    group = {"id": f"rlg_01{base62(Draws('group', name))[2:]}", "type": kind}
    if kind == "model_group":
        group["display_name"] = name
    return {
        "id": f"rl_01{base62(Draws('limit', tenant.organization, name))[2:]}",
        "type": "rate_limit",
        "group_type": kind,
        "group": group,
        "models": models,
        "limits": [{"type": limiter, "value": value} for limiter, value in limits.items() if value is not None],
    }


def _override(own: Sequence[RateLimit], models: Sequence[str] | None) -> dict[str, int]:
    for entry in own:
        if models and set(entry.models or ()) & set(models):
            return {limit.type: limit.value for limit in entry.limits}
    return {}


def _of_type(entries: list[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    wanted = query.get("group_type")
    if wanted is not None and wanted not in GROUP_TYPES:
        raise invalid(f"group_type: Input should be one of {', '.join(GROUP_TYPES)}")
    return [entry for entry in entries if wanted in (None, entry["group_type"]) and entry["limits"]]


def _cursor_page(entries: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    begin, limit = _read_cursor(query), read_limit(query) or len(entries)
    end = begin + limit
    return {"data": entries[begin:end], "next_page": f"page_{end}" if end < len(entries) else None}


def _read_cursor(query: Mapping[str, str]) -> int:
    text = query.get("page", "page_0").removeprefix("page_")
    if not (text.isascii() and text.isdigit()):
        raise invalid("page: is not a next_page of this list")
    return int(text[:9])
