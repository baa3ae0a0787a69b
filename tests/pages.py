"""The pages of the documentation, as tests read them.

    make docs      # writes into every page what its commands print now

What a block is, its fence says:

    console   commands after `$ ` and what they print: run in order, in one empty folder a page, at 80 columns.  A line
              `...` stands for any lines, a line `^C` is pressed there: at the 30th answer, a second one at the 31st.
              YAML that begins with `# NAME.yaml` is a file in that folder
    sh        commands to copy: parsed, not run, because they need a key, a network, minutes, or the reader's own files
    text      what something looks like; below a comment that names a file, that file
"""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from bench.cli import call
from bench.results.record import Record
from reports.live import Progress

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "reports" / "golden"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SESSIONS = sorted(GOLDEN.glob("*.md"))
"""Pages for no reader but the tests: what the command prints, case by case."""

_FENCE = re.compile(r"^(?:<!-- (?P<file>\S+) -->\n)?```(?P<language>\S*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_STEP = re.compile(r"^\$ (?P<command>.*)\n(?P<said>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_STAMP = re.compile(r"\b\d{8}-\d{4}-([\w.-]+)-[a-z0-9]{4}\b")
_ENVIRONMENT = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences, and the line of the page (from 1) at which it begins."""

    language: str
    text: str
    line: int


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page that are in one of these languages."""
    text = page.read_text()
    return [
        Block(fence["language"], fence["text"], text.count("\n", 0, fence.start("text")) + 1)
        for fence in _FENCE.finditer(text)
        if fence["language"] in languages
    ]


def commands(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Every command line of claude-bench on a page, run or not: its line, and the words after `claude-bench`."""
    for block in blocks(page, "console", "sh", "yaml"):
        begin = r"\$ " if block.language == "console" else r"(?:.*[\s/])?"
        for number, line in enumerate(block.text.splitlines(), block.line):
            if found := re.match(begin + r"claude-bench ([\w-].*)", line):
                yield number, _words(found[1])
    for number, line in enumerate(page.read_text().splitlines(), 1):
        for span in re.findall(r"`claude-bench ([\w-][^`]*)`", line):
            yield number, _words(span)


def _words(line: str) -> list[str]:
    """What the command gets to see: neither comments nor what a shell does with its output."""
    return shlex.split(re.split(r" +(?:[|>&]|# )", line)[0])


def as_it_is_now(page: str) -> str:
    """A page's text, with everything that its commands print as they print it now."""
    clean = {**_ENVIRONMENT, "COLUMNS": "80", "NO_COLOR": "1"}
    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),
        patch.dict(os.environ, clean, clear=True),
        patch.object(Progress, "_print_lines", lambda _: None),  # which a slow machine would show
    ):
        return _FENCE.sub(_Session(), page)


class _Session:
    """The blocks of a page, one after the other in the current folder."""

    def __init__(self) -> None:
        self._code = 0

    def __call__(self, fence: re.Match[str]) -> str:
        text = fence["text"]
        if fence["language"] == "console":
            now = _STEP.sub(self._step, text)
        elif fence["file"]:
            now = (ROOT / fence["file"]).read_text()
        else:
            now = text
            if name := re.match(r"# (\S+\.yaml)\n", text):
                Path(name[1]).write_text(text)
        return fence[0].removesuffix(f"{text}```") + f"{now}```"

    def _step(self, step: re.Match[str]) -> str:
        with _pressing_ctrl_c(step["said"].splitlines().count("^C")):
            printed = self._run(step["command"])
        return f"$ {step['command']}\n{step['said'] if _agree(step['said'], printed) else printed}"

    def _run(self, command: str) -> str:
        """What the command prints, its results and its words to the person in the order in which they come."""
        if command == "echo $?":
            return f"{self._code}\n"
        program, *arguments = shlex.split(command, comments=True)
        assert program == "claude-bench", f"only claude-bench and `echo $?` are run, not {program}"
        with redirect_stdout(io.StringIO()) as said, redirect_stderr(said):
            self._code = call(arguments)
        return _STAMP.sub(r"20261120-1041-\1-kqvd", said.getvalue())


def _pressing_ctrl_c(times: int) -> AbstractContextManager[object]:
    """Where virtual time leaves nobody the time to do so: in step with the answers."""
    answers, done = 0, Progress.done

    def pressed(progress: Progress, record: Record, cost: float | None) -> None:
        nonlocal answers
        answers += 1
        done(progress, record, cost)
        if 30 <= answers < 30 + times:
            print("^C", file=sys.stderr)
            signal.raise_signal(signal.SIGINT)

    return patch.object(Progress, "done", pressed)


def _agree(said: str, printed: str) -> bool:
    lines = ("(?:.*\n)*" if line == "...\n" else re.escape(line) for line in said.splitlines(keepends=True))
    return re.fullmatch("".join(lines), printed) is not None


if __name__ == "__main__":
    for path in [*PAGES, *SESSIONS]:
        before = path.read_text()
        after = as_it_is_now(before)
        if after != before:
            path.write_text(after)
            print(path.relative_to(ROOT))
