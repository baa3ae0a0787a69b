"""Whole passes through message batches on the virtual clock: what comes back, what is tried again, what it costs."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import api
from bench.engine.observe import Observers
from bench.errors import UsageError
from bench.results.batches import Event, Intended, Withdrawn, read_events
from bench.results.record import Record, read_records
from bench.results.summary import PassSummary, Summary
from bench.scenario.model import Scenario
from bench.strategies.split import RESERVE
from bench.targets.batches import BatchCallError, BatchState
from bench.targets.batches_sim import SimBatches

HEAD = """\
version: 1
question: Does it hold?
model: claude-sonnet-5
tier: start
seed: 7
"""
UNLIMITED = (
    HEAD.replace("tier: start\n", "")
    + "workload: {requests: 100, input_tokens: 200, output_tokens: 50, max_tokens: 100}\n"
)
HUNDRED = HEAD + "workload: {requests: 100, input_tokens: 200, output_tokens: 50, max_tokens: 100}\n"


def scenario(tmp_path: Path, strategies: str, more: str = "", *settings: str, head: str = HUNDRED) -> Scenario:
    file = tmp_path / "made.yaml"
    file.write_text(f"{head}strategies: {strategies}\n{more}")
    return api.load(str(file), settings=settings)


def run(made: Scenario, tmp_path: Path) -> Summary:
    return api.run(made, out=tmp_path / "run", say=lambda _words: None, html=False).summary


def only(summary: Summary) -> PassSummary:
    [one] = summary.passes
    return one


def records(tmp_path: Path) -> list[Record]:
    return list(read_records(tmp_path / "run" / "records.jsonl"))


def events(tmp_path: Path) -> list[Event]:
    return read_events(tmp_path / "run" / "batches.jsonl")


def everybody_once(tmp_path: Path, count: int = 100) -> bool:
    return sorted(record.seq for record in records(tmp_path)) == list(range(count))


def test_a_batch_costs_half_and_takes_as_long_as_the_poll_that_finds_it_ended(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[batch, gather]", "mock: {batch_time: 10m}\n")
    batch, live = run(made, tmp_path).passes
    assert batch.cost.total == pytest.approx((live.cost.total or 0) / 2)
    assert batch.values["makespan"] == 60 + 120 + 240 + 480, "polls come at 1, 3, 7 and 15 minutes"
    assert batch.values["time_to_first_result"] == batch.values["makespan"]
    assert (batch.values["rate_limited"], batch.values["expired_share"], live.values["expired_share"]) == (0, 0, None)
    assert all(use.used == 0 for use in batch.limits), "batches take nothing from the limits of live requests"
    sizes = {(r.strategy, r.seq): r.attempts[-1].usage for r in records(tmp_path)}
    assert all(
        usage and other and usage.total_input == other.total_input
        for seq in range(100)
        if (usage := sizes["batch", seq], other := sizes["gather", seq])[0] is not None
    )


def test_chunks_keep_to_size_and_bytes(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[{batch: {size: 30}}, {batch: {max_bytes: 20kB}, name: small}]")
    by_size, by_bytes = run(made, tmp_path).passes
    assert [batch.items for batch in by_size.batches] == [30, 30, 30, 10]
    assert len(by_bytes.batches) > 3
    assert all(one.values["succeeded"] == 100 for one in (by_size, by_bytes))


def test_a_request_that_fits_in_no_batch_fails_and_is_not_sent(tmp_path: Path) -> None:
    one = only(run(scenario(tmp_path, "[{batch: {max_bytes: 100B}}]"), tmp_path))
    assert one.failures == {"too_large": 100}
    assert one.batches == ()
    assert one.cost.total == 0


def test_requests_that_the_service_fails_are_submitted_again_and_wrong_ones_never(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[{batch: {size: 50, attempts: 3}}]", "mock: {faults: {server_error: 30%}}\n")
    one = only(run(made, tmp_path))
    assert everybody_once(tmp_path)
    attempts = Counter(len(record.attempts) for record in records(tmp_path))
    assert attempts.keys() == {1, 2, 3}
    assert one.failures == {"server_error": sum(not record.ok for record in records(tmp_path))}
    assert all(len(record.attempts) == 3 for record in records(tmp_path) if not record.ok)
    assert one.values["errored_share"] == pytest.approx(one.attempts["server_error"] / (one.values["attempts"] or 1))
    assert sum(batch.errored for batch in one.batches) == one.attempts["server_error"]
    for record in records(tmp_path):
        ids = [attempt.batch for attempt in record.attempts]
        assert len(set(ids)) == len(ids), "each attempt is in a batch of its own"
        assert all(
            before.ended <= after.sent for before, after in zip(record.attempts, record.attempts[1:], strict=False)
        )


def test_what_is_invalid_is_never_submitted_again(tmp_path: Path) -> None:
    head = HUNDRED.replace("max_tokens: 100", "max_tokens: 400000")
    one = only(run(scenario(tmp_path, "[{batch: {attempts: 5}}]", head=head), tmp_path))
    assert one.failures == one.attempts == {"invalid_request": 100}
    assert one.cost.total == 0


def test_what_expires_is_submitted_again_up_to_the_limit(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[{batch: {attempts: 2}}]", "mock: {batch_time: 36h}\n")
    one = only(run(made, tmp_path))
    first, second = one.batches
    assert first.items == 100
    assert first.succeeded == 66, "24 of 36 hours"
    assert second.items == first.expired == 34
    assert one.failures == {"expired": second.expired}
    assert one.values["expired_share"] == pytest.approx((first.expired + second.expired) / 134)
    assert one.values["cost"] == pytest.approx(sum(batch.cost or 0 for batch in one.batches))


def test_a_deadline_cancels_and_keeps_what_was_done(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[{batch: {deadline: 1h}}]", "mock: {batch_time: 2h}\n")
    one = only(run(made, tmp_path))
    assert one.failures == {"deadline": 50}
    assert one.values["succeeded"] == 50
    assert 3_600 < (one.values["makespan"] or 0) < 3_700
    assert one.stopped is None
    assert one.batches[0].canceled == 50


def test_a_new_batch_may_be_hidden_for_a_while(tmp_path: Path) -> None:
    more = "mock: {batch_time: 2m, batch_hidden: 50s}\n"
    assert only(run(scenario(tmp_path, "[{batch: {poll: 5s}}]", more), tmp_path)).values["succeeded"] == 100


def test_a_batch_that_is_nowhere_is_lost_and_its_cost_unknown(tmp_path: Path) -> None:
    more = "mock: {batch_time: 2m, batch_hidden: 1h}\n"
    summary = run(scenario(tmp_path, "[{batch: {poll: 5s}}]", more), tmp_path)
    assert only(summary).failures == {"lost": 100}


def test_no_more_batches_than_the_queue_has_room_for(tmp_path: Path) -> None:
    limits = [
        {"type": "rate_limit", "group_type": "batch", "limits": [{"type": "enqueued_batch_requests", "value": 40}]},
        {
            "group_type": "model_group",
            "models": ["claude-sonnet-5"],
            "limits": [{"type": "requests_per_minute", "value": 1000}],
        },
    ]
    (tmp_path / "limits.json").write_text(json.dumps({"data": limits}))
    made = scenario(tmp_path, "[{batch: {size: 25, poll: 1m}}]", "mock: {batch_time: 10m}\n", "tier=limits.json")
    one = only(run(made, tmp_path))
    assert everybody_once(tmp_path)
    assert one.values["succeeded"] == 100
    waited = [batch.submitted for batch in one.batches]
    assert waited == sorted(waited)
    assert waited[1] >= 240, "until ten of the first forty have been processed"
    assert not any(isinstance(event, Withdrawn) for event in events(tmp_path))


def test_more_calls_than_allowed_a_minute_wait(tmp_path: Path) -> None:
    limits = [
        {"group_type": "batch", "limits": [{"type": "requests_per_minute", "value": 6}]},
        {
            "group_type": "model_group",
            "models": ["claude-sonnet-5"],
            "limits": [{"type": "requests_per_minute", "value": 1000}],
        },
    ]
    (tmp_path / "limits.json").write_text(json.dumps({"data": limits}))
    made = scenario(
        tmp_path, "[{batch: {size: 10, poll: 5m}}]", "mock: {batch_time: 4m, burst: 1s}\n", "tier=limits.json"
    )
    one = only(run(made, tmp_path))
    assert one.values["succeeded"] == 100
    assert [batch.submitted for batch in one.batches] == pytest.approx([10.0 * n for n in range(10)], abs=0.1)


def test_a_budget_is_kept_at_batch_prices_and_what_fits_is_submitted(tmp_path: Path) -> None:
    typical = 200 * 1e-6 + 50 * 5e-6
    made = scenario(tmp_path, "[batch]", f"budget: {{max_cost: ${40 * typical:.6f}}}\n")
    summary = run(made, tmp_path)
    one = only(summary)
    assert summary.exit_code == 6
    assert len(one.batches) > 1, "what fits is submitted, and once it has cost less than it could have, more of it"
    assert 30 * typical < (one.cost.total or 0) <= 40 * typical


def test_a_budget_of_requests_and_of_time(tmp_path: Path) -> None:
    summary = run(scenario(tmp_path, "[batch]", "budget: {max_requests: 20}\n"), tmp_path)
    assert (only(summary).values["succeeded"], summary.exit_code) == (20, 6)
    made = scenario(tmp_path, "[batch]", "budget: {max_time: 1h}\nmock: {batch_time: 4h}\n")
    summary = api.run(made, out=tmp_path / "timed", say=lambda _words: None, html=False).summary
    assert (only(summary).values["succeeded"], summary.exit_code) == (25, 6)


def test_what_the_budget_lets_try_no_more_keeps_the_record_of_its_tries(tmp_path: Path) -> None:
    more = "mock: {faults: {server_error: 30%}}\nbudget: {max_requests: 110}\n"
    summary = run(scenario(tmp_path, "[batch]", more), tmp_path)
    assert everybody_once(tmp_path)
    assert summary.exit_code == 6
    assert sum(len(record.attempts) for record in records(tmp_path)) == 110


def test_an_unknown_batch_price_is_unknown_and_not_the_standard_price(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[batch]", "", "model=claude-mythos-5-1")
    assert only(run(made, tmp_path)).cost.total is None


def test_raw_results_are_kept_when_asked(tmp_path: Path) -> None:
    one = only(run(scenario(tmp_path, "[{batch: {size: 60, keep_results: true}}]"), tmp_path))
    kept = {path.stem: path.read_text().splitlines() for path in (tmp_path / "run" / "batches").iterdir()}
    assert {batch.id: batch.items for batch in one.batches} == {name: len(lines) for name, lines in kept.items()}
    assert all(json.loads(line)["result"]["type"] == "succeeded" for lines in kept.values() for line in lines)


def test_the_dataset_says_what_its_requests_are_called(tmp_path: Path) -> None:
    rows = [{"prompt": f"Say {n}", "name": f"row-{n}"} for n in range(5)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    head = HEAD + ("workload: {requests: 5, dataset: {path: rows.jsonl, id: name}, output_tokens: 5, max_tokens: 9}\n")
    run(scenario(tmp_path, "[{batch: {keep_results: true}}]", head=head), tmp_path)
    [kept] = (tmp_path / "run" / "batches").iterdir()
    assert {json.loads(line)["custom_id"] for line in kept.read_text().splitlines()} == {row["name"] for row in rows}
    assert everybody_once(tmp_path, 5)


def test_requests_that_come_over_time_are_submitted_as_batches_fill(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[{batch: {size: 40}}]", "arrivals: {constant: 1/s}\n")
    one = only(run(made, tmp_path))
    assert [batch.submitted for batch in one.batches] == pytest.approx([39, 79, 99])
    assert one.values["succeeded"] == 100


def test_the_same_file_and_seed_give_the_same_records(tmp_path: Path) -> None:
    made = scenario(
        tmp_path,
        "[{batch: {size: 30}}, {hybrid: {deadline: 90m, share: 60%, live: {semaphore: 5}, batch: {size: 10}}}]",
        "mock: {batch_time: {median: 1h, p95: 3h}, faults: {overloaded: 10%}}\n",
    )
    for name in ("one", "two"):
        api.run(made, out=tmp_path / name, html=False)
    for file in ("records.jsonl", "summary.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


# Hybrid


def test_a_hybrid_gives_up_on_batches_in_time_to_go_live_and_pays_nothing_twice(tmp_path: Path) -> None:
    strategies = "[{hybrid: {deadline: 2h, live: {token_bucket: auto}, batch: {size: 40}}}]"
    one = only(run(scenario(tmp_path, strategies, "mock: {batch_time: 4h}\n"), tmp_path))
    assert everybody_once(tmp_path)
    assert one.values["succeeded"] == 100
    assert 6_000 < (one.values["makespan"] or 0) < 7_200
    live = [record for record in records(tmp_path) if record.attempts[-1].batch is None]
    assert 40 < len(live) < 70
    for record in live:
        assert [(attempt.batch is None, attempt.cause) for attempt in record.attempts] == [
            (False, "deadline"),
            (True, None),
        ]
    half, whole = (200 * 1e-6 + 50 * 5e-6), (200 * 2e-6 + 50 * 10e-6)
    assert one.cost.total == pytest.approx(half * (100 - len(live)) + whole * len(live))


def test_a_hybrid_that_has_time_sends_everything_through_batches(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[{hybrid: {deadline: 6h, live: adaptive}}]", "mock: {batch_time: 1h}\n")
    one = only(run(made, tmp_path))
    assert one.cost.total == pytest.approx(100 * (200 * 1e-6 + 50 * 5e-6))


def test_a_share_of_a_hybrid_goes_live_at_once(tmp_path: Path) -> None:
    strategies = "[{hybrid: {deadline: 3h, share: 60%, live: {semaphore: 10}}}]"
    one = only(run(scenario(tmp_path, strategies, "mock: {batch_time: 30m}\n"), tmp_path))
    live = [record for record in records(tmp_path) if record.attempts[0].batch is None]
    assert len(live) == 40
    assert max(record.attempts[-1].ended for record in live) < 60
    assert one.values["succeeded"] == 100


def test_a_hybrid_tries_live_what_failed_in_a_batch(tmp_path: Path) -> None:
    strategies = "[{hybrid: {deadline: 3h, live: {token_bucket: auto}}}]"
    more = "mock: {batch_time: 10m, faults: {server_error: 20%}}\n"
    one = only(run(scenario(tmp_path, strategies, more), tmp_path))
    assert one.values["succeeded"] == 100
    assert {len(record.attempts) for record in records(tmp_path)} >= {1, 2}
    assert len(one.batches) == 1


# When nobody knows whether a batch was created


def losing(monkeypatch: pytest.MonkeyPatch, *, before: Sequence[int] = (), after: Sequence[int] = ()) -> list[int]:
    """Let calls that create a batch fail, by their place: before the server heard of them, or after it obeyed."""
    create, made = SimBatches.create, list[int]()

    async def lossy(self: SimBatches, number: int, body: bytes) -> BatchState:
        made.append(number)
        if len(made) in before:
            raise BatchCallError("connection", "gone")
        state = await create(self, number, body)
        if len(made) in after:
            raise BatchCallError("timeout", "no answer")
        return state

    monkeypatch.setattr(SimBatches, "create", lossy)
    return made


def test_a_batch_whose_creation_was_not_answered_is_found_and_not_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = losing(monkeypatch, after=(2, 3))
    one = only(run(scenario(tmp_path, "[{batch: {size: 25}}]", "mock: {batch_hidden: 20s}\n"), tmp_path))
    assert made == [0, 1, 2, 3]
    assert everybody_once(tmp_path)
    assert [len(record.attempts) for record in records(tmp_path)] == [1] * 100
    assert sum(batch.items for batch in one.batches) == 100


def test_a_batch_that_was_certainly_not_created_is_created_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = losing(monkeypatch, before=(2,))
    one = only(run(scenario(tmp_path, "[{batch: {size: 25}}]"), tmp_path))
    assert len(made) == 5
    assert one.values["succeeded"] == 100
    late = [batch for batch in one.batches if batch.submitted > 0]
    assert [batch.items for batch in late] == [25]
    assert late[0].submitted >= 60, "only when a new batch would be in the list"


def test_every_batch_is_intended_before_it_is_created_and_known_before_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "run" / "batches.jsonl"
    create, retrieve = SimBatches.create, SimBatches.retrieve

    async def watched(self: SimBatches, number: int, body: bytes) -> BatchState:
        assert [event.number for event in read_events(journal) if isinstance(event, Intended)][-1] == number
        return await create(self, number, body)

    async def looked_at(self: SimBatches, batch_id: str) -> BatchState:
        assert f'"id":"{batch_id}"' in journal.read_text()
        return await retrieve(self, batch_id)

    monkeypatch.setattr(SimBatches, "create", watched)
    monkeypatch.setattr(SimBatches, "retrieve", looked_at)
    assert only(run(scenario(tmp_path, "[{batch: {size: 25}}]"), tmp_path)).values["succeeded"] == 100


@pytest.mark.parametrize(("cause", "status", "code"), [("authentication", 401, 7), ("too_large", 413, 5)])
def test_a_batch_that_is_refused_fails_its_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str, status: int, code: int
) -> None:
    async def refused(self: SimBatches, number: int, body: bytes) -> BatchState:
        raise BatchCallError(cause, "No", status=status)

    monkeypatch.setattr(SimBatches, "create", refused)
    summary = run(scenario(tmp_path, "[batch]"), tmp_path)
    assert only(summary).failures == {cause: 100}
    assert only(summary).cost.total == 0
    assert summary.exit_code == code


# Interrupts


class Interrupting(Observers):
    """Presses Ctrl-C when so many requests have been sent."""

    def __init__(self, when: int) -> None:
        super().__init__()
        self._left = when

    def sent(self, _strategy: str) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_leaves_the_batches_to_go_on(tmp_path: Path) -> None:
    said: list[str] = []
    made = scenario(tmp_path, "[{batch: {size: 25}}]")
    summary = api.run(made, out=tmp_path / "run", observer=Interrupting(60), say=said.append, html=False).summary
    assert summary.exit_code == 130
    assert records(tmp_path) == []
    assert "leaving the batches" in said[0]


def test_ctrl_c_cancels_and_takes_what_there_is_when_asked(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[{batch: {size: 50, cancel_on_stop: true}}]", "mock: {batch_time: 5m}\n")
    summary = api.run(
        made, out=tmp_path / "run", observer=Interrupting(100), say=lambda _words: None, html=False
    ).summary
    one = only(summary)
    assert summary.exit_code == 130
    assert everybody_once(tmp_path)
    assert one.failures["cancelled"] + int(one.values["succeeded"] or 0) == 100
    assert 0 < (one.values["succeeded"] or 0) < 30, "what was running when they were cancelled"


def test_a_simulation_cannot_be_resumed(tmp_path: Path) -> None:
    run(scenario(tmp_path, "[batch]"), tmp_path)
    with pytest.raises(UsageError, match="ended with it"):
        api.resume(tmp_path / "run")


def test_each_case_has_batches_of_its_own(tmp_path: Path) -> None:
    cases = "cases: {quick: {mock: {batch_time: 10m}}, slow: {mock: {batch_time: 2h}}}\n"
    summary = run(
        scenario(tmp_path, "[{batch: {size: 50}}, gather]", f"tier: unlimited\n{cases}", head=UNLIMITED), tmp_path
    )
    assert [one.of_pass[:2] for one in summary.passes] == [
        ("quick", "batch"),
        ("quick", "gather"),
        ("slow", "batch"),
        ("slow", "gather"),
    ]
    quick, _, slow, _ = summary.passes
    assert quick.values["makespan"] == 60 + 120 + 240 + 480
    assert (slow.values["makespan"] or 0) >= 2 * 3600
    for one in (quick, slow):
        assert [(batch.items, batch.succeeded) for batch in one.batches] == [(50, 50), (50, 50)]
        own = sorted(record.seq for record in records(tmp_path) if record.of_pass == one.of_pass)
        assert own == list(range(100))
    named = [(event.case, event.first) for event in events(tmp_path) if isinstance(event, Intended)]
    assert [case for case, _ in named] == ["quick", "quick", "slow", "slow"]
    assert len({first for _, first in named}) == 4


def test_the_classes_of_models_of_a_hybrid_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Each alone would take its share of the deadline; one after the other they would not be done by it."""
    workload = "workload: {requests: 300, input_tokens: 100, output_tokens: 20, max_tokens: 50}"
    streams = f"""\
streams:
  - {{name: one, arrivals: backlog, {workload}}}
  - {{name: two, arrivals: backlog, model: claude-haiku-4-5, {workload}}}
"""
    strategies = "[{hybrid: {deadline: 20m, share: 100%, live: {token_bucket: {requests: 60/min}}}}]"
    one = only(run(scenario(tmp_path, strategies, "mock: {batch_time: 36h}\n", head=HEAD + streams), tmp_path))
    assert one.values["succeeded"] == 600
    live = [record for record in records(tmp_path) if record.attempts[-1].batch is None]
    assert len(live) > 590, "a batch that is cancelled gives back what it has"
    first = min(record.attempts[-1].sent for record in live)
    assert 0 <= first - (20 * 60 - RESERVE - 300) < 60, "five minutes for each class, both at once"
    assert (one.values["makespan"] or 0) < 20 * 60


