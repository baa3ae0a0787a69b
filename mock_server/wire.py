"""A `Plan` as bytes: headers, JSON bodies and server-sent events in the API's shapes (reference of 2026-10-10)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from math import ceil
from typing import Any

import msgspec
from msgspec import UNSET

from mock_server.faults import spoiled_pieces
from mock_server.models import filler, length_of
from mock_server.plan import Block, Plan, base62, deltas
from mock_server.rng import Draws
from mock_server.shapes import (
    CacheCreation,
    End,
    Message,
    MessageDelta,
    MessageStart,
    OutputDetails,
    RefusalDetails,
    Text,
    Thinking,
    ToolUse,
    Usage,
)
from mock_server.tenants import Tenant

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


Header = tuple[bytes, bytes]


def head(plan: Plan, content_type: str = "application/json") -> bytes:
    """All response headers but those of HTTP itself, as HTTP writes them: a line each, with its end.

    `content_type` is that of an answer that is neither an error nor a stream of events.
    """
    kind, when = content_type if plan.error is None else "application/json", plan.ended
    if plan.stream and plan.error is None:
        kind, when = "text/event-stream; charset=utf-8", plan.first_token
    lines = [
        _common(kind, int(plan.epoch + when), plan.tenant),
        b"request-id: %b\r\n" % plan.request_id.encode(),
    ]
    if plan.retry_after is not None:
        lines.append(b"retry-after: %b\r\n" % _retry_after(plan.retry_after, plan))
    if plan.should_retry is not None:
        lines.append(b"x-should-retry: true\r\n" if plan.should_retry else b"x-should-retry: false\r\n")
    if limits := plan.limits:
        windows = (limits.requests, limits.input_tokens, limits.output_tokens, limits.tokens)
        for template, window in zip(_WINDOWS, windows, strict=True):
            if window:
                reset = _timestamp(ceil(plan.epoch + window.reset))
                lines.append(template % (window.limit, window.remaining, reset))
    return b"".join(lines)


def headers(plan: Plan) -> list[Header]:
    """The lines of `head`, as names and values."""
    return rows(head(plan))


def rows(head: bytes) -> list[Header]:
    """Header lines as names and values."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n")[:-1])]


_WINDOWS = [
    b"".join(
        b"anthropic-ratelimit-%b-%b: %%b\r\n" % (name, ending) for ending in (b"limit", b"remaining", b"reset")
    ).replace(b"%b", b"%d", 2)
    for name in (b"requests", b"input-tokens", b"output-tokens", b"tokens")
]


def readable(rows: Iterable[Header]) -> dict[str, str]:
    """Headers as text, by name."""
    return {name.decode(): value.decode("latin-1") for name, value in rows}


@lru_cache(maxsize=1024)
def _common(content_type: str, unix_second: int, tenant: Tenant | None) -> bytes:
    """What answers of the same second have in common."""
    return b"content-type: %b\r\ndate: %b\r\n%b" % (content_type.encode(), _date(unix_second), _whose(tenant))


@lru_cache(maxsize=1024)
def _whose(tenant: Tenant | None) -> bytes:
    """Whose request it was; nothing if that is not known."""
    if tenant is None:
        return b""
    ids = (tenant.organization_id.encode(), tenant.workspace_id.encode())
    return b"anthropic-organization-id: %b\r\nanthropic-workspace-id: %b\r\n" % ids


