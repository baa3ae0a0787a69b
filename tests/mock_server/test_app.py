"""The mock over real HTTP, spoken to by the official SDK, which should not notice the difference."""

import asyncio
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
import uvicorn
from anthropic import AsyncAnthropic
from running import COMMAND, serving

from mock_server.app import create_app
from mock_server.engine import Engine
from mock_server.settings import Settings

ASK: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def quick() -> Iterator[str]:
    """No limits, and a minute passes in a second."""
    with serving(Settings(tier="unlimited", service_time=1.0), speed=60) as url:
        yield url


@pytest.fixture(scope="module")
def limited() -> Iterator[str]:
    """One request a second, a thousand times faster."""
    with serving(Settings(tier="tier-1", burst=1.2, service_time=0.5), speed=1_000) as url:
        yield url


def sdk(url: str) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=url, api_key="any", max_retries=0)


def test_create(quick: str) -> None:
    async def main() -> None:
        async with sdk(quick) as client:
            response = await client.messages.with_raw_response.create(**ASK)
            message = await response.parse()
            assert message.usage.output_tokens == 50
            assert message.stop_reason in {"end_turn", "max_tokens"}
            thinking, text = message.content
            assert (thinking.type, text.type) == ("thinking", "text")
            assert text.text.startswith("The river")
            assert response.headers["request-id"] == message._request_id

    asyncio.run(main())


def test_stream(quick: str) -> None:
    async def main() -> None:
        async with sdk(quick) as client, client.messages.stream(**ASK) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            message = await stream.get_final_message()
            assert message.content[-1].type == "text"
            assert message.content[-1].text == text
            assert message.usage.output_tokens == 50

    asyncio.run(main())


def test_the_wire_says_what_the_engine_decides(quick: str) -> None:
    async def main() -> None:
        async with sdk(quick) as client:
            extra = {"x-mock-key": "7.12.1", "x-mock-output-tokens": "17"}
            message = await client.messages.create(**ASK, extra_headers=extra)
        plan = Engine(Settings()).handle(ASK, 0.0, key=(7, 12, 1), output_tokens=17)
        assert (message.id, message._request_id) == (plan.message_id, plan.request_id)
        assert (message.usage.output_tokens, message.stop_reason) == (17, "end_turn")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"messages": []}, anthropic.BadRequestError),
        ({"max_tokens": 1_000_000, "stream": True}, anthropic.BadRequestError),
        ({"model": "claude-sonet"}, anthropic.NotFoundError),
        ({"messages": [{"role": "user", "content": "x" * (33 << 20)}]}, anthropic.RequestTooLargeError),
    ],
)
def test_errors_are_typed(quick: str, change: dict[str, Any], error: type[anthropic.APIStatusError]) -> None:
    async def main() -> None:
        async with sdk(quick) as client:
            with pytest.raises(error) as caught:
                await client.messages.create(**ASK | change)
            assert caught.value.request_id
            assert isinstance(caught.value.body, dict)
            assert caught.value.body["request_id"] == caught.value.request_id

    asyncio.run(main())


def test_a_429_is_obeyed_and_then_served(limited: str) -> None:
    async def main() -> None:
        async with sdk(limited) as client:
            httpx2.post(f"{limited}/_mock/reset").raise_for_status()
            results = await asyncio.gather(*[client.messages.create(**ASK) for _ in range(20)], return_exceptions=True)
            refused = [result for result in results if isinstance(result, anthropic.RateLimitError)]
            assert refused
            assert len(refused) + sum(isinstance(result, anthropic.types.Message) for result in results) == 20
            assert {int(error.response.headers["retry-after"]) for error in refused} <= {1, 2}
            assert "50 requests per minute" in str(refused[0])
            # The SDK waits for retry-after by the wall clock, on which the limit has long passed.
            message = await client.with_options(max_retries=2).messages.create(**ASK)
            assert message.usage.output_tokens == 50

    asyncio.run(main())


async def raw(url: str, method: str = "POST", path: str = "/v1/messages", **request: Any) -> httpx2.Response:  # noqa: ANN401
    async with httpx2.AsyncClient() as client:
        return await client.request(method, url + path, **request)


