"""The server's own HTTP: connections as they are opened, used and left, by clients that know HTTP and by others."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
from asgi_calls import HEADERS, Response, call
from hypothesis import given
from hypothesis import strategies as st
from running import COMMAND

from mock_server import edge
from mock_server.app import create_app
from mock_server.edge import Connection
from mock_server.faults import Fault
from mock_server.settings import Settings
from mock_server.world import Server

ASK: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
AT_ONCE = Settings(tier="unlimited", service_time=0.0)


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def get_extra_info(self, name: str) -> object:
        return ("127.0.0.1", 80) if name == "sockname" else None

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def connect(server: Server) -> tuple[Connection, Wire]:
    connection, wire = Connection(server, set()), Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    return connection, wire


def http(
    content: object = None, *, method: str = "POST", path: str = "/v1/messages", headers: Mapping[str, str] = HEADERS
) -> bytes:
    """A request as it is sent, without a Content-Length where there is no content."""
    body = b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
    own = {} if content is None else {"content-length": str(len(body))}
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in ({"host": "x"} | own | dict(headers)).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def parse(data: bytes, *, bare: bool = False) -> tuple[Response, bytes]:
    """The first response in `data`, and what follows it."""
    head, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    body = b""
    if not bare and "content-length" in headers:
        length = int(headers["content-length"])
        assert len(rest) >= length
        body, rest = rest[:length], rest[length:]
    elif not bare:
        assert headers["transfer-encoding"] == "chunked"
        while (size := int((begin := rest.partition(b"\r\n"))[0], 16)) >= 0:
            body, rest = body + begin[2][:size], begin[2][size + 2 :]
            if not size:
                break
    return Response(int(status.split()[1]), headers, body, complete=True), rest


def exchange(server: Server, *pieces: bytes) -> list[Response]:
    """What a connection answers at once to these bytes."""

    async def main() -> bytes:
        connection, wire = connect(server)
        for piece in pieces:
            connection.data_received(piece)
        connection.connection_lost(None)
        return wire.written

    rest, responses = asyncio.run(main()), []
    while rest:
        response, rest = parse(rest)
        responses.append(response)
    return responses


KEYED = HEADERS | {"x-mock-key": "7.1.1"}
REQUESTS = [
    http(ASK, headers=KEYED),
    http(ASK | {"stream": True}, headers=KEYED),
    http(ASK | {"max_tokens": -1}, headers=KEYED),
    http(method="GET", path="/v1/models?limit=2"),
]


@given(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=4), st.data())
def test_requests_may_come_in_any_pieces(requests: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere, several in one piece or one in several, they get the answers of requests that came whole."""
    everything = b"".join(requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(everything) - 1), max_size=8)))
    pieces = [everything[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(everything)], strict=True)]
    alone = [exchange(Server(AT_ONCE, 1.0), one)[0] for one in requests]
    together = exchange(Server(AT_ONCE, 1.0), *pieces)
    assert [(each.status, each.body) for each in together] == [(each.status, each.body) for each in alone]


COUNT = {"model": ASK["model"], "messages": ASK["messages"]}
BOTH: list[tuple[str, str, object, dict[str, str]]] = [
    ("POST", "/v1/messages", ASK, {}),
    ("POST", "/v1/messages", ASK | {"stream": True}, {}),
    ("POST", "/v1/messages", ASK | {"messages": []}, {}),
    ("POST", "/v1/messages", b"{", {}),
    ("POST", "/v1/messages", ASK, {"x-mock-key": "one"}),
    ("POST", "/v1/messages", ASK, {"x-api-key": ""}),
    ("POST", "/v1/messages", ASK, {"content-encoding": "br"}),
    ("POST", "/v1/messages", b" " * (33 << 20), {}),
    ("POST", "/v1/messages/count_tokens", COUNT, {}),
    ("POST", "/v1/messages/batches", {"requests": [{"custom_id": "a", "params": ASK}]}, {}),
    ("GET", "/v1/messages/batches", None, {}),
    ("GET", "/v1/models?limit=3&after_id=claude-opus-5", None, {}),
    ("GET", "/v1/models/claude%2Dopus-5", None, {}),
    ("GET", "/v1/messages", None, {}),
    ("GET", "/nowhere", None, {}),
    ("DELETE", "//", None, {}),
    ("GET", "/_mock/health", None, {}),
    ("GET", "/_mock/nothing", None, {}),
    ("PUT", "/_mock/tier", {"tier": "gold"}, {}),
    ("PUT", "/_mock/tier", b" " * (2 << 20), {}),
]
CHANGING = re.compile(r"date|.*-reset|content-length|transfer-encoding")
TIMES = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.+]+")


