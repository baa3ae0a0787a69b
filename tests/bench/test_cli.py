"""The command line as a person uses it: what it prints, what it returns, what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import respx

from bench.cli import call
from bench.results.record import read_records
from bench.targets.mock_process import mock_process
from mock_server.settings import Settings

KEY = "sk-ant-api03-do-not-write-this-down"

ANSWER: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "content": [],
    "stop_reason": "max_tokens", "stop_sequence": None, "usage": {"input_tokens": 8, "output_tokens": 1},
}  # fmt: skip

GOOD = """\
version: 1
question: Does it work?
model: claude-sonnet-5
workload: {requests: 4, input_tokens: 100, output_tokens: 20, max_tokens: 50, stream: true}
strategies: [gather]
mock: {latency: {service_time: 100ms}}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def good() -> str:
    Path("good.yaml").write_text(GOOD)
    return "good.yaml"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with mock_process(Settings(tier="unlimited", service_time=0.05), 1.0) as running:
        yield running.url


def only_run() -> Path:
    (folder,) = Path("runs").iterdir()
    return folder


def test_run_ends_with_the_path_of_its_report(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", good]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "gather: 100 ms for 4 requests, no 429s, $0.0016."
    assert Path(lines[-1]) == only_run() / "report.html"
    assert Path(lines[-1]).is_file()


def test_without_html_it_ends_with_its_folder_and_report_draws_the_page_later(
    good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", good, "--no-html"]) == 0
    assert Path(capsys.readouterr().out.splitlines()[-1]) == only_run()
    assert not (only_run() / "report.html").exists()
    assert call(["report", str(only_run())]) == 0
    assert (only_run() / "report.html").is_file()


def test_the_live_page_becomes_the_report_so_there_must_be_one(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", good, "--no-html", "--live"]) == 2
    assert "Leave out --no-html, or --live." in capsys.readouterr().err
    assert not Path("runs").exists()


def test_json_is_the_summary_and_nothing_else_on_standard_output(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", good, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((only_run() / "summary.json").read_text())
    assert printed["passes"][0]["values"]["succeeded"] == 4


def test_flags_override_the_file(good: str) -> None:
    arguments = ["--set", "workload.requests=9", "--tier", "build", "--seed", "3", "--repeat", "2", "-o", "here"]
    assert call(["run", good, *arguments]) == 0
    info = json.loads(Path("here/run.json").read_text())
    assert info["command"] == ["claude-bench", "run", good, *arguments]
    assert (info["tier"], info["seed"], info["scenario"]["workload"]["requests"]) == ("build", 3, 9)
    assert len(list(read_records(Path("here/records.jsonl")))) == 18


def test_strategy_keeps_only_those_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "summarize-100", "--strategy", "gather,semaphore-10", "--json"]) == 0
    passes = json.loads(capsys.readouterr().out)["passes"]
    assert [one["strategy"] for one in passes] == ["gather", "semaphore-10"]


def test_case_keeps_only_those_named(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cases.yaml").write_text(GOOD + "cases: {a: {}, b: {tier: build}, c: {tier: scale}}\n")
    assert call(["run", "cases.yaml", "--case", "c,a", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [(one["case"], one["strategy"]) for one in printed["passes"]] == [("a", "gather"), ("c", "gather")]
    assert [(one["name"], one["tier"]) for one in printed["cases"]] == [("a", "start"), ("c", "scale")]
    assert call(["run", "cases.yaml", "--quiet"]) == 0
    assert [line[:9] for line in capsys.readouterr().out.splitlines()] == ["a: gather", "b: gather", "c: gather"]
    assert call(["run", "cases.yaml", "--case", "d"]) == 2
    assert "no case `d`" in capsys.readouterr().err
    assert call(["run", "cases.yaml", "--tier", "build"]) == 2
    assert "replaced again by cases b, c" in capsys.readouterr().err


def test_report_rebuilds_without_sending(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", good, "-o", "here"]) == 0
    first = capsys.readouterr().out
    for name in ("report.html", "summary.json"):
        Path("here", name).unlink()
    assert call(["report", "here"]) == 0
    assert capsys.readouterr().out == first
    assert Path("here/report.html").is_file()


def test_a_torn_last_line_does_not_stop_a_report(good: str) -> None:
    assert call(["run", good, "-o", "here"]) == 0
    journal = Path("here/records.jsonl")
    journal.write_bytes(journal.read_bytes()[:-20])
    assert call(["report", "here"]) == 0
    assert json.loads(Path("here/summary.json").read_text())["passes"][0]["values"]["requests"] == 3


def test_scenarios_lists_the_shipped_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["scenarios"]) == 0
    printed = capsys.readouterr().out
    for name in ("adaptive-or-fixed", "classify-500", "replay-conversation", "summarize-100"):
        assert name in printed
    assert "cases: start, build, scale" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_schema_is_printed_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["schema"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["$schema"].startswith("http://json-schema.org/draft-07")
    assert call(["schema", "--write"]) == 0
    assert Path("scenarios/scenario.schema.json").read_text() == printed


NONSENSE: dict[str, tuple[list[str], int, str]] = {
    "unknown command": (["frobnicate"], 2, 'Unknown command "frobnicate"'),
    "unknown flag": (["run", "good.yaml", "--tarjet", "sim"], 2, "Did you mean --target?"),
    "no scenario": (["run"], 2, "SCENARIO"),
    "unknown scenario": (["run", "summarise-100"], 2, "Did you mean summarize-100?"),
    "unknown strategy": (["run", "good.yaml", "--strategy", "gathr"], 2, "Did you mean gather?"),
    "unknown tier": (["run", "good.yaml", "--tier", "strat"], 2, "Did you mean start?"),
    "unknown key": (["run", "good.yaml", "--set", "workload.request=5"], 2, "Did you mean requests?"),
    "no value": (["run", "good.yaml", "--set", "seed"], 2, "expected KEY=VALUE"),
    "negative cost": (["run", "good.yaml", "--max-cost", "-2"], 2, "expected an amount such as $15"),
    "time without unit": (["run", "good.yaml", "--max-time", "10"], 2, "expected a duration such as 90s"),
    "speed on sim": (["run", "good.yaml", "--speed", "3"], 2, "--target mock"),
    "api without budget": (["run", "good.yaml", "--target", "api"], 2, "--max-cost"),
    "api without key": (["run", "good.yaml", "--target", "api", "--max-cost", "2"], 2, "ANTHROPIC_API_KEY"),
    "no such target": (["run", "good.yaml", "--target", "mokc"], 2, "Did you mean mock?"),
    "no such run": (["report", "nowhere"], 2, "there is no folder nowhere"),
    "not a run": (["report", "."], 2, "is not a run"),
    "serve an unknown tier": (["serve", "--tier", "strat"], 2, "Did you mean start?"),
    "serve on no port": (["serve", "--port", "99999"], 2, "65535"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_explained_and_nothing_is_left_behind(
    case: str, good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, exit_code, words = NONSENSE[case]
    assert call(arguments) == exit_code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_every_problem_of_a_file_is_named_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text("""\
version: 1
question: Why?
model: claude-sonnet-5
tier: strat
timeout: 90
workload: {requests: -3, input_tokens: 100, output_token: 20, max_tokens: 50}
strategies: [{semaphor: 5}, gather]
""")
    assert call(["run", "bad.yaml"]) == 2
    said = capsys.readouterr().err
    for place in ("bad.yaml:4:", "bad.yaml:5:", "bad.yaml:6:", "bad.yaml:7:"):
        assert place in said
    assert "Did you mean output_tokens?" in said
    assert "Did you mean semaphore?" in said


def test_a_folder_that_holds_something_is_never_written_to(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("do not touch")
    assert call(["run", good, "-o", "mine"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [file.name for file in Path("mine").iterdir()] == ["thesis.txt"]


def test_a_port_in_use_is_said_in_words(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["serve", "--port", server.rpartition(":")[2]]) == 2
    assert "Address already in use" in capsys.readouterr().err


def test_mock_target_over_http_counts_what_sim_counts(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    counted = []
    for target in ("sim", "mock"):
        assert call(["run", good, "--target", target, "--json"]) == 0
        (one,) = json.loads(capsys.readouterr().out)["passes"]
        counted.append({name: one["values"][name] for name in ("requests", "succeeded", "output_tokens", "cost")})
    assert counted[0] == counted[1]
    assert one["overhead"]["n"] == 4


def test_api_is_the_code_that_talks_to_a_running_mock(
    good: str, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert call(["run", good, "--target", "api", "--max-cost", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["passes"][0]["values"]["succeeded"] == 4
    for file in only_run().iterdir():
        assert KEY not in file.read_text(), file


def test_a_url_is_a_target(good: str, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", good, "--target", server, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passes"][0]["values"]["succeeded"] == 4


@pytest.mark.parametrize(
    ("status", "kind", "message", "exit_code"),
    [
        (401, "authentication_error", "invalid x-api-key", 7),
        (404, "not_found_error", "model: claude-sonet-5", 7),
        (402, "billing_error", "your credit balance is too low", 6),
    ],
)
def test_what_no_retry_can_help_stops_the_run_at_once(
    good: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    kind: str,
    message: str,
    exit_code: int,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_x"}
    with respx.mock(base_url="https://api.anthropic.com", assert_all_called=False) as router:
        answers: list[Any] = [httpx2.Response(200, json=ANSWER), *[httpx2.Response(status, json=body)] * 50]
        router.route(method="POST", path="/v1/messages").mock(side_effect=answers)  # the preflight's, then all others
        router.route().respond(404)
        arguments = ["--target", "api", "--max-cost", "2", "--set", "transport=httpx", "--set", "workload.requests=50"]
        code = call(["run", good, *arguments, "--set", "strategies=[sequential]", "--json"])
    assert code == exit_code
    printed = json.loads(capsys.readouterr().out)
    assert message in printed["reasons"][0]
    assert printed["passes"][0]["values"]["requests"] == 1
    assert KEY not in "".join(file.read_text() for file in only_run().iterdir())
