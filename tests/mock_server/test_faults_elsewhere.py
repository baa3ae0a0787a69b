"""Faults at the endpoints that draw on no model: counting, batches, models, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgi_calls import HEADERS, Response, call

from mock_server.app import App, create_app
from mock_server.faults import FLAWS, REFUSALS, Fault
from mock_server.settings import Settings

ASK: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
COUNT = {"model": ASK["model"], "messages": ASK["messages"]}
BATCH = {"requests": [{"custom_id": f"r{n}", "params": ASK} for n in range(100)]}
CALLS: dict[str, tuple[str, str, object]] = {
    "count_tokens": ("POST", "/v1/messages/count_tokens", COUNT),
    "batches": ("POST", "/v1/messages/batches", BATCH),
    "models": ("GET", "/v1/models", None),
    "rate_limits": ("GET", "/v1/organizations/rate_limits", None),
}
TYPES = {429: "rate_limit_error", 500: "api_error", 504: "timeout_error", 529: "overloaded_error"}


def application(**faults: Fault) -> App:
    return create_app(Settings(service_time=0.0, batch_time=(1e-9, 1e-9), faults=faults))


def ask(app: App, endpoint: str) -> Response:
    return call(app, *CALLS[endpoint])


@pytest.mark.parametrize("endpoint", CALLS)
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_strikes_where_it_is_told_to(endpoint: Any, name: str) -> None:  # noqa: ANN401 - a Literal
    app = application(**{name: Fault(endpoints=(endpoint,))})
    for other in CALLS:
        response = ask(app, other)
        if other != endpoint:
            assert response.status == 200
            continue
        assert response.status == REFUSALS[name].status
        said = response.json()
        assert said["error"]["type"] == TYPES[response.status]
        assert said["request_id"] == response.headers["request-id"]
        assert ("retry-after" in response.headers) == (REFUSALS[name].retry_after is not None)
    assert call(app, "POST", "/v1/messages", ASK).status == 200


def test_without_a_word_faults_strike_messages_alone() -> None:
    app = application(overloaded=Fault())
    assert [ask(app, endpoint).status for endpoint in CALLS] == [200] * len(CALLS)
    assert call(app, "POST", "/v1/messages", ASK).status == 529


def test_a_batch_that_is_refused_is_not_created_and_one_whose_answer_is_lost_is() -> None:
    for fault, created in (("overloaded", 0), ("reset", 1), ("cut", 1)):
        app = application(**{fault: Fault(end=1e6, endpoints=("batches",))})
        answer = ask(app, "batches")
        assert answer.status == {"overloaded": 529, "reset": None, "cut": 200}[fault]
        call(app, "PUT", "/_mock/faults", {})
        assert len(call(app, "GET", "/v1/messages/batches").json()["data"]) == created


def test_results_are_cut_in_the_middle() -> None:
    app = application()
    batch = ask(app, "batches").json()["id"]
    path = f"/v1/messages/batches/{batch}/results"
    whole = call(app, "GET", path)
    call(app, "PUT", "/_mock/faults", {"cut": {"endpoints": ["batches"]}})
    cut = call(app, "GET", path)
    assert (whole.complete, cut.complete) == (True, False)
    assert 0 < len(cut.body) < len(whole.body)
    assert whole.body.startswith(cut.body)
    truth = [json.loads(line) for line in call(app, "GET", "/_mock/truth").body.splitlines()]
    assert [(row["endpoint"], row["cause"], row["last_byte"] is None) for row in truth] == [
        ("batches", None, False),
        ("batches", None, False),
        ("batches", "cut", True),
    ]


@pytest.mark.parametrize("name", FLAWS)
def test_flaws_are_those_of_an_answer_that_is_not_streamed(name: str) -> None:
    app = application(**{name: Fault(end=1.0, delay=0.02, endpoints=("count_tokens",))})
    response = ask(app, "count_tokens")
    truth = json.loads(call(app, "GET", "/_mock/truth").body)
    spoils = name in {"freeze", "reset", "slow_headers", "cut", "malformed_json"}
    assert truth["cause"] == (name if spoils else None)
    assert response.complete == (name not in {"reset", "cut"})
    if name == "freeze":
        assert truth["first_byte"] >= 1.0
    if name == "slow_headers":
        assert truth["first_byte"] - truth["arrived"] >= 0.02
    if name == "malformed_json":
        with pytest.raises(json.JSONDecodeError):
            response.json()


def test_who_asks_again_with_the_same_key_has_another_chance_and_another_id() -> None:
    def poll() -> list[tuple[int | None, str]]:
        app = application(overloaded=Fault(0.5, endpoints=("models",)))
        answers = [call(app, *CALLS["models"], headers=HEADERS | {"x-mock-key": "7.1.1"}) for _ in range(20)]
        return [(answer.status, answer.headers["request-id"]) for answer in answers]

    polled = poll()
    assert {status for status, _ in polled} == {200, 529}
    assert len({request_id for _, request_id in polled}) == 20
    assert poll() == polled


def test_disguises_work_there_too() -> None:
    where: Any = ("batches",)
    app = application(requests=Fault(endpoints=where, retry_after=9), retry_after_zero=Fault(endpoints=where))
    assert ask(app, "batches").headers["retry-after"] == "0"


def test_answers_are_counted_by_endpoint() -> None:
    app = application(overloaded=Fault(endpoints=("models", "messages")))
    for endpoint in CALLS:
        ask(app, endpoint)
    call(app, "POST", "/v1/messages", ASK)
    call(app, "GET", "/nowhere")
    call(app, "GET", "/v1/models", headers=HEADERS | {"x-api-key": ""})
    lines = call(app, "GET", "/_mock/metrics").body.decode().splitlines()
    assert {
        line.partition("requests_total")[2] for line in lines if line.startswith("claude_mock_requests_total{")
    } == {
        '{endpoint="messages",status="529",cause="overloaded"} 1',
        '{endpoint="models",status="529",cause="overloaded"} 1',
        '{endpoint="models",status="401",cause=""} 1',
        '{endpoint="count_tokens",status="200",cause=""} 1',
        '{endpoint="batches",status="200",cause=""} 1',
        '{endpoint="rate_limits",status="200",cause=""} 1',
        '{endpoint="",status="404",cause=""} 1',
    }


def test_an_endpoint_that_there_is_not_is_refused() -> None:
    app = application()
    refused = call(app, "PUT", "/_mock/faults", {"overloaded": {"endpoints": ["files"]}})
    assert refused.status == 400
    with pytest.raises(ValueError, match="endpoints: must name some of messages, "):
        Fault(endpoints=())
