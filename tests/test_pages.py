"""The documentation is true: its commands print what it says, its scenarios load, its programs and tests run."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from pages import PAGES, ROOT, SESSIONS, Block, as_it_is_now, blocks, commands
from ruamel.yaml import YAML

from bench.cli import app
from bench.scenario.load import load
from bench.targets.mock_process import mock_process
from mock_server.settings import Settings

LANGUAGES = {"console", "python", "sh", "text", "yaml"}


def each(language: str, *, tests: bool = False) -> list[Any]:
    """The blocks of all pages in a language; of Python, those that are tests for pytest or those that are not."""
    return [
        pytest.param(block, id=f"{page.name}:{block.line}")
        for page in PAGES
        for block in blocks(page, language)
        if ("def test_" in block.text) is tests
    ]


@pytest.mark.parametrize("page", [*PAGES, *SESSIONS], ids=lambda page: page.name)
def test_what_a_page_shows_is_what_is_printed(page: Path) -> None:
    """Nobody edits it by hand: `make docs` writes what is printed now; then read what changed."""
    before = page.read_text()
    assert before == as_it_is_now(before), "run `make docs`, and read what changed"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is_and_what_is_typed_is_of_a_kind(page: Path) -> None:
    fences = re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)
    assert set(fences[::2]) <= LANGUAGES
    assert set(fences[1::2]) <= {""}
    assert [block.line for block in blocks(page, "console") if not block.text.startswith("$ ")] == []
    assert [block.line for block in blocks(page, "sh", "text") if re.search(r"^\$ ", block.text, re.MULTILINE)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_is_one_that_there_is(page: Path) -> None:
    for line, arguments in commands(page):
        if len(arguments) == 1 and arguments[0] in app:
            continue  # the name of a command, not a line to copy
        try:
            app.parse_args(arguments, exit_on_error=False, print_error=False)
        except Exception as problem:
            pytest.fail(f"{page.name}:{line}: {problem}")


def flags(command: App, name: str = "") -> Iterator[tuple[str, str]]:
    """Each command below `command` with each of its long flags."""
    if command.default_command:
        for argument in command.assemble_argument_collection():
            yield from ((name, flag) for flag in argument.names if flag.startswith("--"))
    for below in command:
        if not below.startswith("-"):
            yield from flags(command[below], f"{name} {below}".strip())


FLAGS = list(flags(app))


def test_every_flag_is_explained_on_a_page_that_names_its_command() -> None:
    assert len({name for name, _ in FLAGS}) >= 10
    pages = [page.read_text() for page in PAGES]
    missing = [
        f"claude-bench {name} {flag}"
        for name, flag in FLAGS
        if not any(re.search(rf"{flag}\b", page) and f"claude-bench {name}" in page for page in pages)
    ]
    assert not missing, "\n".join(missing)


def scenario(block: Block) -> str:
    """A scenario that says what the block says, and nothing else that matters."""
    if block.text.startswith(("version:", "# job.yaml")):
        return block.text
    read = YAML(typ="safe").load(block.text)
    said: dict[str, Any] = {"strategies": read} if isinstance(read, list) else read or {}
    whole: dict[str, Any] = {"version": 1, "question": "Is the page true?", "strategies": ["gather"]}
    if "fan_out" not in said:
        whole["model"] = "claude-sonnet-5"
    if "strategy:pool-8" in block.text:
        whole["strategies"] = [{"pool": {"workers": 8}}]
    if "case:build" in block.text:
        whole["cases"] = {"start": {}, "build": {"tier": "build"}}
    work = {"input_tokens": 100, "output_tokens": 20, "max_tokens": 50, "stream": True}
    if "stream:chat" in block.text:
        chat = {"name": "chat", "arrivals": "backlog", "workload": {"requests": 10, **work}}
        whole["streams"] = [chat, {**chat, "name": "tickets", "model": "claude-haiku-4-5"}]
    elif "streams" not in said:
        whole["workload"] = {**work, **said.pop("workload", {"requests": 10})}
    return _yaml({**whole, **said})


def _yaml(content: object) -> str:
    YAML(typ="safe").dump(content, written := io.StringIO())
    return written.getvalue()


@pytest.mark.parametrize("block", [one for one in each("yaml") if not one.id.startswith("ci.md")])
def test_every_scenario_or_part_of_one_loads(block: Block, tmp_path: Path) -> None:
    (tmp_path / "articles.jsonl").write_text('{"prompt": "Summarize this."}\n')
    (tmp_path / "traffic.jsonl").write_text(
        "".join(
            f'{{"ts": {ts}, "prompt_tokens": 9, "completion_tokens": 9, "kind": "a"}}\n' for ts in range(0, 3000, 60)
        )
    )
    (tmp_path / "page.yaml").write_text(scenario(block))
    load(tmp_path / "page.yaml")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with mock_process(Settings(tier="tier-1", service_time=0.05, output_tokens=(100, 100)), 1.0) as running:
        yield running.url


@pytest.mark.parametrize("block", each("python"))
def test_every_program_runs(block: Block, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-any")
    exec(compile(block.text, "page", "exec"), {"__name__": "page"})


MY_SUITE = """
import anthropic
import pytest

class my_client:
    def __init__(self, base_url):
        self._client = anthropic.Anthropic(base_url=base_url, api_key="any", max_retries=0)

    def run(self):
        for _ in range(20):
            try:
                self._client.messages.create(
                    model="claude-haiku-4-5", max_tokens=5, messages=[{"role": "user", "content": "Hello"}]
                )
            except anthropic.APIStatusError:
                pass

@pytest.fixture(scope="session")
def claude_mock_speed():
    return 100

"""
SUMMARIES = """
version: 1
question: Does it fit?
model: claude-haiku-4-5
workload: {requests: 80, input_tokens: 1000, output_tokens: 100, max_tokens: 200, stream: true}
strategies: [sequential, {semaphore: 10}]
mock: {latency: {ttft: 600ms, tokens_per_second: 200}}
"""


@pytest.mark.parametrize("block", each("python", tests=True))
def test_every_test_runs(block: Block, tmp_path: Path) -> None:
    """But for the one over HTTP, which takes minutes, and the live one, which costs money and is skipped."""
    (tmp_path / "scenarios").mkdir()
    for name in ("summarise", "nightly", "chat"):
        (tmp_path / f"scenarios/{name}.yaml").write_text(SUMMARIES)
    (tmp_path / "test_page.py").write_text(MY_SUITE + block.text)
    installed = "claude_bench" in entry_points(group="pytest11").names
    plugin = [] if installed else ["-p", "bench.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "-k", "not over_http"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