def _without(header: str) -> dict[str, str]:
    return {name: value for name, value in HEADERS.items() if name != header}


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        ({"headers": _without("x-api-key")}, 401, "authentication_error"),
        ({"headers": HEADERS | {"x-api-key": ""}}, 401, "authentication_error"),
        ({"headers": _without("x-api-key") | {"authorization": "Bearer"}}, 401, "authentication_error"),
        ({"headers": _without("anthropic-version")}, 400, "invalid_request_error"),
        ({"headers": HEADERS | {"anthropic-version": "2020-01-01"}}, 400, "invalid_request_error"),
        ({"headers": HEADERS | {"x-mock-key": "one"}}, 400, "invalid_request_error"),
        ({"headers": HEADERS | {"x-mock-output-tokens": "few"}}, 400, "invalid_request_error"),
        ({"content": b""}, 400, "invalid_request_error"),
        ({"content": b"{"}, 400, "invalid_request_error"),
        ({"content": b"[1]"}, 400, "invalid_request_error"),
        ({"content": b"\xff\xfe"}, 400, "invalid_request_error"),
        ({"content": b'{"model": "\xed\xa0\x80"}'}, 400, "invalid_request_error"),
        ({"content": b"[" * 100_000}, 400, "invalid_request_error"),
        ({"content": b'{"a":' * 50_000}, 400, "invalid_request_error"),
        ({"path": "/v1/complete"}, 404, "not_found_error"),
        ({"path": "/"}, 404, "not_found_error"),
        ({"method": "GET"}, 405, "invalid_request_error"),
    ],
)
def test_bad_requests_get_documented_errors(quick: str, request_: dict[str, Any], status: int, kind: str) -> None:
    response = asyncio.run(raw(quick, **{"headers": HEADERS, "content": json.dumps(ASK).encode()} | request_))
    assert response.status_code == status
    assert response.json()["error"]["type"] == kind
    assert response.json()["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize("headers", [{"authorization": "Bearer x"}, {"x-api-key": "x"}])
@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_both_kinds_of_key_and_both_versions_are_accepted(quick: str, headers: dict[str, str], version: str) -> None:
    response = asyncio.run(raw(quick, headers=headers | {"anthropic-version": version}, json=ASK))
    assert response.status_code == 200


def test_ground_truth_is_kept_until_a_reset(quick: str) -> None:
    async def main() -> None:
        await raw(quick, path="/_mock/reset")
        first = await raw(quick, headers=HEADERS, json=ASK)
        stream = await raw(quick, headers=HEADERS, json=ASK | {"stream": True})
        wrong = await raw(quick, headers=HEADERS, json={})
        truth = await raw(quick, "GET", "/_mock/truth")
        rows = [json.loads(line) for line in truth.text.splitlines()]
        assert [row["request_id"] for row in rows] == [r.headers["request-id"] for r in (first, stream, wrong)]
        assert [row["status"] for row in rows] == [200, 200, 400]
        assert rows[0]["last_byte"] - rows[0]["arrived"] >= 1.0
        assert rows[0]["first_byte"] == rows[0]["last_byte"]
        assert rows[1]["arrived"] < rows[1]["first_byte"] < rows[1]["last_byte"]
        await raw(quick, path="/_mock/reset")
        assert (await raw(quick, "GET", "/_mock/truth")).text == ""
        assert (await raw(quick, "GET", "/_mock/health")).status_code == 200

    asyncio.run(main())


def test_a_client_that_leaves_ends_its_answer() -> None:
    async def main(url: str) -> None:
        async with httpx2.AsyncClient() as client:
            ask = ASK | {"stream": True, "max_tokens": 60_000}
            headers = HEADERS | {"x-mock-output-tokens": "50000"}
            async with client.stream("POST", f"{url}/v1/messages", headers=headers, json=ask) as response:
                assert response.status_code == 200
                await anext(response.aiter_bytes())
        rows: list[dict[str, Any]] = []
        while not rows:  # until the server has noticed
            rows = [json.loads(line) for line in (await raw(url, "GET", "/_mock/truth")).text.splitlines()]
        assert rows[0]["first_byte"] is not None
        assert rows[0]["last_byte"] is None
        after = await raw(url, headers=HEADERS | {"x-mock-output-tokens": "1"}, json=ASK)
        assert int(after.headers["anthropic-ratelimit-output-tokens-remaining"]) > 390_000

    with serving(Settings(tier="start", ttft=(0.001, 0.001), tokens_per_second=(10.0, 10.0)), speed=1) as url:
        asyncio.run(asyncio.wait_for(main(url), 30))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly(ending: signal.Signals) -> None:
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert b"http://" in process.stdout.readline()
        process.send_signal(ending)
        assert process.communicate(timeout=20) == (b"", b"")
        assert process.returncode == 0


def run(*arguments: str, given: str = "") -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *arguments], input=given, capture_output=True, text=True, timeout=20, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_a_port_in_use_is_said_clearly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = run("--port", str(port))
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in said


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (["--tier", "gold"], "", "start"),
        (["--port", "70000"], "", "70000"),
        (["--port", "-1"], "", "-1"),
        (["--speed", "0"], "", "speed"),
        (["--speed", "nan"], "", "speed"),
        (["--host", "256.1.1.1", "--port", "0"], "", "256.1.1.1"),
        (["--settings", "nowhere.json"], "", "nowhere.json"),
        (["--settings", "-"], '{"burst": -1}\n', "burst"),
        (["--settings", "-"], '{"brust": 1}\n', "brust"),
        (["--settings", "-"], "{\n", "settings"),
    ],
)
def test_bad_arguments_are_said_clearly(arguments: list[str], given: str, words: str) -> None:
    code, said = run(*arguments, given=given)
    assert code == 2
    assert words in said


def test_the_asgi_application_under_another_server() -> None:
    """Whole and streamed, at its pace; clients that leave are noticed."""
    config = uvicorn.Config(create_app(Settings(tier="unlimited", service_time=1.0), speed=60), port=0, log_config=None)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()

    async def main() -> None:
        async with sdk(url) as client:
            assert (await client.messages.create(**ASK)).usage.output_tokens == 50
            async with client.messages.stream(**ASK) as stream:
                assert (await stream.get_final_message()).usage.output_tokens == 50
            with pytest.raises(anthropic.NotFoundError):
                await client.messages.create(**ASK | {"model": "claude-sonet"})
            leaving = ASK | {"stream": True, "max_tokens": 60_000}
            headers = HEADERS | {"x-mock-output-tokens": "50000"}
            async with httpx2.AsyncClient() as other:
                await other.put(f"{url}/_mock/faults", json={"stall": {"rate": 1, "delay": 1e6}})
                async with other.stream("POST", f"{url}/v1/messages", headers=headers, json=leaving) as response:
                    await anext(response.aiter_bytes())
                while (await other.get(f"{url}/_mock/state")).json()["open"]:
                    pass
        rows = [json.loads(line) for line in (await raw(url, "GET", "/_mock/truth")).text.splitlines()]
        assert [row["status"] for row in rows] == [200, 200, 404, 200]
        assert all(row["last_byte"] - row["admitted"] >= 1.0 for row in rows[:2])
        assert rows[3]["last_byte"] is None

    try:
        asyncio.run(asyncio.wait_for(main(), 60))
    finally:
        server.should_exit = True
        thread.join(20)
