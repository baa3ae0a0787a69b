"""Targets end to end: against the real mock server in its own process, and in virtual time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bench import clock
from bench.clock import Clock
from bench.errors import TargetError, UsageError
from bench.request import RequestSpec
from bench.results.record import Attempt
from bench.scenario.model import Fixed, Latency, Lognormal, Mock, Retry, Scenario, Strategy, Workload
from bench.targets.mock_process import mock_process
from bench.targets.target import Target, mock_settings, open_target
from mock_server.settings import Settings

QUICK = Mock(latency=Latency(service_time=0.01))


def scenario(target: str, **fields: object) -> Scenario:
    plain = Scenario(
        version=1,
        name="test",
        question="does it work?",
        model="claude-sonnet-5-5",
        target=target,
        workload=Workload(output_tokens=Fixed(value=20), max_tokens=100),
        strategies=(Strategy(name="gather", kind="gather", retry=Retry()),),
        mock=QUICK,
    )
    return plain.model_copy(update=fields)


def spec(seq: int = 0, *, stream: bool = False, **params: object) -> RequestSpec:
    fields = {"model": "claude-sonnet-5-5", "max_tokens": 100, "stream": stream, **params}
    return RequestSpec(seq, 0.0, {"messages": [{"role": "user", "content": "hello " * 20}], **fields}, 20, 20)


def attempts(target: Target, specs: list[RequestSpec], speed: float = 1.0) -> list[Attempt]:
    """One pass that sends everything at once."""

    async def main() -> list[Attempt]:
        time = Clock(speed)
        async with target.session(time, 7) as session:
            return await asyncio.gather(*(session.client.send(each, 1) for each in specs))

    return clock.run(main(), virtual=target.virtual)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A mock on the tier where limits are small."""
    with mock_process(Settings(tier="tier-1", burst=60.0, service_time=0.01), 1.0) as process:
        yield process.url


