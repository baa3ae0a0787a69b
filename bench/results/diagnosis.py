"""What `claude-bench doctor` finds of a machine: how much each client can time on it, and on what that stands.

schema_version 2.
"""

from __future__ import annotations

import math

import msgspec

from bench.results.environment import Machine

SCHEMA_VERSION = 2

TOLERANCE = 0.05
"""Share of the true time by which a machine may over-report it and is still said to time it."""


class Level(msgspec.Struct, frozen=True):
    """One trial: so much at once, and what the client made of answers of known length."""

    offered: float
    """Streams open at once, or requests or events a second."""
    requests: int
    median: float | None
    """Over-report: by how much the response time that the client measured, from when a request was meant to go, is
    longer than what the server itself says it took, as a share of that.  None, as
    below, where not all were answered."""
    p95: float | None
    cpu: float
    """Share of one core that the client's event loop used."""
    lag: float
    """Median lateness of the event loop, in seconds."""

    @property
    def worst(self) -> float:
        """The larger of both, without end where not all were answered."""
        return math.inf if self.median is None or self.p95 is None else max(self.median, self.p95)

    @property
    def held(self) -> bool:
        """Whether it was timed."""
        return self.worst <= TOLERANCE


class Reach(msgspec.Struct, frozen=True):
    """How far one kind of load could be raised."""

    most: float
    """The highest that was timed; 0 if none was."""
    beyond: float | None
    """The lowest above it that was not; None if every trial was timed, so that the limit is higher."""
    levels: tuple[Level, ...]
    """Every trial, in the order of the load."""


class Ceiling(msgspec.Struct, frozen=True):
    """What the runs of a client are judged by: the most that it timed."""

    streams: float
    """Open at once, each with `STREAM_EVENTS` events a second."""
    requests: float
    """A second, not streamed."""
    events: float
    """A second, of all streams together."""
    measured_at: str
    """UTC, RFC 3339."""


STREAM_EVENTS = 10
"""Events a second of one stream: 50 tokens a second, as a middling model writes, five to an event."""


class Reaches(msgspec.Struct, frozen=True):
    """How far one client could go, by kind of load."""

    streams: Reach
    requests: Reach
    events: Reach


class Diagnosis(msgspec.Struct, frozen=True):
    """A machine, and what the clients can time on it."""

    measured_at: str
    """UTC, RFC 3339."""
    versions: dict[str, str]
    machine: Machine
    event_loop: str
    clock_resolution: float
    """Seconds between two readings of the clock that differ."""
    open_files: int | None
    """How many this process may have open; None where that has no limit or cannot be known."""
    load: float | None
    """What else ran: processes that wanted a core in the minute before; None where the system does not say."""
    quick: bool
    """Whether it was measured in less time, which tells less exactly."""
    sdk: Reaches
    """With `client: sdk`."""
    wire: Reaches
    """With `client: wire`."""
    schema_version: int = SCHEMA_VERSION

    @property
    def ceilings(self) -> dict[str, Ceiling]:
        """What runs are judged by, by their client."""
        return {
            client: Ceiling(one.streams.most, one.requests.most, one.events.most, self.measured_at)
            for client, one in (("sdk", self.sdk), ("wire", self.wire))
        }
