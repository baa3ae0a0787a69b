"""The admin side of a running server: what it holds, what it counted, and how to change it.

    GET  /_mock/             a page for people
    GET  /_mock/state        everything the page shows, as JSON
    GET  /_mock/metrics      the same for Prometheus
    GET  /_mock/truth        JSON lines: what really happened to each request (`world.Truth`)
    GET  /_mock/health       ok
    GET  /_mock/faults       the faults that are set
    PUT  /_mock/faults       these faults and no others: {"overloaded": 0.05, "stall": {"rate": 0.01, "delay": 20}}
    PUT  /_mock/tier         {"tier": "build"}: other limits, full buckets
    POST /_mock/reset        second 0, full buckets, nothing remembered, tier and faults as at the start

POST does where PUT is said.  Nobody is asked for a key: the server listens on this machine only, unless told otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import NamedTuple

import msgspec

from mock_server.bucket import Bucket
from mock_server.faults import Fault
from mock_server.limits import Gate
from mock_server.tiers import TIERS
from mock_server.world import Server

PREFIX = "/_mock/"
MAX_BODY = 1 << 20

_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


class Reply(NamedTuple):
    """An answer to an admin."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


class BucketState(msgspec.Struct, frozen=True):
    """One bucket.  `workspace` is empty for those of the whole organisation."""

    organization: str
    workspace: str
    models: str
    limit: str
    per_minute: int
    capacity: float
    level: float
    """Below zero is a debt."""


class OrganizationState(msgspec.Struct, frozen=True):
    """One organisation, as far as it has asked for something."""

    name: str
    tier: str
    early_returns: int
    """Requests that came back before their retry-after was over."""
    obedient_returns: int
    batch_queue: int
    """Requests of batches that wait to be processed."""
    spent: float
    """US dollars so far, where a cap, a limit or a credit has them counted; else 0."""


class Count(msgspec.Struct, frozen=True):
    """How many answers of this endpoint had this status, for this cause."""

    endpoint: str | None
    """None where there is no such thing."""
    status: int
    cause: str | None
    count: int