@pytest.mark.parametrize(("method", "path", "content", "headers"), BOTH)
def test_the_asgi_application_says_the_same(method: str, path: str, content: object, headers: dict[str, str]) -> None:
    headers = KEYED | {"host": "x"} | headers
    (mine,) = exchange(
        Server(Settings(service_time=0.0), 1.0), http(content, method=method, path=path, headers=headers)
    )
    other = call(create_app(Settings(service_time=0.0)), method, path.replace("%2D", "-"), content, headers=headers)
    assert (mine.status, TIMES.sub(b"", mine.body)) == (other.status, TIMES.sub(b"", other.body))
    told = [
        {name: value for name, value in each.headers.items() if not CHANGING.fullmatch(name)} for each in (mine, other)
    ]
    assert told[0] == told[1]


async def until(happens: Callable[[], bool]) -> None:
    """Let everybody else do something until then."""
    while not happens():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)


async def conversation(
    settings: Settings, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter, Server], Awaitable[None]]
) -> None:
    """Talk to a real server in this process."""
    server, connections = Server(settings, 1.0), set[Connection]()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server, connections), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    try:
        await asyncio.wait_for(talk(reader, writer, server), 20)
    finally:
        writer.close()
        listening.close()
        for connection in list(connections):
            connection.abort()
            await connection.closed


def talk(
    settings: Settings, words: Callable[[asyncio.StreamReader, asyncio.StreamWriter, Server], Awaitable[None]]
) -> None:
    asyncio.run(conversation(settings, words))


SLOW = Settings(tier="unlimited", service_time=0.05)


def test_pipelined_requests_wait_for_their_turn() -> None:
    """Quick ones behind a slow one; then the client says that it was the last."""

    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        models = http(method="GET", path="/v1/models?limit=1")
        last = http(method="GET", path="/v1/models/claude-opus-5", headers=HEADERS | {"connection": "close"})
        writer.write(http(ASK) + models * 100 + http(ASK | {"stream": True}) + last + models)
        rest, statuses = await reader.read(), []
        while rest:
            response, rest = parse(rest)
            statuses.append((response.status, response.headers["content-type"], response.headers.get("connection")))
        as_json, as_stream = (200, "application/json", None), (200, "text/event-stream; charset=utf-8", None)
        assert statuses == [as_json] * 101 + [as_stream, (200, "application/json", "close")]
        assert server.world.open == 0

    talk(SLOW, words)


def test_who_leaves_takes_all_requests_along() -> None:
    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(http(ASK) * 3 + http(ASK)[:-1])
        await until(lambda: server.world.open == 4)
        writer.close()
        await until(lambda: not server.world.open)
        assert [truth.last_byte for truth in server.world.truth] == [None] * 3  # the fourth had not come to its end

    talk(Settings(tier="unlimited", service_time=3_600.0), words)


def test_who_leaves_makes_room() -> None:
    async def words(_: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        engine, now = server.world.engine, server.world.now
        writer.write(http(ASK))
        await until(lambda: server.world.open == 1)
        assert engine.handle(ASK, now()).status == 429
        writer.close()
        await until(lambda: not server.world.open)
        assert engine.handle(ASK, now()).status == 200

    talk(Settings(tier="unlimited", service_time=3_600.0, concurrency=1), words)


def test_a_body_in_chunks() -> None:
    body = json.dumps(ASK).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, body[place : place + 1]) for place in range(len(body))) + b"0\r\n\r\n"
    head = http(headers=HEADERS | {"transfer-encoding": "chunked"})
    (response,) = exchange(Server(AT_ONCE, 1.0), head + chunks)
    assert response.json()["usage"]["output_tokens"] == 9


