"""Whole runs in which answers stall, are late or are given up: what becomes of the requests, and what it costs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench import api
from bench.results.record import Record, read_records
from bench.results.summary import PassSummary

HEAD = """\
version: 1
question: What is wasted?
model: claude-sonnet-5-5
seed: 7
tier: unlimited
workload: {requests: 200, input_tokens: 1000, output_tokens: 100, max_tokens: 200, stream: true}
budget: {max_requests: 10000}
"""


def run(folder: Path, text: str, *settings: str) -> tuple[PassSummary, list[Record]]:
    file = folder / "made.yaml"
    file.write_text(HEAD + text)
    out = folder / f"run-{len(list(folder.iterdir()))}"
    summary = api.run(api.load(str(file), settings=settings), out=out, html=False).summary
    return summary.passes[0], list(read_records(out / "records.jsonl"))


STALLS = """\
strategies: [{semaphore: 50}]
retry: {policy: exponential, attempts: 5, base: 1s}
timeout: {attempt: 60s, stall: 4s}
mock: {faults: {stall: {rate: 20%, delay: 30s}}, latency: {ttft: 1s, tokens_per_second: 50}}
"""


def test_a_stalled_stream_is_given_up_tried_again_and_counted_as_waste(tmp_path: Path) -> None:
    one, records = run(tmp_path, STALLS)
    causes = Counter(attempt.cause for record in records for attempt in record.attempts)
    assert set(causes) == {None, "stalled"}
    assert causes["stalled"] > 20
    assert one.values["succeeded"] == 200
    assert one.values["wasted_attempts"] == causes["stalled"]
    assert one.values["wasted_unknown"] == 0
    assert one.values["wasted_tokens"] == causes["stalled"] * 1_001  # the prompt, and a first token
    waste = one.values["wasted_cost"]
    assert waste is not None
    assert one.cost.total is not None
    assert 0 < waste < one.cost.total


def test_what_is_not_streamed_does_not_say_what_it_wasted(tmp_path: Path) -> None:
    one, _ = run(tmp_path, STALLS.replace(", stall: 4s", "").replace("60s", "3s"), "workload.stream=false",
                 "mock={latency: {ttft: {median: 1s, p95: 3s}, tokens_per_second: 100}}")  # fmt: skip
    assert (one.values["wasted_attempts"] or 0) > 10
    assert one.values["wasted_unknown"] == one.values["wasted_attempts"]
    assert one.values["wasted_cost"] == 0
    assert "unknown_waste" in {warning.code for warning in one.warnings}


@pytest.mark.parametrize("settings", [(), ("workload.stream=false",)])
def test_hedges_shorten_the_tail_and_show_their_price(tmp_path: Path, settings: tuple[str, ...]) -> None:
    text = """\
strategies: [{gather: , hedge: {after: %s, most: 20%%}}]
arrivals: {constant: 5/s}
mock: {faults: {slow_headers: {rate: 5%%, delay: 60s}}, latency: {ttft: {median: 1s, p95: 1.2s}, tokens_per_second: 80}}
"""
    slow, _ = run(tmp_path, text % "300s", "workload.requests=600", *settings)
    hedged, records = run(tmp_path, text % "p90", "workload.requests=600", *settings)
    assert slow.values["hedged_share"] == 0
    assert (slow.distributions["latency"].p99.value or 0) > 60
    assert (hedged.distributions["response_time"].p99.value or 99) < 10
    twice = [record for record in records if any(attempt.hedge for attempt in record.attempts)]
    assert hedged.values["hedged_share"] == pytest.approx(len(twice) / 600)
    assert 0.05 < (hedged.values["hedged_share"] or 0) <= 0.2
    assert 0.2 < (hedged.values["hedge_wins"] or 0) < 1
    assert (hedged.values["hedge_cost"] or 0) > 0
    assert hedged.values["hedge_cost"] == hedged.values["wasted_cost"]
    for record in twice:
        assert record.ok
        assert [attempt.cause for attempt in record.attempts[:-1]] == ["outrun"]


def test_a_request_that_took_its_time_fails_with_its_last_cause(tmp_path: Path) -> None:
    one, records = run(
        tmp_path, STALLS.replace("stall: 4s", "request: 20s"), "mock.faults={overloaded: 60%}", "retry.attempts=50"
    )
    assert set(one.failures) <= {"overloaded", "timeout"}
    assert one.values["failed"]
    assert all(record.attempts[-1].ended - record.first_sent <= 20.0 + 1e-9 for record in records)


def test_the_simulation_and_the_mock_over_http_agree_on_stalls(tmp_path: Path) -> None:
    few = ("workload.requests=30", "strategies=[gather]")
    _, simulated = run(tmp_path, STALLS, *few)
    _, mocked = run(tmp_path, STALLS, *few, "target=mock", "speed=20")
    assert causes_of(simulated) == causes_of(mocked)
    assert any("stalled" in causes for causes in causes_of(mocked).values())
    given_up = [a for record in mocked for a in record.attempts if a.cause == "stalled"]
    assert all(attempt.usage and attempt.usage.input_tokens == 1_000 for attempt in given_up)


def causes_of(records: list[Record]) -> dict[int, list[str | None]]:
    return {record.seq: [attempt.cause for attempt in record.attempts] for record in records}
