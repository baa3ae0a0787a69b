from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_rows import attempt, backlog, record, records

from bench.errors import UsageError
from bench.results.columns import CAUSE_NAMES, OK, Columns, ColumnsBuilder, read_passes
from bench.results.measurements import seconds_per_token
from bench.results.record import Attempt, RateLimits, Record, Usage, write_records


def test_one_request_with_a_refusal_before_its_answer() -> None:
    limits = RateLimits(requests_limit=50, requests_remaining=0, output_tokens_remaining=7000)
    first = Attempt(1.0, 1.5, 429, cause="requests", retry_after=2.0, limits=limits)
    last = Attempt(
        4.0,
        8.0,
        200,
        first_token=5.0,
        first_text=5.5,
        last_token=7.0,
        stop_reason="max_tokens",
        usage=Usage(input_tokens=10, output_tokens=5, cache_read=3, cache_write_5m=2, cache_write_1h=1),
    )
    columns = Columns.of([record(7, 0.5, first, last)])
    requests, attempts = columns.requests, columns.attempts

    assert (columns.strategy, columns.pass_, columns.models, columns.stops) == (
        "pool",
        0,
        ("claude-sonnet-5",),
        ("max_tokens",),
    )
    assert requests.seq.tolist() == [7]
    assert requests.ok.tolist() == [True]
    assert requests.cause.tolist() == [OK]
    assert requests.attempts.tolist() == [2]
    assert requests.queue_time.tolist() == [0.5]
    assert requests.throttle_wait.tolist() == [3.0]
    assert requests.latency.tolist() == [4.0]
    assert requests.response_time.tolist() == [7.5]
    assert requests.ttft.tolist() == [1.0]
    assert requests.first_text.tolist() == [1.5]
    assert requests.tpot.tolist() == [0.5]
    assert requests.makespan == 7.5
    assert attempts.request.tolist() == [0, 0]
    assert [CAUSE_NAMES[code] if code != OK else None for code in attempts.cause] == ["requests", None]
    assert attempts.status.tolist() == [429, 200]
    assert attempts.retry_after[0] == 2.0
    assert math.isnan(attempts.retry_after[1])
    assert attempts.requests_limit[0] == 50
    assert math.isnan(attempts.input_tokens_limit[0])
    assert attempts.output_tokens_remaining[0] == 7000
    assert [attempts.input_tokens[1], attempts.cache_read[1], attempts.output_tokens[1]] == [10, 3, 5]
    assert [requests.cache_write_5m[0], requests.cache_write_1h[0], requests.output_tokens[0]] == [2, 1, 5]


@given(st.lists(records(), min_size=1, max_size=20))
def test_columns_say_what_the_records_say(rows: list[Record]) -> None:
    requests = Columns.of(rows).requests
    for name in ("queue_time", "throttle_wait", "latency", "response_time", "ok"):
        assert getattr(requests, name).tolist() == [getattr(row, name) for row in rows]


@given(st.lists(records(), min_size=1, max_size=20))
def test_response_time_is_queue_time_plus_throttle_wait_plus_latency(rows: list[Record]) -> None:
    requests = Columns.of(rows).requests
    parts = requests.queue_time + requests.throttle_wait + requests.latency
    assert np.allclose(requests.response_time, parts, rtol=1e-12, atol=1e-6)


@given(st.lists(records(), min_size=1, max_size=20))
def test_requests_and_attempts_agree(rows: list[Record]) -> None:
    columns = Columns.of(rows)
    requests, attempts = columns.requests, columns.attempts
    assert requests.attempts.tolist() == np.bincount(attempts.request).tolist()
    for kind in ("input_tokens", "cache_read", "cache_write_5m", "cache_write_1h", "output_tokens"):
        totals = np.bincount(attempts.request, weights=getattr(attempts, kind))
        assert getattr(requests, kind).tolist() == totals.tolist()


def test_time_per_token_needs_two_tokens_and_a_stream() -> None:
    one_token = Attempt(0, 2, first_token=1.0, last_token=1.0, usage=Usage(output_tokens=1))
    not_streamed = attempt(0, 2)
    columns = Columns.of([record(0, 0, one_token), record(1, 0, not_streamed)])
    assert np.isnan(columns.requests.tpot).all()
    assert np.isnan(columns.requests.ttft).tolist() == [False, True]


