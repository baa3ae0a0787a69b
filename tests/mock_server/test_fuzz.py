"""Whatever is sent, the answer is one the API documents, and the server lives."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest
from asgi_calls import HEADERS, Response, call
from hypothesis import example, given, settings
from hypothesis import strategies as st
from running import serving

from mock_server.app import create_app
from mock_server.models import MODELS
from mock_server.settings import Settings

DOCUMENTED = {
    400: {"invalid_request_error"},
    401: {"authentication_error"},
    402: {"billing_error"},
    403: {"permission_error"},
    404: {"not_found_error"},
    405: {"invalid_request_error"},
    409: {"conflict_error", "invalid_request_error"},
    413: {"request_too_large"},
    429: {"rate_limit_error"},
}
"""Types of errors by status; nothing else may come of a request, and no 5xx that nobody asked for."""

app = create_app(Settings(service_time=0.0, tier="unlimited", output_tokens=(5.0, 5.0)), speed=1e6)
POSTS = ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"]


def is_documented(response: Response) -> bool:
    if response.status == 200:
        return response.complete
    error = response.json()
    assert error["type"] == "error"
    assert error["request_id"] == response.headers["request-id"]
    assert error["error"]["message"]
    return error["error"]["type"] in DOCUMENTED[response.status or 0]


@settings(max_examples=200)
@given(st.sampled_from(POSTS), st.binary(max_size=200))
@example("/v1/messages", b"[" * 100_000)
@example("/v1/messages", b'{"a":' * 50_000)
@example("/v1/messages", b'{"model": "\xed\xa0\x80"}')
@example("/v1/messages", b'{"messages": ' + b"9" * 10_000 + b"}")
@example("/v1/messages/batches", b"\xef\xbb\xbf{}")
def test_any_bytes(path: str, body: bytes) -> None:
    assert is_documented(call(app, "POST", path, body))


WORDS = st.sampled_from(
    [
        *(
            "user",
            "assistant",
            "system",
            "text",
            "image",
            "document",
            "tool_use",
            "tool_result",
            "thinking",
            "ephemeral",
        ),
        *("5m", "1h", "auto", "any", "tool", "none", "enabled", "adaptive", "disabled", "omitted", "high", "base64"),
        *("object", "array", "string", "integer", "name", "", "x", "\ud800", "\x00", "é" * 50),
        *list(MODELS)[:4],
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 5_000)
    | st.integers(10**18, 10**40)
    | st.floats()
    | WORDS
    | st.text(max_size=5)
)
KEYS = st.sampled_from(
    [
        *(
            "model",
            "max_tokens",
            "messages",
            "role",
            "content",
            "type",
            "text",
            "system",
            "tools",
            "tool_choice",
            "name",
        ),
        *("input_schema", "properties", "items", "required", "enum", "minimum", "maxItems", "$ref", "anyOf", "input"),
        *("thinking", "budget_tokens", "display", "stop_sequences", "stream", "metadata", "cache_control", "ttl", "id"),
        *("temperature", "top_p", "top_k", "output_config", "effort", "format", "service_tier", "speed", "requests"),
        *("custom_id", "params", "source", "data", "media_type", "tool_use_id", "is_error", "signature", "user_id"),
        "inference_geo",
    ]
)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5),
    max_leaves=15,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": WORDS | ANY, "content": ANY | st.lists(st.dictionaries(KEYS, ANY, max_size=4))}),
    max_size=3,
)
PARAMS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(list(MODELS)),
        "max_tokens": st.integers(0, 50) | st.integers(0, 3_000),
        "messages": st.just([{"role": "user", "content": "hi"}]) | MESSAGES,
    },
    optional={
        "stream": st.booleans() | ANY,
        "system": ANY,
        "stop_sequences": ANY | st.lists(st.text(max_size=3), max_size=3),
        "tools": st.lists(
            st.fixed_dictionaries({"name": WORDS, "input_schema": ANY}, optional={"type": WORDS, "cache_control": ANY}),
            max_size=2,
        ),
        "tool_choice": ANY | st.fixed_dictionaries({"type": WORDS}, optional={"name": WORDS}),
        "thinking": ANY | st.fixed_dictionaries({"type": WORDS}, optional={"budget_tokens": SCALARS, "display": WORDS}),
        "output_config": ANY,
        "cache_control": ANY | st.fixed_dictionaries({"type": WORDS}, optional={"ttl": WORDS}),
        "temperature": SCALARS,
        "metadata": ANY,
        "service_tier": ANY,
        "speed": ANY,
        "inference_geo": ANY,
    },
)
VERSIONS = st.sampled_from(["2023-06-01", "2026-10-21"])


@settings(max_examples=400)
@given(st.sampled_from(POSTS), ANY | PARAMS, VERSIONS)
def test_any_json(path: str, content: object, version: str) -> None:
    body = json.dumps(content).encode("utf-8", "surrogatepass")
    assert is_documented(call(app, "POST", path, body, headers=HEADERS | {"anthropic-version": version}))


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(["custom_id", "params", "x"]), ANY | PARAMS, max_size=3) | ANY, VERSIONS)
def test_any_batch(entry: object, version: str) -> None:
    headers = HEADERS | {"anthropic-version": version}
    good = {"custom_id": "good", "params": {"model": "claude-haiku-4-5", "max_tokens": 1, "messages": []}}
    created = call(app, "POST", "/v1/messages/batches", {"requests": [good, entry]}, headers=headers)
    assert is_documented(created)
    if created.status == 200:
        results = call(app, "GET", f"/v1/messages/batches/{created.json()['id']}/results", headers=headers)
        assert is_documented(results)


@settings(max_examples=100)
@given(PARAMS, st.integers(0, 5_000), st.sampled_from(["gzip", "deflate", "br", "gzip, gzip", "identity", "x"]))
def test_compressed_bodies_cut_anywhere(content: object, cut: int, encoding: str) -> None:
    plain = json.dumps(content).encode("utf-8", "surrogatepass")
    body = zlib.compress(plain) if encoding == "deflate" else gzip.compress(plain)
    assert is_documented(
        call(app, "POST", "/v1/messages", body[:cut], headers=HEADERS | {"content-encoding": encoding})
    )


NAMES = st.sampled_from(
    [
        *("x-api-key", "authorization", "anthropic-version", "anthropic-beta", "content-type", "content-length"),
        *(
            "x-mock-key",
            "x-mock-output-tokens",
            "x-mock-stop-reason",
            "x-stainless-retry-count",
            "content-encoding",
            "host",
        ),
    ]
)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)
ASK: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


@settings(max_examples=200)
@given(st.dictionaries(NAMES, VALUES | st.integers().map(str) | st.sampled_from(["1.2.3", "Bearer x", "2026-10-21"])))
def test_any_headers(headers: dict[str, str]) -> None:
    assert is_documented(call(app, "POST", "/v1/messages", ASK, headers=HEADERS | headers))


PLACES = st.sampled_from(
    ["/v1/models", "/v1/messages", "/v1/messages/batches", "/v1/organizations/rate_limits", "/v1", "", "/"]
)


@settings(max_examples=200)
@given(
    st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "X"]),
    PLACES,
    st.text(max_size=10),
    st.dictionaries(st.sampled_from(["limit", "before_id", "after_id", "model", "group_type"]), VALUES),
)
def test_any_path_and_query(method: str, place: str, rest: str, query: dict[str, str]) -> None:
    written = str(httpx2.QueryParams(query))
    assert is_documented(call(app, method, f"{place}/{rest.replace('?', '')}?{written}"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(Settings(service_time=0.0, tier="unlimited"), speed=1.0) as url:
        yield url


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: a\r\nanthropic-version: 2023-06-01\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"P",
        b"POST /v1/messages",
        HEAD,
        HEAD + b"content-length: 1000\r\n\r\n",
        HEAD + b"content-length: 1000\r\n\r\n{",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /_mock/state HTTP/1.1\r\nhost: x\r\n",
    ],
)
@pytest.mark.parametrize("leaves", [True, False], ids=["left", "half-open"])
def test_half_a_request_harms_nobody(url: str, sent: bytes, leaves: bool) -> None:
    with closing(connect(url)) as connection:
        connection.sendall(sent)
        if leaves:
            connection.shutdown(socket.SHUT_WR)
        response = httpx2.post(f"{url}/v1/messages", json=ASK, headers=HEADERS)
        assert response.status_code == 200
        assert httpx2.get(f"{url}/_mock/health").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        HEAD + b"content-length: x\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/messages HTTP/9.9\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_400(url: str, sent: bytes) -> None:
    with closing(connect(url)) as connection:
        connection.sendall(sent)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_many_who_leave_in_the_middle_leave_nothing_behind(url: str) -> None:
    body = json.dumps(ASK | {"stream": True}).encode()
    for _ in range(50):
        with closing(connect(url)) as connection:
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
    while (state := httpx2.get(f"{url}/_mock/state").json())["open"]:
        pass
    assert all(count["status"] == 200 for count in state["counts"])


def test_pipelined_requests_are_answered_in_order(url: str) -> None:
    body = json.dumps(ASK).encode()
    one = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    with closing(connect(url)) as connection:
        connection.sendall(one * 3 + HEAD.replace(b"POST", b"GET") + b"connection: close\r\n\r\n")
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b"HTTP/1.1 405 ") == 1
