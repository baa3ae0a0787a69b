"""`limits` over real HTTP: the mock with its Rate Limits API, and a server that answers whatever a test tells it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bench.cli import call
from bench.targets.mock_process import mock_process
from mock_server.catalog import RELEASED
from mock_server.settings import Settings
from mock_server.tenants import Accounts, Key, Organization, Workspace
from mock_server.tiers import LimitValue, RateLimit, find_tier

ADMIN, KEY = "sk-ant-admin01-never-to-be-seen", "sk-ant-api03-never-to-be-seen"
LOWER = RateLimit(
    (LimitValue("requests_per_minute", 20), LimitValue("input_tokens_per_minute", 300_000)),
    models=("claude-sonnet-5-5",),
    group_type="model_group",
)
ACCOUNTS = Accounts(
    {ADMIN: Key("acme", admin=True), KEY: Key("acme"), "sk-two": Key("acme", "two")},
    {"acme": Organization("build", workspaces={"two": Workspace((LOWER,))})},
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_ADMIN_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with mock_process(Settings(accounts=ACCOUNTS, service_time=0.01), 1.0) as running:
        yield running.url


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", ADMIN)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


class Canned(ThreadingHTTPServer):
    """Answers each path with what it was told, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any, dict[str, str]]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Canned

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append(self.path)
        status, body, headers = self.server.answers[self.path]
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def canned() -> Iterator[Canned]:
    with Canned() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


PATH = "/v1/organizations/rate_limits"


def entry(models: list[str] | None, kind: str = "model_group", **values: int) -> dict[str, Any]:
    limits = [{"type": name, "value": value} for name, value in values.items()]
    return {"id": "rl_1", "type": "rate_limit", "group": {"id": "g", "type": kind}, "models": models, "limits": limits}


def page(*entries: dict[str, Any], following: str | None = None) -> tuple[int, Any, dict[str, str]]:
    return 200, {"data": list(entries), "next_page": following}, {}


def refusal(status: int, kind: str, message: str) -> tuple[int, Any, dict[str, str]]:
    return status, {"type": "error", "error": {"type": kind, "message": message}}, {}


def message(**headers: int) -> tuple[int, Any, dict[str, str]]:
    body: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": "max_tokens",
        "stop_sequence": None, "usage": {"input_tokens": 8, "output_tokens": 1},
    }  # fmt: skip
    named = {f"anthropic-ratelimit-{name.replace('_', '-')}-limit": str(value) for name, value in headers.items()}
    return 200, body, named


