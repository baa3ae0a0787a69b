"""The SDK client against answers that a mock of the API should not give, and against none at all."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any

import httpx2
import pytest
import respx

from bench import clock
from bench.request import RequestSpec
from bench.results.record import Attempt, RateLimits, Usage
from bench.targets.sdk import SdkClient, Transport, http_client

KEY = "sk-ant-secret-of-the-test"
BASE = "http://claude.test"
MESSAGE = {"type": "message", "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 7}}


def spec(stream: bool = False, **params: object) -> RequestSpec:
    fields: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 99, "stream": stream}
    message = {"role": "user", "content": "hello"}
    return RequestSpec(4, 0.0, {**fields, "messages": [message], **params}, input_tokens=3, output_tokens=7)


def sent(
    handler: Callable[[httpx2.Request], httpx2.Response]
    | Callable[[httpx2.Request], Coroutine[Any, Any, httpx2.Response]],
    request: RequestSpec | None = None,
    timeout: float = 600.0,
) -> Attempt:
    """What sending to `handler` gives, on the virtual clock."""

    async def main() -> Attempt:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
        async with SdkClient(clock.Clock(), http, base_url=BASE, api_key=KEY, timeout=timeout) as client:
            return await client.send(request or spec(), 1)

    return clock.run(main(), virtual=True)


def answered(*args: Any, **kwargs: Any) -> Attempt:  # noqa: ANN401 - the arguments of httpx2.Response
    return sent(lambda _: httpx2.Response(*args, **kwargs))


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


START = event("message_start", message={"usage": {"input_tokens": 3, "output_tokens": 1}})
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hi"})
STOPPED = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7})
END = event("message_stop")
SSE = {"content-type": "text/event-stream; charset=utf-8"}


class Chunks(httpx2.AsyncByteStream):
    """A body whose piece k is there at second k; an exception in it is raised."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self.chunks = chunks
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for second, chunk in enumerate(self.chunks):
            if second:
                await asyncio.sleep(1)
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


def streamed(*chunks: bytes | Exception, timeout: float = 600.0) -> tuple[Attempt, Chunks]:
    body = Chunks(*chunks)
    return sent(lambda _: httpx2.Response(200, headers=SSE, stream=body), spec(stream=True), timeout), body


def test_what_lives_before_a_pass_is_frozen_for_as_long_as_it_lasts_unless_others_have() -> None:
    async def frozen() -> int:
        async with SdkClient(clock.Clock(), httpx2.AsyncClient(), base_url=BASE, api_key=KEY, timeout=9.0):
            return gc.get_freeze_count()

    gc.unfreeze()
    try:
        assert clock.run(frozen(), virtual=True) > 0
        assert gc.get_freeze_count() == 0
        gc.freeze()
        before = gc.get_freeze_count()
        assert clock.run(frozen(), virtual=True) == before == gc.get_freeze_count()
    finally:
        gc.freeze()  # as it is for all tests


def test_an_answer() -> None:
    headers = {
        "request-id": "req_7",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
    }
    assert answered(200, json=MESSAGE, headers=headers) == Attempt(
        sent=0.0,
        headers=0.0,
        ended=0.0,
        status=200,
        request_id="req_7",
        stop_reason="end_turn",
        usage=Usage(3, 7),
        limits=RateLimits(requests_limit=50, requests_remaining=49),
    )


def test_what_is_sent() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=MESSAGE)

    long = spec(max_tokens=100_000)  # the SDK alone would refuse this one when it is not streamed
    assert sent(handler, long).ok
    (request,) = seen
    assert str(request.url) == f"{BASE}/v1/messages"
    assert json.loads(request.content) == long.params
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["x-stainless-retry-count"] == "0"
    assert not [name for name in request.headers if name.startswith(("x-mock", "traceparent"))]


def test_a_stream() -> None:
    attempt, body = streamed(
        START, b"event: ping\ndata: {}\n\n"[:9], b'ping\ndata: {"type": "ping"}\n\n', TEXT, TEXT, STOPPED + END
    )
    assert attempt == Attempt(
        sent=0.0,
        headers=0.0,
        first_event=0.0,
        first_token=3.0,
        first_text=3.0,
        last_token=4.0,
        ended=5.0,
        status=200,
        stop_reason="end_turn",
        usage=Usage(3, 7),
    )
    assert body.closed


