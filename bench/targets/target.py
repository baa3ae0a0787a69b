"""The three kinds of target behind one value.  What differs between them is decided here and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.clock import Clock
from bench.errors import TargetError, UsageError
from bench.request import RequestSpec
from bench.scenario.model import Lognormal, Scenario
from bench.targets.batches import BatchClient
from bench.targets.client import Client
from mock_server.profile import Spread, read_profile
from mock_server.rng import Draws
from mock_server.settings import BATCH_TIME, Settings

if TYPE_CHECKING:
    from bench.targets.sdk import SdkClient
    from bench.targets.wire import WireClient

API_URL = "https://api.anthropic.com"

_NO_KEY = "sk-ant-none"
"""What a server on plain HTTP gets where no key is set; gateways on a private network often ask for none."""

_REACH_WITHIN = 10.0
"""Wall-clock seconds in which a target must answer anything at all."""

_OPEN_FILES = 65_536
"""One for each request in flight, and then some."""

_OTHER_FILES = 256
"""What else a run has open, at most."""

_CONNECTIONS = 20_000
"""Connections to one server: fewer than the 28,000 ports that Linux has for them."""


async def _nothing() -> None:
    """What a target does that cannot reset, or says nothing of itself."""


async def _no_connections(_many: int) -> None:
    """What a target without connections does to open some."""


@dataclass(frozen=True, slots=True)
class Session:
    """A target made ready for one pass."""

    client: Client
    batches: BatchClient
    reset: Callable[[], Awaitable[None]] = _nothing
    """Between warm-up and pass: full limits and second 0, where the target can; elsewhere nothing."""
    server_latencies: Callable[[], Awaitable[dict[str, float] | None]] = _nothing
    """After the pass: by request id, the latency that the server itself saw; None where it does not say."""
    connect: Callable[[int], Awaitable[None]] = _no_connections
    """Before the pass: open so many connections, so that no request waits for one; costs nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """Who answers."""

    name: str
    """For people: `sim`, `mock`, `api` or the URL."""
    virtual: bool
    """Whether a pass runs on the virtual clock."""
    resets: bool
    """Whether every pass finds fresh limits."""
    session: Callable[[Clock, int], AbstractAsyncContextManager[Session]]
    """Makes it ready for a pass on this clock; the number seeds the pass."""
    epoch: float | None = None
    """Unix time of second 0 of every pass; None is that of the wall clock then."""
    url: str | None = None
    """Where other processes reach a server that was started for this run, as `join_mock` takes it."""


@contextmanager
def open_targets(scenario: Scenario) -> Iterator[dict[str | None, Target]]:
    """A target for each case of a scenario by its name, each as the case says; see `open_target`."""
    with ExitStack() as stack:
        yield {case: stack.enter_context(open_target(variant)) for case, variant in scenario.variants}


def open_target(scenario: Scenario) -> AbstractContextManager[Target]:
    """The scenario's target, ready to open sessions until the context is left.

    Raises UsageError when it cannot be what the scenario says, TargetError when it does not come up.
    """
    match scenario.target:
        case "sim":
            return _sim(scenario)
        case "mock":
            return _mock(scenario)
        case place:
            return _http(scenario, place, address_of(place), key_of(place))


@contextmanager
def _sim(scenario: Scenario) -> Iterator[Target]:
    from bench.targets.batches_sim import SimBatches
    from bench.targets.sim import SimClient
    from mock_server.engine import EPOCH, Engine

    _refuse_speed(scenario)
    settings = mock_settings(scenario)

    @asynccontextmanager
    async def session(clock: Clock, seed: int) -> AsyncIterator[Session]:
        seed = _seed_of_answers(scenario, seed)
        client = SimClient(
            Engine(settings),
            clock,
            seed=seed,
            timeout=scenario.timeout.attempt,
            stall=scenario.timeout.longest_silence,
            output_factor=scenario.mock.output_factor,
        )

        async def reset() -> None:
            client.engine = Engine(settings)

        batches = SimBatches(lambda: client.engine, clock, seed=seed, output_factor=scenario.mock.output_factor)
        yield Session(client, batches, reset)

    yield Target("sim", True, True, session, EPOCH)


