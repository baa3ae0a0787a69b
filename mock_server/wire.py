"""A `Plan` as bytes: headers, JSON bodies and server-sent events in the API's shapes (reference of 2026-10-10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from math import ceil
from typing import Any

import msgspec

from mock_server.faults import spoiled_pieces
from mock_server.models import Model, describe, filler, length_of
from mock_server.plan import Plan, Window, chunks
from mock_server.tenants import Tenant

_encode = msgspec.json.Encoder().encode
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


def headers(plan: Plan) -> list[tuple[str, str]]:
    """All response headers but those of HTTP itself."""
    stream = plan.status == 200 and plan.stream
    rows = [
        ("content-type", "text/event-stream; charset=utf-8" if stream else "application/json"),
        ("date", _date(int(plan.epoch + (plan.first_token if stream else plan.ended)))),
        *identity(plan.request_id, plan.tenant),
    ]
    if plan.retry_after is not None:
        rows.append(("retry-after", _retry_after(plan.retry_after, plan)))
    if plan.should_retry is not None:
        rows.append(("x-should-retry", "true" if plan.should_retry else "false"))
    if plan.limits:
        limits = plan.limits
        for name, window in (
            ("requests", limits.requests),
            ("input-tokens", limits.input_tokens),
            ("output-tokens", limits.output_tokens),
            ("tokens", limits.tokens),
        ):
            if window:
                rows += _window_headers(f"anthropic-ratelimit-{name}", window, plan.epoch)
    return rows


def identity(request_id: str, tenant: Tenant | None) -> list[tuple[str, str]]:
    """The headers that say which request it was and whose; None if that is not known."""
    rows = [("request-id", request_id)]
    if tenant:
        rows.append(("anthropic-organization-id", tenant.organization_id))
        rows.append(("anthropic-workspace-id", tenant.workspace_id))
    return rows


def _window_headers(prefix: str, window: Window, epoch: float) -> list[tuple[str, str]]:
    return [
        (f"{prefix}-limit", str(window.limit)),
        (f"{prefix}-remaining", str(window.remaining)),
        (f"{prefix}-reset", _timestamp(ceil(epoch + window.reset))),
    ]


@lru_cache(maxsize=1024)
def _timestamp(unix_second: int) -> str:
    """RFC 3339 in whole seconds."""
    return (_UNIX + timedelta(seconds=unix_second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _retry_after(seconds: int, plan: Plan) -> str:
    """Seconds, or the moment as an HTTP date, which has whole seconds and so comes out up to one longer."""
    return _date(ceil(plan.epoch + plan.ended) + seconds) if plan.retry_after_as_date else str(seconds)


@lru_cache(maxsize=1024)
def _date(unix_second: int) -> str:
    """As HTTP writes it.  In the mock's time, like everything else it says."""
    return format_datetime(_UNIX + timedelta(seconds=unix_second), usegmt=True)


def pieces(plan: Plan) -> Iterator[tuple[float, bytes]]:
    """The body with the engine second each piece of it is due, spoiled where the plan says so."""
    stream = plan.stream and plan.error is None
    whole = events(plan) if stream else iter([(plan.ended if plan.flaw is None else plan.last_token, body(plan))])
    return spoiled_pieces(whole, plan.flaw, stream) if plan.flaw else whole


def body(plan: Plan) -> bytes:
    """The whole body of an answer that is not streamed, or of an error."""
    if plan.error is None:
        text = _text(describe(plan.model), 0, plan.usage.output_tokens)
        content = [{"type": "text", "text": text}] if text else []
        return _encode(_message(plan, content, plan.stop_reason, plan.usage.output_tokens))
    error: dict[str, Any] = {"type": plan.error.type, "message": plan.error.message}
    if plan.error.error_code:
        error["details"] = {"error_code": plan.error.error_code}
    return _encode({"type": "error", "error": error, "request_id": plan.request_id})


def events(plan: Plan) -> Iterator[tuple[float, bytes]]:
    """The events of a streamed answer with the engine second each is due; those due together are one piece."""
    model = describe(plan.model)
    start = {"type": "message_start", "message": _message(plan, [], None, min(1, plan.usage.output_tokens))}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    piece, when, done = _event(start) + _event(block) + _PING, plan.first_token, 0
    for due, tokens in chunks(plan):
        if due > when:
            yield when, piece
            piece, when = b"", due
        piece += _DELTA % _text(model, done, done + tokens).encode()
        done += tokens
    if plan.last_token > when:
        yield when, piece
        piece = b""
    delta = {"stop_reason": plan.stop_reason, "stop_sequence": None}
    usage = {"input_tokens": plan.usage.input_tokens, **_UNCACHED, "output_tokens": plan.usage.output_tokens}
    end = {"type": "message_delta", "delta": delta, "usage": usage}
    yield plan.last_token, piece + _BLOCK_STOP + _event(end) + _MESSAGE_STOP


def _event(payload: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (payload["type"].encode(), _encode(payload))


_PING = _event({"type": "ping"})
_BLOCK_STOP = _event({"type": "content_block_stop", "index": 0})
_MESSAGE_STOP = _event({"type": "message_stop"})
_DELTA = _event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "%s"}})
"""A template: the filler text needs no escaping in JSON."""

_UNCACHED = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def _message(plan: Plan, content: list[dict[str, str]], stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
    usage = {
        "input_tokens": plan.usage.input_tokens,
        **_UNCACHED,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": 0},
        "server_tool_use": None,
        "service_tier": plan.service_tier,
        "inference_geo": "global",
        "speed": "standard",
    }
    return {
        "id": plan.message_id,
        "type": "message",
        "role": "assistant",
        "model": plan.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "diagnostics": None,
        "usage": usage,
    }


def _text(model: Model, begin: int, end: int) -> str:
    """Tokens `begin` to `end` of the answer."""
    return filler(length_of(begin, model), length_of(end, model))