def test_what_a_batch_does_not_give_back_can_go_to_a_pool_of_workers(tmp_path: Path) -> None:
    strategies = "[{hybrid: {deadline: 1h, share: 50%, live: {pool: {workers: 5, queue: 10}}}}]"
    one = only(run(scenario(tmp_path, strategies, "mock: {batch_time: 36h}\n"), tmp_path))
    assert everybody_once(tmp_path)
    assert one.values["succeeded"] == 100
    rescued = [record for record in records(tmp_path) if len(record.attempts) == 2]
    assert len(rescued) >= 45
    assert all(record.attempts[0].cause == "deadline" and record.attempts[1].batch is None for record in rescued)


def test_failures_inside_a_batch_are_no_waste(tmp_path: Path) -> None:
    made = scenario(tmp_path, "[{batch: {size: 50}}]", "mock: {faults: {server_error: 30%}}\n")
    one = only(run(made, tmp_path))
    assert one.attempts["server_error"]
    assert (one.values["wasted_attempts"], one.values["wasted_cost"]) == (0, 0)


def test_answers_in_a_batch_are_as_wrongly_expected_as_any(tmp_path: Path) -> None:
    batch, live = run(scenario(tmp_path, "[batch, gather]", "mock: {output_factor: 1.5}\n"), tmp_path).passes
    assert batch.values["output_tokens"] == live.values["output_tokens"] == 100 * 75
