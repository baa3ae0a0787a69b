"""What the processes of a run say to each other: plain values, which can be pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.errors import Exit
from bench.results.sends import Send
from bench.results.workers import WorkerNote
from bench.scale.shares import Claim, Grant
from bench.scenario.model import Scenario
from bench.workload.stripe import Stripe


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why everybody shall stop."""

    reason: str
    exit_code: Exit
    cut: bool = False
    """Whether what is in flight is to be given up too."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says again and again while it sends."""

    claims: Mapping[str, Claim] = field(default_factory=dict)
    """By the name of what is shared."""
    lines: bytes = b""
    """The records that have ended since the last report, as lines of a journal."""
    sent: int = 0
    """Requests that have left the queue since then."""
    stopped: Stopped | None = None
    """That it has stopped by itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is told."""

    grants: Mapping[str, Grant]
    stopped: Stopped | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is."""

    node: str
    """Ray's name for the machine."""
    folder: str
    """Where on that machine it writes its records."""
    turn: int
    """How many have had its stripe before it."""


@dataclass(frozen=True, slots=True)
class Job:
    """A stripe of one pass."""

    scenario: Scenario
    """Of the pass's case."""
    case: str | None
    strategy: str
    number: int
    """0-based repeat."""
    stripe: Stripe
    token: str
    """Of the run."""
    url: str | None
    """Of the mock server of this run, where there is one."""
    folder: str
    """Where to write the records, if this is the machine `node`; elsewhere it is a temporary folder."""
    node: str
    budget: float | None
    """Dollars of all workers, and below requests."""
    requests: int | None
    seconds: float | None
    """Of scenario time."""
    shared: tuple[str, ...] = ()
    """Names of what is leased."""
    records: bytes = b""
    """Of a worker that died: lines of its journal."""
    unknown: tuple[Send, ...] = ()
    """And what it had sent without a record."""
    turn: int = 0
    """How many have had this stripe before."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a stripe came to, beyond its records."""

    note: WorkerNote
    spent: float
    """Dollars, and below attempts sent, as its budget counted them."""
    sent: int
    seconds: float
    """Of scenario time, from the start of the pass to its end."""
    aside: tuple[int, float]
    """Attempts and dollars, of the above, that have no record: warm-ups."""
