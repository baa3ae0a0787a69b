"""`--speed`: latencies, refills, cache lifetimes and batches pass faster together."""

from __future__ import annotations

import json
from typing import Any

from asgi_calls import Response, call

from mock_server.app import App, create_app
from mock_server.models import text_of_tokens
from mock_server.settings import Settings

MODEL = "claude-haiku-5-5"
PROMPT = text_of_tokens(2_000, MODEL)


def now(app: App) -> float:
    seconds: float = call(app, "GET", "/_mock/state").json()["now"]
    return seconds


def wait_until(app: App, second: float) -> None:
    while now(app) < second:
        pass


def ask(app: App, **changes: Any) -> Response:  # noqa: ANN401
    content = [{"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}}]
    params = {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": content}]}
    return call(app, "POST", "/v1/messages", params | changes)


def admissions(app: App) -> list[float]:
    rows = call(app, "GET", "/_mock/truth").body.splitlines()
    return [row["admitted"] for row in map(json.loads, rows) if row["admitted"] is not None]


def test_everything_passes_faster_alike() -> None:
    app = create_app(Settings(tier="tier-1", ttft=(2.0, 2.0), batch_time=(900.0, 900.0)), speed=2_000)
    batch = call(app, "POST", "/v1/messages/batches", {"requests": [{"custom_id": "a", "params": {}}]}).json()
    created = now(app)

    first = ask(app).json()["usage"]
    assert first["cache_creation_input_tokens"] > 0
    begun = now(app)
    assert begun >= 2  # the answer took its time, in engine seconds

    second = ask(app).json()["usage"]
    gap = admissions(app)[1] - admissions(app)[0]
    assert (second["cache_read_input_tokens"] > 0) == (gap < 300)
    wait_until(app, now(app) + 301)
    assert ask(app).json()["usage"]["cache_read_input_tokens"] == 0  # five minutes are over

    large = [{"role": "user", "content": text_of_tokens(29_000, MODEL)}]
    refused = ask(app, messages=large)
    while refused.status == 200:  # nearly all that flows in within a minute, again and again
        refused = ask(app, messages=large)
    wait_until(app, now(app) + int(refused.headers["retry-after"]))
    assert ask(app, messages=large).status == 200

    path = f"/v1/messages/batches/{batch['id']}"
    wait_until(app, created + 901)
    assert call(app, "GET", path).json()["processing_status"] == "ended"
