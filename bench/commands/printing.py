"""What commands have in common: they ask before they spend, print what was found, return its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

from bench.errors import INTERRUPTIONS, Exit, UsageError

if TYPE_CHECKING:
    from bench.scenario.model import Scenario

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


def passed(exit_code: int, *, exit_zero: bool) -> int:
    """The exit code for those who read it elsewhere: 0 whatever was found, unless a person or a system ended it."""
    return Exit.OK if exit_zero and exit_code not in INTERRUPTIONS else exit_code


def agreed(offer: str, *, yes: bool) -> None:
    """Show what would be sent and what it costs, and let a person agree to it.

    `yes` is agreement given before.  UsageError where there is none, and nobody to ask.
    """
    print(offer, file=sys.stderr, flush=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("that costs money, and there is nobody to ask", "Agree with --yes.")
    print("Send it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was sent")


def may_send(scenarios: Sequence[Scenario], *, yes: bool, quiet: bool, more: str = "") -> bool:
    """Show what runs on the API come to before they are sent, and let a person agree to it; `more` is said below.

    Nothing is asked of other targets.  UsageError for a run without a budget.
    """
    from bench import api
    from bench.planning import plans

    paid = [one for one in scenarios if one.target == "api"]
    for one in paid:
        api.refuse_unbounded(one)
        if not (quiet and yes):
            plans.show_before_sending(one)
    if paid and more and not (quiet and yes):
        api.to_stderr(more)
    if not paid or plans.is_agreed("Send it?", yes=yes):
        return True
    api.to_stderr("nothing was sent")
    return False


def words(flag: str | None) -> list[str]:
    """What a flag names, separated by commas."""
    return [word.strip() for word in flag.split(",")] if flag else []
