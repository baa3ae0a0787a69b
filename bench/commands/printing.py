"""What all commands do at their end: print what was found, return its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar

command_line: ContextVar[list[str]] = ContextVar("command_line")
"""The command line that is being run, as the run folder notes it down."""


def printed(show: Callable[[], None], exit_code: int) -> int:
    """Print what was found and return its exit code."""
    try:
        show()
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich turns the former into the latter, with a code of its own
        # Whoever read (head, say) has seen enough.  The exit code stays that of what was found.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code


def words(flag: str | None) -> list[str]:
    """What a flag names, separated by commas."""
    return [word.strip() for word in flag.split(",")] if flag else []
