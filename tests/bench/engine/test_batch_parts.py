"""The pure parts of a batch pass: chunks, names, ranges, schedules, the split of a hybrid, the past of a pass."""

from __future__ import annotations

import json
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.engine.batch_chunk import Chunk
from bench.engine.batch_names import Names
from bench.engine.batch_past import past_of
from bench.request import RequestSpec
from bench.results.batches import Began, Cancelled, Created, Ended, Event, Intended, Withdrawn, runs_of, seqs_of
from bench.scenario.strategies import Poll
from bench.strategies.pacer import Cost
from bench.strategies.poll import backoff, waits
from bench.strategies.split import GIVEN, RESERVE, batch_share, live_time, spread
from bench.targets.answer import Item, read_item
from bench.targets.batches import SEPARATOR, attempt_of, encode_line
from bench.targets.classify import ApiError

MODEL = "claude-sonnet-5"


def spec(seq: int, words: int) -> RequestSpec:
    content = "wörd " * words
    params = {"model": MODEL, "max_tokens": 5, "stream": True, "messages": [{"role": "user", "content": content}]}
    return RequestSpec(seq, 0.0, params, 1, 1)


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=60),
    st.integers(1, 12),
    st.integers(600, 2_000),
)
def test_chunks_hold_every_request_once_and_keep_to_both_limits(
    words: list[int], most_items: int, most_bytes: int
) -> None:
    chunks = [Chunk(0, most_items, most_bytes)]
    for seq, count in enumerate(words):
        line = encode_line(f"n-{seq}", spec(seq, count))
        if not chunks[-1].fits(line):
            assert chunks[-1].items, "a chunk takes any request of this size when it is empty"
            full = len(chunks[-1].items) == most_items
            assert full or chunks[-1].bytes + len(SEPARATOR) + len(line) > most_bytes
            chunks.append(Chunk(len(chunks), most_items, most_bytes))
        chunks[-1].add(spec(seq, count), line)
    assert [seq for chunk in chunks for seq in chunk.items] == list(range(len(words)))
    for chunk in chunks:
        body = chunk.body()
        assert chunk.bytes == len(body) <= most_bytes
        assert len(json.loads(body)["requests"]) == len(chunk.items) <= most_items


def test_a_chunk_keeps_what_a_record_needs_and_nothing_that_is_said() -> None:
    chunk = Chunk(0, 5, 1e6)
    chunk.add(spec(3, 9), b"{}")
    assert chunk.items[3].params == {"model": MODEL, "max_tokens": 5}


def test_batches_do_not_stream_and_only_the_mock_is_told_how_long_answers_are() -> None:
    said = json.loads(encode_line("a", spec(0, 1)))
    assert said.keys() == {"custom_id", "params"}
    assert said["params"].keys() == {"model", "max_tokens", "messages"}
    assert json.loads(encode_line("a", spec(0, 1), output_factor=2))["x_mock_output_tokens"] == 2


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.text(max_size=20))
def test_names_lead_back_to_their_request_and_to_no_other(batch: int, seq: int, stranger: str) -> None:
    names = Names("token", (None, "batch", 0))
    name = names.of(batch, seq)
    assert len(name) <= 64
    assert names.seq(batch, name) == seq
    assert names.seq(batch + 1, name) is None
    assert Names("token", (None, "batch", 1)).seq(batch, name) is None
    assert Names("token", ("start", "batch", 0)).seq(batch, name) is None
    assert Names("other", (None, "batch", 0)).seq(batch, name) is None
    assert names.seq(batch, stranger) is None


def test_the_names_of_a_dataset_are_used_as_they_are() -> None:
    names = Names("token", (None, "batch", 0), ["a", "b-2"])
    assert names.of(7, 1) == "b-2"
    assert names.seq(7, "b-2") == 1
    assert names.seq(7, "c") is None


@given(st.sets(st.integers(0, 200)))
def test_ranges_hold_exactly_their_numbers(seqs: set[int]) -> None:
    runs = runs_of(sorted(seqs))
    assert list(seqs_of(runs)) == sorted(seqs)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(runs))


def test_schedules() -> None:
    assert list(islice(waits(Poll(first=60, factor=2, cap=900)), 6)) == [60, 120, 240, 480, 900, 900]
    assert list(islice(waits(Poll(first=30, factor=1, cap=30)), 3)) == [30, 30, 30]
    assert list(islice(backoff(), 8)) == [1, 2, 4, 8, 16, 32, 60, 60]


HOUR = 3_600.0