def test_a_timeout_keeps_what_had_come() -> None:
    attempt, body = streamed(START, TEXT, TEXT, END, timeout=1.5)
    assert (attempt.cause, attempt.status, attempt.ended) == ("timeout", 200, 1.5)
    assert (attempt.first_token, attempt.usage) == (1.0, Usage(3, 1))
    assert attempt.message == "no complete answer within 1.5 s"
    assert body.closed


def test_a_timeout_before_any_answer() -> None:
    async def handler(_: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(1000)
        raise AssertionError

    assert sent(handler, timeout=30.0) == Attempt(0.0, 30.0, cause="timeout", message="no complete answer within 30 s")


def test_an_error_in_the_middle_of_a_stream() -> None:
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    attempt, _ = streamed(START, TEXT, error)
    assert (attempt.cause, attempt.message, attempt.status) == ("stream_error", "overloaded_error: Overloaded", 200)
    assert (attempt.usage, attempt.last_token, attempt.ended) == (Usage(3, 1), 1.0, 2.0)


@pytest.mark.parametrize(
    ("chunks", "cause", "words"),
    [
        ((START, TEXT), "connection", "before message_stop"),
        ((START, httpx2.ReadError("reset by peer")), "connection", "reset by peer"),
        ((START, b"event: x\ndata: {]\n\n"), "malformed", "malformed"),
        ((b'{"type": "message"}',), "malformed", "no events"),
    ],
)
def test_broken_streams(chunks: tuple[bytes | Exception, ...], cause: str, words: str) -> None:
    attempt, body = streamed(*chunks)
    assert attempt.cause == cause
    assert words in (attempt.message or "")
    assert body.closed


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<html>Welcome to our Wi-Fi</html>", "text/html"), (b"{", "application/json"), (b"{}", "application/json")],
)
def test_a_200_that_is_no_answer(content: bytes, kind: str) -> None:
    attempt = answered(200, content=content, headers={"content-type": kind})
    assert (attempt.cause, attempt.status) == ("malformed", 200)
    assert kind in (attempt.message or "")


def test_an_undecodable_encoding_is_malformed() -> None:
    attempt = sent(lambda _: httpx2.Response(200, stream=Chunks(b"junk"), headers={"content-encoding": "gzip"}))
    assert attempt.cause == "malformed"


def test_a_429_is_seen_at_once_and_never_retried_by_the_sdk() -> None:
    calls = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        calls.append(request)
        error = {"type": "rate_limit_error", "message": "your rate limit of 50 requests per minute"}
        headers = {"retry-after": "7", "x-should-retry": "true", "request-id": "req_9"}
        return httpx2.Response(429, json={"type": "error", "error": error}, headers=headers)

    attempt = sent(handler)
    assert len(calls) == 1
    assert (attempt.cause, attempt.status, attempt.retry_after, attempt.should_retry) == ("requests", 429, 7.0, True)
    assert (attempt.request_id, attempt.ended, attempt.usage) == ("req_9", 0.0, None)


def test_an_error_without_a_body_says_its_reason() -> None:
    attempt = answered(503)
    assert (attempt.cause, attempt.message) == ("server_error", "Service Unavailable")


def test_the_key_is_in_no_message() -> None:
    error = {"type": "authentication_error", "message": f"the key {KEY} is not known"}
    attempt = answered(401, json={"type": "error", "error": error})
    assert (attempt.cause, attempt.message) == ("authentication", "the key REDACTED is not known")


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
def test_nobody_listens(transport: Transport) -> None:
    async def main() -> Attempt:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        http = http_client(transport)
        base_url = f"http://127.0.0.1:{port}"
        async with SdkClient(clock.Clock(), http, base_url=base_url, api_key=KEY, timeout=60) as client:
            return await client.send(spec(), 1)

    attempt = clock.run(main(), virtual=False)
    assert (attempt.cause, attempt.status, attempt.headers) == ("connection", None, None)
    assert "refused" in (attempt.message or "").lower() or "connect" in (attempt.message or "").lower()


@pytest.mark.parametrize("failure", [httpx2.ConnectTimeout, httpx2.RemoteProtocolError, httpx2.ReadError])
def test_failures_of_the_transport(failure: type[httpx2.TransportError]) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise failure("the wire is cut", request=request)

    attempt = sent(handler)
    assert (attempt.cause, attempt.status) == ("connection", None)
    assert attempt.message == f"{failure.__name__}: the wire is cut"


def test_a_529_over_respx() -> None:
    async def main() -> Attempt:
        async with SdkClient(clock.Clock(), http_client("httpx"), base_url=BASE, api_key=KEY, timeout=60) as client:
            return await client.send(spec(), 1)

    error = {"type": "overloaded_error", "message": "Overloaded"}
    with respx.mock:
        respx.post(f"{BASE}/v1/messages").respond(529, json={"type": "error", "error": error})
        attempt = clock.run(main(), virtual=False)
    assert (attempt.cause, attempt.status, attempt.message) == ("overloaded", 529, "Overloaded")


def test_a_request_that_cannot_be_made_up_holds_up_no_other() -> None:
    async def main() -> Attempt:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=MESSAGE)))
        async with SdkClient(clock.Clock(), http, base_url=BASE, api_key=KEY, timeout=60) as client:
            with pytest.raises(TypeError, match="no_such_parameter"):
                await client.send(spec(no_such_parameter=1), 1)
            waiting = [asyncio.create_task(client.send(spec(), 1)) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[1].cancel()
            done = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(done[1], asyncio.CancelledError)
            assert isinstance(done[2], Attempt)
            return done[2]

    assert clock.run(main(), virtual=True).ok


def test_a_redirect_is_one_attempt_from_its_first_send() -> None:
    async def handler(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(2)
        if request.url.path == "/v1/messages":
            return httpx2.Response(307, headers={"location": "/elsewhere"})
        return httpx2.Response(200, json=MESSAGE)

    async def main() -> list[Attempt]:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler), follow_redirects=True)
        async with SdkClient(clock.Clock(), http, base_url=BASE, api_key=KEY, timeout=60) as client:
            return [await client.send(spec(), 1) for _ in range(2)]

    first, second = clock.run(main(), virtual=True)
    assert (first.sent, first.headers, first.ended, first.status) == (0.0, 4.0, 4.0, 200)
    assert (second.sent, second.ended) == (4.0, 8.0)