@pytest.mark.parametrize(
    ("first_text", "thinking", "seconds"),
    [
        (11.0, 0, 10 / 100),  # nothing was thought
        (11.0, 60, 10 / 40),  # unseen, and over before the first token came
        (13.0, 60, 10 / 100),  # seen: its tokens came like the others
        (11.0, 100, None),  # a single token was seen
    ],
)
def test_thinking_that_is_not_shown_does_not_make_tokens_quicker(
    first_text: float, thinking: int, seconds: float | None
) -> None:
    usage = Usage(output_tokens=101, thinking_tokens=thinking)
    answer = Attempt(10, 21, first_token=11.0, first_text=first_text, last_token=21.0, usage=usage)
    [found] = Columns.of([record(0, 0, answer)]).requests.tpot
    assert seconds_per_token(answer) == seconds
    assert found == seconds if seconds is not None else np.isnan(found)


def test_a_journal_holds_several_passes(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, [*backlog(3, 1, 1), *backlog(2, 1, 1, pass_=1), *backlog(1, 1, 1, "gather")])
    assert [(one.strategy, one.pass_, len(one.requests)) for one in read_passes(path)] == [
        ("pool", 0, 3),
        ("pool", 1, 2),
        ("gather", 0, 1),
    ]


def test_an_empty_journal_holds_no_pass(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.touch()
    assert read_passes(path) == []


def test_a_pass_that_sent_nothing_has_empty_columns() -> None:
    columns = ColumnsBuilder("pool", 0).columns()
    assert len(columns.requests) == len(columns.attempts) == 0
    assert columns.requests.makespan == 0


def test_a_builder_goes_on_after_it_was_looked_at() -> None:
    builder = ColumnsBuilder("pool", 0)
    first, second = backlog(2, 1, 1)
    builder.add(first)
    before = builder.columns()
    builder.add(second)
    assert (len(before.requests), len(builder.columns().requests)) == (1, 2)


def test_columns_of_two_passes_are_refused() -> None:
    with pytest.raises(ValueError, match="2 passes"):
        Columns.of([*backlog(1, 1, 1), *backlog(1, 1, 1, "gather")])


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        b"nonsense\n",
        b'{"strategy":"a","seq":0,"model":"m","intended":0,"attempts":[]}\n',
        b'{"strategy":"a","seq":0,"model":"m","intended":0,"attempts":[{"sent":0,"ended":1,"cause":"gremlins"}]}\n',
        b'{"strategy":"\xff","seq":0}\n',
    ],
)
def test_a_line_that_is_not_a_record_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(line)
    with pytest.raises(UsageError, match=r"records\.jsonl holds a line that is not a record"):
        read_passes(path)


def test_a_missing_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*records\.jsonl: No such file"):
        read_passes(tmp_path / "records.jsonl")


def test_reading_a_journal_needs_a_few_hundred_bytes_a_request(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, backlog(5000, 1, 10))
    tracemalloc.start()
    passes = read_passes(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(passes[0].requests) == 5000
    assert peak / 5000 < 1000


@given(st.lists(st.tuples(records(), st.sampled_from([None, "chat", "job"])), min_size=1, max_size=20))
def test_the_columns_of_a_stream_are_those_of_its_records_alone(tagged: list[tuple[Record, str | None]]) -> None:
    rows = [msgspec.structs.replace(one, stream=stream) for one, stream in tagged]
    whole = Columns.of(rows)
    assert set(whole.streams) == {one.stream for one in rows if one.stream}
    for name in ("chat", "job"):
        part, own = whole.of_stream(name), [one for one in rows if one.stream == name]
        assert part.requests.seq.tolist() == [one.seq for one in own]
        assert part.attempts.request.tolist() == [k for k, one in enumerate(own) for _ in one.attempts]
        assert part.attempts.sent.tolist() == [attempt.sent for one in own for attempt in one.attempts]
