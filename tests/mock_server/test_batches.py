"""Batches: tables for what is refused, and a state machine against an obvious model of the documentation."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from mock_server.batch import EXPIRES_AFTER, KEPT_FOR, RUNNING, Batch, describe
from mock_server.engine import EPOCH, Engine
from mock_server.faults import Fault
from mock_server.request import RequestError
from mock_server.settings import Settings
from mock_server.tenants import ANYONE, Accounts, Key, Organization, Tenant

MODEL = "claude-sonnet-5-5"
PARAMS: dict[str, Any] = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
HOUR = 3_600.0
QUICK = (100.0, 100.0)
"""Every batch takes 100 s."""


def body(count: int, wrong: int = 0, **change: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever params take
    """A batch whose first requests are wrong."""
    rows = [{"custom_id": f"r{n}", "params": {**PARAMS, **change}} for n in range(count)]
    for row in rows[:wrong]:
        row["params"] = {"model": MODEL}
    return {"requests": rows}


def results(engine: Engine, batch: Batch, now: float, tenant: Tenant = ANYONE) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in engine.batches.results(batch.id, now, tenant)]
    by_id = {row["custom_id"]: row["result"] for row in rows}
    assert len(by_id) == len(rows)
    return by_id


def shown(engine: Engine, batch: Batch, now: float) -> dict[str, Any]:
    return describe(batch, engine.batches.counts(batch, now), now, engine.epoch, "http://here:1")


def refusal(call: Any, *arguments: Any, **more: Any) -> RequestError:  # noqa: ANN401
    with pytest.raises(RequestError) as caught:
        call(*arguments, **more)
    return caught.value


def test_the_life_of_a_batch() -> None:
    engine = Engine(Settings(batch_time=QUICK))
    batch = engine.batches.create(body(4, wrong=1), 10.0)
    begun = shown(engine, batch, 109.9)
    assert begun["id"].startswith("msgbatch_")
    assert begun["type"] == "message_batch"
    assert begun["processing_status"] == "in_progress"
    assert begun["request_counts"] == {"processing": 4, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    assert [begun[name] for name in ("ended_at", "cancel_initiated_at", "archived_at", "results_url")] == [None] * 4
    done = shown(engine, batch, 110.0)
    assert done["processing_status"] == "ended"
    assert done["request_counts"] == {"processing": 0, "succeeded": 3, "errored": 1, "canceled": 0, "expired": 0}
    assert done["results_url"] == f"http://here:1/v1/messages/batches/{batch.id}/results"
    assert (done["created_at"], done["expires_at"]) == (begun["created_at"], begun["expires_at"])
    rows = results(engine, batch, 110.0)
    assert rows["r0"]["type"] == "errored"
    assert rows["r0"]["error"]["type"] == "error"
    assert rows["r0"]["error"]["error"] == {"type": "invalid_request_error", "message": "max_tokens: Field required"}
    assert rows["r0"]["error"]["request_id"].startswith("req_")
    assert {rows[f"r{n}"]["type"] for n in (1, 2, 3)} == {"succeeded"}
    message = rows["r1"]["message"]
    assert message["usage"]["service_tier"] == "batch"
    assert 1 <= message["usage"]["output_tokens"] <= 50
    assert results(engine, batch, 500.0) == rows, "they are the same whenever they are asked for"


def test_results_come_in_another_order_than_the_requests() -> None:
    engine = Engine(Settings(batch_time=QUICK))
    orders = []
    for _ in range(5):
        batch = engine.batches.create(body(50), 0.0)
        orders.append([json.loads(line)["custom_id"] for line in engine.batches.results(batch.id, 100.0)])
    asked = [f"r{n}" for n in range(50)]
    assert all(sorted(order) == sorted(asked) and order != asked for order in orders)
    assert len({tuple(order) for order in orders}) == 5


def test_answers_depend_on_the_key_alone_and_have_the_lengths_asked_for() -> None:
    answers = []
    for before in (0, 3):
        engine = Engine(Settings(batch_time=QUICK, seed=before))
        for _ in range(before):
            engine.batches.create(body(1), 0.0)
        batch = engine.batches.create(body(5, max_tokens=4_000), 0.0, key=(7, 1), output_tokens=[10, 20, 30, 40, 50])
        answers.append(results(engine, batch, 100.0))
    assert answers[0] == answers[1]
    assert [answers[0][f"r{n}"]["message"]["usage"]["output_tokens"] for n in range(5)] == [10, 20, 30, 40, 50]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stream": True}, "stream"),
        ({"speed": "fast"}, "speed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": "claude-opus-4-1"}, "claude-opus-4-1"),
        ({"messages": []}, "messages"),
        ({"temperature": 1.0}, "temperature"),
    ],
)
def test_parameters_are_looked_at_when_the_batch_is_processed(change: dict[str, Any], words: str) -> None:
    engine = Engine(Settings(batch_time=QUICK))
    batch = engine.batches.create(body(2, **change), 0.0)
    assert shown(engine, batch, 100.0)["request_counts"]["errored"] == 2
    assert words in results(engine, batch, 100.0)["r0"]["error"]["error"]["message"]


def test_sampling_parameters_are_as_the_version_says() -> None:
    engine = Engine(Settings(batch_time=QUICK))
    old = body(1, model="claude-sonnet-4-5", temperature=0.5)
    batch = engine.batches.create(old, 0.0, version="2023-06-01")
    assert shown(engine, batch, 100.0)["request_counts"]["succeeded"] == 1


BAD_IDS = ["", "a b", "é", "x" * 65, "a/b", "r0\n", 7, None]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "requests"),
        ({"requests": None}, "requests"),
        ({"requests": "many"}, "requests"),
        ({"requests": []}, "at least 1"),
        ({"requests": [1]}, "requests"),
        ({"requests": body(100_000)["requests"] + [{"custom_id": "more", "params": PARAMS}]}, "100000"),
        ({"requests": body(3)["requests"] + body(1)["requests"]}, "requests.3.custom_id: must be unique"),
        *(({"requests": [{"custom_id": bad, "params": PARAMS}]}, "requests.0.custom_id") for bad in BAD_IDS),
        ({"requests": [{"params": PARAMS}]}, "requests.0.custom_id"),
    ],
)
def test_what_is_wrong_with_the_list_is_refused_at_once(wrong: dict[str, Any], words: str) -> None:
    engine = Engine(Settings())
    for form in (wrong, msgspec.json.encode(wrong)):
        refused = refusal(engine.batches.create, form, 0.0)
        assert (refused.status, refused.error.type) == (400, "invalid_request_error")
        assert words in refused.error.message
    assert not engine.batches.list(0.0)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"requests": [' + b"[" * 10_000])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    assert refusal(Engine(Settings()).batches.create, data, 0.0).status == 400


@pytest.mark.parametrize("params", [None, 7, "text", []])
def test_a_request_without_parameters_is_an_error_of_its_own(params: object) -> None:
    engine = Engine(Settings(batch_time=QUICK))
    given_ = {"requests": [{"custom_id": "a", "params": params}, {"custom_id": "b", "params": PARAMS}]}
    for form in (given_, msgspec.json.encode(given_)):
        batch = engine.batches.create(form, 0.0)
        assert [results(engine, batch, 100.0)[name]["type"] for name in "ab"] == ["errored", "succeeded"]


def test_a_hundred_thousand_requests_are_one_batch() -> None:
    engine = Engine(Settings())
    assert engine.batches.create(msgspec.json.encode(body(100_000)), 0.0).total == 100_000


def test_the_queue_of_an_organization_is_limited() -> None:
    engine = Engine(Settings(tier="start", batch_time=(1_000.0, 1_000.0)))  # 200,000 may wait
    full = body(100_000)
    engine.batches.create(full, 0.0)
    engine.batches.create(full, 0.0)
    refused = refusal(engine.batches.create, body(50_000), 0.0)
    assert (refused.status, refused.error.type, refused.retry_after) == (429, "rate_limit_error", 250)
    assert refused.cause == "batch_queue"
    assert refusal(engine.batches.create, body(50_000), 249.0).retry_after == 1
    assert engine.batches.create(body(50_000), 250.0, Tenant(workspace="other")).total == 50_000
    assert engine.batches.create(full, 250.0, Tenant("other")).total == 100_000
    assert engine.batches.waiting("default", 250.0) == 200_000


def test_all_batch_endpoints_share_one_limit_of_requests() -> None:
    engine = Engine(Settings(tier="tier-1"))
    batches = engine.batches
    batch = batches.create(body(1), 0.0)
    for n in range(49):
        batches.retrieve(batch.id, 0.0) if n % 2 else batches.list(0.0)
    refused = refusal(batches.retrieve, batch.id, 0.0)
    assert (refused.status, refused.retry_after, refused.cause) == (429, 2, "batch_requests")
    assert refusal(batches.cancel, batch.id, 1.0).status == 429
    batches.cancel(batch.id, 2.4)
    assert engine.handle(PARAMS, 2.4).status == 200, "Messages have limits of their own"


def test_what_is_not_processed_in_a_day_expires() -> None:
    engine = Engine(Settings(batch_time=(48 * HOUR, 48 * HOUR)))
    batch = engine.batches.create(body(10), 0.0)
    assert batch.status(EXPIRES_AFTER - 1) == "in_progress"
    assert shown(engine, batch, EXPIRES_AFTER)["request_counts"] == {
        "processing": 0,
        "succeeded": 5,
        "errored": 0,
        "canceled": 0,
        "expired": 5,
    }
    kinds = Counter(result["type"] for result in results(engine, batch, EXPIRES_AFTER).values())
    assert kinds == {"succeeded": 5, "expired": 5}


def test_results_are_kept_for_29_days_and_the_batch_longer() -> None:
    engine = Engine(Settings(batch_time=QUICK))
    batch = engine.batches.create(body(3), 0.0)
    assert KEPT_FOR == 29 * 24 * HOUR
    assert len(results(engine, batch, KEPT_FOR - 1)) == 3
    later = shown(engine, batch, KEPT_FOR)
    assert later["results_url"] is None
    assert later["archived_at"]
    assert later["request_counts"]["succeeded"] == 3
    assert refusal(engine.batches.results, batch.id, KEPT_FOR).status == 404
    assert shown(engine, batch, KEPT_FOR * 2) == later


def test_a_batch_may_be_hidden_at_first() -> None:
    engine = Engine(Settings(batch_hidden=5.0))
    batch = engine.batches.create(body(1), 0.0)
    assert refusal(engine.batches.retrieve, batch.id, 4.9).status == 404
    assert not engine.batches.list(4.9)
    assert engine.batches.retrieve(batch.id, 5.0) is batch


def test_batches_do_not_draw_on_the_limits_of_messages() -> None:
    engine = Engine(Settings(tier="tier-1", batch_time=QUICK))
    batch = engine.batches.create(body(1_000), 0.0)
    results(engine, batch, 100.0)
    plan = engine.handle(PARAMS, 100.0, output_tokens=1)
    assert plan.limits
    assert plan.limits.requests
    assert plan.limits.output_tokens
    assert (plan.limits.requests.remaining, plan.limits.output_tokens.remaining) == (49, 8_000)


def test_the_time_a_batch_takes_follows_its_quantiles() -> None:
    engine = Engine(Settings(tier="unlimited"))
    times = sorted(engine.batches.create(body(1), 0.0).ends for _ in range(1_000))
    assert times[500] == pytest.approx(900.0, rel=0.1)
    assert times[950] == pytest.approx(3_600.0, rel=0.25)


@given(st.integers(1, 300), st.floats(0, 2 * EXPIRES_AFTER), st.floats(0, 200) | st.none(), st.floats(0, 1e5))
def test_processing_only_goes_on(count: int, lasts: float, canceled: float | None, step: float) -> None:
    engine = Engine(Settings(tier="unlimited", batch_time=(max(1.0, lasts),) * 2))
    batch = engine.batches.create(body(count), 0.0)
    if canceled is not None and canceled < batch.ends:
        batch.cancel(canceled)
    times = sorted({0.0, step, batch.ends, batch.ends + step, *([canceled] if canceled else [])})
    done = [batch.processed(now) for now in times]
    assert done == sorted(done)
    assert done[-1] <= count
    assert [batch.waiting(now) for now in times][-1] == 0
    assert batch.ends <= EXPIRES_AFTER
    counts = engine.batches.counts(batch, batch.ends)
    assert sum(counts) == count
    assert counts.succeeded == done[-1]


class Batches(RuleBasedStateMachine):
    """Any sequence of calls by two workspaces, against what the documentation says must hold."""

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        accounts = Accounts({"a": Key()}, {"default": Organization("unlimited")})
        self.engine = Engine(Settings(accounts=accounts, batch_time=(600.0, 6 * EXPIRES_AFTER)))
        self.now = 0.0
        self.seen: dict[str, dict[str, Any]] = {}
        self.alive: list[Batch] = []
        self.wrong: dict[str, int] = {}

    @rule(
        target=batches,
        count=st.integers(1, 12),
        wrong=st.integers(0, 12),
        workspace=st.sampled_from(["one", "two"]),
        raw=st.booleans(),
    )
    def create(self, count: int, wrong: int, workspace: str, raw: bool) -> Batch:
        form = body(count, min(wrong, count))
        tenant = Tenant(workspace=workspace)
        batch = self.engine.batches.create(msgspec.json.encode(form) if raw else form, self.now, tenant)
        self.alive.append(batch)
        self.wrong[batch.id] = min(wrong, count)
        return batch

    @rule(seconds=st.sampled_from([0.0, 1.0, 30.0, 700.0, HOUR, 12 * HOUR, EXPIRES_AFTER, KEPT_FOR]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(batch=batches)
    def cancel(self, batch: Batch) -> None:
        status, asked = batch.status(self.now), batch.canceled_at
        if batch not in self.alive:
            assert refusal(self.engine.batches.cancel, batch.id, self.now, batch.tenant).status == 404
        elif status == "ended":
            assert refusal(self.engine.batches.cancel, batch.id, self.now, batch.tenant).status == 400
        else:
            self.engine.batches.cancel(batch.id, self.now, batch.tenant)
            assert batch.status(self.now) == "canceling"
            assert batch.canceled_at == (self.now if asked is None else asked)
            assert batch.ends <= self.now + RUNNING

    @rule(batch=consumes(batches))
    def delete(self, batch: Batch) -> None:
        if batch.status(self.now) != "ended":
            assert refusal(self.engine.batches.delete, batch.id, self.now, batch.tenant).status == 400
            self.engine.batches.retrieve(batch.id, self.now, batch.tenant)
        else:
            self.engine.batches.delete(batch.id, self.now, batch.tenant)
            self.alive.remove(batch)
            assert refusal(self.engine.batches.retrieve, batch.id, self.now, batch.tenant).status == 404

    @rule(batch=batches)
    def read_results(self, batch: Batch) -> None:
        view = shown(self.engine, batch, self.now)
        if view["results_url"] is None:
            assert refusal(self.engine.batches.results, batch.id, self.now, batch.tenant).status == 404
            return
        kinds = Counter(result["type"] for result in results(self.engine, batch, self.now, batch.tenant).values())
        assert kinds == Counter({kind: count for kind, count in view["request_counts"].items() if count})

    @rule(batch=batches)
    def spy(self, batch: Batch) -> None:
        stranger = Tenant(workspace="two" if batch.tenant.workspace == "one" else "one")
        for call in (self.engine.batches.retrieve, self.engine.batches.cancel, self.engine.batches.results):
            assert refusal(call, batch.id, self.now, stranger).status == 404
        assert batch not in self.engine.batches.list(self.now, stranger)

    @invariant()
    def every_batch_is_as_documented(self) -> None:
        for batch in self.alive:
            view = shown(self.engine, batch, self.now)
            counts = view["request_counts"]
            assert sum(counts.values()) == batch.total
            ended = view["processing_status"] == "ended"
            assert counts["processing"] == (0 if ended else batch.total)
            assert counts["errored"] <= self.wrong[batch.id]
            assert (view["ended_at"] is not None) == ended
            assert (view["archived_at"] is not None) == (self.now >= batch.created + KEPT_FOR)
            assert (view["results_url"] is not None) == (ended and view["archived_at"] is None)
            assert ended or self.now < batch.created + EXPIRES_AFTER
            assert not (counts["canceled"] and view["cancel_initiated_at"] is None)
            before = self.seen.get(batch.id)
            if before and before["processing_status"] == "ended":
                assert {**view, "archived_at": 0, "results_url": 0} == {**before, "archived_at": 0, "results_url": 0}
            self.seen[batch.id] = view

    @invariant()
    def lists_are_newest_first(self) -> None:
        for workspace in ("one", "two"):
            tenant = Tenant(workspace=workspace)
            mine = [batch for batch in self.alive if batch.tenant == tenant]
            assert self.engine.batches.list(self.now, tenant) == mine[::-1]


TestBatches = Batches.TestCase
TestBatches.settings = settings(max_examples=60, stateful_step_count=30)


def test_times_are_those_of_the_engine_s_calendar() -> None:
    engine = Engine(Settings(batch_time=QUICK))
    view = shown(engine, engine.batches.create(body(1), 0.0), 100.0)
    assert engine.epoch == EPOCH
    assert view["created_at"] == "2026-11-18T11:06:40.000000+00:00"
    assert view["expires_at"] == "2026-11-19T11:06:40.000000+00:00"
    assert view["ended_at"] == "2026-11-18T11:08:20.000000+00:00"


def test_a_request_may_say_how_long_its_answer_is() -> None:
    engine = Engine(Settings(batch_time=QUICK))
    rows = [{"custom_id": f"r{n}", "params": PARAMS, "x_mock_output_tokens": 10 + n} for n in range(4)]
    batch = engine.batches.create(json.dumps({"requests": rows}).encode(), 0.0)
    said = results(engine, batch, 100.0)
    assert [said[f"r{n}"]["message"]["usage"]["output_tokens"] for n in range(4)] == [10, 11, 12, 13]


def test_faults_of_the_service_make_errors_of_requests_and_counts_agree() -> None:
    faults = {"overloaded": Fault(rate=0.2), "server_error": Fault(rate=0.2), "requests": Fault(rate=1.0)}
    engine = Engine(Settings(batch_time=QUICK, faults=faults))
    batch = engine.batches.create(body(200, wrong=10), 0.0)
    rows = results(engine, batch, 100.0)
    errors = Counter(row["error"]["error"]["type"] for row in rows.values() if row["type"] == "errored")
    assert errors.keys() == {"invalid_request_error", "overloaded_error", "api_error"}
    assert errors["invalid_request_error"] == 10
    counted = shown(engine, batch, 100.0)["request_counts"]
    assert (counted["errored"], counted["succeeded"]) == (errors.total(), 200 - errors.total())
