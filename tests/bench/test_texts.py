"""Prompts and answers: kept only when asked for, few of them, without keys, for their owner's eyes; shown as text."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import bench
from bench.cli import call
from bench.results.texts import FAILED, FIRST, LONGEST, Text, Texts, read_texts

MARKUP = "<script>alert(1)</script>"
SCENARIO = """\
version: 1
question: What do they say?
model: claude-sonnet-5
workload: {requests: 60, dataset: prompts.jsonl, output_tokens: 20, max_tokens: 50, stream: true}
retry: none
strategies: [gather, {semaphore: 2}]
"""
AGENT = """\
version: 1
question: What do tools say?
model: claude-sonnet-5
workload:
  input_tokens: 50
  output_tokens: 40
  max_tokens: 200
  stream: true
  conversations: {count: 3, turns: 3}
  tools: {count: 3, tokens: 600, calls: 2, call_tokens: 30, result_tokens: 40}
strategies: [sequential]
"""


@pytest.fixture(autouse=True)
def _in_a_folder_with_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SCENARIO)
    prompts = [MARKUP, f"My key is sk-ant-api03-{'x' * 20}.", "long " * LONGEST]
    Path("prompts.jsonl").write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))


def texts(folder: str = "run") -> list[Text]:
    return list(read_texts(Path(folder)))


def test_without_being_asked_nothing_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "s.yaml", "-q", "-o", "run"]) == 0
    assert not any(MARKUP.encode() in file.read_bytes() for file in Path("run").iterdir())
    assert call(["report", "run", "--show-text"]) == 2
    assert "run has no texts.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize("target", ["sim", "mock"])
def test_the_first_of_each_strategy_are_kept(target: str, stream: str) -> None:
    flags = ["--target", target, "--set", f"workload.stream={stream}", *(["--speed", "50"] if target == "mock" else [])]
    assert call(["run", "s.yaml", "-q", "-o", "run", "--keep-text", *flags]) == 0
    kept = texts()
    assert [one.strategy for one in kept] == ["gather"] * FIRST + ["semaphore-2"] * FIRST
    assert all(one.answer and one.request_id and one.cause is None for one in kept)
    assert {one.prompt for one in kept} >= {f"user: {MARKUP}", "user: My key is REDACTED."}
    assert all(len(one.prompt) < LONGEST + 50 for one in kept)
    assert any("characters left out" in one.prompt for one in kept)


def test_sim_and_mock_say_the_same() -> None:
    flags = ["--strategy", "semaphore-2", "--keep-text", "-q"]
    assert call(["run", "s.yaml", "-o", "one", *flags]) == 0
    assert call(["run", "s.yaml", "-o", "other", "--target", "mock", "--speed", "50", *flags]) == 0
    answers = [{(one.seq, one.prompt): one.answer for one in texts(folder)} for folder in ("one", "other")]
    both = answers[0].keys() & answers[1].keys()
    assert len(both) > FIRST / 2
    assert [answers[0][one] for one in both] == [answers[1][one] for one in both]


def test_what_failed_is_kept_with_its_words_up_to_a_number() -> None:
    flags = ["--set", "mock.faults.overloaded=100%", "--set", "workload.requests=150"]
    assert call(["run", "s.yaml", "-q", "-o", "run", "--keep-text", *flags]) == 5
    kept = texts()
    assert len(kept) == 2 * (FIRST + FAILED)
    assert {(one.cause, one.message, one.answer) for one in kept} == {("overloaded", "Overloaded", "")}


def test_an_answer_that_was_cut_off_is_kept_as_far_as_it_came() -> None:
    whole = ["run", "s.yaml", "-q", "--keep-text", "--strategy", "semaphore-2"]
    assert call([*whole, "-o", "run"]) == 0
    assert call([*whole, "-o", "cut", "--set", "timeout=0.9s"]) in (0, 5)
    full = {one.seq: one.answer for one in texts()}
    parts = {one.seq: one.answer for one in texts("cut") if one.cause == "timeout"}
    begun = [seq for seq in parts if seq in full and parts[seq]]
    assert begun
    assert all(full[seq].startswith(parts[seq]) and parts[seq] != full[seq] for seq in begun)


def test_tools_are_told_as_they_were_called_and_answered() -> None:
    Path("agent.yaml").write_text(AGENT)
    assert call(["run", "agent.yaml", "-q", "-o", "run", "--keep-text"]) == 0
    assert any('"tool_use"' in one.prompt and '"tool_result"' in one.prompt for one in texts())
    assert any(one.answer.endswith("}") for one in texts())


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
def test_only_the_owner_may_read_them() -> None:
    bench.run("s.yaml", out="run", keep_text=True, quiet=True)
    assert Path("run/texts.jsonl").stat().st_mode & 0o777 == 0o600


def test_numbers_are_the_same_with_and_without() -> None:
    kept = bench.run("s.yaml", out="run", keep_text=True, quiet=True)
    assert bench.run("s.yaml", out="other", quiet=True).summary == kept.summary


def test_the_report_shows_them_as_text_when_asked_and_only_then() -> None:
    assert call(["run", "s.yaml", "-q", "-o", "run", "--keep-text"]) == 0
    report = Path("run/report.html")
    assert "Prompts and answers" not in report.read_text()
    assert call(["report", "run", "-q", "--show-text"]) == 0
    shown = report.read_text()
    assert MARKUP not in shown
    assert "user: &lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert call(["report", "run", "-q"]) == 0
    assert "Prompts and answers" not in report.read_text()


def test_exact_secrets_are_left_out_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    with Texts(tmp_path, ["hunter2"]) as log:
        log.keep(Text("pool", 0, "m", "the word is hunter2", "hunter2?"))
    with (tmp_path / "texts.jsonl").open("ab") as file:
        file.write(b'{"strategy":"po')
    assert texts(str(tmp_path)) == [Text("pool", 0, "m", "the word is REDACTED", "REDACTED?")]