def test_cancelling_closes_the_response_and_passes_on() -> None:
    body = Chunks(START, TEXT, END)

    async def main() -> None:
        http = httpx2.AsyncClient(
            transport=httpx2.MockTransport(lambda _: httpx2.Response(200, headers=SSE, stream=body))
        )
        async with SdkClient(clock.Clock(), http, base_url=BASE, api_key=KEY, timeout=60) as client:
            task = asyncio.create_task(client.send(spec(stream=True), 1))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    clock.run(main(), virtual=True)
    assert body.closed


def test_connections_that_were_opened_before_are_used_and_cost_nobody_anything() -> None:
    made: list[int] = []
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(1)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                asked.append(head.lower())
                length = re.search(rb"content-length: (\d+)", head.lower())
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = SdkClient(clock.Clock(), http_client("aiohttp"), base_url=url, api_key=KEY, timeout=30.0)
        async with client:
            await client.connect(5)
            assert len(made) == 5
            assert all(head.startswith(b"head ") and KEY.encode() not in head for head in asked)
            attempts = await asyncio.gather(*(client.send(spec(), 1) for _ in range(5)))
        assert [one.status for one in attempts] == [404] * 5
        assert len(made) == 5
        server.close()

    clock.run(main(), virtual=False)


def test_a_server_that_takes_no_connections_is_left_for_the_requests_to_find() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    async def main() -> None:
        url = f"http://127.0.0.1:{port}"
        async with SdkClient(clock.Clock(), http_client("aiohttp"), base_url=url, api_key="k", timeout=30.0) as client:
            await client.connect(3)

    clock.run(main(), virtual=False)