def test_a_client_that_asks_before_it_sends_is_told_to() -> None:
    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Server) -> None:
        head, body = http(ASK, headers=HEADERS | {"expect": "100-continue"}).split(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"

    talk(AT_ONCE, words)


def test_a_body_too_large_is_refused_before_it_comes_and_the_connection_lives_on() -> None:
    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        size = 33 << 20
        writer.write(http(headers=HEADERS | {"content-length": str(size), "expect": "100-continue"}))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        await reader.readexactly(int(re.findall(rb"content-length: (\d+)", head)[0]))
        writer.write(bytes(size) + http(ASK, headers=HEADERS | {"connection": "close"}))
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        assert b"connection: close" in await reader.read()
        assert [truth.status for truth in server.world.truth] == [413, 200]

    talk(AT_ONCE, words)


def test_a_connection_is_not_closed_under_a_client_that_is_still_sending() -> None:
    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Server) -> None:
        size = 40 << 20
        writer.write(http(headers=HEADERS | {"content-length": str(size), "connection": "close"}))
        head = await reader.readuntil(b"\r\n\r\n")
        assert (head.startswith(b"HTTP/1.1 413 "), b"connection: close" in head) == (True, True)
        for __ in range(40):
            writer.write(bytes(1 << 20))
            await writer.drain()
        assert (await reader.read()).endswith(b"}")

    talk(AT_ONCE, words)


def test_who_is_refused_and_closes_after_it_reads_the_answer() -> None:
    """The answer waits for the end of the body: closed before that, the connection would be reset under the client."""

    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Server) -> None:
        request = http(ASK, headers={"anthropic-version": "2023-06-01", "connection": "close"})
        writer.write(request[:-1])
        writer.write(request[-1:])
        response, rest = parse(await reader.read())
        assert (response.status, rest) == (401, b"")

    talk(AT_ONCE, words)


@pytest.mark.parametrize("stream", [False, True])
def test_http_1_0_knows_no_chunks(stream: bool) -> None:
    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Server) -> None:
        writer.write(http(ASK | {"stream": stream}).replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, __, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert body.endswith(b'{"type":"message_stop"}\n\n' if stream else b"}")

    talk(SLOW, words)


def test_head_gets_no_body() -> None:
    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Server) -> None:
        writer.write(http(method="HEAD", path="/_mock/health") + http(method="GET", path="/_mock/health"))
        response, rest = parse(await reader.readuntil(b'{"ok":true}'), bare=True)
        assert (response.status, int(response.headers["content-length"]) > 0) == (405, True)
        assert parse(rest)[0].status == 200

    talk(AT_ONCE, words)


def test_who_reads_slowly_is_waited_for() -> None:
    async def main() -> None:
        server = Server(AT_ONCE, 1.0)
        connection, wire = connect(server)
        connection.pause_writing()
        connection.data_received(http(ASK | {"stream": True}) + http(method="GET", path="/_mock/health"))
        assert wire.written == b""
        connection.resume_writing()
        await asyncio.sleep(0)
        assert wire.written.count(b"HTTP/1.1 200 OK") == 2
        connection.connection_lost(None)

    asyncio.run(main())


