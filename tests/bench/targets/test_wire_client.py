"""The wire client: what it sends beside the SDK, and what it makes of a server that behaves badly."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import ssl
import subprocess
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import clock
from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt, RateLimits, Usage
from bench.targets import connection, foreign
from bench.targets.client import Watch
from bench.targets.sdk import SdkClient, http_client
from bench.targets.wire import WireClient

T = TypeVar("T")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

KEY = "sk-ant-secret-of-the-test"
MESSAGE = b'{"type":"message","stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":7}}'


def spec(stream: object = False, **params: object) -> RequestSpec:
    fields: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 99, "stream": stream}
    message = {"role": "user", "content": "hello"}
    return RequestSpec(4, 0.0, {**fields, "messages": [message], **params}, input_tokens=3, output_tokens=7)


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


START = event("message_start", message={"usage": {"input_tokens": 3, "output_tokens": 1}})
PING = event("ping")
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hé"})
STOPPED = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7})
END = event("message_stop")
STREAM = START + PING + TEXT + TEXT + STOPPED + END


def head(*headers: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"content-type: {kind}", *headers, "", ""]).encode()


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return head(f"content-length: {len(body)}", *headers, status=status) + body


def chunked(*pieces: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head("transfer-encoding: chunked", kind="text/event-stream") + chunks + b"0\r\n\r\n"


async def request(reader: asyncio.StreamReader) -> bytes:
    """The next request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(length)


class Server:
    """Says to each connection in turn what it is told to."""

    def __init__(self, handler: Handler) -> None:
        self.connections = 0
        self._handler = handler

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has left
        finally:
            writer.close()