@pytest.fixture
def api(server: str, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """The API target as users have it, led to the mock."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-any")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server)
    return scenario("api")


CLIENTS = [{"transport": "aiohttp"}, {"transport": "httpx"}, {"client": "wire"}]


@pytest.mark.parametrize("client", CLIENTS, ids=["aiohttp", "httpx", "wire"])
def test_the_api_target_creates_and_streams(api: Scenario, client: dict[str, str]) -> None:
    with open_target(api.model_copy(update=client)) as target:
        assert (target.name, target.virtual, target.resets) == ("api", False, False)
        whole, streamed, wrong = attempts(target, [spec(), spec(stream=True), spec(model="claude-none")])
    for attempt in (whole, streamed):
        assert (attempt.ok, attempt.status, attempt.message) == (True, 200, None)
        assert attempt.usage is not None
        assert attempt.limits is not None
        assert attempt.limits.requests_limit == 50
        assert (attempt.request_id or "").startswith("req_")
        assert attempt.headers is not None
        assert attempt.sent < attempt.headers <= attempt.ended
    assert whole.first_event is None
    assert streamed.first_event is not None
    assert streamed.first_token is not None
    assert streamed.last_token is not None
    assert streamed.sent < streamed.first_event <= streamed.first_token <= streamed.last_token <= streamed.ended
    assert (wrong.cause, wrong.status) == ("not_found", 404)


def test_nothing_of_the_mock_goes_to_an_api(api: Scenario) -> None:
    """Without the hint the answer's length is the server's own choice, up to max_tokens."""
    with open_target(api) as target:
        (attempt,) = attempts(target, [spec(max_tokens=4000)])
    assert attempt.usage is not None
    assert attempt.usage.output_tokens != 20


def test_a_429_over_http(api: Scenario) -> None:
    with open_target(api) as target:
        all_attempts = attempts(target, [spec(seq) for seq in range(60)])
    refused = [attempt for attempt in all_attempts if not attempt.ok]
    assert {(a.cause, a.status) for a in refused} == {("requests", 429)}
    assert all((attempt.retry_after or 0) >= 1 for attempt in refused)


@pytest.mark.parametrize("client", ["sdk", "wire"])
def test_the_mock_target_resets_and_tells_its_own_latencies(client: str) -> None:
    with open_target(scenario("mock", tier="tier-1", client=client)) as target:
        assert (target.name, target.virtual, target.resets) == ("mock", False, True)

        async def one_pass() -> tuple[list[Attempt], dict[str, float] | None]:
            async with target.session(Clock(), 7) as session:
                sent = await asyncio.gather(*(session.client.send(spec(k, stream=True), 1) for k in range(50)))
                return sent, await session.server_latencies()

        for _ in range(2):
            sent, latencies = clock.run(one_pass(), virtual=False)
            assert latencies is not None
            assert [attempt.cause for attempt in sent] == [None] * 50
            assert {attempt.request_id for attempt in sent} == set(latencies)
            assert all(latency >= 0.01 - 1e-9 for latency in latencies.values())  # never early
            assert all(attempt.usage and attempt.usage.output_tokens == 20 for attempt in sent)


def test_mock_and_simulation_draw_the_same_answers() -> None:
    requests = [spec(seq, stream=True) for seq in range(20)]
    said = []
    for name in ("sim", "mock"):
        with open_target(scenario(name, speed=600.0 if name == "mock" else 1.0, mock=Mock())) as target:
            said.append(attempts(target, requests, 600.0 if name == "mock" else 1.0))
    for simulated, mocked in zip(*said, strict=True):
        assert (simulated.request_id, simulated.usage, simulated.stop_reason) == (
            mocked.request_id,
            mocked.usage,
            mocked.stop_reason,
        )


def test_every_session_of_the_simulation_is_a_fresh_one() -> None:
    with open_target(scenario("sim", tier="tier-1")) as target:
        assert (target.name, target.virtual, target.resets) == ("sim", True, True)
        first, second = (attempts(target, [spec(seq) for seq in range(60)]) for _ in range(2))
    assert first == second
    assert [attempt.cause for attempt in first].count("requests") == 10


def test_a_simulation_needs_neither_the_sdk_nor_http() -> None:
    code = (
        "import sys; from bench.targets.target import open_target; import bench.targets.sim, mock_server.engine;"
        "assert not {'anthropic', 'httpx2', 'aiohttp', 'uvloop'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_url_target(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with open_target(scenario(f"{server}/v1/")) as target:
        assert target.name == f"{server}/v1/"
        (attempt,) = attempts(target, [spec(model="claude-none")])
    assert attempt.cause == "not_found"
    assert attempt.message == "model: claude-none"


def test_a_path_that_is_not_the_messages_api(server: str) -> None:
    with open_target(scenario(f"{server}/elsewhere")) as target:
        (attempt,) = attempts(target, [spec()])
    assert (attempt.cause, attempt.status) == ("not_found", 404)


@pytest.mark.parametrize(
    ("target", "fields", "words"),
    [
        ("api", {}, "needs a key"),
        ("https://gateway.example", {}, "needs a key"),
        ("moc", {}, "unknown target 'moc'"),
        ("ftp://x", {}, "unknown target"),
        ("http://user:secret@host", {}, "credentials"),
        ("http://host", {"speed": 60.0}, "speed 60"),
        ("sim", {"tier": "platinum"}, "platinum"),
    ],
)
def test_targets_that_cannot_be(
    target: str, fields: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(UsageError, match=words) as caught, open_target(scenario(target, **fields)):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("client", CLIENTS, ids=["aiohttp", "httpx", "wire"])
def test_an_unreachable_url(client: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    unreachable = scenario(f"http://127.0.0.1:{port}", **client)
    with open_target(unreachable) as target, pytest.raises(TargetError, match=f"cannot reach .*{port}"):
        attempts(target, [spec()])


def test_a_proxy_does_not_come_between_us_and_this_machine(api: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for client in CLIENTS:
        with open_target(api.model_copy(update=client)) as target:
            (attempt,) = attempts(target, [spec(model="claude-none")])
        assert attempt.cause == "not_found"


def test_the_wire_client_goes_around_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-any")
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy.example:3128")
    gateway = scenario("https://gateway.example", client="wire")
    with pytest.raises(UsageError, match="has one for gateway") as caught, open_target(gateway):
        pass
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("no_proxy", "gateway.example")
    with open_target(gateway) as target:
        assert target.name == "https://gateway.example"


def test_settings_of_a_scenario() -> None:
    latency = Latency(ttft=Lognormal(median=0.5, p95=1.5), tokens_per_second=80.0)
    settings = mock_settings(scenario("sim", tier="build", seed=9, mock=Mock(burst=1.0, latency=latency)))
    assert settings == Settings(tier="build", burst=1.0, seed=9, ttft=(0.5, 1.5), tokens_per_second=(80.0, 80.0))


def test_a_mock_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(TargetError, match="did not start"), mock_process(Settings(), 1.0):
        pass


PARENT = """
import signal, sys
from bench.targets.mock_process import mock_process
from mock_server.settings import Settings
# Set in either case: what starts the tests in the background may have had it ignored.
signal.signal(signal.SIGINT, (lambda *_: None) if sys.argv[1:] == ["catch"] else signal.default_int_handler)
with mock_process(Settings(service_time=0.5), 1.0) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def _parent(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process with a process group of its own that holds a mock, and the mock's address."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout
        yield parent, parent.stdout.readline().strip()


def _wait_until_gone(url: str) -> None:
    """Returns once nobody listens any more: a connection stays open until its server ends."""
    host, port = url.removeprefix("http://").split(":")
    with suppress(ConnectionError), socket.create_connection((host, int(port)), timeout=20) as connection:
        assert connection.recv(1) == b""


@pytest.mark.parametrize("end", ["done", "interrupted", "killed"])
def test_the_mock_ends_with_the_process_that_started_it(end: str) -> None:
    with _parent() as (parent, url):
        match end:
            case "interrupted":
                os.killpg(parent.pid, signal.SIGINT)
            case "killed":
                parent.kill()
            case _:
                assert parent.stdin
                parent.stdin.close()
        parent.wait(20)
        _wait_until_gone(url)


def test_ctrl_c_leaves_the_mock_alive_until_the_run_ends() -> None:
    """A terminal sends it to the whole process group; what is in flight, and what follows, is still answered."""
    with _parent("catch") as (parent, url):

        async def main() -> list[Attempt]:
            async with target.session(Clock(), 7) as session:
                os.killpg(parent.pid, signal.SIGINT)
                return [await session.client.send(spec(seq), 1) for seq in range(2)]

        with open_target(scenario(url)) as target:
            assert [attempt.cause for attempt in clock.run(main(), virtual=False)] == [None, None]
        assert parent.stdin
        parent.stdin.close()
    _wait_until_gone(url)
