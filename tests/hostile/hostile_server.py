"""A server that behaves as no server should: raw bytes over a socket, chosen by what the prompt says."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[str], AsyncIterator[bytes]]
"""What is written to the connection, given the request's own body."""

MESSAGE: dict[str, object] = {
    "type": "message",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 7},
}
JSON, SSE = "content-type: application/json", "content-type: text/event-stream"
BLOCK = b"x" * 65_536
BEHAVIOURS: dict[str, Behaviour] = {}


@contextmanager
def hostile_server() -> Iterator[str]:
    """The URL of a server on a free port of this machine, in a process of its own: what never ends would starve us.

    A prompt that says `behave: NAME` gets that behaviour.
    """
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def _serve() -> None:
    server = await asyncio.start_server(_connected, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = (await reader.readexactly(int(length[1]))).decode() if length else ""
        named = re.search(r"behave: ([\w.-]+)", body)
        unnamed = BEHAVIOURS["good"] if head.startswith("POST /v1/messages ") else _plain
        behaviour = BEHAVIOURS[named[1]] if named else unnamed
        async for piece in behaviour(head + body):
            writer.write(piece)
            await writer.drain()
    with suppress(OSError):
        writer.close()


async def _plain(_: str) -> AsyncIterator[bytes]:
    yield whole(b"")


def streams(request: str) -> bool:
    """Whether a request asks for a stream."""
    return '"stream":true' in request.replace(" ", "")


def head(*lines: str, status: str = "200 OK") -> bytes:
    """The first bytes of an answer."""
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", "connection: close", *lines, "")).encode("latin-1")


def whole(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    """An answer of known length."""
    return head(f"content-length: {len(body)}", *lines, status=status) + body


def event(kind: str, **fields: object) -> bytes:
    """An event of a stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hi"})


def answer(request: str, usage: object = MESSAGE["usage"], stop_reason: object = "end_turn", *lines: str) -> bytes:
    """An answer that is right but for what is given, as a stream or a whole."""
    if streams(request):
        start = event("message_start", message={"usage": {"input_tokens": 3, "output_tokens": 1}})
        ended = event("message_delta", delta={"stop_reason": stop_reason}, usage=usage) + event("message_stop")
        return head(SSE, *lines) + start + TEXT + ended
    return whole(json.dumps({**MESSAGE, "usage": usage, "stop_reason": stop_reason}).encode(), JSON, *lines)


def told(name: str) -> Callable[[Callable[[str], bytes]], None]:
    """A behaviour that is one piece of bytes."""

    def named(make: Callable[[str], bytes]) -> None:
        async def behaviour(request: str) -> AsyncIterator[bytes]:
            yield make(request)

        BEHAVIOURS[name] = behaviour

    return named


def behaviour(name: str) -> Callable[[Behaviour], Behaviour]:
    """A behaviour of several pieces."""

    def named(make: Behaviour) -> Behaviour:
        BEHAVIOURS[name] = make
        return make

    return named


# Answers that are wrong in what they say

USAGES: dict[str, str] = {
    "negative-usage": '{"input_tokens": -5, "output_tokens": -7}',
    "nan-usage": '{"input_tokens": NaN, "output_tokens": Infinity}',
    "huge-usage": '{"input_tokens": 1000000000000000000000000000000, "output_tokens": 7}',
    "int64-usage": '{"input_tokens": 9223372036854775807, "output_tokens": 9223372036854775807}',
    "exponent-usage": '{"input_tokens": 1e400, "output_tokens": 7}',
    "text-usage": '{"input_tokens": "3", "output_tokens": []}',
    "negative-cache-usage": '{"input_tokens": 3, "cache_creation": {"ephemeral_5m_input_tokens": -9}}',
}
for _name, _usage in USAGES.items():
    told(_name)(lambda request, usage=_usage: _raw_usage(request, usage))  # type: ignore[misc]


def _raw_usage(request: str, usage: str) -> bytes:
    if streams(request):
        start = f'event: message_start\ndata: {{"type": "message_start", "message": {{"usage": {usage}}}}}\n\n'
        return head(SSE) + start.encode() + TEXT + event("message_stop")
    return whole(f'{{"type": "message", "content": [], "stop_reason": "end_turn", "usage": {usage}}}'.encode(), JSON)


told("good")(answer)
told("invalid-utf8")(
    lambda request: (
        head(SSE) + b'event: message_start\ndata: {"type": "mess\xff\xfeage_start"}\n\n'
        if streams(request)
        else whole(b'{"type": "\xff\xfe"}', JSON)
    )
)
told("invalid-utf8-error")(lambda _: whole(b'{"error": {"type": "\xff", "message": "\xc3("}}', JSON, status="500 No"))
told("lone-surrogate")(lambda request: answer(request, stop_reason="\ud800"))
told("deep-nesting")(
    lambda request: (
        head(SSE) + b"event: x\ndata: " + b"[" * 100_000 + b"\n\n"
        if streams(request)
        else whole(b'{"a":' * 100_000, JSON)
    )
)
told("deep-nesting-error")(lambda _: whole(b'{"error":' * 100_000, JSON, status="400 No"))
told("null-answer")(lambda request: head(SSE) + b"event: x\ndata: null\n\n" if streams(request) else whole(b"null"))
told("wrong-content-type")(lambda _: whole(b"<html>hello</html>", "content-type: text/html"))
told("empty")(lambda _: whole(b""))
told("no-content")(lambda _: head(status="204 No Content"))
told("endless-stop-reason")(lambda request: answer(request, stop_reason="x" * 2_000_000))
told("stop-reason-of-another-kind")(lambda request: answer(request, stop_reason={"a": 1}))
told("error-event")(lambda _: head(SSE) + b'event: error\ndata: {"type": "error", "error": {"type": 7}}\n\n')
told("errors-without-shape")(lambda _: whole(b'{"error": "no"}', JSON, status="418 I'm a teapot"))
told("unknown-events")(lambda _: head(SSE) + event("surprise", a=1) * 100)
told("events-out-of-order")(
    lambda request: (
        head(SSE) + event("message_stop") + TEXT + event("message_delta", delta=None) if streams(request) else b""
    )
)


def _key(request: str) -> str:
    """The key that a request bears."""
    found = re.search(r"(?:authorization: Bearer|x-api-key:) *(\S+)", request, re.IGNORECASE)
    return found[1] if found else "no key"


def _echo_error(request: str) -> bytes:
    """The whole request, key and all, as words of a refusal."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": request}}
    return whole(json.dumps(error).encode(), JSON, f"request-id: {_key(request)}", status="400 Bad Request")


