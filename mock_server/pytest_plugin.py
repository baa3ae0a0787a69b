"""A pytest fixture for any suite that tests a Claude client: `claude_mock`, a server that runs while a test does.

    def test_my_client(claude_mock):
        claude_mock.set_faults(overloaded=0.05, stall={"rate": 0.01, "delay": 20})
        client = anthropic.Anthropic(base_url=claude_mock.url, api_key="any")

One server, in a thread of its own, serves a whole session; every test finds it as new.  It answers as soon as the
settings say; `claude_mock_settings`, overridden in a conftest, is another `Settings` (for all tests of a session), and
`claude_mock_speed` how many times faster than the clock its time passes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest

if TYPE_CHECKING:
    from mock_server.settings import Settings

_open = build_opener(ProxyHandler({})).open
"""A server on this machine is never asked through a proxy."""


class ClaudeMock:
    """A running mock server."""

    def __init__(self, url: str) -> None:
        self.url = url
        """The base URL to give to a client."""

    def set_faults(self, **faults: float | Mapping[str, float]) -> None:
        """These faults and no others: a share of all requests, or the fields of `mock_server.faults.Fault`."""
        self._ask("PUT", "faults", faults)

    def set_tier(self, tier: str) -> None:
        """Other limits, with full buckets: a name from `mock_server.tiers.TIERS`."""
        self._ask("PUT", "tier", {"tier": tier})

    def reset(self) -> None:
        """Second 0, full buckets, no faults but those of the settings, nothing remembered."""
        self._ask("POST", "reset")

    def state(self) -> dict[str, Any]:
        """What the server holds and has counted; see `mock_server.control.State`."""
        state: dict[str, Any] = json.loads(self._ask("GET", "state"))
        return state

    def truth(self) -> list[dict[str, Any]]:
        """What really happened to each request since the last reset; see `mock_server.world.Truth`."""
        return [json.loads(line) for line in self._ask("GET", "truth").splitlines()]

    def _ask(self, method: str, path: str, content: object = None) -> bytes:
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self.url}/_mock/{path}", body, method=method)
        try:
            with _open(request, timeout=30) as response:
                answer: bytes = response.read()
                return answer
        except OSError as problem:
            if (read := getattr(problem, "read", None)) is None:
                raise
            with problem:  # type: ignore[attr-defined]  # an HTTPError, which is a response too
                raise ValueError(json.loads(read())["error"]) from None


@pytest.fixture(scope="session")
def claude_mock_settings() -> Settings:
    """How the server behaves; override it in a conftest."""
    from mock_server.settings import Settings

    return Settings()


@pytest.fixture(scope="session")
def claude_mock_speed() -> float:
    """How many times faster than the clock the server's time passes; override it in a conftest."""
    return 1.0


@pytest.fixture(scope="session")
def _claude_mock_server(claude_mock_settings: Settings, claude_mock_speed: float) -> Iterator[ClaudeMock]:
    from mock_server.serving import Runner, address, listen

    listener = listen("127.0.0.1", 0)
    runner = Runner(claude_mock_settings, claude_mock_speed, signals=False)
    thread = threading.Thread(target=runner.run, args=(listener,), name="claude_mock", daemon=True)
    thread.start()
    yield ClaudeMock(address(listener, "127.0.0.1"))
    runner.stop()
    thread.join(10)


@pytest.fixture
def claude_mock(_claude_mock_server: ClaudeMock) -> ClaudeMock:
    """A mock of the Claude API that answers at `.url`."""
    _claude_mock_server.reset()
    return _claude_mock_server