@pytest.mark.parametrize(
    ("live", "deadline", "share"),
    [
        (600, 3 * HOUR, 1.0),  # live would do in ten minutes: everything may wait for its batch
        (0, 3 * HOUR, 1.0),
        (0, 0.5 * HOUR, 0.0),  # too soon for batches
        (600, 0.5 * HOUR, 0.0),
        (2 * HOUR, 2 * HOUR + RESERVE, 0.5),  # an hour for batches, an hour for half of the job
        (8 * HOUR, 2 * HOUR + RESERVE, 0.75),  # live can do a quarter by then; the rest must be in batches
        (30 * HOUR, 24 * HOUR, 1 - (24 * HOUR - RESERVE) / (30 * HOUR)),
    ],
)
def test_the_share_of_batches(live: float, deadline: float, share: float) -> None:
    expected = max(share, (deadline - RESERVE - GIVEN) / live) if live == 30 * HOUR else share
    assert batch_share(live, deadline) == pytest.approx(expected)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_all_is_done_by_the_deadline_even_if_no_batch_comes_back(live: float, deadline: float) -> None:
    share = batch_share(live, deadline)
    assert 0 <= share <= 1
    time = deadline - RESERVE
    if live <= time:
        gives_up = time - share * live
        assert gives_up >= (1 - share) * live - 1e-6, "the live part is done when the rest begins"
        assert share == 0 or gives_up >= GIVEN - 1e-6
    elif time > 0:
        assert share * live >= live - time - 1e-6, "what cannot be live is in batches"


@given(st.integers(1, 2_000), st.floats(0, 1))
def test_a_share_is_spread_evenly(count: int, share: float) -> None:
    chosen = sum(spread(seq, share) for seq in range(count))
    assert abs(chosen - share * count) <= 1


def test_live_time_is_that_of_the_limit_that_binds() -> None:
    assert live_time(Cost(100, 6_000, 50), Cost(10, 100, 0)) == 60
    assert live_time(Cost(100, 6_000, 50), Cost(0, 0, 0)) == 0


def intended(number: int, first: int, last: int) -> Intended:
    return Intended("batch", 0, number, 5.0, ((first, last),), last - first + 1, "a", "b")


def test_the_past_of_a_pass() -> None:
    events: list[Event] = [
        Began("batch", 0, 100.0),
        intended(0, 0, 4),
        Created("batch", 0, 0, "msgbatch_a", 1.0),
        intended(1, 5, 9),
        Created("batch", 1, 0, "msgbatch_other", 1.0),
        Cancelled("batch", 0, 0, "deadline"),
        Ended("batch", 0, 0, 60.0),
        Withdrawn("batch", 0, 1, "requests"),
        intended(2, 3, 3),
    ]
    past = past_of(events, (None, "batch", 0))
    assert (past.began, past.next, list(past.batches)) == (100.0, 3, [0, 2])
    assert (past.batches[0].id, past.batches[0].cancelled, past.batches[0].ended) == ("msgbatch_a", "deadline", True)
    assert past.batches[2].id is None
    assert past.latest() == {0: 0, 1: 0, 2: 0, 3: 2, 4: 0}
    assert past_of(events, (None, "hybrid", 0)).began is None
    assert past_of(events, ("start", "batch", 0)).began is None


@pytest.mark.parametrize(
    ("kind", "error", "cause"),
    [
        ("expired", None, "expired"),
        ("canceled", None, "deadline"),
        ("errored", "invalid_request_error", "invalid_request"),
        ("errored", "api_error", "server_error"),
        ("errored", "overloaded_error", "overloaded"),
        ("errored", "timeout_error", "gateway_timeout"),
        ("errored", "not_found_error", "not_found"),
        ("errored", "something_new", "malformed"),
    ],
)
def test_results_have_the_causes_of_single_requests(kind: str, error: str | None, cause: str) -> None:
    result: dict[str, object] = {"type": kind}
    if error:
        result["error"] = {"type": "error", "error": {"type": error, "message": "No"}, "request_id": "req_1"}
    item = read_item(json.dumps({"custom_id": "a", "result": result}).encode())
    attempt = attempt_of(item, "msgbatch_a", 1.0, 2.0, "deadline")
    assert (attempt.cause, attempt.batch, attempt.sent, attempt.ended) == (cause, "msgbatch_a", 1.0, 2.0)
    assert attempt.message == ("No" if error else None)


def test_a_result_that_succeeded() -> None:
    message = {"usage": {"input_tokens": 7, "output_tokens": 9, "service_tier": "batch"}, "stop_reason": "end_turn"}
    line = json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": message}}).encode()
    attempt = attempt_of(read_item(line), "msgbatch_a", 1.0, 2.0, "cancelled")
    assert attempt.ok
    assert attempt.usage is not None
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens, attempt.stop_reason) == (7, 9, "end_turn")
    assert Item("a", "errored", error=ApiError()).usage is None
