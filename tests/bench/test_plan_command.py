"""`claude-bench plan` as a person uses it, and what a run on the API shows before it is sent."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

import bench
from bench import api
from bench.cli import call
from bench.targets.mock_process import mock_process
from mock_server.models import chars_per_token
from mock_server.settings import Settings

GOOD = """\
version: 1
question: How long does it take?
model: claude-sonnet-5
workload: {requests: 100, input_tokens: 1000, output_tokens: 100, max_tokens: 200}
strategies: [{semaphore: 10}, {batch: {poll: 5m}}]
mock: {latency: {service_time: 4s}, batch_time: 1h}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    Path("good.yaml").write_text(GOOD)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_it_prints_the_answer_and_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", "good.yaml"]) == 0
    printed = capsys.readouterr()
    answer = "good on start with semaphore-10: 100 requests in 40.0 s, no 429s, $0.30 (at worst"
    words = " ".join(printed.out.split())
    assert words.startswith(answer)
    assert words.count(answer) == 2  # first and last
    assert "simulating" in printed.err
    assert [file.name for file in Path().iterdir()] == ["good.yaml"]


def test_quiet_is_the_answer_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", "good.yaml", "--tier", "build", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert printed.err == ""


def test_json_is_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", "good.yaml", "--tier", "start", "--volume", "1000/day", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema_version"] == 1
    assert [cell["strategy"] for cell in found["cells"]] == ["semaphore-10", "batch"]
    assert [cell["recommended"] for cell in found["cells"]] == [True, False]
    assert found["cells"][0]["simulated"]["makespan"] == pytest.approx(40.0)
    assert found["cells"][0]["closed_form"]["binds"] == "in_flight"
    assert found["cells"][1]["spending"]["expected"] == pytest.approx(0.15)
    assert found["volume"]["requests_per_month"] == pytest.approx(30_437.5)


@pytest.mark.parametrize(
    ("deadline", "code", "words"),
    [
        ("2h", 0, "2 of 2 are done within 2 h; batch on start is the cheapest"),
        ("1m", 0, "1 of 2 are done within 60.0 s; semaphore-10 on start is the only one"),
        ("20s", 99, "It needs about 20 in flight instead of 10."),
    ],
)
def test_a_deadline_decides_the_exit_code(
    deadline: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["plan", "good.yaml", "--tier", "start", "--deadline", deadline]) == code
    assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--tier", "strat"], "--tier: no tier `strat`. Did you mean start?"),
        (["--tier", "ours.json"], "ours.json: No such file"),
        (["--deadline", "soon"], "--deadline: expected a duration such as 90s or 5m, got `soon`"),
        (["--deadline", "0s"], "--deadline: expected more than nothing"),
        (["--volume", "50000"], "--volume: expected a rate"),
        (["--strategy", "nobody"], "no strategy `nobody`"),
        (["--set", "model=claude-nobody"], "the API would refuse the requests"),
    ],
)
def test_what_is_wrong_is_said_in_words(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", "good.yaml", *flags]) == 2
    assert words in capsys.readouterr().err


def test_arithmetic_alone_is_asked_for_by_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", "good.yaml", "--closed-form"]) == 0
    printed = capsys.readouterr()
    assert "simulating" not in printed.err
    assert "what if" not in printed.out


def test_before_a_run_on_the_api_the_plan_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key it goes no further than this."""
    assert call(["run", "good.yaml", "--target", "api", "--max-cost", "5"]) == 2
    said = capsys.readouterr().err
    assert "All of it: $0.45 expected, $0.60 at worst." in said
    assert said.index("All of it") < said.index("the API needs a key")


def test_without_a_budget_nothing_is_shown_or_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "good.yaml", "--target", "api"]) == 2
    said = capsys.readouterr().err
    assert "needs a budget" in said
    assert "All of it" not in said


@pytest.mark.parametrize(
    ("answer", "flags", "code", "asked"),
    [("n\n", [], 130, True), ("\n", [], 130, True), ("y\n", [], 2, True), ("", ["--yes"], 2, False)],
)
def test_on_a_terminal_a_person_is_asked(
    answer: str, flags: list[str], code: int, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says yes gets as far as the missing key."""
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    assert call(["run", "good.yaml", "--target", "api", "--max-cost", "5", *flags]) == code
    assert ("Send it? [y/N]" in screen.getvalue()) == asked
    assert ("nothing was sent" in screen.getvalue()) == (code == 130)
    assert "All of it" in screen.getvalue()


def test_a_repeated_run_costs_as_often(capsys: pytest.CaptureFixture[str]) -> None:
    call(["run", "good.yaml", "--target", "api", "--max-cost", "5", "--repeat", "3"])
    assert "All of it, each 3 times: $1.35 expected, $1.80 at worst." in capsys.readouterr().err


def test_python_gets_the_same_plan(capsys: pytest.CaptureFixture[str]) -> None:
    found = bench.plan("good.yaml", tiers="build", deadline="2h", quiet=True)
    assert call(["plan", "good.yaml", "--tier", "build", "--deadline", "2h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == list(found.answer)
    assert found.feasible
    taken = bench.plan(api.load("good.yaml"), tiers="build", deadline="2h", quiet=True)
    assert taken == found


@pytest.mark.parametrize("client", ["sdk", "wire"])
def test_the_api_may_count_a_sample_of_the_prompts(client: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Here the mock does, with another idea of how long a token is."""
    with mock_process(Settings(chars_per_token={"sonnet": 2.0}), 1.0) as server:
        flags = ["--count-tokens", "--tier", "start", "--json", "--set", f"target={server.url}"]
        flags += ["--set", f"client={client}"]
        assert call(["plan", "good.yaml", *flags]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert call(["plan", "good.yaml", "--tier", "start", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    (note,) = [note for note in counted["notes"] if "counted by the API" in note]
    assert note.startswith("claude-sonnet-5: 20 prompts counted by the API, ")
    demand = [
        next(one["demand"] for one in found["cells"][0]["closed_form"]["bounds"] if one["name"] == "input_tokens")
        for found in (counted, plain)
    ]
    assert demand[0] / demand[1] == pytest.approx(chars_per_token("claude-sonnet-5") / 2.0, rel=0.01)
    assert counted["cells"][0]["spending"]["expected"] > plain["cells"][0]["spending"]["expected"]


def test_counting_needs_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", "good.yaml", "--count-tokens"]) == 2
    assert "the API needs a key" in capsys.readouterr().err


@pytest.mark.parametrize("client", ["sdk", "wire"])
def test_what_cannot_be_counted_is_said(client: str, capsys: pytest.CaptureFixture[str]) -> None:
    with mock_process(Settings(), 1.0) as server:
        flags = ["--count-tokens", "--set", f"target={server.url}/nowhere", "--set", f"client={client}"]
        assert call(["plan", "good.yaml", *flags]) == 7
    assert "could not be counted" in capsys.readouterr().err
