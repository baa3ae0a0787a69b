import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mock_server import wire
from mock_server.engine import EPOCH, Engine
from mock_server.models import estimate_tokens
from mock_server.plan import Plan, visible
from mock_server.settings import Settings

MODEL = "claude-sonnet-4-6"
ASK = {"model": MODEL, "max_tokens": 5_000, "messages": [{"role": "user", "content": "hello"}], "stream": True}


def answer(output_tokens: int = 42, settings: Settings | None = None, now: float = 0.0) -> Plan:
    return Engine(settings or Settings()).handle(ASK, now, key=(7, 12, 1), output_tokens=output_tokens)


def parse(stream: bytes) -> Iterator[dict[str, Any]]:
    for block in stream.decode().split("\n\n")[:-1]:
        event, data = block.split("\n")
        payload = msgspec.json.decode(data.removeprefix("data: "))
        assert event == f"event: {payload['type']}"
        yield payload


@given(st.integers(1, 4_000), st.integers(1, 60))
def test_a_stream_has_the_documented_events_in_order(tokens: int, chunk: int) -> None:
    plan = answer(tokens, Settings(chunk_tokens=chunk))
    events = list(parse(b"".join(data for _, data in wire.events(plan))))
    kinds = " ".join(event["type"] for event in events)
    assert re.fullmatch(
        r"message_start content_block_start ping( content_block_delta)+ content_block_stop message_delta message_stop",
        kinds,
    )
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert estimate_tokens(text, MODEL) == tokens
    assert events[0]["message"]["content"] == []
    assert events[0]["message"]["usage"]["input_tokens"] == plan.usage.input_tokens
    assert events[0]["message"]["usage"]["output_tokens"] == 1, "the rest is counted at the end"
    assert events[0]["message"]["stop_reason"] is None
    assert events[-2]["usage"]["output_tokens"] == tokens
    assert events[-2]["delta"]["stop_reason"] == "end_turn"


@given(st.integers(1, 400), st.integers(1, 60))
def test_events_are_due_when_their_tokens_are(tokens: int, chunk: int) -> None:
    plan = answer(tokens, Settings(chunk_tokens=chunk))
    dues = [due for due, _ in wire.events(plan)]
    assert dues == sorted({due for due, _, _ in visible(plan)})
    assert (dues[0], dues[-1]) == (plan.first_token, plan.ended)


def test_streamed_and_whole_answers_say_the_same() -> None:
    plan = answer(300)
    message = msgspec.json.decode(wire.body(plan))
    events = list(parse(b"".join(data for _, data in wire.events(plan))))
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert message["content"] == [{"type": "text", "text": text, "citations": None}]
    assert message["id"] == events[0]["message"]["id"]
    assert message["usage"] == events[0]["message"]["usage"] | events[-2]["usage"]


def test_no_tokens_no_content() -> None:
    plan = Engine(Settings()).handle({**ASK, "max_tokens": 0, "stream": False}, 0.0)
    message = msgspec.json.decode(wire.body(plan))
    assert (message["content"], message["stop_reason"], message["usage"]["output_tokens"]) == ([], "max_tokens", 0)


def test_headers_follow_the_documentation() -> None:
    plan = answer(settings=Settings(tier="tier-1"), now=100.5)
    headers = wire.readable(wire.headers(plan))
    assert re.fullmatch(r"req_[0-9A-Za-z]{24}", headers.pop("request-id"))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers.pop("anthropic-organization-id"))
    assert re.fullmatch(r"wrkspc_[0-9A-Za-z]{24}", headers.pop("anthropic-workspace-id"))
    full = ("input-tokens", "output-tokens", "tokens")
    sent = parsedate_to_datetime(headers.pop("date")).timestamp()
    assert sent == int(EPOCH + plan.first_token)
    assert headers == {f"anthropic-ratelimit-{name}-reset": _stamp(101) for name in full} | {
        "content-type": "text/event-stream; charset=utf-8",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": _stamp(102),
        "anthropic-ratelimit-input-tokens-limit": "30000",
        "anthropic-ratelimit-input-tokens-remaining": "30000",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "8000",
        "anthropic-ratelimit-tokens-limit": "38000",
        "anthropic-ratelimit-tokens-remaining": "38000",
    }


def test_both_tokens_together_are_full_when_the_later_of_them_is() -> None:
    ask = ASK | {"messages": [{"role": "user", "content": "x" * 40_000}]}  # 10,000 of 30,000: full again in 20 s
    plan = Engine(Settings(tier="tier-1")).handle(ask, 0.0, output_tokens=1)
    headers = wire.readable(wire.headers(plan))
    resets = {
        name: headers[f"anthropic-ratelimit-{name}-reset"] for name in ("input-tokens", "output-tokens", "tokens")
    }
    assert resets == {"input-tokens": _stamp(20), "output-tokens": _stamp(0), "tokens": _stamp(20)}


def _stamp(second: int) -> str:
    return datetime.fromtimestamp(EPOCH + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_429_says_which_limit_and_how_long() -> None:
    engine = Engine(Settings(tier="tier-1"))
    plans = [engine.handle(ASK, 0.0, output_tokens=1) for _ in range(51)]
    refused = plans[-1]
    headers = wire.readable(wire.headers(refused))
    assert (refused.status, headers["content-type"]) == (429, "application/json")
    assert headers["retry-after"] == "2"
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    body = msgspec.json.decode(wire.body(refused))
    assert (body["type"], body["error"]["type"]) == ("error", "rate_limit_error")
    assert "rate limit of 50 requests per minute" in body["error"]["message"]
    assert body["request_id"] == headers["request-id"]


def test_no_limits_no_headers_about_them() -> None:
    headers = wire.readable(wire.headers(answer(settings=Settings(tier="unlimited"))))
    assert not [name for name in headers if "ratelimit" in name]


def test_the_same_key_gives_the_same_bytes() -> None:
    first, second = answer(), answer()
    assert (wire.headers(first), list(wire.events(first))) == (wire.headers(second), list(wire.events(second)))
