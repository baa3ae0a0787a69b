"""Answers of a broken or hostile server: each request ends with a record and a cause, in time and in bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_server import BEHAVIOURS, hostile_server

from bench.errors import Exit
from bench.results.record import read_records

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks the system how much memory a process had")

REPOSITORY = Path(__file__).parents[2]
MEMORY = 400 * 2**20
"""Bytes; a run that does next to nothing has 150 MiB.  Without bounds the endless answers alone come to gigabytes."""

NOTHING_WRONG = {"good", "odd-headers", "bytes-in-headers", "echo-answer"}
CAUSES = {
    "server_error": {
        "invalid-utf8-error",
        "status-999",
        "gzip-bomb-error",
        "endless-error",
        "echo-page",
        "echo-status",
    },
    "invalid_request": {"deep-nesting-error", "errors-without-shape", "echo-error"},
    "rate_limited": {name for name in BEHAVIOURS if name.startswith("retry-after-")},
    "timeout": {
        *("silence", "slow-head", "slow-drip", "endless-early-hints"),
        *("endless-lines", "endless-events", "endless-comments", "endless-event", "endless-whole"),
    },
}
"""Of those that are neither of a wrong shape nor broken off."""
LATE = {name for name in BEHAVIOURS if name.startswith(("endless-", "gzip-"))}
"""Those that reach a bound or the timeout, whichever is first on the machine."""
ONLY_STREAMS = {"events-out-of-order", "error-event", "echo-event"}

SCENARIO = """\
version: 1
question: What comes of answers that no server should give?
model: claude-sonnet-5
{client}
workload: {{dataset: prompts.jsonl, requests: {count}, output_tokens: 5, max_tokens: 50, stream: {stream}}}
timeout: {{attempt: 2s}}
retry: none
strategies: [gather]
"""


def expected(name: str) -> set[str | None]:
    """The causes that may come of a behaviour."""
    if name in NOTHING_WRONG:
        return {None}
    named = {cause for cause, names in CAUSES.items() if name in names}
    broken = {"malformed", "connection"}
    late = {"timeout", *broken} if name in LATE else set()
    return {*(named or broken), *late, *({None, "stream_error"} if name in ONLY_STREAMS else set())}


ENDLESS = {name for name in BEHAVIOURS if name.startswith("endless-")}
GROUPS = {"endless": sorted(ENDLESS), "ending": sorted(BEHAVIOURS.keys() - ENDLESS)}
"""What never ends takes the machine from all else."""


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    ("client", "stream"),
    [
        ("transport: aiohttp", "true"),
        ("transport: aiohttp", "false"),
        ("transport: httpx", "true"),
        ("client: wire", "true"),
        ("client: wire", "false"),
    ],
)
def test_every_request_has_its_record(tmp_path: Path, client: str, stream: str, group: str) -> None:
    names = GROUPS[group]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"behave: {name}"}) + "\n" for name in names))
    scenario = SCENARIO.format(client=client, stream=stream, count=len(names))
    (tmp_path / "job.yaml").write_text(scenario)
    with hostile_server() as url:
        code, memory, said = bench(tmp_path, "run", "job.yaml", "--target", url, "--out", "run", "--quiet")
    assert code in (Exit.OK, Exit.NOT_VALID), said
    assert memory < MEMORY
    records = list(read_records(tmp_path / "run" / "records.jsonl"))
    assert sorted(record.seq for record in records) == list(range(len(names)))
    found = {names[record.seq]: record.attempts[-1] for record in records}
    assert {name: one.cause for name, one in found.items() if one.cause not in expected(name)} == {}
    assert all(one.message and one.message.isprintable() for one in found.values() if one.cause)
    assert len((tmp_path / "run" / "records.jsonl").read_bytes()) < 1_000 * len(names)


MEASURED = """
import atexit, re, sys
from pathlib import Path
from bench.cli import main

def peak():
    said = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    Path("peak").write_text(said[1])

atexit.register(peak)
main()
"""
"""Says by itself how much it had: what the system says of a child counts what its parent had when it began."""


def bench(folder: Path, *arguments: str) -> tuple[int, int, str]:
    """Exit code, the most memory it ever had (bytes), and what it said of `claude-bench` in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "ANTHROPIC_API_KEY": "sk-ant-none"}
    with (folder / "said").open("wb") as said:
        command = [sys.executable, "-c", MEASURED, *arguments]
        code = subprocess.run(command, cwd=folder, env=env, stdout=said, stderr=said).returncode
    return code, int((folder / "peak").read_text()) * 1024, (folder / "said").read_text()
