"""Going on with runs that were stopped, against a server that outlives them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2
import msgspec
import pytest
from msgspec.structs import replace

from bench import api
from bench.cli import call
from bench.engine.observe import Observers
from bench.errors import Exit, UsageError
from bench.results import folder
from bench.results.folder import Journal
from bench.results.record import Attempt, Record, read_records, write_records
from bench.results.sends import Send
from bench.scenario.model import Scenario
from bench.targets.mock_process import mock_process
from mock_server.settings import Settings

HEAD = """\
version: 1
question: Does it go on?
model: claude-sonnet-5
tier: unlimited
pause: 0s
workload: {requests: 30, input_tokens: 100, output_tokens: 20, max_tokens: 50}
"""
BATCH = "strategies: [{batch: {size: 10, poll: 100ms, hidden_for: 300ms}}]\n"


@pytest.fixture
def url() -> Iterator[str]:
    with mock_process(Settings(tier="unlimited", service_time=0.02, batch_time=(0.6, 0.6)), 1.0) as server:
        yield server.url


class Interrupting(Observers):
    """Presses Ctrl-C when so many requests have been sent, or are done."""

    def __init__(self, *, sent: int = 0, done: int = 0) -> None:
        super().__init__()
        self._sent, self._done = sent, done

    def sent(self, _strategy: str) -> None:
        self._sent -= 1
        if self._sent == 0:
            os.kill(os.getpid(), signal.SIGINT)

    def done(self, _record: Record, _cost: float | None) -> None:
        self._done -= 1
        if self._done == 0:
            os.kill(os.getpid(), signal.SIGINT)


def load(tmp_path: Path, url: str, text: str, cases: Sequence[str] = ()) -> Scenario:
    (tmp_path / "made.yaml").write_text(HEAD + text)
    return api.load(str(tmp_path / "made.yaml"), flags={"target": url}, cases=cases)


def interrupted(tmp_path: Path, scenario: Scenario, *, sent: int = 0, done: int = 0) -> None:
    """A run in whose middle somebody pressed Ctrl-C."""
    watching = Interrupting(sent=sent, done=done)
    api.run(scenario, out=tmp_path / "run", observer=watching, say=lambda _words: None, html=False)


def seqs(tmp_path: Path, strategy: str) -> list[int]:
    found = read_records(tmp_path / "run" / "records.jsonl")
    return sorted(record.seq for record in found if record.strategy == strategy)


def created(url: str) -> Counter[int]:
    """The batches of the server, by how many requests they have."""
    headers = {"x-api-key": "sk-ant-none", "anthropic-version": "2026-10-21"}
    with httpx2.Client(base_url=url, headers=headers, trust_env=False) as http:
        listed = http.get("/v1/messages/batches", params={"limit": 1000}).raise_for_status().json()
    return Counter(sum(batch["request_counts"].values()) for batch in listed["data"])


def test_an_interrupted_run_says_which_batches_go_on_and_resume_fetches_them(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    made = load(tmp_path, url, BATCH)
    stopped = api.run(made, out=tmp_path / "run", observer=Interrupting(sent=20), say=said.append, html=False)
    assert stopped.summary.exit_code == 130
    assert seqs(tmp_path, "batch") == []
    assert "msgbatch_" in said[-2]
    assert f"claude-bench resume {tmp_path / 'run'}" in said[-1]
    assert call(["resume", str(tmp_path / "run"), "--quiet"]) == 0
    assert "30 requests" in capsys.readouterr().out
    assert seqs(tmp_path, "batch") == list(range(30))
    assert created(url) == {10: 3}


def test_resuming_what_is_finished_sends_nothing(url: str, tmp_path: Path) -> None:
    api.run(load(tmp_path, url, BATCH), out=tmp_path / "run", html=False)
    before = (tmp_path / "run" / "records.jsonl").read_bytes()
    assert api.resume(tmp_path / "run").summary.exit_code == 0
    assert (tmp_path / "run" / "records.jsonl").read_bytes() == before
    assert created(url) == {10: 3}


def test_a_live_pass_that_was_cut_off_goes_on_and_those_that_had_not_begun_are_run(url: str, tmp_path: Path) -> None:
    text = "strategies: [{semaphore: 1, name: slow}, {batch: {poll: 100ms}}, gather]\n"
    made = load(tmp_path, url, text)
    interrupted(tmp_path, made, done=5)
    before = (tmp_path / "run" / "records.jsonl").read_bytes()
    assert 5 <= len(seqs(tmp_path, "slow")) < 30
    summary = api.resume(tmp_path / "run").summary
    assert (tmp_path / "run" / "records.jsonl").read_bytes().startswith(before)
    assert seqs(tmp_path, "slow") == seqs(tmp_path, "batch") == seqs(tmp_path, "gather") == list(range(30))
    assert all(one.stopped is None for one in summary.passes)
    assert not (tmp_path / "run" / "sends.jsonl").exists()


def test_the_clock_of_a_live_pass_goes_on_where_it_stood(url: str, tmp_path: Path) -> None:
    made = load(tmp_path, url, "strategies: [{semaphore: 1}]\n")
    interrupted(tmp_path, made, done=5)
    before = list(read_records(tmp_path / "run" / "records.jsonl"))
    api.resume(tmp_path / "run")
    after = list(read_records(tmp_path / "run" / "records.jsonl"))[len(before) :]
    stood = before[-1].attempts[-1].ended
    assert folder.load(tmp_path / "run").ending.passes[0].resumed_at == stood
    assert stood <= min(record.first_sent for record in after)


def killed(run: Path, lost: int) -> None:
    """As a kill leaves a folder in which the last so many records are missing."""
    rows = (run / "records.jsonl").read_bytes().splitlines(keepends=True)
    (run / "records.jsonl").write_bytes(b"".join(rows[:-lost]) + rows[-lost][:20])
    gone = [msgspec.json.decode(row, type=Record) for row in rows[-lost:]]
    sends = [Send(one.strategy, one.pass_, one.seq, 1, one.attempts[0].sent, worst=0.25) for one in gone]
    (run / "sends.jsonl").write_bytes(b"".join(msgspec.json.encode(send) + b"\n" for send in sends) + b'{"str')
    (run / "passes.json").unlink()


def test_what_was_in_flight_at_a_kill_is_told_and_sent_again(url: str, tmp_path: Path) -> None:
    made = load(tmp_path, url, "strategies: [{semaphore: 4}]\n")
    api.run(made, out=tmp_path / "run", html=False)
    killed(tmp_path / "run", lost=3)
    [told] = [one for one in api.report(tmp_path / "run").summary.warnings if one.code == "no_end_on_record"]
    assert "3 attempts" in told.observed
    assert "$0.75" in told.why
    summary = api.resume(tmp_path / "run").summary
    records = list(read_records(tmp_path / "run" / "records.jsonl"))
    assert sorted(record.seq for record in records) == list(range(30))
    again = [record for record in records if len(record.attempts) == 2]
    assert [record.attempts[0].cause for record in again] == ["killed"] * 3
    assert all(record.ok for record in records)
    [told] = [one for one in summary.passes[0].warnings if one.code == "killed"]
    assert "3 attempts" in told.observed
    assert "$0.75" in told.why
    assert summary.warnings == ()
    assert not (tmp_path / "run" / "sends.jsonl").exists()


def test_what_may_have_been_billed_counts_against_the_budget(url: str, tmp_path: Path) -> None:
    made = load(tmp_path, url, "strategies: [{semaphore: 4}]\nbudget: {max_cost: $1}\n")
    api.run(made, out=tmp_path / "run", html=False)
    killed(tmp_path / "run", lost=5)
    summary = api.resume(tmp_path / "run").summary
    assert summary.exit_code == Exit.BUDGET
    assert seqs(tmp_path, "semaphore-4") == seqs(tmp_path, "semaphore-4")[:25]
    [told] = [one for one in summary.warnings if one.code == "no_end_on_record"]
    assert "5 attempts" in told.observed


@pytest.mark.parametrize("take", ["first", "all"])
def test_prompts_that_several_models_are_asked_go_on(url: str, tmp_path: Path, take: str) -> None:
    text = HEAD.replace("model: claude-sonnet-5\n", "") + (
        "strategies: [{semaphore: 4}]\narrivals: {users: 3, think: 10ms}\n"
        f"fan_out: {{models: [claude-sonnet-5, claude-haiku-4-5], take: {take}}}\n"
    )
    (tmp_path / "made.yaml").write_text(text)
    made = api.load(str(tmp_path / "made.yaml"), flags={"target": url})
    interrupted(tmp_path, made, done=20)
    begun = len(seqs(tmp_path, "semaphore-4"))
    assert begun < 60
    summary = api.resume(tmp_path / "run").summary
    assert seqs(tmp_path, "semaphore-4") == list(range(60))
    fan_out = summary.passes[0].fan_out
    assert fan_out is not None
    assert fan_out.answered >= 29  # the interrupt gave up at most what was in flight of one prompt of each user


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit to the size of files")
def test_a_full_disk_ends_the_run_in_words_and_it_is_resumed_when_there_is_room(url: str, tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text(HEAD.replace("requests: 30", "requests: 90") + "strategies: [{semaphore: 4}]\n")
    command = [sys.executable, "-m", "bench", "run", "made.yaml", "--target", url, "--out", "run", "--quiet"]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, preexec_fn=_small_files, capture_output=True
    )
    assert ended.returncode == Exit.NOT_VALID, ended.stderr.decode()
    assert ended.stderr.decode().splitlines() == [
        "claude-bench: cannot write to run: File too large",
        "Make room.  `claude-bench report run` shows what was kept, `claude-bench resume` goes on.",
    ]
    kept = len(seqs(tmp_path, "semaphore-4"))
    assert 10 < kept < 60
    assert api.resume(tmp_path / "run").summary.exit_code == 0
    assert seqs(tmp_path, "semaphore-4") == list(range(90))


def test_a_hybrid_goes_on_in_both_of_its_parts(url: str, tmp_path: Path) -> None:
    text = "strategies: [{hybrid: {deadline: 1h, share: 50%, live: {semaphore: 1}, batch: {size: 5, poll: 100ms}}}]\n"
    made = load(tmp_path, url, text)
    interrupted(tmp_path, made, done=3)
    assert len(seqs(tmp_path, "hybrid")) < 15
    summary = api.resume(tmp_path / "run", say=lambda _words: None).summary
    assert seqs(tmp_path, "hybrid") == list(range(30))
    assert summary.passes[0].values["succeeded"] == 30
    assert created(url) == {5: 3}


def test_time_goes_on_while_nobody_looks(url: str, tmp_path: Path) -> None:
    made = load(tmp_path, url, BATCH)
    interrupted(tmp_path, made, sent=30)
    api.resume(tmp_path / "run", say=lambda _words: None)
    for record in read_records(tmp_path / "run" / "records.jsonl"):
        assert record.attempts[0].sent < 0.5 < record.attempts[0].ended


def test_a_torn_last_line_is_cut_off_and_its_request_fetched_again(url: str, tmp_path: Path) -> None:
    api.run(load(tmp_path, url, BATCH), out=tmp_path / "run", html=False)
    for name, lost in (("records.jsonl", 50), ("batches.jsonl", 20)):
        file = tmp_path / "run" / name
        file.write_bytes(file.read_bytes()[:-lost])
    (tmp_path / "run" / "passes.json").unlink()
    api.resume(tmp_path / "run")
    assert seqs(tmp_path, "batch") == list(range(30))
    assert created(url) == {10: 3}


def test_workers_of_a_killed_run_that_still_send_are_waited_for_and_then_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(tmp_path, load(tmp_path, url, "strategies: [{semaphore: 1}]\n"), done=5)
    worker = tmp_path / "run" / "workers" / "0-0"
    worker.mkdir(parents=True)
    monkeypatch.setattr(api, "NOTICED_WITHIN", 0.2)
    with Journal(worker / "records.jsonl"), pytest.raises(UsageError, match="are still sending"):
        api.resume(tmp_path / "run", say=lambda _words: None)
    api.resume(tmp_path / "run", say=lambda _words: None)
    assert seqs(tmp_path, "semaphore-1") == list(range(30))


def test_a_changed_scenario_is_refused(url: str, tmp_path: Path) -> None:
    api.run(load(tmp_path, url, BATCH), out=tmp_path / "run", html=False)
    (tmp_path / "made.yaml").write_text(HEAD + BATCH.replace("size: 10", "size: 11"))
    with pytest.raises(UsageError, match="is not what it was"):
        api.resume(tmp_path / "run")


def test_a_run_that_goes_on_is_not_resumed(url: str, tmp_path: Path) -> None:
    api.run(load(tmp_path, url, BATCH), out=tmp_path / "run", html=False)
    with (
        Journal(tmp_path / "run" / "records.jsonl", resumed=True),
        pytest.raises(UsageError, match="another claude-bench is at work"),
    ):
        api.resume(tmp_path / "run")


def test_the_cost_of_what_is_done_counts_against_the_budget(url: str, tmp_path: Path) -> None:
    text = "strategies: [{batch: {size: 10, poll: 100ms}}]\nbudget: {max_requests: 20}\n"
    first = api.run(load(tmp_path, url, text), out=tmp_path / "run", html=False).summary
    assert first.exit_code == 6
    assert len(seqs(tmp_path, "batch")) == 20
    assert api.resume(tmp_path / "run").summary.exit_code == 6
    assert len(seqs(tmp_path, "batch")) == 20


def test_what_nobody_knows_the_cost_of_counts_at_its_worst(url: str, tmp_path: Path) -> None:
    made = load(tmp_path, url, BATCH + "budget: {max_cost: $0.0095}\n")
    interrupted(tmp_path, made, done=10)
    file, before = tmp_path / "run" / "records.jsonl", created(url)
    records = list(read_records(file))
    assert 10 <= len(records) < 30
    write_records(file, (replace(one, attempts=tuple(map(lost, one.attempts))) for one in records))
    assert api.resume(tmp_path / "run", say=lambda _words: None).summary.exit_code == 6
    assert created(url) == before


def lost(attempt: Attempt) -> Attempt:
    return replace(attempt, cause="lost", usage=None, at_most=0.001)


def test_batches_that_cannot_be_seen_are_not_given_up_for_lost(url: str, tmp_path: Path) -> None:
    """As with a key of another workspace: nothing is recorded, and the right key fetches everything."""
    text = BATCH.replace("hidden_for: 300ms", "hidden_for: 1ms")
    interrupted(tmp_path, load(tmp_path, url, text), sent=30)
    httpx2.post(f"{url}/_mock/reset", trust_env=False).raise_for_status()
    summary = api.resume(tmp_path / "run", say=lambda _words: None).summary
    assert summary.exit_code == 7
    assert "404" in summary.reasons[0]
    assert seqs(tmp_path, "batch") == []
    assert created(url) == {}


def test_a_run_with_cases_goes_on_in_the_case_where_it_was(url: str, tmp_path: Path) -> None:
    text = BATCH + "cases: {first: {}, second: {workload: {requests: 20}}, third: {}}\n"
    made = load(tmp_path, url, text, cases=["first", "second"])
    interrupted(tmp_path, made, sent=40)
    begun = {record.case for record in read_records(tmp_path / "run" / "records.jsonl")}
    assert begun == {"first"}
    summary = api.resume(tmp_path / "run", say=lambda _words: None).summary
    assert [(one.of_pass, one.stopped, one.values["succeeded"]) for one in summary.passes] == [
        (("first", "batch", 0), None, 30),
        (("second", "batch", 0), None, 20),
    ]
    assert [len(one.batches) for one in summary.passes] == [3, 2]
    assert created(url) == {10: 5}


def test_a_run_whose_server_is_gone_keeps_what_it_knows_of_its_batches(tmp_path: Path) -> None:
    with mock_process(Settings(tier="unlimited", batch_time=(600.0, 600.0)), 1.0) as server:
        made = load(tmp_path, server.url, BATCH)
        interrupted(tmp_path, made, sent=30)
    before = (tmp_path / "run" / "batches.jsonl").read_bytes()
    assert api.resume(tmp_path / "run", say=lambda _words: None).summary.exit_code == Exit.TARGET
    assert (tmp_path / "run" / "batches.jsonl").read_bytes() == before


def messages(url: str) -> int:
    """How many requests for an answer the server has got."""
    rows = httpx2.get(f"{url}/_mock/truth", trust_env=False).raise_for_status().text.splitlines()
    return sum(msgspec.json.decode(row).get("endpoint") == "messages" for row in rows)


@pytest.mark.parametrize(("most", "code"), [(36, 0), (35, 6)])
def test_warm_ups_of_before_count_against_the_budget(url: str, tmp_path: Path, most: int, code: int) -> None:
    """Three of them before the interruption, three after it, and the thirty requests between."""
    text = f"strategies: [{{semaphore: 1}}]\nwarmup: {{requests: 3}}\nbudget: {{max_requests: {most}, max_cost: $1}}\n"
    interrupted(tmp_path, load(tmp_path, url, text), done=5)
    aside = folder.load(tmp_path / "run").ending.aside
    assert aside.sent == 3
    assert 0 < aside.dollars < 0.01
    assert api.resume(tmp_path / "run", say=lambda _words: None).summary.exit_code == code
    assert messages(url) == most
    assert folder.load(tmp_path / "run").ending.aside.sent == 6


def test_a_warm_up_that_nobody_knows_the_end_of_counts_at_its_worst(url: str, tmp_path: Path) -> None:
    """As a kill leaves it: noted before it was sent."""
    text = "strategies: [{semaphore: 1}]\nbudget: {max_cost: $0.5}\n"
    interrupted(tmp_path, load(tmp_path, url, text), done=5)
    before = folder.load(tmp_path / "run").ending
    folder.write_ending(tmp_path / "run", replace(before, aside=before.aside.plus(1, 0.4999)))
    asked = messages(url)
    assert api.resume(tmp_path / "run", say=lambda _words: None).summary.exit_code == 6
    assert messages(url) == asked


def test_the_time_of_passes_that_are_over_counts_against_the_budget(url: str, tmp_path: Path) -> None:
    text = "strategies: [{semaphore: 1, name: one}, {semaphore: 1, name: two}]\nbudget: {max_time: 90s}\n"
    interrupted(tmp_path, load(tmp_path, url, text), done=35)
    file = tmp_path / "run" / "records.jsonl"
    write_records(file, (later(one) if one.strategy == "one" else one for one in [*read_records(file)]))
    asked = messages(url)
    assert api.resume(tmp_path / "run", say=lambda _words: None).summary.exit_code == 6
    assert messages(url) <= asked + 1


def later(record: Record) -> Record:
    return replace(record, attempts=tuple(replace(one, ended=one.ended + 90.0) for one in record.attempts))
