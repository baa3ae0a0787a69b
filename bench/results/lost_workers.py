"""What a reader must know of workers that were lost while they sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.results.format import count
from bench.results.summary import Warning
from bench.results.workers import WorkerNote


def lost(notes: Iterable[WorkerNote]) -> Iterator[Warning]:
    """A warning for all of them together."""
    if gone := [one for one in notes if one.lost]:
        who = ", ".join(str(one.worker) for one in gone)
        yield Warning(
            "lost_worker",
            f"{count(len(gone), 'worker')} of the run was lost ({who}), and another process has gone on in its place."
            if len(gone) == 1
            else f"{len(gone)} workers of the run were lost ({who}), and other processes have gone on in their places.",
            "What was due meanwhile was late, and what was in flight has no answer; response times show it.",
            "Look at the machines' logs for what ended them: memory most often.  Run it again for latencies.",
        )