def saying(*answers: bytes) -> Handler:
    """Answers the requests of a connection with these, and then closes it."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await request(reader)
            writer.write(answer)
            await writer.drain()

    return handler


def always(answer: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            writer.write(answer)

    return handler


@asynccontextmanager
async def clients(
    url: str, *, within: float = 60.0, stall: float = 60.0, most: int = 100, headers: dict[str, str] | None = None
) -> AsyncIterator[tuple[SdkClient, WireClient]]:
    time = Clock()
    extra = lambda _spec, _attempt: headers or {}  # noqa: E731 - the same for both
    async with (
        SdkClient(time, http_client("aiohttp"), base_url=url, api_key=KEY, timeout=within, headers=extra) as sdk,
        WireClient(time, sdk.sdk, timeout=within, stall=stall, most=most, headers=extra) as wire,
    ):
        yield sdk, wire


def played(
    handler: Handler,
    play: Callable[[WireClient], Awaitable[T]],
    *,
    timeout: float = 60.0,
    stall: float = 60.0,
    most: int = 100,
) -> tuple[T, Server]:
    """What comes of a play between the client and a server, and the server afterwards."""

    async def main() -> tuple[T, Server]:
        server = Server(handler)
        listening = await asyncio.start_server(server, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        try:
            async with clients(url, within=timeout, stall=stall, most=most) as (_, wire):
                return await play(wire), server
        finally:
            listening.close()

    return clock.run(main(), virtual=False)


def sent(
    handler: Handler, request: RequestSpec | None = None, *, timeout: float = 60.0, stall: float = 60.0
) -> Attempt:
    """What sending one request gives."""
    return played(handler, lambda wire: wire.send(request or spec(), 1), timeout=timeout, stall=stall)[0]


def in_a_row(handler: Handler, count: int) -> tuple[list[Attempt], Server]:
    async def play(wire: WireClient) -> list[Attempt]:
        return [await wire.send(spec(), 1) for _ in range(count)]

    return played(handler, play)


def told(attempt: Attempt) -> tuple[object, ...]:
    return attempt.status, attempt.cause, attempt.usage, attempt.stop_reason


GOOD = (200, None, Usage(3, 7), "end_turn")


def test_an_answer() -> None:
    headers = (
        "request-id: req_7",
        "Anthropic-RateLimit-Requests-Limit: 50",
        "anthropic-ratelimit-requests-remaining: 49",
    )
    attempt = sent(saying(whole(MESSAGE, *headers)))
    assert told(attempt) == GOOD
    assert (attempt.request_id, attempt.limits) == ("req_7", RateLimits(requests_limit=50, requests_remaining=49))
    assert attempt.headers is not None
    assert attempt.sent < attempt.headers <= attempt.ended


def test_a_stream() -> None:
    attempt = sent(saying(chunked(START, PING, TEXT, TEXT, STOPPED + END)), spec(stream=True))
    assert told(attempt) == GOOD
    assert attempt.first_event is not None
    assert attempt.first_token is not None
    assert attempt.last_token is not None
    assert attempt.sent < attempt.first_event <= attempt.first_token <= attempt.last_token <= attempt.ended


BLOCK = {"type": "text", "text": "word", "cache_control": {"type": "ephemeral", "ttl": "5m"}}
TOOL = {"name": "get", "description": "d", "input_schema": {"type": "object", "properties": {"x": {"maximum": 1e22}}}}
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "system": st.just([BLOCK]) | st.text(),
        "tools": st.just([TOOL]),
        "tool_choice": st.just({"type": "any"}),
        "thinking": st.just({"type": "adaptive"}),
        "output_config": st.just({"effort": "low"}),
        "stop_sequences": st.lists(st.text(), max_size=2),
        "cache_control": st.just({"type": "ephemeral"}),
        "metadata": st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False) | st.integers()),
        "service_tier": st.just("auto"),
        "stream": st.booleans(),
    },
)

DIFFERENT: set[bytes] = set()
"""Headers in which the two may differ: none."""


def lines(sent: bytes) -> tuple[bytes, set[bytes], bytes]:
    """First line, headers without regard to the case of their names, body."""
    head, _, body = sent.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    pairs = [line.split(b": ", 1) for line in headers]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return first, {name.lower() + b": " + value for name, value in pairs if name.lower() not in DIFFERENT}, body


@given(contents=st.lists(st.text(), min_size=1, max_size=3), others=OTHERS)
@settings(max_examples=30, deadline=None)
def test_what_is_sent_is_what_the_sdk_sends(contents: list[str], others: dict[str, object]) -> None:
    heard: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heard.append(await request(reader))
            writer.write(whole(MESSAGE))

    async def main() -> None:
        listening = await asyncio.start_server(Server(handler), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/gateway"
        async with clients(url, headers={"x-mock-key": "7.1.1"}) as both:
            messages = [{"role": "user", "content": content} for content in contents]
            for client in both:
                await client.send(spec(messages=messages, **others), 1)
        listening.close()

    clock.run(main(), virtual=False)
    by_sdk, by_wire = map(lines, heard)
    assert by_sdk == by_wire
    assert by_sdk[0] == b"POST /gateway/v1/messages HTTP/1.1"
    assert b"authorization: Bearer " + KEY.encode() in by_wire[1]


def test_a_count_is_asked_for_as_the_sdk_asks() -> None:
    heard: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heard.append(await request(reader))
            writer.write(whole(b'{"input_tokens": 2095}'))

    async def main() -> tuple[Attempt, int]:
        listening = await asyncio.start_server(Server(handler), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/gateway"
        params: dict[str, Any] = {
            "messages": [{"role": "user", "content": "h\u00e9"}],
            "system": "s",
            "model": "claude-x",
        }
        async with clients(url) as (sdk, wire):
            await sdk.sdk.messages.count_tokens(**params)
            counted = await wire.count_tokens(params)
        listening.close()
        return counted

    attempt, tokens = clock.run(main(), virtual=False)
    assert (attempt.ok, attempt.status, tokens) == (True, 200, 2095)
    by_sdk, by_wire = map(lines, heard)
    assert by_sdk == by_wire
    assert by_sdk[0] == b"POST /gateway/v1/messages/count_tokens HTTP/1.1"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (whole(b"{}"), "malformed"),
        (whole(MESSAGE), "malformed"),
        (whole(b'{"error": {"type": "not_found_error", "message": "no"}}', status="404 Not Found"), "not_found"),
        (b"", "connection"),
    ],
)
def test_what_is_no_count(answer: bytes, cause: str) -> None:
    (attempt, tokens), _ = played(saying(answer), lambda wire: wire.count_tokens({"model": "m", "messages": []}))
    assert (attempt.cause, tokens) == (cause, 0)


def test_parameters_that_the_sdk_does_not_know_are_refused_as_by_the_sdk() -> None:
    async def play(wire: WireClient) -> None:
        with pytest.raises(TypeError, match="no_such_parameter"):
            await wire.send(spec(no_such_parameter=1), 1)

    played(always(whole(MESSAGE)), play)


def test_a_connection_is_used_again_and_again() -> None:
    attempts, server = in_a_row(always(whole(MESSAGE)), 5)
    assert [told(attempt) for attempt in attempts] == [GOOD] * 5
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        whole(MESSAGE, "connection: close"),
        whole(MESSAGE).replace(b"HTTP/1.1", b"HTTP/1.0"),
        head() + MESSAGE,  # its body ends with the connection
        whole(MESSAGE) + b"HTTP/1.1 408 Request Timeout\r\n\r\n",
        whole(MESSAGE) + b"junk",
    ],
)
def test_what_cannot_be_used_again_is_not(answer: bytes) -> None:
    attempts, server = in_a_row(saying(answer), 3)
    assert [told(attempt) for attempt in attempts] == [GOOD] * 3
    assert server.connections == 3


def test_a_refusal_leaves_its_connection_to_the_next() -> None:
    error = {"type": "rate_limit_error", "message": f"your rate limit of 50 requests per minute, {KEY}"}
    body = json.dumps({"type": "error", "error": error}).encode()
    headers = ("retry-after: 7", "x-should-retry: true", "request-id: req_9")
    attempts, server = in_a_row(saying(whole(body, *headers, status="429 Too Many Requests"), whole(MESSAGE)), 2)
    refused, good = attempts
    assert (refused.cause, refused.status, refused.retry_after, refused.should_retry) == ("requests", 429, 7.0, True)
    assert refused.message == "your rate limit of 50 requests per minute, REDACTED"
    assert (told(good), server.connections) == (GOOD, 1)


def test_a_server_that_closes_an_idle_connection_costs_no_request() -> None:
    async def play(wire: WireClient) -> list[Attempt]:
        first = await wire.send(spec(), 1)
        for _ in range(10):  # until the close has come through
            await asyncio.sleep(0.01)
        return [first, await wire.send(spec(), 1)]

    attempts, server = played(saying(whole(MESSAGE)), play)
    assert [told(attempt) for attempt in attempts] == [GOOD, GOOD]
    assert server.connections == 2


def test_a_request_whose_bytes_went_out_is_never_sent_again() -> None:
    heard: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request(reader))
        writer.write(whole(MESSAGE))
        heard.append(await request(reader))  # and closes

    attempts, _ = in_a_row(handler, 2)
    assert told(attempts[0]) == GOOD
    assert (attempts[1].cause, attempts[1].status) == ("connection", None)
    assert attempts[1].message == "WireError: the server closed the connection before it answered"
    assert len(heard) == 2


def test_announcements_are_no_answers() -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nrequest-id: early\r\n\r\n" + whole(MESSAGE)
    attempts, server = in_a_row(always(answer), 2)
    assert [(told(attempt), attempt.request_id) for attempt in attempts] == [(GOOD, None)] * 2
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (whole(b"<html>Welcome to our Wi-Fi</html>"), "malformed"),
        (whole(b"{}"), "usage"),
        (whole(MESSAGE.replace(b"end_turn", b"\xff\xfe")), "UTF-8"),
        (whole(zlib.compress(MESSAGE), "content-encoding: deflate"), "compressed with deflate"),
        (whole(b"", "location: http://elsewhere.test/", status="307 Temporary Redirect"), "Temporary Redirect"),
    ],
)
def test_what_is_no_answer_of_the_api(answer: bytes, words: str) -> None:
    attempt = sent(always(answer))
    assert attempt.cause == "malformed"
    assert words in (attempt.message or "")


@pytest.mark.parametrize(
    ("chunks", "cause", "words"),
    [
        ((START, TEXT), "connection", "before message_stop"),
        ((START, b"event: x\ndata: {]\n\n"), "malformed", "malformed"),
        ((START, TEXT.replace(b"text_delta", b"\xff"), END), "malformed", "UTF-8"),
        ((b'{"type": "message"}',), "malformed", "no events"),
        ((START, TEXT, event("error", error={"type": "overloaded_error", "message": "Overloaded"})), "stream_error",
         "overloaded_error: Overloaded"),
    ],
)  # fmt: skip
def test_broken_streams(chunks: Sequence[bytes], cause: str, words: str) -> None:
    attempt = sent(saying(chunked(*chunks)), spec(stream=True))
    assert attempt.cause == cause
    assert words in (attempt.message or "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "before it answered"),
        (head()[:-2], "before it answered"),
        (whole(MESSAGE)[:-1], "in the middle of its answer"),
        (chunked(STREAM)[:-5], "in the middle of its answer"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP/1.1"),
        (head("transfer-encoding: chunked") + b"zz\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 101 Other\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", "another protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"x-long: 1\r\n" * (connection.MOST_HEAD // 8), "no end of the headers"),
    ],
)
def test_what_breaks_a_connection(answer: bytes, words: str) -> None:
    attempt = sent(saying(answer))
    assert attempt.cause == "connection"
    assert words in (attempt.message or "")


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "MOST_BYTES", 2**20)
    attempt = sent(saying(whole(b" " * 3 * 2**20)), spec(stream=True))
    assert (attempt.cause, "longer than 1 MiB" in (attempt.message or "")) == ("malformed", True)


def test_of_a_refusal_without_end_the_beginning_is_enough() -> None:
    body = json.dumps({"error": {"type": "overloaded_error", "message": "Overloaded"}}).encode()
    answer = head("transfer-encoding: chunked", status="529 Overloaded") + b"fffffff\r\n" + body + b" " * 200_000
    attempt = sent(silent_after(answer))
    assert (attempt.cause, attempt.status) == ("overloaded", 529)


def test_nobody_listens() -> None:
    async def main() -> Attempt:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with clients(f"http://127.0.0.1:{port}") as (_, wire):
            return await wire.send(spec(), 1)

    attempt = clock.run(main(), virtual=False)
    assert (attempt.cause, attempt.status, attempt.headers) == ("connection", None, None)
    assert "ConnectionRefusedError" in (attempt.message or "")


def test_a_name_that_nobody_has() -> None:
    async def main() -> list[Attempt]:
        async with clients("http://no-such-host.invalid") as (_, wire):
            return [await wire.send(spec(), 1) for _ in range(2)]

    for attempt in clock.run(main(), virtual=False):
        assert (attempt.cause, "gaierror" in (attempt.message or "")) == ("connection", True)


def silent_after(answer: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(answer)
        assert await reader.read(1) == b"", "the client closes what it gave up"

    return handler


def test_a_timeout_keeps_what_had_come() -> None:
    partial = chunked(START, TEXT)[:-5]
    attempt = sent(silent_after(partial), spec(stream=True), timeout=0.2)
    assert (attempt.cause, attempt.status, attempt.usage) == ("timeout", 200, Usage(3, 1))
    assert attempt.message == "no complete answer within 0.2 s"
    assert attempt.first_token is not None
    assert attempt.ended - attempt.sent >= 0.19


def test_a_timeout_before_any_answer() -> None:
    attempt = sent(silent_after(b""), timeout=0.1)
    assert (attempt.cause, attempt.status, attempt.headers) == ("timeout", None, None)


def test_a_stream_that_falls_silent() -> None:
    attempt = sent(silent_after(chunked(START, TEXT)[:-5]), spec(stream=True), stall=0.1)
    assert (attempt.cause, attempt.usage) == ("stalled", Usage(3, 1))
    assert attempt.last_token is not None
    assert attempt.ended - attempt.last_token >= 0.1


def test_waiting_for_headers_is_no_silence() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        await asyncio.sleep(0.3)
        writer.write(chunked(STREAM))
        await reader.read(1)

    assert told(sent(handler, spec(stream=True), stall=0.1)) == GOOD


def test_a_cancelled_attempt_leaves_what_it_saw_and_closes_its_connection() -> None:
    async def play(wire: WireClient) -> tuple[Attempt | None, bytes, Attempt]:
        answered = asyncio.Event()
        watch = Watch(answered=answered.set)
        watch.heard = bytearray()
        sending = asyncio.ensure_future(wire.send(spec(stream=True), 1, watch))
        await answered.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        return watch.seen, bytes(watch.heard), await wire.send(spec(), 1)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(chunked(START, TEXT)[:-5] if server_saw.pop() else whole(MESSAGE))
        await reader.read(1)

    server_saw = [False, True]
    (seen, heard, after), server = played(handler, play)
    assert seen is not None
    assert (seen.cause, seen.usage, heard) == ("cancelled", Usage(3, 1), START + TEXT)
    assert (told(after), server.connections) == (GOOD, 2)


def test_no_more_connections_than_there_may_be() -> None:
    async def play(wire: WireClient) -> list[Attempt]:
        return await asyncio.gather(*(wire.send(spec(), 1) for _ in range(20)))

    attempts, server = played(always(whole(MESSAGE)), play, most=3)
    assert [told(attempt) for attempt in attempts] == [GOOD] * 20
    assert server.connections <= 3


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_tls_to_a_server_that_is_who_it_says(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, *names], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def main() -> tuple[list[Attempt], Server]:
        server = Server(always(chunked(STREAM)))
        listening = await asyncio.start_server(server, "127.0.0.1", 0, ssl=context)
        async with clients(f"https://{host}:{listening.sockets[0].getsockname()[1]}") as (_, wire):
            attempts = [await wire.send(spec(stream=True), 1) for _ in range(3)]
        listening.close()
        return attempts, server

    attempts, server = clock.run(main(), virtual=False)
    if host == "localhost":
        assert [told(attempt) for attempt in attempts] == [GOOD] * 3
        assert server.connections == 1
    else:
        assert {attempt.cause for attempt in attempts} == {"connection"}
        assert "certificate" in (attempts[0].message or "")


def test_connections_are_opened_ahead() -> None:
    async def play(wire: WireClient) -> list[Attempt]:
        await wire.connect(5)
        for _ in range(1000):  # until the server has taken them all on, one in a turn of uvloop
            await asyncio.sleep(0)
        assert len(seen) == 5
        return await asyncio.gather(*(wire.send(spec(), 1) for _ in range(4)))

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer)
        await always(whole(MESSAGE))(reader, writer)

    seen: list[asyncio.StreamWriter] = []
    attempts, server = played(handler, play)
    assert [told(attempt) for attempt in attempts] == [GOOD] * 4
    assert server.connections == 5


@given(cuts=st.lists(st.integers(0, 800), max_size=8), crlf=st.booleans(), is_chunked=st.booleans())
@settings(max_examples=40, deadline=None)
def test_how_the_network_cuts_an_answer_changes_nothing_that_it_says(
    cuts: list[int], crlf: bool, is_chunked: bool
) -> None:
    body = STREAM.replace(b"\n", b"\r\n") if crlf else STREAM
    answer = chunked(body[:100], body[100:101], body[101:]) if is_chunked else whole(body)
    ends = sorted({min(cut, len(answer)) for cut in cuts} | {0, len(answer)})

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for begin, end in itertools.pairwise(ends):
            writer.write(answer[begin:end])
            await asyncio.sleep(0.001)
        await reader.read(1)

    assert told(sent(handler, spec(stream=True))) == GOOD


def test_all_that_waits_is_read_and_none_of_it_twice() -> None:
    """More connections at once than pieces are read in one go."""

    async def play(wire: WireClient) -> list[Attempt]:
        return await asyncio.gather(*(wire.send(spec(stream=True), 1) for _ in range(60)))

    attempts, _ = played(always(chunked(START, TEXT, STOPPED, END)), play)
    assert [told(attempt) for attempt in attempts] == [GOOD] * 60
