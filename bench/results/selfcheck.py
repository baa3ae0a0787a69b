"""Is a pass to be believed?  What the client saw of itself while it measured, and when that spoils the numbers.

All times are wall-clock seconds, whatever the speed of the run.
"""

from __future__ import annotations

import msgspec

ENOUGH_MOMENTS = 50
"""Moments, one second of them, from which on the event loop is judged: in less, one hiccup is half of all there was."""

BUSY = 0.9
"""Share of one core from which on an event loop has no time left: what comes then waits for what came before."""


class SelfCheck(msgspec.Struct, frozen=True):
    """The client beside one pass of a target that takes real time."""

    seconds: float
    """How long the pass took."""
    cpu: float
    """Share of one core that the event loop's thread used: 1 is all that it can ever have."""
    moments: int
    """How often the event loop was looked at, 50 times a second; moments at which it could not look count too."""
    lag_median: float
    """How late it was at these moments: a timer, a stamp, an answer comes later by so much."""
    lag_p99: float
    lag_max: float
    pauses: int
    """Garbage collections."""
    paused: float
    """Seconds they took together."""
    longest_pause: float
    sends: int
    """Attempts that came to an end."""
    wait_median: float
    """How long an attempt that was let through took to be built, to get its turn and to leave: sends that were late
    by this machine's doing.  No attempt waits for a connection, as their number is not limited."""
    wait_p99: float
    wait_max: float
    most_open: int
    """Most attempts open at once."""

    @property
    def rate(self) -> float:
        """Attempts a second."""
        return self.sends / self.seconds if self.seconds else 0.0
