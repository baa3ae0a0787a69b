"""The admin side: whatever is asked of it, the server stays well and says what is true."""

from __future__ import annotations

import asyncio
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from asgi_calls import HEADERS, Response, call, request
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.app import create_app
from mock_server.faults import KINDS, Fault
from mock_server.settings import Settings
from mock_server.tiers import TIERS

ASK: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
QUICK = Settings(service_time=0.0)


def ask(app: Any, **changes: Any) -> Response:  # noqa: ANN401
    return call(app, "POST", "/v1/messages", ASK | changes)


def get(app: Any, path: str) -> Any:  # noqa: ANN401
    response = call(app, "GET", f"/_mock/{path}")
    assert response.status == 200
    return json.loads(response.body)


def put(app: Any, path: str, content: object) -> Response:  # noqa: ANN401
    return call(app, "PUT", f"/_mock/{path}", content)


def test_state_shows_buckets_answers_and_tokens() -> None:
    app = create_app(QUICK)
    for _ in range(3):
        ask(app)
    ask(app, max_tokens=-1)
    state = get(app, "state")
    assert (state["tier"], state["open"]) == ("start", 0)
    assert state["counts"] == [
        {"endpoint": "messages", "status": 200, "cause": None, "count": 3},
        {"endpoint": "messages", "status": 400, "cause": None, "count": 1},
    ]
    assert state["tokens"]["output_tokens"] == 27
    buckets = {bucket["limit"]: bucket for bucket in state["buckets"]}
    assert {name: bucket["per_minute"] for name, bucket in buckets.items()} == {
        "requests": 1_000,
        "input_tokens": 2_000_000,
        "output_tokens": 400_000,
    }
    assert 997 <= buckets["requests"]["level"] < 1_000


def test_truth_says_when_a_request_was_let_in_and_what_was_left() -> None:
    app = create_app(QUICK)
    ask(app)
    put(app, "faults", {"overloaded": 1})
    ask(app)
    served, refused = [json.loads(line) for line in call(app, "GET", "/_mock/truth").body.splitlines()]
    assert served["arrived"] <= served["admitted"] <= served["first_byte"] <= served["last_byte"]
    assert served["levels"]["requests"] == pytest.approx(999, abs=0.5)
    assert served["levels"]["input_tokens"] == pytest.approx(1_999_999, abs=1)
    assert (refused["status"], refused["cause"], refused["admitted"]) == (529, "overloaded", None)


def test_faults_are_set_and_lifted_while_it_runs() -> None:
    app = create_app(QUICK)
    assert put(app, "faults", {"overloaded": 1.0}).status == 200
    assert ask(app).status == 529
    assert get(app, "faults")["overloaded"]["rate"] == 1
    put(app, "faults", {"server_error": {"rate": 1, "delay": 0.01}})
    assert ask(app).status == 500
    put(app, "faults", {})
    assert ask(app).status == 200


def test_a_reset_brings_back_the_beginning() -> None:
    app = create_app(Settings(service_time=0.0, faults={"overloaded": Fault()}))
    put(app, "faults", {})
    put(app, "tier", {"tier": "build"})
    assert ask(app).status == 200
    call(app, "POST", "/_mock/reset")
    state = get(app, "state")
    assert (state["tier"], state["counts"], list(state["faults"])) == ("start", [], ["overloaded"])
    assert ask(app).status == 529


def test_another_tier_comes_with_full_buckets() -> None:
    app = create_app(Settings(service_time=0.0, tier="tier-1"))
    statuses = [ask(app).status for _ in range(52)]
    assert statuses[-1] == 429
    assert get(app, "state")["counts"][-1]["cause"] == "requests"
    put(app, "tier", {"tier": "tier-2"})
    response = ask(app)
    assert response.status == 200
    assert response.headers["anthropic-ratelimit-requests-limit"] == "1000"


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "words"),
    [
        ("PUT", "faults", {"overload": 1.0}, 400, "no such fault"),
        ("PUT", "faults", {"overloaded": 1.5}, 400, "rate"),
        ("PUT", "faults", {"overloaded": {"rat": 1}}, 400, "rat"),
        ("PUT", "faults", [], 400, "object"),
        ("PUT", "tier", {"tier": "gold"}, 400, "start"),
        ("PUT", "tier", {"tier": "/etc/limits.json"}, 400, "unknown"),
        ("PUT", "tier", None, 400, ""),
        ("DELETE", "reset", None, 405, "POST"),
        ("GET", "nothing", None, 404, "/_mock/"),
        ("PUT", "faults", {"overloaded": "x" * 2_000_000}, 413, "size"),
    ],
)
def test_what_cannot_be_is_said(method: str, path: str, content: object, status: int, words: str) -> None:
    app = create_app(QUICK)
    response = call(app, method, f"/_mock/{path}", content)
    assert response.status == status
    assert words in json.loads(response.body)["error"]
    assert ask(app).status == 200


