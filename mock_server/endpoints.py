"""The endpoints of the API: which path and method leads to what.  No HTTP and no clock: `app.py` brings those."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from mock_server import catalog
from mock_server.batch import Batch, describe
from mock_server.engine import Engine
from mock_server.faults import Endpoint
from mock_server.paging import page
from mock_server.plan import Error, Plan
from mock_server.request import MAX_BODY, RequestError, invalid
from mock_server.tenants import ANYONE, Tenant

MAX_BATCH_BODY = 256 * 1024 * 1024
"""Bytes of a body that creates a batch (errors page, 2026-10-10)."""

RESULT_LINES = 20
"""Lines of results that are sent in one piece."""

_encode = msgspec.json.Encoder().encode


class Call(NamedTuple):
    """A request to an endpoint, its key already looked at."""

    tenant: Tenant
    version: str
    now: float
    """Engine seconds."""
    origin: str
    """Where the client found the server, such as http://127.0.0.1:8080."""
    query: Mapping[str, str]
    body: bytes
    key: tuple[int, ...] | None = None
    output_tokens: int | None = None
    stop_reason: str | None = None
    again: bool = False
    """Whether the client says that it was sent before."""


class Reply(NamedTuple):
    """An answer that takes no time."""

    body: bytes | Iterator[bytes]
    """All of it, or its pieces."""
    content_type: str = "application/json"


Handler = Callable[..., Any]
"""Called with the engine, the call, and what stands in the path's places.  A Plan at messages, a Reply elsewhere."""


class Route(NamedTuple):
    """One endpoint."""

    method: str
    path: str
    """With {} for each place that holds an id."""
    handler: Handler
    endpoint: Endpoint
    """What it belongs to, for faults and for whoever counts."""
    max_body: int = MAX_BODY
    admin: bool = False
    """Whether it takes an Admin key."""


def _messages(engine: Engine, call: Call) -> Plan:
    return engine.handle(
        _decode(call.body),
        call.now,
        key=call.key,
        output_tokens=call.output_tokens,
        version=call.version,
        stop_reason=call.stop_reason,
        tenant=call.tenant,
        again=call.again,
        content=call.body,
    )


def _count_tokens(engine: Engine, call: Call) -> Reply:
    tokens = engine.count_tokens(_decode(call.body), call.now, call.tenant, version=call.version)
    return _json({"input_tokens": tokens})


def _create_batch(engine: Engine, call: Call) -> Reply:
    batch = engine.batches.create(call.body, call.now, call.tenant, version=call.version, key=call.key)
    return _batch(engine, call, batch)


def _retrieve_batch(engine: Engine, call: Call, batch_id: str) -> Reply:
    return _batch(engine, call, engine.batches.retrieve(batch_id, call.now, call.tenant))


def _list_batches(engine: Engine, call: Call) -> Reply:
    batches = engine.batches.list(call.now, call.tenant)
    part = page([batch.id for batch in batches], call.query)
    shown = [_describe(engine, call, batch) for batch in batches[part.begin : part.end]]
    return _json(catalog.as_page(shown, has_more=part.has_more))


def _cancel_batch(engine: Engine, call: Call, batch_id: str) -> Reply:
    return _batch(engine, call, engine.batches.cancel(batch_id, call.now, call.tenant))


def _delete_batch(engine: Engine, call: Call, batch_id: str) -> Reply:
    engine.batches.delete(batch_id, call.now, call.tenant)
    return _json({"id": batch_id, "type": "message_batch_deleted"})


def _batch_results(engine: Engine, call: Call, batch_id: str) -> Reply:
    return Reply(_pieces(engine.batches.results(batch_id, call.now, call.tenant)), "application/x-jsonl")


def _list_models(_: Engine, call: Call) -> Reply:
    return _json(catalog.list_models(call.query))


def _retrieve_model(_: Engine, __: Call, model_id: str) -> Reply:
    return _json(catalog.retrieve_model(model_id))


def _organization_limits(engine: Engine, call: Call) -> Reply:
    account = engine.account(call.tenant.organization)
    return _json(catalog.organization_limits(account, call.tenant, call.query))


def _workspace_limits(engine: Engine, call: Call, workspace_id: str) -> Reply:
    account = engine.account(call.tenant.organization)
    names = {ANYONE.workspace, *account.workspaces}
    for workspace in (Tenant(call.tenant.organization, name) for name in names):
        if workspace_id in (workspace.workspace, workspace.workspace_id):
            return _json(catalog.workspace_limits(account, workspace, call.query))
    raise RequestError(404, Error("not_found_error", f"workspace: {workspace_id[:200]}"))


ROUTES = (
    Route("POST", "/v1/messages", _messages, "messages"),
    Route("POST", "/v1/messages/count_tokens", _count_tokens, "count_tokens"),
    Route("POST", "/v1/messages/batches", _create_batch, "batches", max_body=MAX_BATCH_BODY),
    Route("GET", "/v1/messages/batches", _list_batches, "batches"),
    Route("GET", "/v1/messages/batches/{}", _retrieve_batch, "batches"),
    Route("DELETE", "/v1/messages/batches/{}", _delete_batch, "batches"),
    Route("POST", "/v1/messages/batches/{}/cancel", _cancel_batch, "batches"),
    Route("GET", "/v1/messages/batches/{}/results", _batch_results, "batches"),
    Route("GET", "/v1/models", _list_models, "models"),
    Route("GET", "/v1/models/{}", _retrieve_model, "models"),
    Route("GET", "/v1/organizations/rate_limits", _organization_limits, "rate_limits", admin=True),
    Route("GET", "/v1/organizations/workspaces/{}/rate_limits", _workspace_limits, "rate_limits", admin=True),
)

_EXACT = {(route.method, route.path): route for route in ROUTES if "{}" not in route.path}
_PATTERNS = [(re.compile(route.path.replace("{}", "([^/]+)")), route) for route in ROUTES]


def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """The endpoint, and what stands in the places of its path.  Raises RequestError: 404, or 405 for its method."""
    if route := _EXACT.get((method, path)):
        return route, ()
    matches = [(route, match.groups()) for pattern, route in _PATTERNS if (match := pattern.fullmatch(path))]
    for route, places in matches:
        if route.method == method:
            return route, places
    if matches:
        raise invalid("Method Not Allowed", status=405)
    raise RequestError(404, Error("not_found_error", "Not found"))


def _decode(body: bytes) -> dict[str, Any]:
    try:
        params = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from None
    if not isinstance(params, dict):
        raise invalid("The request body must be a JSON object")
    return params


def _json(value: object) -> Reply:
    return Reply(_encode(value))


def _batch(engine: Engine, call: Call, batch: Batch) -> Reply:
    return _json(_describe(engine, call, batch))


def _describe(engine: Engine, call: Call, batch: Batch) -> dict[str, Any]:
    return describe(batch, engine.batches.counts(batch, call.now), call.now, engine.epoch, call.origin)


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    while piece := b"".join(islice(lines, RESULT_LINES)):
        yield piece
