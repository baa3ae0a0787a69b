"""A `Plan` as bytes: headers, JSON bodies and server-sent events in the API's shapes (reference of 2026-10-10)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from math import ceil
from typing import Any

import msgspec

from mock_server.faults import spoiled_pieces
from mock_server.models import filler, length_of
from mock_server.plan import Block, Plan, Window, base62, deltas
from mock_server.rng import Draws
from mock_server.tenants import Tenant

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
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
        return _encode(message(plan))
    error: dict[str, Any] = {"type": plan.error.type, "message": plan.error.message}
    if plan.error.error_code:
        error["details"] = {"error_code": plan.error.error_code}
    return _encode({"type": "error", "error": error, "request_id": plan.request_id})


def message(plan: Plan) -> dict[str, Any]:
    """A whole answer, as an object."""
    content = [_block(plan, place) for place in range(len(plan.blocks))]
    return {**_message(plan, content, plan.usage.output_tokens, plan.usage.thinking_tokens), **_end(plan)}


def events(plan: Plan) -> Iterator[tuple[float, bytes]]:
    """The events of a streamed answer with the engine second each is due; those due together are one piece."""
    piece, when = b"", plan.first_token
    for due, data in _timeline(plan):
        if due > when:
            if piece:
                yield when, piece
            yield from _pings(plan.ping_interval, when, due)
            piece, when = b"", due
        piece += data
    yield when, piece


def _pings(interval: float | None, begin: float, end: float) -> Iterator[tuple[float, bytes]]:
    while interval and begin + interval < end:
        begin += interval
        yield begin, _PING


def _timeline(plan: Plan) -> Iterator[tuple[float, bytes]]:
    """Each event when it is due, in order."""
    begun = _message(plan, [], min(1, plan.usage.output_tokens), 0)
    yield plan.first_token, _event({"type": "message_start", "message": begun})
    before = 0
    for place, block in enumerate(plan.blocks):
        yield plan.due(before + 1), _block_start(plan, place) + (_PING if place == 0 else b"")
        head, tail = _delta_frame(block.kind, place)
        says = _slicer(plan, block)
        for due, begin, end in deltas(plan, block, before):
            yield due, head + says(begin, end) + tail
        before += block.tokens
        signed = _signature_delta(plan, place) if block.kind == "thinking" else b""
        yield plan.due(before), signed + _BLOCK_STOP % place
    usage = _usage(plan, plan.usage.output_tokens, plan.usage.thinking_tokens)
    for name in ("cache_creation", "service_tier", "inference_geo", "speed"):  # those of message_start alone
        del usage[name]
    ended = _event({"type": "message_delta", "delta": _end(plan), "usage": usage})
    yield plan.last_token, ended + _MESSAGE_STOP


def _block(plan: Plan, place: int) -> dict[str, Any]:
    """A block as a message that is not streamed has it."""
    block = plan.blocks[place]
    text = _text(plan, block) if block.shown else ""
    if block.kind == "text":
        return {"type": "text", "text": text, "citations": None}
    if block.kind == "thinking":
        return {"type": "thinking", "thinking": text, "signature": _signature(plan, place)}
    return {**_tool(plan, place), "input": {} if block.cut else _decode(text)}


def _block_start(plan: Plan, place: int) -> bytes:
    block = plan.blocks[place]
    if block.kind == "text":
        return _TEXT_START % place
    if block.kind == "thinking":
        return _THINKING_START % place
    return _event({"type": "content_block_start", "index": place, "content_block": {**_tool(plan, place), "input": {}}})


def _tool(plan: Plan, place: int) -> dict[str, Any]:
    block = plan.blocks[place]
    prefix = "toolu_" if block.kind == "tool_use" else "srvtoolu_"
    return {
        "type": block.kind,
        "id": prefix + base62(Draws(*plan.key, block.kind, place)),
        "name": block.name,
        "caller": {"type": "direct"},
    }


@lru_cache(maxsize=64)
def _delta_frame(kind: str, place: int) -> tuple[bytes, bytes]:
    """What stands before and after the text of a delta."""
    head, _, tail = (_DELTAS[kind] % (place, b"\0")).partition(b"\0")
    return head, tail


def _slicer(plan: Plan, block: Block) -> Callable[[int, int], bytes]:
    """What tokens of a block say, as part of a JSON string.  Filler needs no escaping."""
    model = plan.served
    assert model is not None
    characters, tokens = model.characters, model.tokens
    if (text := block.text) is not None:
        return lambda begin, end: _encode(text[begin * characters // tokens : end * characters // tokens])[1:-1]
    data = filler(0, length_of(block.tokens, model)).encode() if block.shown else b""
    return lambda begin, end: data[begin * characters // tokens : end * characters // tokens]


def _signature_delta(plan: Plan, place: int) -> bytes:
    signed = {"type": "signature_delta", "signature": _signature(plan, place)}
    return _event({"type": "content_block_delta", "index": place, "delta": signed})


def _signature(plan: Plan, place: int) -> str:
    """Opaque: only that it is there, and always the same, matters."""
    draws = Draws(*plan.key, "signature", place)
    return b64encode(b"".join(draws.bits().to_bytes(8, "big") for _ in range(24))).decode()


def _end(plan: Plan) -> dict[str, Any]:
    """Why the answer ended."""
    details = None
    if plan.stop_reason == "refusal":
        explanation = "This request was declined by the mock because it was asked to."
        details = {"type": "refusal", "category": plan.refusal, "explanation": explanation}
    return {
        "stop_reason": plan.stop_reason,
        "stop_sequence": plan.stop_sequence,
        "stop_details": details,
        "container": None,
    }


def _event(payload: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (payload["type"].encode(), _encode(payload))


def _template(payload: dict[str, Any]) -> bytes:
    """The event with %d for its place, and %b where its text says so."""
    return _event(payload).replace(b'"index":0', b'"index":%d')


def _delta_template(kind: str, field: str) -> bytes:
    return _template({"type": "content_block_delta", "index": 0, "delta": {"type": kind, field: "%b"}})


_PING = _event({"type": "ping"})
_TEXT_START = _template(
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "citations": None}}
)
_THINKING_START = _template(
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}
)
_BLOCK_STOP = _template({"type": "content_block_stop", "index": 0})
_MESSAGE_STOP = _event({"type": "message_stop"})
_TOOL_DELTA = _delta_template("input_json_delta", "partial_json")
_DELTAS = {
    "text": _delta_template("text_delta", "text"),
    "thinking": _delta_template("thinking_delta", "thinking"),
    "tool_use": _TOOL_DELTA,
    "server_tool_use": _TOOL_DELTA,
}


def _usage(plan: Plan, output_tokens: int, thinking_tokens: int) -> dict[str, Any]:
    usage = plan.usage
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": thinking_tokens},
        "server_tool_use": None,
        "service_tier": plan.service_tier,
        "inference_geo": plan.inference_geo,
        "speed": plan.speed,
    }


def _message(plan: Plan, content: list[dict[str, Any]], output_tokens: int, thinking_tokens: int) -> dict[str, Any]:
    """An answer whose end is not known."""
    return {
        "id": plan.message_id,
        "type": "message",
        "role": "assistant",
        "model": plan.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "diagnostics": None,
        "usage": _usage(plan, output_tokens, thinking_tokens),
    }


def _text(plan: Plan, block: Block) -> str:
    """What a block says."""
    assert plan.served is not None
    length = length_of(block.tokens, plan.served)
    return filler(0, length) if block.text is None else block.text[:length]