@lru_cache(maxsize=1024)
def _timestamp(unix_second: int) -> bytes:
    """RFC 3339 in whole seconds."""
    return (_UNIX + timedelta(seconds=unix_second)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _retry_after(seconds: int, plan: Plan) -> bytes:
    """Seconds, or the moment as an HTTP date, which has whole seconds and so comes out up to one longer."""
    return _date(ceil(plan.epoch + plan.ended) + seconds) if plan.retry_after_as_date else b"%d" % seconds


@lru_cache(maxsize=1024)
def _date(unix_second: int) -> bytes:
    """As HTTP writes it.  In the mock's time, like everything else it says."""
    return format_datetime(_UNIX + timedelta(seconds=unix_second), usegmt=True).encode()


def pieces(plan: Plan) -> Iterator[tuple[float, bytes]]:
    """The body with the engine second each piece of it is due, spoiled where the plan says so."""
    stream = plan.stream and plan.error is None
    whole = events(plan) if stream else iter([(plan.ended if plan.flaw is None else plan.last_token, body(plan))])
    return spoiled_pieces(whole, plan.flaw, stream) if plan.flaw else whole


def body(plan: Plan) -> bytes:
    """The whole body of an answer that is not streamed, or of an error."""
    if plan.error is None:
        return _encode(_message(plan))
    error: dict[str, Any] = {"type": plan.error.type, "message": plan.error.message}
    if plan.error.error_code:
        error["details"] = {"error_code": plan.error.error_code}
    return _encode({"type": "error", "error": error, "request_id": plan.request_id})


def _message(plan: Plan) -> Message:
    """A whole answer."""
    return Message(
        id=plan.message_id,
        model=plan.model,
        content=[_block(plan, block, place) for place, block in enumerate(plan.blocks)],
        stop_reason=plan.stop_reason,
        stop_sequence=plan.stop_sequence,
        stop_details=_stop_details(plan),
        usage=_usage(plan, plan.usage.output_tokens, plan.usage.thinking_tokens),
    )


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
    begun = Message(
        id=plan.message_id, model=plan.model, content=[], usage=_usage(plan, min(1, plan.usage.output_tokens), 0)
    )
    yield plan.first_token, _event("message_start", MessageStart(message=begun))
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
    usage.cache_creation = usage.service_tier = usage.inference_geo = usage.speed = UNSET  # in message_start alone
    ending = End(stop_reason=plan.stop_reason, stop_sequence=plan.stop_sequence, stop_details=_stop_details(plan))
    yield plan.last_token, _event("message_delta", MessageDelta(delta=ending, usage=usage)) + _MESSAGE_STOP


def _block(plan: Plan, block: Block, place: int) -> Text | Thinking | ToolUse:
    """A block as a message that is not streamed has it."""
    text = _text(plan, block) if block.shown else ""
    if block.kind == "text":
        return Text(text=text)
    if block.kind == "thinking":
        return Thinking(thinking=text, signature=_signature(plan, place))
    return _tool(plan, place, {} if block.cut else _decode(text))


def _block_start(plan: Plan, place: int) -> bytes:
    block = plan.blocks[place]
    if block.kind == "text":
        return _TEXT_START % place
    if block.kind == "thinking":
        return _THINKING_START % place
    start = {"type": "content_block_start", "index": place, "content_block": _tool(plan, place, {})}
    return _event("content_block_start", start)


def _tool(plan: Plan, place: int, given: object) -> ToolUse:
    block = plan.blocks[place]
    prefix = "toolu_" if block.kind == "tool_use" else "srvtoolu_"
    identity = prefix + base62(Draws(*plan.key, block.kind, place))
    return ToolUse(type=block.kind, id=identity, name=block.name, input=given)


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
    return _event("content_block_delta", {"type": "content_block_delta", "index": place, "delta": signed})


def _signature(plan: Plan, place: int) -> str:
    """Opaque: only that it is there, and always the same, matters."""
    draws = Draws(*plan.key, "signature", place)
    return b64encode(b"".join(draws.bits().to_bytes(8, "big") for _ in range(24))).decode()


def _stop_details(plan: Plan) -> RefusalDetails | None:
    return RefusalDetails(category=plan.refusal) if plan.stop_reason == "refusal" else None


def _event(kind: str, payload: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), _encode(payload))


def _template(payload: dict[str, Any]) -> bytes:
    """The event with %d for its place, and %b where its text says so."""
    return _event(payload["type"], payload).replace(b'"index":0', b'"index":%d')


def _delta_template(kind: str, field: str) -> bytes:
    return _template({"type": "content_block_delta", "index": 0, "delta": {"type": kind, field: "%b"}})


_PING = _event("ping", {"type": "ping"})
_TEXT_START = _template(
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "citations": None}}
)
_THINKING_START = _template(
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}
)
_BLOCK_STOP = _template({"type": "content_block_stop", "index": 0})
_MESSAGE_STOP = _event("message_stop", {"type": "message_stop"})
_TOOL_DELTA = _delta_template("input_json_delta", "partial_json")
_DELTAS = {
    "text": _delta_template("text_delta", "text"),
    "thinking": _delta_template("thinking_delta", "thinking"),
    "tool_use": _TOOL_DELTA,
    "server_tool_use": _TOOL_DELTA,
}


def _usage(plan: Plan, output_tokens: int, thinking_tokens: int) -> Usage:
    usage = plan.usage
    return Usage(
        usage.input_tokens,
        usage.cache_write_5m + usage.cache_write_1h,
        usage.cache_read,
        CacheCreation(usage.cache_write_5m, usage.cache_write_1h),
        output_tokens,
        OutputDetails(thinking_tokens),
        None,
        plan.service_tier,
        plan.inference_geo,
        plan.speed,
    )


def _text(plan: Plan, block: Block) -> str:
    """What a block says."""
    assert plan.served is not None
    length = length_of(block.tokens, plan.served)
    return filler(0, length) if block.text is None else block.text[:length]