@contextmanager
def _mock(scenario: Scenario) -> Iterator[Target]:
    from bench.targets.mock_process import mock_process

    most = _allow_many_connections()  # of the mock's own process too
    with mock_process(mock_settings(scenario), scenario.speed) as server:

        @asynccontextmanager
        async def session(clock: Clock, seed: int) -> AsyncIterator[Session]:
            await server.reset()
            async with _at_mock(scenario, server.url, most, clock, seed) as joined:
                yield replace(joined, reset=server.reset, server_latencies=server.latencies)

        yield Target("mock", False, True, session, url=server.url)


@contextmanager
def join_mock(scenario: Scenario, url: str) -> Iterator[Target]:
    """The mock that another process has started for this run, and resets."""
    most = _allow_many_connections()
    yield Target("mock", False, True, lambda clock, seed: _at_mock(scenario, url, most, clock, seed), url=url)


@asynccontextmanager
async def _at_mock(scenario: Scenario, url: str, most: int, clock: Clock, seed: int) -> AsyncIterator[Session]:
    from bench.targets.batches_sdk import SdkBatches
    from bench.targets.batches_sim import batch_key

    seed = _seed_of_answers(scenario, seed)

    def headers(spec: RequestSpec, attempt: int) -> dict[str, str]:
        key = f"{seed}.{spec.seq}.{attempt}"
        tokens = round(spec.output_tokens * scenario.mock.output_factor)
        return {"x-mock-key": key, "x-mock-output-tokens": str(tokens)}

    async with _clients(scenario, clock, url, _NO_KEY, headers, most) as (client, sdk):
        batches = SdkBatches(
            sdk.sdk,
            clock,
            timeout=scenario.timeout.attempt,
            headers=lambda number: {"x-mock-key": ".".join(map(str, batch_key(seed, number)))},
            output_factor=scenario.mock.output_factor,
        )
        yield Session(client, batches, connect=client.connect)


