"""Before a run on the API: a tiny request to each model.  The API is the mock here, which ANTHROPIC_BASE_URL names."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import respx

import bench
from bench.cli import call
from bench.errors import BudgetError, Exit, UsageError
from bench.results import folder as folders
from bench.results.record import read_records
from bench.targets.mock_process import mock_process
from mock_server.faults import Fault
from mock_server.settings import Settings
from mock_server.tenants import Accounts, Key, Organization

KEY = "sk-ant-api03-never-to-be-seen"
SCENARIO = """\
version: 1
question: Is it ready?
model: claude-sonnet-5
workload: {requests: 5, input_tokens: 100, output_tokens: 20, max_tokens: 50}
strategies: [gather]
"""
MANY = "fan_out: {models: [claude-sonnet-5, claude-haiku-5-5]}\nrepeat: 2\npause: 0s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    Path("job.yaml").write_text(SCENARIO)


@contextmanager
def organization(monkeypatch: pytest.MonkeyPatch, tier: str = "start", **settings: object) -> Iterator[str]:
    """The API of an organisation on this tier."""
    accounts = Accounts({KEY: Key("acme")}, {"acme": Organization(tier)})
    made = Settings(accounts=accounts, service_time=0.01, **settings)  # type: ignore[arg-type]
    with mock_process(made, 1.0) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server.url


def asked(url: str) -> int:
    """How often the server was asked for an answer."""
    rows = httpx2.get(f"{url}/_mock/truth", trust_env=False).raise_for_status().text.splitlines()
    return sum(row.get("endpoint") == "messages" for row in map(json.loads, rows))


def run(*flags: str) -> int:
    return call(["run", "job.yaml", "--target", "api", "--max-cost", "2", "-o", "run", *flags])


def test_one_tiny_request_goes_first_and_the_budget_counts_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with organization(monkeypatch) as url:
        assert run() == 0
        assert asked(url) == 6
    said = capsys.readouterr().err
    assert "Preflight: 1 request of one token to claude-sonnet-5, at most $0.0" in said
    assert "Preflight: claude-sonnet-5 answered in " in said
    assert "is not on tier" not in said
    assert said.index("at worst") < said.index("answered in")
    aside = folders.load(Path("run")).ending.aside
    assert aside.sent == 1
    assert 0 < aside.dollars < 0.001
    assert len(list(read_records(Path("run/records.jsonl")))) == 5


def test_each_model_is_asked_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("job.yaml").write_text(SCENARIO.replace("model: claude-sonnet-5", MANY))
    with organization(monkeypatch, "scale") as url:
        assert run("--tier", "scale") == 0
        assert asked(url) == 2 + 2 * 2 * 5
    said = capsys.readouterr().err
    assert said.count("claude-haiku-5-5 answered in") == said.count("claude-sonnet-5 answered in") == 1


@pytest.mark.parametrize(("tier", "assumed"), [("build", "start"), ("start", "scale"), ("build", "unlimited")])
def test_limits_that_are_not_those_assumed_are_said_before_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tier: str, assumed: str
) -> None:
    with organization(monkeypatch, tier):
        assert run("--tier", assumed, "--quiet") == 0
    said = capsys.readouterr().err
    assert f"claude-sonnet-5 is not on tier {assumed}: " in said
    assert f"Run it with --tier {tier}," in said


@pytest.mark.parametrize(("answers", "code", "sent"), [("y\nn\n", 130, 1), ("y\ny\n", 0, 6), ("n\n", 130, 0)])
def test_who_is_surprised_is_asked_again(monkeypatch: pytest.MonkeyPatch, answers: str, code: int, sent: int) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answers))
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    with organization(monkeypatch, "build") as url:
        assert run() == code
        assert asked(url) == sent
    assert ("Send the rest all the same? [y/N]" in screen.getvalue()) == (sent > 0)
    assert ("nothing but the preflight was sent" in screen.getvalue()) == (sent == 1)


def test_a_model_that_is_not_served_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name is one that prices know, so that nothing but the API itself can say so."""
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    body = {"type": "error", "error": {"type": "not_found_error", "message": f"model: claude-opus-5-5 for {KEY}"}}
    with respx.mock(base_url="https://api.anthropic.com", assert_all_called=False) as router:
        messages = router.route(method="POST", path="/v1/messages").respond(404, json=body)
        router.route().respond(404)
        assert run("--set", "model=claude-opus-5-5", "--set", "transport=httpx") == Exit.TARGET
        assert messages.call_count == 1
    said = capsys.readouterr().err
    assert "the preflight failed: claude-opus-5-5: 404: no such model" in said
    assert KEY not in said
    assert "Nothing of the run was sent.  Check the model's name." in said
    assert not Path("run").exists()


def test_a_key_that_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with organization(monkeypatch):
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-another")
        assert run() == Exit.TARGET
    said = capsys.readouterr().err
    assert "401" in said
    assert "Check which key is set" in said
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "settings", [{"credit": 0.0}, {"faults": {"spend_cap": Fault(rate=1.0)}}], ids=["no credit", "spend cap"]
)
def test_an_empty_account_ends_it_with_the_code_of_a_budget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: dict[str, object]
) -> None:
    with organization(monkeypatch, "start", **settings) as url:
        assert run() == Exit.BUDGET
        assert asked(url) == 1
        with pytest.raises(BudgetError, match="the preflight failed"):
            bench.run("job.yaml", target="api", max_cost=1, quiet=True)
    assert "Nothing of the run was sent." in capsys.readouterr().err
    assert not Path("runs").exists()


def test_what_passes_with_time_is_tried_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.preflight._LONGEST_WAIT", 0.01)
    with organization(monkeypatch, faults={"overloaded": Fault(rate=1.0)}) as url:
        assert run() == Exit.TARGET
        assert asked(url) == 3


def test_what_may_have_been_billed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with organization(monkeypatch, faults={"reset": Fault(rate=1.0)}) as url:
        assert run() == Exit.TARGET
        assert asked(url) == 1


@pytest.mark.parametrize(("flag", "words"), [("max_cost=$0.0001", "$0.0001"), ("max_requests=0", "")])
def test_a_budget_without_room_for_it_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: str, words: str
) -> None:
    budget = flag.replace("=", ": ")
    Path("job.yaml").write_text(
        SCENARIO + f"budget: {{max_cost: $1, {budget}}}\n".replace("max_cost: $1, max_cost", "max_cost")
    )
    with organization(monkeypatch) as url:
        assert call(["run", "job.yaml", "--target", "api"]) == Exit.USAGE
        assert asked(url) == 0
    assert words in capsys.readouterr().err


def test_what_workers_cannot_do_is_refused_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with organization(monkeypatch) as url:
        with pytest.raises(UsageError, match="texts are kept by one process only"):
            bench.run("job.yaml", target="api", max_cost=1.0, quiet=True, workers=2, keep_text=True)
        assert run("--workers", "2", "--keep-text") == Exit.USAGE
        assert asked(url) == 0


def test_a_run_on_a_url_or_the_mock_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with organization(monkeypatch) as url:
        assert call(["run", "job.yaml", "--target", url, "--quiet"]) == 0
        assert asked(url) == 5
