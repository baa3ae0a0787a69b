"""How often attempts failed, for what, and which faults do the same on mock and sim.  Pure.

Faults get their chance one after another, and the first that strikes is the one that shows: refusals, then the limits,
then what spoils an answer that was let in.  So each share is of the attempts that those before it left over.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import numpy as np

from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES, Bools, Columns, Floats, ended_by, unneeded
from bench.results.fidelity import Failure, RetryAfter
from bench.results.limits import rate_limited
from bench.results.statistics import wilson
from mock_server.faults import FLAWS, REFUSALS, Fault

_ORDER = (*REFUSALS, "", *FLAWS)
"""Faults in the order of their chance; the limits have theirs at the gap."""

_SAME = ("acceleration", "concurrency", "server_error", "gateway_timeout", "overloaded", "stream_error")
"""Causes whose fault has the same name."""


def failures(passes: Sequence[Columns], limits: Container[str]) -> tuple[Failure, ...]:
    """What ended attempts, in the order in which faults get their chance; what has no fault comes last.

    `limits` are the limiters that are there: their 429s come about by themselves, and need no fault.
    """
    rows: dict[tuple[str, str | None], list[Floats]] = {}
    left = 0
    for columns in passes:
        attempts, live = columns.attempts, _came_to_an_end(columns)
        left += int(live.sum())
        streamed = not np.isnan(columns.requests.ttft).all()
        for row in np.flatnonzero(live & ~attempts.ok):
            cause = CAUSE_NAMES[attempts.cause[row]]
            fault = _fault(cause, answered=bool(attempts.status[row]), streamed=streamed, limits=limits)
            rows.setdefault((cause, fault), []).append(attempts.retry_after[row])
    found = []
    for cause, fault in sorted(rows, key=_turn):
        waits = np.array(rows[cause, fault])
        found.append(_failure(cause, fault, waits, left))
        left -= len(waits)
    return tuple(found)


def retry_after(passes: Iterable[Columns]) -> RetryAfter | None:
    """What 429s said of waiting; None where there were none."""
    waits = np.concatenate([one.attempts.retry_after[rate_limited(one.attempts)] for one in passes])
    said = waits[~np.isnan(waits)]
    if not len(waits):
        return None
    if not len(said):
        return RetryAfter(len(waits), 0, None, None)
    return RetryAfter(len(waits), len(said), *(float(wait) for wait in np.quantile(said, [0.5, 0.95])))


def faults(found: Iterable[Failure], waits: RetryAfter | None) -> dict[str, Fault]:
    """The faults that fail as often, as mock and sim take them."""
    chosen = {one.fault: _as_fault(one) for one in found if one.fault is not None}
    if waits is not None and waits.said < waits.refused:
        chosen["retry_after_missing"] = Fault(rate=_three(1 - waits.said / waits.refused))
    return chosen


def _came_to_an_end(columns: Columns) -> Bools:
    attempts = columns.attempts
    return ~(attempts.batch | unneeded(attempts) | ended_by("cancelled", of=attempts))


def _fault(cause: str, *, answered: bool, streamed: bool, limits: Container[str]) -> str | None:
    """The fault that does what a cause says; None for what limits and timeouts do, and for what is our own doing."""
    match cause:
        case "connection":
            return "cut" if answered else "reset"
        case "malformed":
            return "malformed_sse" if streamed else "malformed_json"
        case "stalled":
            return "stall"
        case "requests" | "input_tokens" | "output_tokens" if cause not in limits:
            return cause
    return cause if cause in _SAME else None


def _turn(key: tuple[str, str | None]) -> tuple[int, str]:
    cause, fault = key
    if fault is not None:
        return _ORDER.index(fault), cause
    return (_ORDER.index("") if CAUSES[cause].rate_limit else len(_ORDER)), cause


def _failure(cause: str, fault: str | None, waits: Floats, of: int) -> Failure:
    bounds, said = wilson(len(waits), of), waits[~np.isnan(waits)]
    assert bounds is not None
    wait = float(np.median(said)) if len(said) else None
    return Failure(cause, len(waits), of, len(waits) / of, *bounds, fault, wait)


def _as_fault(failure: Failure) -> Fault:
    wait = failure.retry_after if failure.fault in REFUSALS else None
    return Fault(rate=_three(failure.share), retry_after=None if wait is None else round(wait))


def _three(share: float) -> float:
    """Three digits, so that a file can be read."""
    return float(f"{share:.3g}")
