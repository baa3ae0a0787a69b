"""A server that is exact: each stream is 20 events over 200 ms, and what really happened to each is kept.

What a load generator reports is held against that.  It speaks the Messages API and, for generators that know nothing
else, OpenAI's chat completions.  One process, one thread; give it a core of its own.

    python truth_server.py [CORE]     prints its URL, serves until killed

GET /truth   the requests so far, as JSON: [[received, ended], ...] by the monotonic clock of the machine, in order of
             their end
POST /forget begins anew
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import json
import os
import socket
import sys
from itertools import count

import httptools

EVENTS = 20
LASTS = 0.2
"""Seconds from the request's last byte to the last event."""
WORD = "word "
"""What each event says: a token, or nearly."""

_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_GONE = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_LAST = b"0\r\n\r\n"


def _event(data: dict[str, object]) -> str:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"


def _messages() -> list[str]:
    usage = {"input_tokens": 220, "output_tokens": 1}
    message: dict[str, object] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    begin = _event({"type": "message_start", "message": message})
    begin += _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    delta = {"type": "text_delta", "text": WORD}
    events = [_event({"type": "content_block_delta", "index": 0, "delta": delta})] * EVENTS
    stop: dict[str, object] = {"stop_reason": "end_turn", "stop_sequence": None}
    end = _event({"type": "content_block_stop", "index": 0})
    end += _event({"type": "message_delta", "delta": stop, "usage": {"output_tokens": EVENTS}})
    return [begin + events[0], *events[1:-1], events[-1] + end + _event({"type": "message_stop"})]


def _completion(delta: dict[str, str], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(data)}\n\n"


def _completions() -> list[str]:
    events = [_completion({"content": WORD})] * EVENTS
    usage = {"prompt_tokens": 220, "completion_tokens": EVENTS, "total_tokens": 220 + EVENTS}
    last = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}
    end = _completion({}, "stop") + f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n"
    return [_completion({"role": "assistant", "content": WORD}), *events[1:-1], events[-1] + end]


def _chunks(pieces: list[str]) -> list[bytes]:
    """As they go over the wire: chunked."""
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece.encode()) for piece in pieces]
    return [*chunks[:-1], chunks[-1] + _LAST]


STREAMS = {b"/v1/messages": _chunks(_messages()), b"/v1/chat/completions": _chunks(_completions())}
MODELS = json.dumps({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "truth"}]}).encode()


class Streams:
    """Those that are open, by when their next event is due.  One timer for all of them."""

    def __init__(self) -> None:
        self.truth: list[tuple[float, float]] = []
        self._loop = asyncio.get_running_loop()
        self._due: list[tuple[float, int, int, Connection]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, connection: Connection) -> None:
        """A request is complete: its events come in their time, however late those before them were."""
        due = connection.received + LASTS / EVENTS
        heapq.heappush(self._due, (due, next(self._numbers), 0, connection))
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._go_on)

    def _go_on(self) -> None:
        due, now = self._due, self._loop.time()
        while due and due[0][0] <= now:
            _, number, event, connection = due[0]
            if event + 1 < EVENTS:
                at = connection.received + LASTS * (event + 2) / EVENTS
                heapq.heapreplace(due, (at, number, event + 1, connection))
                connection.write(event)
            else:
                heapq.heappop(due)
                self.truth.append((connection.received, self._loop.time()))  # before: nobody can have it earlier
                connection.write(event)
                connection.done()
        self._timer = self._loop.call_at(due[0][0], self._go_on) if due else None


class Connection(asyncio.Protocol):
    """One request after another."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self.received = 0.0
        self._path, self._pieces = b"", STREAMS[b"/v1/messages"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.received = self._loop.time()
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._path = b""

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_headers_complete(self) -> None:
        self._is_last = not self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        path, method = self._path.partition(b"?")[0], self._parser.get_method()
        if method == b"POST" and path in STREAMS:
            self._pieces = STREAMS[path]
            self._streams.begin(self)
        elif path == b"/truth":
            self._whole(json.dumps(self._streams.truth).encode())
        elif path == b"/forget":
            self._streams.truth.clear()
            self._whole(b"{}")
        elif method == b"GET" and path in (b"/v1/models", b"/models", b"/health"):
            self._whole(MODELS)
        else:
            self._transport.write(_GONE)
            self.done()

    def _whole(self, body: bytes) -> None:
        self._transport.write(_WHOLE % len(body) + body)
        self.done()

    def write(self, event: int) -> None:
        """The next event of a stream."""
        self._transport.write(self._pieces[event] if event else _STREAM + self._pieces[event])

    def done(self) -> None:
        """The answer is complete."""
        if self._is_last:
            self._transport.close()


async def _serve() -> None:
    streams = Streams()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(streams), sock=listener)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    gc.freeze()
    gc.disable()  # a pause of the server would be in everybody's figures
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:]:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    asyncio.run(_serve())
