"""Keys stand in nothing that is written: every command is run with marked ones, and all that it leaves is searched."""

from __future__ import annotations

import json
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cyclopts import App
from hostile_server import hostile_server

from bench import api, cli
from bench.cli import call
from bench.errors import Exit
from bench.planning import doctor
from bench.results.redact import SECRET_NAMES, redact

MARK = "5ecre7"
"""In every key, and nowhere else."""
KEYS = {
    "ANTHROPIC_API_KEY": f"sk-ant-api03-{MARK}-one",
    "ANTHROPIC_AUTH_TOKEN": f"plain-token-{MARK}-two",
    "ANTHROPIC_ADMIN_KEY": f"admin-{MARK}-three",
}
ECHOES = ("error", "page", "status", "protocol", "type", "event", "answer")
SCENARIO = f"""\
version: 1
name: job
question: Does sk-ant-{MARK}-question stand in anything?
claim: Somebody at https://user:{MARK}-password@example.com/?api_key={MARK}-query says so.
model: claude-sonnet-5
workload: {{dataset: prompts.jsonl, requests: {len(ECHOES)}, output_tokens: 5, max_tokens: 50, stream: true}}
timeout: {{attempt: 5s}}
retry: none
strategies: [gather]
"""

COMMANDS: dict[tuple[str, ...], list[list[str]]] = {
    ("run",): [
        ["job.yaml", "--out=run", "--target={url}", "--keep-text"],
        ["job.yaml", "--out=plain", "--json", f"--set=claim=api_key={MARK}-set"],
        ["job.yaml", "--target={echoing}"],
        [f"sk-ant-{MARK}-name"],
        ["wrong.yaml"],
        ["job.yaml", f"--set=workload.system=sk-ant-{MARK}-override", "--out=system"],
        ["job.yaml", f"--set=model=[sk-ant-{MARK}-wrong]"],
        ["job.yaml", f"--target=http://user:{MARK}@127.0.0.1:9"],
        ["job.yaml", f"--target=ftp://user:{MARK}@127.0.0.1:9"],
        ["job.yaml", f"--target=http://user:{MARK}@[::", "--max-cost=1"],
        ["job.yaml", "--target=api", "--max-cost=1", "--out=paid"],
        ["job.yaml", "--target=http://127.0.0.1:9", "--out=unreachable"],
    ],
    ("init",): [["--ci=github"], [f"--ci=sk-ant-{MARK}"]],
    ("resume",): [["run"], ["plain"], [f"sk-ant-{MARK}"]],
    ("report",): [["run", "--show-text"], ["run", "--json"], ["plain"], ["run", "--sentence"]],
    ("export",): [["run", "--to=junit"], ["run", "--to=csv"], ["run", "--to=markdown"], ["run", "--to=openmetrics"]],
    ("compare",): [["run", "run", "--html=compared.html"], ["run", "plain"], ["plain", f"sk-ant-{MARK}"]],
    ("observe",): [["job.yaml", "--for=30m", "--out=observed", "--target={url}", "--every=1s", "--for=1s"]],
    ("limits",): [["--target={url}"], ["--target={url}", "--yes", "--json"], ["--target=http://127.0.0.1:9"]],
    ("baseline", "save"): [["main", "run"]],
    ("baseline", "list"): [[]],
    ("baseline", "show"): [["main"], [f"sk-ant-{MARK}"]],
    ("plan",): [["job.yaml", "--json"], ["job.yaml", "--html=plan.html"], [f"--set=claim=sk-ant-{MARK}", "job.yaml"]],
    ("sweep",): [["job.yaml", "--in-flight=1,2", "--seeds=1", "--target=sim", "--out=swept", "--processes=1"]],
    ("recommend",): [["swept"], ["run"], [f"sk-ant-{MARK}"]],
    ("calibrate",): [["run"], ["plain"], [f"sk-ant-{MARK}"]],
    ("explain",): [["start"], ["job.yaml"]],
    ("doctor",): [["--quick"]],
    ("scenarios",): [[]],
    ("serve",): [["--port=99999"], [f"--tier=sk-ant-{MARK}"], ["--keys={keys}", "--host=203.0.113.1"]],
    ("schema",): [["--write"]],
}
"""How each command is called, in this order.  A new command has to be added: the first test says so."""