told("echo-error")(_echo_error)
told("echo-page")(lambda request: whole(request.encode(), status=f"502 {_key(request)}"))
told("echo-status")(lambda request: head("content-length: 0", status=f"503 {_key(request)}"))
told("echo-protocol")(lambda request: f"{_key(request)}\r\n\r\n".encode())
told("echo-type")(lambda request: whole(b"no", f"content-type: {_key(request)}"))
told("echo-event")(
    lambda request: head(SSE) + event("error", error={"type": "api_error", "message": f"with {_key(request)}"})
)
told("echo-answer")(lambda request: answer(request, MESSAGE["usage"], _key(request), f"request-id: {_key(request)}"))

# Headers

told("header-of-megabytes")(lambda _: head("x-long: " + "x" * 3_000_000) + b"{}")
told("headers-without-number")(lambda _: head(*(f"x-{n}: 1" for n in range(50_000))) + b"{}")
told("odd-headers")(
    lambda request: answer(
        request,
        MESSAGE["usage"],
        "end_turn",
        *(f"anthropic-ratelimit-requests-{name}" for name in ("remaining: NaN", "limit: " + "9" * 5_000)),
        "anthropic-ratelimit-input-tokens-remaining: -1",
        "anthropic-ratelimit-output-tokens-remaining: 1e99",
        "anthropic-ratelimit-input-tokens-limit: 99999999999999999999999",
        "request-id: " + "r" * 5_000,
    )
)
told("bytes-in-headers")(lambda request: answer(request, MESSAGE["usage"], "end_turn", "request-id: \xff\xfe\x80"))
for _name, _after in {
    "negative": "-1",
    "enormous": "1e99",
    "nan": "NaN",
    "infinite": "inf",
    "no-date": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "first-date": "Mon, 01 Jan 0001 00:00:00 +2359",
    "far-zone": "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
}.items():
    told(f"retry-after-{_name}")(
        lambda _, after=_after: whole(  # type: ignore[misc]
            b'{"error": {"type": "rate_limit_error", "message": "no"}}',
            JSON,
            f"retry-after: {after}",
            "date: Fri, 31 Dec 9999 23:59:59 -2359",
            "x-should-retry: perhaps",
            status="429 Too Many Requests",
        )
    )
