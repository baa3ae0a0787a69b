"""Several workers on one mock server: whatever they share is never overdrawn, and nothing that is left over is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from several import send

from bench.results.record import Record
from bench.scale.messages import Done
from bench.scenario.load import load
from bench.scenario.model import Scenario
from bench.targets.mock_process import mock_process
from bench.targets.target import mock_settings

BASE = """
version: 1
question: What do several workers come to?
model: claude-sonnet-5
target: mock
client: wire
tier: {tier}
speed: {speed}
workload: {workload}
strategies: [{strategy}]
mock: {{latency: {latency}}}
{more}
"""

GIVEN = {
    "tier": "unlimited",
    "speed": 10,
    "workload": "{requests: 60, input_tokens: 100, output_tokens: 50, max_tokens: 500}",
    "latency": "{service_time: 1s}",
    "more": "",
}

Make: TypeAlias = Callable[..., Scenario]


@pytest.fixture
def scenario(tmp_path: Path) -> Make:
    def make(strategy: str, **changes: object) -> Scenario:
        path = tmp_path / "asked.yaml"
        path.write_text(BASE.format(strategy=strategy, **{**GIVEN, **changes}))
        return load(path)

    return make


def _sent(scenario: Scenario, many: int, folder: Path) -> tuple[list[Record], list[Done]]:
    with mock_process(mock_settings(scenario), scenario.speed) as server:
        done, records = send(scenario, many, folder, server.url)
    return records, done


def _most_in_flight(records: list[Record]) -> int:
    ends = [(attempt.ended, -1) for one in records for attempt in one.attempts]
    steps = [(attempt.sent, 1) for one in records for attempt in one.attempts] + ends
    most = now = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("strategy", ["{semaphore: 7}", "{pool: {workers: 7}}"])
def test_no_more_in_flight_than_the_strategy_says(scenario: Make, tmp_path: Path, strategy: str) -> None:
    records, _ = _sent(scenario(strategy), 3, tmp_path / "spools")
    assert sorted(one.seq for one in records) == list(range(60))
    assert all(one.ok for one in records)
    assert 6 <= _most_in_flight(records) <= 7


def test_slots_that_one_worker_does_not_need_go_to_another(scenario: Make, tmp_path: Path) -> None:
    """Every other request has a long answer; with two workers all of them are in one stripe."""
    rows = "".join(f'{{"at": 0, "in": 10, "out": {400 if number % 2 else 1}}}\n' for number in range(40))
    (tmp_path / "trace.jsonl").write_text(rows)
    asked = scenario(
        "{semaphore: 4}",
        workload="{requests: 40, input_tokens: trace, output_tokens: trace, max_tokens: 500}",
        latency="{ttft: 0.1s, tokens_per_second: 100}",
        more="arrivals: {trace: {path: trace.jsonl, columns: {time: at, input: in, output: out}}}",
    )
    records, _ = _sent(asked, 2, tmp_path / "spools")
    assert len(records) == 40
    assert _most_in_flight(records) <= 4
    assert _most_in_flight([one for one in records if one.seq % 2]) > 2


def test_requests_of_a_budget_are_all_used_and_no_more(scenario: Make, tmp_path: Path) -> None:
    asked = scenario("{semaphore: 8}", more="budget: {max_requests: 41}")
    records, done = _sent(asked, 3, tmp_path / "spools")
    assert sum(one.sent for one in done) == len(records) == 41


def test_dollars_of_a_budget_are_used_and_never_exceeded(scenario: Make, tmp_path: Path) -> None:
    many = "{requests: 400, input_tokens: 100, output_tokens: 50, max_tokens: 100}"
    asked = scenario("gather", more="budget: {max_cost: $0.2}", workload=many)
    records, done = _sent(asked, 3, tmp_path / "spools")
    assert 0.9 * 0.2 <= sum(one.spent for one in done) <= 0.2
    assert 0 < len(records) < 400


def test_a_rate_is_kept_by_all_together(scenario: Make, tmp_path: Path) -> None:
    """Tier 1 allows 50 requests a minute: a burst of a second's worth, then one each 1.2 s."""
    work = "{requests: 40, input_tokens: 100, output_tokens: 50, max_tokens: 500}"
    records, _ = _sent(scenario("{token_bucket: auto}", tier="tier-1", speed=30, workload=work), 2, tmp_path / "spools")
    assert len(records) == 40
    assert all(one.ok and len(one.attempts) == 1 for one in records)
    assert max(one.attempts[-1].sent for one in records) >= 0.95 * 38 * 1.2


def test_all_stop_when_one_must(scenario: Make, tmp_path: Path) -> None:
    asked = scenario("{semaphore: 4}", speed=1, latency="{service_time: 0.1s}", more="budget: {max_time: 1s}")
    records, done = _sent(asked, 2, tmp_path / "spools")
    assert 10 <= len(records) < 60
    assert all(one.seconds < 3 for one in done)


def test_clocks_agree(scenario: Make, tmp_path: Path) -> None:
    """Threads of one process have the same clock, so the offset that is found is all error."""
    _, done = _sent(scenario("{semaphore: 4}"), 2, tmp_path / "spools")
    assert all(abs(one.note.offset) <= one.note.offset_error + 1e-6 for one in done)
