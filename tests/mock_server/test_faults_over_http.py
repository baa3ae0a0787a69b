"""Each fault as real clients meet it over a real connection."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from msgspec.structs import replace
from running import serving

from bench.clock import Clock
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.targets.replay import replay
from bench.targets.sdk import SdkClient, http_client
from bench.targets.wire import WireClient
from mock_server.engine import Engine
from mock_server.faults import FLAWS, REFUSALS, Fault
from mock_server.plan import Plan
from mock_server.settings import Settings

ASK: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 60, "messages": [{"role": "user", "content": "hi"}]}
SPEED = 20
LATENCY = Settings(tier="unlimited", ttft=(2.0, 2.0), tokens_per_second=(10.0, 10.0))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(LATENCY, SPEED) as url:
        yield url


def set_faults(url: str, **faults: object) -> None:
    httpx2.put(f"{url}/_mock/faults", json=faults).raise_for_status()


def attempt(url: str, *, stream: bool, transport: Any = "aiohttp", by_wire: bool = False) -> Attempt:  # noqa: ANN401
    """One attempt by the SDK, or by the wire client, as a record."""

    def headers(spec: RequestSpec, attempt: int) -> dict[str, str]:
        return {"x-mock-key": f"7.{spec.seq}.{attempt}", "x-mock-output-tokens": "40"}

    async def main() -> Attempt:
        time, http = Clock(), http_client(transport)
        async with (
            SdkClient(time, http, base_url=url, api_key="sk-ant-test", timeout=30.0, headers=headers) as sdk,
            WireClient(time, sdk.sdk, timeout=30.0, headers=headers) as wire,
        ):
            return await (wire if by_wire else sdk).send(RequestSpec(3, 0.0, ASK | {"stream": stream}, 1, 40), 1)

    return asyncio.run(main())


async def simulated(plan: Plan) -> Attempt:
    return replay(plan, 30.0)


def told(attempt: Attempt) -> tuple[object, ...]:
    """What an attempt says apart from its times, and which times there are."""
    times = (attempt.headers, attempt.first_event, attempt.first_token, attempt.last_token)
    return (
        attempt.status,
        attempt.cause,
        attempt.message,
        attempt.stop_reason,
        attempt.usage,
        [time is not None for time in times],
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [name for name in FLAWS if name != "freeze"])
def test_a_flaw_over_http_is_told_as_in_the_simulation(url: str, name: str, stream: bool) -> None:
    fault = Fault(delay=5.0)
    set_faults(url, **{name: {"delay": 5.0}})
    engine = Engine(Settings(tier="unlimited", ttft=(2.0, 2.0), tokens_per_second=(10.0, 10.0), faults={name: fault}))
    plan = engine.handle(ASK | {"stream": stream}, 0.0, key=(7, 3, 1), output_tokens=40)
    expected, real = asyncio.run(simulated(plan)), attempt(url, stream=stream)
    assert told(real) == told(expected)
    assert (real.ended - real.sent) * SPEED >= expected.ended - expected.sent


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_frozen_server_sends_nothing_until_it_goes_on(url: str, stream: bool) -> None:
    now = httpx2.get(f"{url}/_mock/state").json()["now"]
    set_faults(url, freeze={"start": now, "delay": 30.0})
    assert attempt(url, stream=stream).ok
    truth = httpx2.get(f"{url}/_mock/truth").text.splitlines()[-1]
    assert json.loads(truth)["first_byte"] >= now + 30.0


@pytest.mark.parametrize("name", [*FLAWS, *REFUSALS])
def test_the_other_transport_knows_the_same_causes(url: str, name: str) -> None:
    set_faults(url, **{name: {"delay": 0.1}})
    both = [attempt(url, stream=True, transport=transport) for transport in ("aiohttp", "httpx")]
    assert both[0].cause == both[1].cause


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [name for name in (*FLAWS, *REFUSALS) if name != "freeze"])
def test_the_wire_client_tells_what_the_sdk_tells(url: str, name: str, stream: bool) -> None:
    set_faults(url, **{name: {"delay": 0.1}})
    by_sdk, by_wire = (attempt(url, stream=stream, by_wire=by_wire) for by_wire in (False, True))
    assert (by_wire.status, by_wire.retry_after is None) == (by_sdk.status, by_sdk.retry_after is None)
    own_words = by_sdk.cause == "connection"
    assert told(replace(by_wire, message=by_sdk.message if own_words else by_wire.message)) == told(by_sdk)


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("requests", 429, anthropic.RateLimitError),
        ("acceleration", 429, anthropic.RateLimitError),
        ("spend_cap", 429, anthropic.RateLimitError),
        ("server_error", 500, anthropic.InternalServerError),
        ("gateway_timeout", 504, anthropic.APIStatusError),
        ("overloaded", 529, anthropic.APIStatusError),
    ],
)
def test_refusals_are_typed_as_the_sdk_declares_them(
    url: str, name: str, status: int, error: type[anthropic.APIStatusError]
) -> None:
    set_faults(url, **{name: 1.0})
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client, pytest.raises(error) as caught:
        client.messages.create(**ASK)
    assert caught.value.status_code == status
    assert caught.value.request_id


def test_an_error_in_the_middle_of_a_stream_is_raised_by_the_sdk(url: str) -> None:
    set_faults(url, stream_error=1.0)
    with anthropic.Anthropic(base_url=url, api_key="any") as client:
        seen: list[str] = []
        with pytest.raises(anthropic.APIStatusError) as caught:
            seen.extend(event.type for event in client.messages.create(**ASK, stream=True))
        assert caught.value.status_code == 200
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["error"]["type"] == "overloaded_error"
        with client.messages.stream(**ASK) as stream, pytest.raises(anthropic.APIStatusError):
            seen.extend(event.type for event in stream)
    assert "message_start" in seen


def test_a_reset_is_a_reset(url: str) -> None:
    set_faults(url, reset=1.0)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        body = b'{"model":"claude-haiku-4-5","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
        head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: a\r\nanthropic-version: 2023-06-01\r\n"
        connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_a_cut_answer_is_shorter_than_it_says(url: str) -> None:
    set_faults(url, cut=1.0)
    headers = {"x-api-key": "a", "anthropic-version": "2023-06-01"}
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.post(f"{url}/v1/messages", json=ASK, headers=headers)


def test_the_sdk_gets_through_a_storm(url: str) -> None:
    """Half of all attempts fail, each request for itself; four retries are enough for these."""
    set_faults(url, overloaded=0.5)
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=8) as client:
        for number in range(3):
            message = client.messages.create(**ASK | {"messages": [{"role": "user", "content": f"number {number}"}]})
            assert message.stop_reason
    counts = {row["status"]: row["count"] for row in httpx2.get(f"{url}/_mock/state").json()["counts"]}
    assert counts[529] > 0
