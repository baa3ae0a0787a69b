"""A mock server in a process of its own, for tests over real HTTP."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from mock_server.settings import Settings

COMMAND = [sys.executable, "-m", "mock_server"]


@contextmanager
def serving(settings: Settings, speed: float) -> Iterator[str]:
    """A server of its own process for as long as the block lasts; its URL."""
    command = [*COMMAND, "--port", "0", "--speed", str(speed), "--settings", "-", "--with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(msgspec.json.encode(settings) + b"\n")
        process.stdin.flush()
        ready = process.stdout.readline().decode()
        found = re.search(r"claude-bench mock server on (http://127\.0\.0\.1:\d+)", ready)
        assert found
        yield found[1]
        process.stdin.close()
        assert process.wait(20) == 0