SHARES = st.floats(0, 1) | st.floats()
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "rate": SHARES,
        "start": SHARES,
        "end": SHARES,
        "on": SHARES,
        "off": SHARES,
        "delay": st.floats(0, 3_600),
        "retry_after": st.integers(-1, 9),
    },
)
FAULTS = st.dictionaries(st.sampled_from([*KINDS, "none"]), SHARES | OPTIONS, max_size=3)
ACTIONS = st.one_of(
    st.tuples(st.just("PUT"), st.just("/_mock/faults"), FAULTS),
    st.tuples(st.just("PUT"), st.just("/_mock/tier"), st.fixed_dictionaries({"tier": st.sampled_from([*TIERS, "?"])})),
    st.tuples(st.just("POST"), st.just("/_mock/reset"), st.none()),
    st.tuples(st.just("GET"), st.sampled_from(["/_mock/state", "/_mock/metrics", "/_mock/truth"]), st.none()),
    st.tuples(
        st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
        st.sampled_from(["/_mock/", "/_mock/faults", "/_mock/tier", "/_mock/reset", "/_mock/x"]),
        st.none() | st.booleans() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
    ),
    st.tuples(
        st.just("POST"),
        st.just("/v1/messages"),
        st.sampled_from([ASK, ASK | {"stream": True}, ASK | {"model": "claude-haiku-4-5"}, {}]),
    ),
)


@settings(max_examples=60)
@given(st.lists(ACTIONS, max_size=12))
def test_any_sequence_of_admin_calls_leaves_it_healthy(actions: list[tuple[str, str, Any]]) -> None:
    app = create_app(QUICK, speed=1e6)  # a stall lasts an hour
    for method, path, content in actions:
        response = call(app, method, path, content)
        assert response.status in {None, 200, 400, 404, 405, 429, 500, 504, 529}
        if path.startswith("/_mock/"):
            assert response.status in {200, 400, 404, 405}
    state = get(app, "state")
    assert state["open"] == 0
    assert all(bucket["level"] <= bucket["capacity"] + 1e-6 for bucket in state["buckets"])
    assert put(app, "faults", {}).status == 200
    assert put(app, "tier", {"tier": "start"}).status == 200
    assert ask(app).status == 200


def test_a_tier_changed_under_running_answers_keeps_its_buckets_right() -> None:
    """An answer that was begun before and is broken off after must give nothing back to the new buckets."""
    app = create_app(Settings(ttft=(0.001, 0.001), tokens_per_second=(20.0, 20.0)))

    async def main() -> None:
        leave = asyncio.Event()
        answer = asyncio.create_task(
            request(app, "POST", "/v1/messages", ASK | {"stream": True, "max_tokens": 500}, leave=leave)
        )
        await asyncio.sleep(0)
        assert (await request(app, "GET", "/_mock/state")).json()["open"] == 1
        await request(app, "PUT", "/_mock/tier", {"tier": "tier-1"})
        await request(app, "POST", "/v1/messages", ASK)
        leave.set()
        await answer
        state = (await request(app, "GET", "/_mock/state")).json()
        level = next(each["level"] for each in state["buckets"] if each["limit"] == "output_tokens")
        assert 8_000 - 9 - 1e-6 <= level <= 8_000 + 1e-6

    asyncio.run(main())


def test_metrics_are_in_the_text_format_of_prometheus() -> None:
    app = create_app(QUICK)
    ask(app)
    put(app, "faults", {"overloaded": 1})
    ask(app)
    response = call(app, "GET", "/_mock/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.body.decode().splitlines()
    sample = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+')
    assert [line for line in lines if not line.startswith("# ") and not sample.fullmatch(line)] == []
    assert 'claude_mock_requests_total{endpoint="messages",status="529",cause="overloaded"} 1' in lines
    named = {re.split("[{ ]", line)[0] for line in lines if not line.startswith("#")}
    typed = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    assert named <= set(typed)
    assert all(name.endswith("_total") or kind == "gauge" or "time" in name for name, kind in typed.items())


@pytest.mark.parametrize(("told", "early"), [("1", 1), ("0", 0), (None, 0)])
def test_a_client_that_says_it_is_back_too_early_is_counted(told: str | None, early: int) -> None:
    app = create_app(Settings(tier="tier-1", burst=1.2, service_time=0.0))
    assert [ask(app).status for _ in range(2)] == [200, 429]
    headers = HEADERS | ({"x-stainless-retry-count": told} if told else {})
    assert call(app, "POST", "/v1/messages", ASK, headers=headers).status == 429
    assert get(app, "state")["organizations"][0]["early_returns"] == early


class _Links(HTMLParser):
    """What a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]


def test_the_page_needs_nothing_but_its_server() -> None:
    response = call(create_app(QUICK), "GET", "/_mock/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = response.body.decode()
    links = _Links()
    links.feed(page)
    assert set(links.loaded) == {"state", "metrics", "truth", "data:,"}
    assert "://" not in page
    assert "prefers-color-scheme: dark" in page
    assert files("mock_server").joinpath("status.html").read_bytes() == response.body