def address_of(target: str) -> str:
    """Where the API is, or a gateway at a URL: what paths such as /v1/messages come after.  Raises UsageError."""
    url = (os.environ.get("ANTHROPIC_BASE_URL") or API_URL) if target == "api" else target
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise UsageError(f"unknown target {url!r}", "Use sim, mock, api or a URL such as https://gateway.example.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("a target's URL must not carry credentials or a query", "Set ANTHROPIC_API_KEY instead.")
    # The SDK adds /v1/messages by itself; people copy base URLs of either form.
    return url.rstrip("/").removesuffix("/v1")


def key_of(target: str) -> str:
    """The key for the API or a URL, from the environment alone.  Raises UsageError where one is needed and not set."""
    key = os.environ.get("ANTHROPIC_API_KEY")
    if not key and target == "api":
        raise UsageError("the API needs a key", "Set ANTHROPIC_API_KEY: nothing else is read, nothing is stored.")
    if not key and target.startswith("https"):
        raise UsageError(f"{target} needs a key", "Set ANTHROPIC_API_KEY (any text, if the gateway asks for none).")
    return key or _NO_KEY


@contextmanager
def _http(scenario: Scenario, name: str, url: str, key: str) -> Iterator[Target]:
    from bench.targets.batches_sdk import SdkBatches

    _refuse_speed(scenario)
    if scenario.client == "wire":
        _refuse_proxy(url)
    most = _allow_many_connections()

    @asynccontextmanager
    async def session(clock: Clock, _seed: int) -> AsyncIterator[Session]:
        async with _clients(scenario, clock, url, key, lambda _spec, _attempt: {}, most) as (client, sdk):
            if reason := await sdk.unreachable(within=_REACH_WITHIN):
                raise TargetError(f"cannot reach {url}: {reason}", "Check the address, the network and the proxy.")
            batches = SdkBatches(sdk.sdk, clock, timeout=scenario.timeout.attempt)
            yield Session(client, batches, connect=client.connect)

    yield Target(name, False, False, session)


def _refuse_speed(scenario: Scenario) -> None:
    if scenario.speed != 1:
        raise UsageError(
            f"speed {scenario.speed:g} is for the mock server alone",
            "Use --target mock, or leave the speed out: sim takes no time, and others keep their own.",
        )


def _refuse_proxy(url: str) -> None:
    """The SDK client goes through the proxies of the environment, except to this machine."""
    from urllib.request import getproxies, proxy_bypass

    parts, proxies = urlsplit(url), getproxies()
    host = parts.hostname or ""
    proxied = next((scheme for scheme in (parts.scheme, "all") if proxies.get(scheme)), None)
    if proxied and host not in ("127.0.0.1", "localhost") and not proxy_bypass(host):
        raise UsageError(
            f"client wire knows no proxies, and the environment has one for {host}: {proxied.upper()}_PROXY",
            f"Use client: sdk, or add {host} to NO_PROXY if it can be reached without.",
        )


@asynccontextmanager
async def _clients(
    scenario: Scenario,
    clock: Clock,
    url: str,
    key: str,
    headers: Callable[[RequestSpec, int], dict[str, str]],
    most: int,
) -> AsyncIterator[tuple[SdkClient | WireClient, SdkClient]]:
    """The client that sends the scenario's requests, over `most` connections, and the SDK's for everything else."""
    from bench.targets.sdk import SdkClient, http_client
    from bench.targets.wire import WireClient

    patience = {"timeout": scenario.timeout.attempt, "stall": scenario.timeout.longest_silence}
    http = http_client(scenario.transport)
    async with SdkClient(clock, http, base_url=url, api_key=key, headers=headers, **patience) as sdk:
        if scenario.client == "sdk":
            yield sdk, sdk
            return
        async with WireClient(clock, sdk.sdk, headers=headers, most=most, **patience) as wire:
            yield wire, sdk


def mock_settings(scenario: Scenario) -> Settings:
    """The scenario's tier and `mock` section as the mock server takes them."""
    mock = scenario.mock
    try:
        return Settings(
            tier=scenario.tier,
            burst=mock.burst,
            reserve_max_tokens=mock.reserve_max_tokens,
            rejected_count=mock.rejected_count,
            chunk_tokens=mock.chunk_tokens,
            chars_per_token=mock.chars_per_token or {},
            seed=_seed_of_answers(scenario, scenario.seed),
            service_time=mock.latency.service_time,
            ttft=_spread(mock.latency.ttft),
            tokens_per_second=_spread(mock.latency.tokens_per_second),
            profile=read_profile(mock.latency.profile) if mock.latency.profile else None,
            load=mock.latency.load,
            daily_swing=mock.latency.daily_swing,
            batch_hidden=mock.batch_hidden,
            batch_time=_spread(mock.batch_time) or BATCH_TIME,
            faults={fault.kind: fault.setting() for fault in mock.faults},
        )
    except ValueError as error:
        raise UsageError(f"mock: {error}") from None


def _seed_of_answers(scenario: Scenario, seed: int) -> int:
    """What the mock draws with in a pass: the seed of its requests, unless the scenario wants other answers to them."""
    if scenario.mock.seed is None:
        return seed
    return Draws(seed, "answers", scenario.mock.seed).integer(0, 2**31 - 1)


def _spread(size: Lognormal | float | None) -> Spread | None:
    match size:
        case None:
            return None
        case Lognormal():
            return (size.median, size.p95)
        case _:
            return (size, size)


def _allow_many_connections() -> int:
    """Raise this process's soft limit of open files, often 1,024, as far as needed and allowed.

    How many connections there may be then.
    """
    if sys.platform == "win32":
        return _CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return _CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(_CONNECTIONS, soft - _OTHER_FILES))