def commands(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of the command line."""
    names = [name for name in app if not name.startswith("-")]
    for name in names:
        yield from commands(app[name], (*path, name))
    if not names:
        yield path


def test_every_command_is_here() -> None:
    assert set(COMMANDS) == set(commands(cli.app))


@pytest.fixture
def secretive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that everything is written to."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    (here := tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    monkeypatch.chdir(here)
    return here


def test_no_command_writes_a_key(
    secretive: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    asked.mkdir()
    prompts = [f"behave: echo-{name} sk-ant-{MARK}-prompt" for name in ECHOES]
    (asked / "prompts.jsonl").write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    (asked / "job.yaml").write_text(SCENARIO)
    (asked / "wrong.yaml").write_text(f"api_key: sk-ant-{MARK}-key\nmodel: [sk-ant-{MARK}]\nsk-ant-{MARK}: 1\n")
    (asked / "keys.json").write_text(json.dumps({"organizations": {"a": {"keys": [f"sk-ant-{MARK}-mock"]}}}))
    bugs = []
    monkeypatch.setattr(doctor, "LOADS", tuple(replace(load, first=2.0, most=2.0, takes=0.1) for load in doctor.LOADS))
    with hostile_server() as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        words = {"url": url, "echoing": f"{url}/v1?{MARK}", "keys": str(asked / "keys.json")}
        for command, calls in COMMANDS.items():
            for arguments in calls:
                filled = [one.format_map(words) for one in arguments]
                at = [str(asked / one) if one.endswith(".yaml") else one for one in filled]
                if call([*command, *at]) == Exit.BUG:
                    bugs.append((command, arguments))
    monkeypatch.setattr(api, "print_scenarios", lambda: 1 / 0 if sys.exc_info() else None)
    assert call(["scenarios"]) == Exit.BUG
    said = capfdbinary.readouterr()
    assert bugs == []
    found = {path: path.read_bytes() for path in secretive.rglob("*") if path.is_file()}
    assert {
        "paid/records.jsonl",
        "run/records.jsonl",
        "run/texts.jsonl",
        "run/report.html",
        "compared.html",
        "baselines/main.json",
    } <= {str(path.relative_to(secretive)) for path in found}
    assert [line for line in said.out.split(b"\n") if MARK.encode() in line] == []
    assert [line for line in said.err.split(b"\n") if MARK.encode() in line] == []
    assert [str(path) for path, content in found.items() if MARK.encode() in content] == []
    assert b"REDACTED" in found[secretive / "run" / "records.jsonl"]


@pytest.mark.skipif(sys.platform == "win32", reason="has other permissions")
def test_what_holds_prompts_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ["--set=workload.requests=20", "--keep-text", "--out=run", "--quiet"]
    assert call(["run", "summarize-100", "--strategy=gather", *settings, "--exit-zero"]) == 0
    assert call(["report", "run", "--show-text", "--exit-zero"]) == 0

    def mode(name: str) -> int:
        return stat.S_IMODE(Path(name).stat().st_mode)

    assert (mode("run"), mode("run/texts.jsonl"), mode("run/report.html")) == (0o700, 0o600, 0o600)


def test_a_traceback_is_kept_without_keys(secretive: Path) -> None:
    try:
        raise ValueError(f"{KEYS['ANTHROPIC_AUTH_TOKEN']} at https://user:{MARK}@example.com and sk-ant-{MARK}")
    except ValueError:
        written = api.save_traceback()
    assert MARK not in written.read_text()
    assert "ValueError: REDACTED at https://example.com and REDACTED" in written.read_text()
    assert stat.S_IMODE(written.stat().st_mode) & 0o077 == 0


def test_every_variable_with_a_key_is_known() -> None:
    assert set(KEYS) == set(SECRET_NAMES)


def test_words_too_short_to_be_a_key_are_left() -> None:
    assert redact("any company", ["any"]) == "any company"


@pytest.mark.parametrize("text", ["http://[", "see http://[::1 now", "http://a:b@[x"])
def test_what_only_begins_like_an_address(text: str) -> None:
    assert "a:b" not in str(redact(text))
