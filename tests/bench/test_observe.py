"""Observations: a few requests again and again, on the simulation, over HTTP, and cut short."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from test_exit_codes import environment

from bench import api
from bench.cli import call
from bench.planning.observe import observed
from bench.results.record import Record, read_records
from bench.scenario.model import Rounds
from mock_server.engine import EPOCH

SCENARIO = """\
version: 1
question: Which strategy?
claim: Any.
model: claude-haiku-5-5
workload:
  requests: 500
  input_tokens: {uniform: [100, 2000]}
  output_tokens: {uniform: [20, 200]}
  max_tokens: 300
  stream: true
  thinking: off
strategies: [sequential, {semaphore: [2, 4]}]
thresholds: {"ttft{strategy:sequential}": ["p(95) < 1ms"]}
"""


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    Path("job.yaml").write_text(SCENARIO)


def records(folder: str = "here") -> list[Record]:
    return sorted(read_records(Path(folder, "records.jsonl")), key=lambda one: one.seq)


def summary(folder: str = "here") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "summary.json").read_text())
    return found


def test_a_day_on_the_simulation_is_exact() -> None:
    assert call(["observe", "job.yaml", "-q", "-o", "here"]) == 0
    found = records()
    assert len(found) == 96 * 3
    for one in found:
        assert one.intended == one.seq // 3 * 900.0
        assert one.attempts[0].sent == one.intended
        assert one.at == EPOCH + one.intended
    (only,) = summary()["passes"]
    assert only["strategy"] == "gather"
    seen = only["observation"]
    assert (seen["rounds"], seen["requests"], seen["failed"]) == (96, 288, 0)
    assert [hour["hour"] for hour in seen["hours"]] == [*range(24)]
    assert {(hour["rounds"], hour["requests"], hour["days"]) for hour in seen["hours"]} <= {(4, 12, 1), (4, 12, 2)}


def test_every_round_has_the_same_requests() -> None:
    assert call(["observe", "job.yaml", "--requests", "4", "-q", "-o", "here"]) == 0
    sizes = [
        tuple((one.attempts[0].usage.total_input, one.expected_output) for one in own if one.attempts[0].usage)
        for _, own in groupby(records(), key=lambda one: one.intended)
    ]
    assert len(sizes) == 96
    assert len({*sizes}) == 1
    assert len({*sizes[0]}) == 4


def test_the_same_prompts_of_a_dataset_come_in_every_round() -> None:
    Path("prompts.jsonl").write_text("".join(f'{{"prompt": "{"word " * n}"}}\n' for n in (10, 400, 900, 20)))
    changes = ["--set", "workload={requests: 1, dataset: prompts.jsonl, output_tokens: 10, max_tokens: 20}"]
    assert call(["observe", "job.yaml", "--requests", "3", "--for", "2h", *changes, "-q", "-o", "here"]) == 0
    asked = Counter(one.attempts[0].usage.total_input for one in records() if one.attempts[0].usage)
    assert sorted(asked.values()) == [8, 8, 8]


def test_a_swing_of_the_day_shows_at_its_hours() -> None:
    """Constant speeds, so that the cosine alone is seen: slowest around 16:00 UTC, by 1 + 0.5 and 1 - 0.5."""
    swing = "mock.latency={ttft: 1s, tokens_per_second: 100, daily_swing: 50%}"
    fixed = ["--set", "workload.input_tokens=100", "--set", "workload.output_tokens=101"]
    assert call(["observe", "job.yaml", "--every", "10m", "--set", swing, *fixed, "-q", "-o", "here"]) == 0
    seen = summary()["passes"][0]["observation"]
    assert seen["slowest"] in (15, 16)
    assert seen["quickest"] in (3, 4)
    by_hour = {hour["hour"]: hour for hour in seen["hours"]}
    assert by_hour[16]["latency"] == pytest.approx(2 * 1.5, rel=0.01)
    assert by_hour[4]["latency"] == pytest.approx(2 * 0.5, rel=0.02)
    assert by_hour[16]["ttft"] == pytest.approx(1.5, rel=0.01)
    assert seen["chance"] < 1e-6


def test_it_repeats_byte_for_byte() -> None:
    for folder in ("one", "two"):
        assert call(["observe", "time-of-day", "-q", "-o", folder]) == 0
    assert Path("one/records.jsonl").read_bytes() == Path("two/records.jsonl").read_bytes()
    assert summary("one") == summary("two")


def test_a_report_can_be_made_again_and_charts_the_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["observe", "job.yaml", "-o", "here"]) == 0
    printed = capsys.readouterr()
    assert "96 rounds of 3 requests, one every 15 min for 24 h: free" in printed.err
    assert "on one day only" in printed.out
    assert "slowest" in printed.out
    page = Path("here/report.html").read_text()
    assert '<section id="hours"' in page
    assert "Numbers: The hours" in page or "Numbers: Answers take" in page
    assert call(["report", "here"]) == 0
    assert capsys.readouterr().out == printed.out
    assert Path("here/report.html").read_text() == page


def test_the_question_is_another_one() -> None:
    found = observed("job.yaml")
    assert found.question == "At what time of the day are the answers of job slow?"
    assert (found.claim, found.thresholds, found.repeat) == (None, (), 1)
    assert [one.name for one in found.strategies] == ["gather"]


def test_a_scenario_with_rounds_is_observed_as_it_is() -> None:
    Path("own.yaml").write_text(
        SCENARIO.replace("requests: 500", "duration: 1h") + "arrivals: {rounds: {every: 5m, requests: 2}}\n"
    )
    for changes, every, requests, total in (
        ({}, 300, 2, 24),
        ({"every": "10m"}, 600, 2, 12),
        ({"requests": 5}, 300, 5, 60),
        ({"for_": "31m"}, 300, 2, 14),
    ):
        found = observed("own.yaml", **changes)
        assert found.arrivals == Rounds(every=every, requests=requests)
        assert found.workload
        assert found.workload.requests == total
        assert len(found.strategies) == 3
        assert found.thresholds


def test_over_http_records_tell_the_time_of_day() -> None:
    before = datetime.now(UTC).timestamp()
    flags = ["--every", "10m", "--for", "1h", "-t", "mock", "--speed", "3000"]
    assert call(["observe", "time-of-day", *flags, "-q", "-o", "here"]) == 0
    after = datetime.now(UTC).timestamp()
    found = records()
    assert len(found) == 18
    starts = {one.at - one.attempts[0].sent for one in found if one.at is not None}
    assert max(starts) - min(starts) < 0.01
    assert before < min(starts) < after


def test_on_a_real_clock_the_time_of_day_is_the_wall_clock_s() -> None:
    before = datetime.now(UTC).timestamp()
    flags = ["--every", "1s", "--for", "2s", "--requests", "1", "--set", "mock.latency={service_time: 10ms}"]
    assert call(["observe", "time-of-day", *flags, "-t", "mock", "-q", "-o", "here"]) == 0
    after = datetime.now(UTC).timestamp()
    first, second = [one.at for one in records() if one.at is not None]
    assert before < first < second < after


def test_the_budget_is_for_the_whole_observation() -> None:
    assert call(["observe", "job.yaml", "--max-cost", "0.005", "-q", "-o", "here"]) == 6
    (only,) = summary()["passes"]
    assert 0 < only["cost"]["total"] <= 0.005
    assert 3 <= only["observation"]["requests"] < 288
    assert "budget of $0.005" in only["stopped"]


def test_an_interrupt_between_rounds_keeps_what_was_measured() -> None:
    command = [sys.executable, "-m", "bench", "observe", "time-of-day", "-t", "mock", "--every", "1h", "-o", "here"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        journal = Path("here/records.jsonl")
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") == 3):
            pass
        assert call(["report", "here"]) == 0, "it can be read while it goes on"
        assert summary()["passes"][0]["observation"]["requests"] == 3
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.splitlines()[-1] == "here/report.html"
    assert summary()["reasons"] == ["interrupted"]
    assert "Answers took" in out
    assert len(records()) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["job.yaml", "--every", "15"], "--every: expected a duration such as 90s or 5m, got `15`"),
        (["job.yaml", "--for", "0s"], "--for: expected more than 0s"),
        (["job.yaml", "--requests", "0"], "--requests"),
        (["job.yaml", "--every", "1ms", "--for", "7d"], "604,800,000 rounds are more than 100,000"),
        (["nothing.yaml"], "no scenario `nothing.yaml`"),
        (["output-classes"], "output-classes has cases: no few requests stand for all of it"),
        (["chat-with-history"], "has cases and conversations"),
        (["interactive-and-background"], "has streams"),
        (["fan-out-three-models"], "has fan_out"),
        (["replay-conversation", "--set", "cases={}"], "`trace` needs arrivals from a trace"),
        (["job.yaml", "--set", "workload.requests=none"], "--set workload.requests"),
    ],
)
def test_what_cannot_be_observed_is_said_clearly(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["observe", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not Path("runs").exists()


def test_the_api_needs_a_budget_and_its_cost_is_shown_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-none")
    assert call(["observe", "time-of-day", "-t", "api"]) == 2
    said = capsys.readouterr().err
    assert "96 rounds of 3 requests, one every 15 min for 24 h: at most $0.0942 without retries" in said
    assert "needs a budget" in said


def test_rounds_can_be_run_beside_other_arrivals() -> None:
    """A run of several strategies is told apart by strategy; each has its own hours."""
    changes = ["--set", "arrivals={rounds: {every: 1h, requests: 2}}", "--set", "workload.requests=48"]
    finished = api.run(api.load("job.yaml", settings=changes[1::2]), out=Path("here"))
    assert [one.observation and one.observation.rounds for one in finished.passes] == [24, 24, 24]
    assert "answers fastest" in finished.summary.answer