told("redirect-to-itself")(lambda _: head("location: /v1/messages", "content-length: 0", status="307 Temporary"))
told("redirect-to-no-url")(lambda _: head("location: http://[", "content-length: 0", status="302 Found"))
told("redirect-to-a-file")(lambda _: head("location: file:///etc/passwd", "content-length: 0", status="301 Moved"))
told("redirect-elsewhere")(
    lambda _: head("location: http://127.0.0.1:9/v1/messages", "content-length: 0", status="308 Permanent")
)

# The protocol itself

told("nothing")(lambda _: b"")
told("garbage")(lambda _: b"\x00\x01\x02 garbage \xff\r\n\r\n")
told("http-0.9")(lambda _: b"hello, world\n")
told("status-of-no-number")(lambda _: b"HTTP/1.1 OK fine\r\n\r\n")
told("status-999")(lambda _: whole(b"{}", status="999 What"))
told("length-too-long")(lambda _: head("content-length: 999", JSON) + b'{"type"')
told("length-too-short")(lambda _: head("content-length: 3", JSON) + json.dumps(MESSAGE).encode())
told("length-negative")(lambda _: head("content-length: -1", JSON) + b"{}")
told("length-twice")(lambda _: head("content-length: 2", "content-length: 3", JSON) + b"{} ")
told("length-enormous")(lambda _: head("content-length: 99999999999999999999", JSON) + b"{}")
told("chunk-of-no-size")(lambda _: head("transfer-encoding: chunked", JSON) + b"zz\r\n{}\r\n0\r\n\r\n")
told("chunk-enormous")(lambda _: head("transfer-encoding: chunked", JSON) + b"FFFFFFFFFFFFFFFFF\r\n{}\r\n")
told("gzip-that-is-none")(lambda _: whole(b"not gzip", JSON, "content-encoding: gzip"))
told("gzip-of-an-answer")(lambda _: whole(gzip.compress(json.dumps(MESSAGE).encode()), JSON, "content-encoding: gzip"))
told("gzip-bomb")(lambda _: whole(_bomb(), JSON, "content-encoding: gzip"))
told("gzip-bomb-error")(lambda _: whole(_bomb(), JSON, "content-encoding: gzip", status="500 No"))


def _bomb() -> bytes:
    """A gigabyte, nearly nothing on the wire."""
    return gzip.compress(bytes(2**20)) * 1024


# What never ends


@behaviour("silence")
async def _silence(_: str) -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


@behaviour("slow-head")
async def _slow_head(_: str) -> AsyncIterator[bytes]:
    for byte in head(JSON, "x: " + "y" * 10_000):
        yield bytes([byte])
        await asyncio.sleep(0.05)


@behaviour("slow-drip")
async def _slow_drip(request: str) -> AsyncIterator[bytes]:
    yield head(SSE if streams(request) else JSON)
    while True:
        yield b" "
        await asyncio.sleep(0.05)


@behaviour("endless-headers")
async def _endless_headers(_: str) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nx: "
    while True:
        yield BLOCK


@behaviour("endless-early-hints")
async def _endless_early_hints(_: str) -> AsyncIterator[bytes]:
    while True:
        yield b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 100


@behaviour("endless-whole")
async def _endless_whole(_: str) -> AsyncIterator[bytes]:
    yield head(JSON) + b'{"a": "'
    while True:
        yield BLOCK


@behaviour("endless-error")
async def _endless_error(_: str) -> AsyncIterator[bytes]:
    yield head(JSON, status="500 No") + b'{"error": {"message": "'
    while True:
        yield BLOCK


@behaviour("endless-event")
async def _endless_event(_: str) -> AsyncIterator[bytes]:
    yield head(SSE) + b"event: ping\ndata: "
    while True:
        yield BLOCK


@behaviour("endless-lines")
async def _endless_lines(_: str) -> AsyncIterator[bytes]:
    yield head(SSE)
    while True:
        yield b"data: x\n" * 8_000


@behaviour("endless-events")
async def _endless_events(_: str) -> AsyncIterator[bytes]:
    yield head(SSE)
    while True:
        yield TEXT * 500


@behaviour("endless-comments")
async def _endless_comments(_: str) -> AsyncIterator[bytes]:
    yield head(SSE)
    while True:
        yield b": hello\n\n" * 5_000


@behaviour("endless-gzip")
async def _endless_gzip(_: str) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    yield head(JSON, "content-encoding: gzip")
    while True:
        yield packer.compress(bytes(2**24))


@behaviour("half-closed")
async def _half_closed(request: str) -> AsyncIterator[bytes]:
    yield answer(request)[:-20]


if __name__ == "__main__":
    asyncio.run(_serve())
