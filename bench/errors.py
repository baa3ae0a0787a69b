"""The error tree.  Each class knows its exit code and what to do next; `cli.py` prints and exits, nothing else.

    BenchError                 1   a bug in claude-bench
    ├── UsageError             2   a bad flag, scenario or file; nothing was sent
    │   └── ScenarioError      2   every problem of a scenario file at once
    ├── DiskError              5   what is measured cannot be kept
    ├── BudgetError            6   there is no money, as was found out before anything was recorded
    └── TargetError            7   unreachable, key or model refused

A failed request is data (a record with a cause), never one of these.  So is a run that a budget or a person stopped:
its summary has the exit code.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """What the process returns.  The most basic reason wins: 130 > 143 > 1 > 2 > 7 > 6 > 5 > 99 > 3 > 4 > 0."""

    OK = 0
    BUG = 1
    USAGE = 2
    REGRESSED = 3
    INCONCLUSIVE = 4
    NOT_VALID = 5
    BUDGET = 6
    TARGET = 7
    THRESHOLDS = 99
    INTERRUPTED = 130
    TERMINATED = 143


def check_exit_code(code: int) -> None:
    """ValueError for what no run that ended in order returns: a code that does not exist, or that of a bug."""
    if code not in set(Exit) - {Exit.BUG}:
        raise ValueError(f"{code} is no exit code of a run")


PRECEDENCE = (
    Exit.INTERRUPTED,
    Exit.TERMINATED,
    Exit.BUG,
    Exit.USAGE,
    Exit.TARGET,
    Exit.BUDGET,
    Exit.NOT_VALID,
    Exit.THRESHOLDS,
    Exit.REGRESSED,
    Exit.INCONCLUSIVE,
    Exit.OK,
)
"""Exit codes from the most to the least basic."""


INTERRUPTIONS = (Exit.INTERRUPTED, Exit.TERMINATED)
"""Not findings: `run --exit-zero` leaves them as they are, so that a script that was stopped stops."""


class BenchError(Exception):
    """Something the person must know about.  `hint` says what to do."""

    exit_code: ClassVar[Exit] = Exit.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(BenchError):
    """A bad flag, scenario or file.  Nothing was sent."""

    exit_code = Exit.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where (1-based line and column), which key, what was wrong and expected.

    Line 0 is for what does not come from a file: `file` is then its flag, such as `--set workload.requests`.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}  {self.path}: {self.message}" if self.path else f"{where}  {self.message}"


class ScenarioError(UsageError):
    """Every problem of a scenario file, in the order of its lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda p: (p.file, p.line, p.column))
        super().__init__("\n".join(map(str, self.problems)))


DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What the system says when a disk takes no more."""


class DiskError(BenchError):
    """What is measured cannot be written down: the disk is full, or gone."""

    exit_code = Exit.NOT_VALID


class BudgetError(BenchError):
    """There is no money: a bill, a spend cap, an empty account.  Of a run that has begun it is no error but data."""

    exit_code = Exit.BUDGET


class TargetError(BenchError):
    """The target cannot be reached, or refuses the key or the model."""

    exit_code = Exit.TARGET