def test_a_large_answer_goes_out_as_fast_as_it_is_read() -> None:
    """Of the results of a large batch no more is made than the client takes."""
    lines = [{"custom_id": f"r{number}", "params": ASK} for number in range(2_000)]
    settings = msgspec.structs.replace(AT_ONCE, batch_time=(1e-6, 1e-6))

    async def main() -> None:
        server = Server(settings, 1.0)
        connection, wire = connect(server)
        connection.data_received(http({"requests": lines}, path="/v1/messages/batches"))
        batch = parse(wire.written)[0].json()["id"]
        wire.written = b""
        connection.data_received(http(method="GET", path=f"/v1/messages/batches/{batch}/results"))
        await until(lambda: wire.written.count(b"custom_id") >= 100)
        connection.pause_writing()
        for _ in range(50):
            await asyncio.sleep(0)
        assert wire.written.count(b"custom_id") == 100
        connection.resume_writing()
        await until(lambda: wire.written.endswith(b"\r\n0\r\n\r\n"))
        assert len(parse(wire.written)[0].body.splitlines()) == 2_000
        connection.connection_lost(None)

    asyncio.run(main())


def test_idle_connections_are_closed_and_busy_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "KEEP_ALIVE", 0.02)

    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Server) -> None:
        writer.write(http(ASK))
        response, rest = parse(await reader.read())  # until it is closed
        assert (response.status, rest, response.headers.get("connection")) == (200, b"", None)

    talk(Settings(tier="unlimited", service_time=0.1), words)


def test_nothing_is_ever_early() -> None:
    """Timers are, by up to a millisecond; answers must not be."""

    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        for place in range(60):
            server.world.engine.settings = Settings(tier="unlimited", service_time=0.0005 * place)
            writer.write(http(ASK | {"stream": place % 2 == 1}, headers=HEADERS | {"connection": "keep-alive"}))
            await reader.readuntil(b'message_stop"}\n\n\r\n0\r\n\r\n' if place % 2 else b'"speed":"standard"}}')
            truth = server.world.truth[-1]
            assert truth.admitted is not None
            assert truth.last_byte is not None
            assert truth.last_byte - truth.admitted >= 0.0005 * place - 1e-9

    talk(AT_ONCE, words)


def test_a_reset_leaves_others_alone() -> None:
    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        server.change_faults({"reset": Fault()})
        writer.write(http(ASK))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert [(truth.cause, truth.first_byte) for truth in server.world.truth] == [("reset", None)]
        assert server.world.open == 0

    talk(AT_ONCE, words)


def test_a_mistake_of_ours_is_reported_and_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        monkeypatch.setattr(server.world.engine, "handle", lambda *_, **__: 1 / 0)
        writer.write(http(ASK))
        assert await reader.read() == b""
        assert isinstance(reported[0]["exception"].__context__, ZeroDivisionError)
        assert server.world.open == 0

    talk(AT_ONCE, words)


@pytest.mark.parametrize(("a_second", "complete"), [(50.0, True), (0.01, False)], ids=["quick", "slow"])
def test_a_server_that_stops_finishes_what_takes_no_longer_than_a_second(a_second: float, complete: bool) -> None:
    async def main(url: str, process: subprocess.Popen[bytes]) -> bytes:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(http(ASK | {"stream": True}))
        received = await reader.readuntil(b"message_start")
        process.send_signal(signal.SIGTERM)
        try:
            received += await reader.read()
        finally:
            writer.close()
        return received

    settings = Settings(tier="unlimited", ttft=(0.001, 0.001), tokens_per_second=(a_second, a_second))
    command = [*COMMAND, "--port", "0", "--settings", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(msgspec.json.encode(settings) + b"\n")
        process.stdin.flush()
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline().decode())
        assert found
        received = asyncio.run(asyncio.wait_for(main(found[0], process), 20))
        assert process.communicate(timeout=20) == (b"", b"")
        assert process.returncode == 0
    assert received.endswith(b"0\r\n\r\n") == complete


@pytest.mark.parametrize(
    ("path", "megabytes"), [("messages", 32), ("messages/count_tokens", 32), ("messages/batches", 256)]
)
def test_a_body_may_be_as_large_as_documented(path: str, megabytes: int) -> None:
    """Whether it is told at once that its declared size is too large."""

    def told(size: int) -> list[Response]:
        return exchange(Server(AT_ONCE, 1.0), http(path=f"/v1/{path}", headers=HEADERS | {"content-length": str(size)}))

    assert told(megabytes << 20) == []
    assert [response.status for response in told((megabytes << 20) + 1)] == [413]