class State(msgspec.Struct, frozen=True):
    """Everything there is to see.  Times are engine seconds."""

    now: float
    speed: float
    tier: str
    faults: dict[str, Fault]
    open: int
    """Requests being answered."""
    counts: list[Count]
    tokens: dict[str, int]
    cache_entries: int
    organizations: list[OrganizationState]
    buckets: list[BucketState]


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change the tier to."""

    tier: str


def respond(server: Server, method: str, path: str, body: bytes) -> Reply:
    """Answer an admin.  Never raises for what stands in `body`."""
    route = _ROUTES.get(path.removeprefix(PREFIX))
    if route is None:
        return wrong(404, f"there is nothing at {path}; see {PREFIX}")
    handler = route.get("PUT" if method == "POST" and "PUT" in route else method)
    if handler is None:
        return wrong(405, f"{path} takes {' or '.join(route)}")
    try:
        return handler(server, body)
    except (ValueError, RecursionError) as problem:
        return wrong(400, str(problem))


def wrong(status: int, message: str) -> Reply:
    """What an admin is told who asked for something that cannot be."""
    return Reply(_encode({"error": message}), status=status)


def read_state(server: Server) -> State:
    """What the server is and holds now."""
    world = server.world
    engine, now = world.engine, world.now()
    return State(
        now=now,
        speed=world.speed,
        tier=engine.settings.tier,
        faults=engine.settings.faults,
        open=world.open,
        counts=[Count(*key, count) for key, count in sorted(world.counts.items(), key=str)],
        tokens=dict(world.tokens),
        cache_entries=len(engine.cache),
        organizations=[
            OrganizationState(
                name,
                account.tier.name,
                sum(count for tenant, count in engine.returns.early.items() if tenant.organization == name),
                sum(count for tenant, count in engine.returns.obedient.items() if tenant.organization == name),
                engine.batches.waiting(name, now),
                account.spent,
            )
            for name, account in engine.accounts().items()
        ],
        buckets=[
            bucket
            for name, account in engine.accounts().items()
            for workspace, models, gate in account.gates()
            for bucket in _buckets(name, workspace, models, gate, now)
        ],
    )


def _buckets(organization: str, workspace: str, models: str, gate: Gate, now: float) -> Iterator[BucketState]:
    held: tuple[Bucket | None, ...] = (gate.requests, gate.input, gate.output)
    for limit, per_minute, bucket in zip(gate.limits._fields, gate.limits, held, strict=True):
        if bucket and per_minute:
            level = bucket.settle(now)
            yield BucketState(organization, workspace, models, limit, per_minute, bucket.capacity, level)


def _page(_: Server, __: bytes) -> Reply:
    return Reply(files("mock_server").joinpath("status.html").read_bytes(), "text/html; charset=utf-8")


def _state(server: Server, _: bytes) -> Reply:
    return Reply(_encode(read_state(server)))


def _truth(server: Server, _: bytes) -> Reply:
    return Reply(_encode_lines(list(server.world.truth)), "application/jsonl")


def _health(_: Server, __: bytes) -> Reply:
    return Reply(b'{"ok":true}')


def _reset(server: Server, _: bytes) -> Reply:
    server.reset()
    return Reply(b'{"ok":true}')


def _faults(server: Server, _: bytes) -> Reply:
    return Reply(_encode(server.world.engine.settings.faults))


_decode_faults = msgspec.json.Decoder(dict[str, float | Fault]).decode


def _change_faults(server: Server, body: bytes) -> Reply:
    written = _decode_faults(body or b"{}")
    server.change_faults({name: Fault(each) if isinstance(each, float) else each for name, each in written.items()})
    return _faults(server, b"")


_decode_tier = msgspec.json.Decoder(Tier).decode


def _change_tier(server: Server, body: bytes) -> Reply:
    wanted = _decode_tier(body)
    if wanted.tier not in TIERS:
        raise ValueError(f"tier: {wanted.tier[:100]!r} is unknown; known are {', '.join(TIERS)}")
    server.change_tier(wanted.tier)
    return Reply(_encode(wanted))


def _metrics(server: Server, _: bytes) -> Reply:
    return Reply("".join(_lines(read_state(server))).encode(), "text/plain; version=0.0.4; charset=utf-8")


Sample = tuple[dict[str, object], float]


def _lines(state: State) -> Iterator[str]:
    """The state in the text format of Prometheus (version 0.0.4)."""
    answers: list[Sample] = [(_answer_labels(each), each.count) for each in state.counts]
    meaning = "Answers by endpoint, status and what refused or spoiled them."
    yield from _metric("requests_total", "counter", meaning, answers)
    tokens: list[Sample] = [({"kind": kind}, count) for kind, count in state.tokens.items()]
    yield from _metric("tokens_total", "counter", "Tokens of answers, as their usage says.", tokens)
    yield from _metric("open_requests", "gauge", "Requests being answered.", [({}, state.open)])
    yield from _metric("cache_entries", "gauge", "Prompts kept in the prompt cache.", [({}, state.cache_entries)])
    yield from _metric("time_seconds", "counter", "Time of the mock since its last reset.", [({}, state.now)])
    cpu: list[Sample] = [({}, time.process_time())]
    yield from _metric("process_cpu_seconds_total", "counter", "CPU time of the server process.", cpu, prefix="")
    for name, kind, meaning in (
        ("early_returns", "counter", "Requests that came back before their retry-after was over."),
        ("obedient_returns", "counter", "Requests that came back after it."),
        ("batch_queue", "gauge", "Requests of batches waiting to be processed."),
    ):
        ending = "_total" if kind == "counter" else ""
        rows: list[Sample] = [({"organization": each.name}, getattr(each, name)) for each in state.organizations]
        yield from _metric(name + ending, kind, meaning, rows)
    for name, meaning in (
        ("level", "What a bucket holds; below zero is a debt."),
        ("capacity", "What it holds when full."),
        ("per_minute", "What flows into it in a minute."),
    ):
        levels: list[Sample] = [(_labels(each), getattr(each, name)) for each in state.buckets]
        yield from _metric(f"bucket_{name}", "gauge", meaning, levels)


def _answer_labels(count: Count) -> dict[str, object]:
    return {"endpoint": count.endpoint or "", "status": count.status, "cause": count.cause or ""}


def _labels(bucket: BucketState) -> dict[str, object]:
    return {name: getattr(bucket, name) for name in ("organization", "workspace", "models", "limit")}


def _metric(
    name: str, kind: str, meaning: str, samples: list[Sample], *, prefix: str = "claude_mock_"
) -> Iterator[str]:
    yield f"# HELP {prefix}{name} {meaning}\n# TYPE {prefix}{name} {kind}\n"
    for labels, value in samples:
        written = ",".join(f'{label}="{_escape(str(text))}"' for label, text in labels.items())
        yield f"{prefix}{name}{'{' + written + '}' if written else ''} {value!r}\n"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_ROUTES: dict[str, dict[str, Callable[[Server, bytes], Reply]]] = {
    "": {"GET": _page},
    "state": {"GET": _state},
    "metrics": {"GET": _metrics},
    "truth": {"GET": _truth},
    "health": {"GET": _health},
    "faults": {"GET": _faults, "PUT": _change_faults},
    "tier": {"PUT": _change_tier},
    "reset": {"POST": _reset},
}