@pytest.mark.usefixtures("admin")
def test_an_admin_key_reads_all_limits_for_nothing(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["limits", "-t", server]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "These are the limits of tier build."
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "Every command takes them: --tier limits.json"
    mirror, original = find_tier("limits.json"), find_tier("build")
    for model in RELEASED:
        assert mirror.limits_of(model) == original.limits_of(model)
    assert (mirror.batch_requests, mirror.batch_queue, mirror.token_counts) == (2_000, 300_000, 4_000)


@pytest.mark.usefixtures("admin")
def test_json_is_what_was_found_and_nothing_else(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["limits", "-t", server, "--json", "--out", "own.json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["source"], found["tier"], found["exact"], found["file"]) == (
        "Rate Limits API",
        "build",
        True,
        "own.json",
    )
    by_name = {one["name"]: one for one in found["groups"]}
    assert by_name["Claude Fable 5.x"]["input_tokens"] == 1_500_000
    assert by_name["message batches"]["queue"] == 300_000


@pytest.mark.usefixtures("admin")
def test_model_leaves_the_groups_of_those_named_and_what_concerns_all(server: str) -> None:
    assert call(["limits", "-t", server, "--model", "claude-opus-4-6,claude-haiku-5-5"]) == 0
    kept = json.loads(Path("limits.json").read_text())["data"]
    assert [one["group"]["type"] for one in kept] == ["model_group", "model_group", "batch", "token_count"]
    assert call(["limits", "-t", server, "--model", "claude-nothing"]) == 2


@pytest.mark.usefixtures("admin")
def test_the_file_is_a_tier_for_every_other_command(server: str) -> None:
    assert call(["limits", "-t", server]) == 0
    assert call(["run", "summarize-100", "--strategy", "gather", "--tier", "limits.json", "-q", "-o", "here"]) == 0
    assert json.loads(Path("here/run.json").read_text())["limits"] == find_tier("build").limits_of("x")._asdict()


@pytest.mark.usefixtures("key")
def test_without_an_admin_key_a_tiny_request_tells_its_cost_shown_first(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["limits", "-t", server, "--model", "claude-opus-4-6,claude-opus-4-5,claude-haiku-5-5", "--yes"]) == 0
    out, err = capsys.readouterr()
    assert err == "2 requests of one token to claude-opus-4-6, claude-haiku-5-5: at most $0.000535\n"
    assert out.splitlines()[0] == "Those of the models asked are the limits of tier build."
    assert "those have no limit in limits.json" in " ".join(out.split())
    tier = find_tier("limits.json")
    for model in ("claude-opus-4-6", "claude-opus-4-8", "claude-opus-4-5-20251101", "claude-haiku-5-5"):
        assert tier.limits_of(model) == find_tier("build").limits_of(model)
    assert tier.limits_of("claude-sonnet-5-5") == (None, None, None)


@pytest.mark.usefixtures("key")
def test_nobody_to_ask_and_not_agreed_before_sends_nothing(
    canned: Canned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert call(["limits", "-t", canned.url]) == 2
    assert "Agree with --yes." in capsys.readouterr().err
    assert canned.asked == []
    assert not Path("limits.json").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("yes\n", 0), ("n\n", 2), ("\n", 2), ("", 2)])
@pytest.mark.usefixtures("key")
def test_on_a_terminal_a_person_is_asked(
    answer: str, code: int, canned: Canned, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    canned.answers["/v1/messages"] = message(requests=1_000, input_tokens=2_000_000, output_tokens=400_000)
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert call(["limits", "-t", canned.url]) == code
    assert "Send it? [y/N]" in capsys.readouterr().err
    assert canned.asked == ([] if code else ["/v1/messages"])


def test_a_workspace_with_lower_limits_is_told_them(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-two")
    assert call(["limits", "-t", server, "--model", "claude-sonnet-5-5", "--yes"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert find_tier("limits.json").limits_of("claude-sonnet-5-5")[:2] == (20, 300_000)
    assert "claude-sonnet-5-5: a lower limit is in effect, 300,000 tokens a minute, as a workspace may have." in out
    assert out.startswith("Tier start is nearest, but 1 group of 1 differs from it.")


@pytest.mark.usefixtures("key")
def test_a_refusal_for_too_many_requests_tells_the_limits_too(canned: Canned) -> None:
    _, _, headers = message(requests=50)
    canned.answers["/v1/messages"] = (*refusal(429, "rate_limit_error", "Too many.")[:2], headers)
    assert call(["limits", "-t", canned.url, "--yes"]) == 0
    assert find_tier("limits.json").limits_of("claude-haiku-5-5") == (50, None, None)


@pytest.mark.usefixtures("admin")
def test_page_after_page_becomes_one_file(canned: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    canned.answers[PATH] = page(
        entry(["claude-opus-5-5"], requests_per_minute=1_100, input_tokens_per_minute=2_000_000), following="next"
    )
    canned.answers[f"{PATH}?page=next"] = page(
        entry(None, "batch", requests_per_minute=1_000, enqueued_batch_requests=200_000),
        entry(None, "web_search", requests_per_minute=30),
    )
    assert call(["limits", "-t", canned.url]) == 0
    tier = find_tier("limits.json")
    assert tier.limits_of("claude-opus-5-5") == (1_100, 2_000_000, None)
    assert tier.batch_queue == 200_000
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Tier start is nearest, but 1 group of 3 differs from it."
    [own] = [line.split() for line in lines if line.startswith("claude-opus-5-5")]
    assert own == ["claude-opus-5-5", "1,100", "2,000,000", "–", "–", "near", "start"]  # noqa: RUF001
    assert any(line.split() == ["web", "search", "30", "–", "–", "–", "–"] for line in lines)  # noqa: RUF001


REFUSED = refusal(401, "authentication_error", f"invalid key {ADMIN}")
FORBIDDEN = refusal(403, "permission_error", "not an admin key")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (REFUSED, "refuses the key: invalid key ***"),
        (FORBIDDEN, "refuses the key: not an admin key"),
        (refusal(404, "not_found_error", "no such path"), "answers 404: no such path"),
        (refusal(500, "api_error", "trouble"), "answers 500: trouble"),
        (page(), "names no limits"),
        (page(entry(["claude-opus-5-5"], requests_per_minute=0)), "the limits cannot be used: data.0.limits"),
        (page(entry(["a"], requests_per_minute=1), entry(["a"], requests_per_minute=2)), "a is in data.0 already"),
    ],
)
@pytest.mark.usefixtures("admin")
def test_what_the_rate_limits_api_does_not_tell(
    canned: Canned, answer: tuple[int, Any, dict[str, str]], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    canned.answers[PATH] = answer
    assert call(["limits", "-t", canned.url]) == 7
    out, err = capsys.readouterr()
    assert words in err
    assert "Traceback" not in err
    assert ADMIN not in out + err
    assert [*Path().iterdir()] == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(401, "authentication_error", f"invalid key {KEY}"), "refuses the key: invalid key ***"),
        (refusal(404, "not_found_error", "model: claude-haiku-5-5"), "answers 404: model: claude-haiku-5-5"),
        (refusal(429, "rate_limit_error", "Your spend limit."), "answers 429: Your spend limit."),
        (message(), "names no limits"),
    ],
)
@pytest.mark.usefixtures("key")
def test_what_a_tiny_request_does_not_tell(
    canned: Canned, answer: tuple[int, Any, dict[str, str]], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    canned.answers["/v1/messages"] = answer
    assert call(["limits", "-t", canned.url, "--yes"]) == 7
    out, err = capsys.readouterr()
    assert words in err
    assert KEY not in out + err
    assert [*Path().iterdir()] == []


@pytest.mark.parametrize("name", ["ANTHROPIC_ADMIN_KEY", "ANTHROPIC_API_KEY"])
def test_nobody_there(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Canned() as gone:
        url = gone.url
    monkeypatch.setenv(name, KEY)
    assert call(["limits", "-t", url, "--yes"]) == 7
    assert f"cannot reach {url}" in capsys.readouterr().err


def test_no_key_is_said_with_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["limits"]) == 2
    err = capsys.readouterr().err
    assert "api needs a key" in err
    assert "ANTHROPIC_ADMIN_KEY" in err
    assert "ANTHROPIC_API_KEY" in err


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-t", "sim"], "sim has the limits that --tier gives it"),
        (["-t", "ftp://x"], "unknown target"),
        (["-t", "https://me:secret@x"], "must not carry credentials"),
        (["--out", "limits.yaml"], "must end in .json"),
        (["--out", "nowhere/limits.json"], "there is no folder nowhere"),
        (["--out", "other.json"], "other.json exists and is no tier file"),
    ],
)
def test_bad_input_sends_nothing(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.json").write_text('{"mine": 1}')
    assert call(["limits", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert Path("other.json").read_text() == '{"mine": 1}'


@pytest.mark.usefixtures("admin")
def test_an_older_tier_file_is_replaced_and_kept_when_asking_fails(canned: Canned) -> None:
    canned.answers[PATH] = page(entry(["claude-opus-5-5"], requests_per_minute=7))
    assert call(["limits", "-t", canned.url]) == 0
    canned.answers[PATH] = REFUSED
    assert call(["limits", "-t", canned.url]) == 7
    assert find_tier("limits.json").limits_of("claude-opus-5-5").requests == 7
    canned.answers[PATH] = page(entry(["claude-opus-5-5"], requests_per_minute=9))
    assert call(["limits", "-t", canned.url]) == 0
    assert find_tier("limits.json").limits_of("claude-opus-5-5").requests == 9


def test_a_run_on_another_tier_than_it_assumed_says_so(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    small = ["--strategy", "gather", "--set", "workload.requests=3", "-o"]
    assert call(["run", "summarize-100", "-t", server, *small, "wrong"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "The responses name a limit of 5,000 requests a minute; the tier has 1,000." in out
    assert "What to do: Run it with --tier build, which has the limits that were named." in out
    [one] = json.loads(Path("wrong/summary.json").read_text())["passes"]
    assert [warning["code"] for warning in one["warnings"]].count("other_limit") == 3
    assert "5,000,000 input tokens a minute; the tier has 2,000,000" in Path("wrong/report.html").read_text()
    assert call(["run", "summarize-100", "-t", server, "--tier", "build", *small, "right"]) == 0
    assert "The responses name" not in capsys.readouterr().out
