"""Calibrations whose numbers are made up, for what is printed of them."""

from __future__ import annotations

import msgspec

from bench.results.fidelity import (
    SCHEMA_VERSION,
    Burst,
    Curve,
    Estimate,
    Failure,
    Fidelity,
    RetryAfter,
    Row,
    Shape,
)

SETTINGS = """\
mock:
  latency: {profile: ours.json}
  burst: 12s
  faults:
    overloaded: {rate: 3.51%, retry_after: 7s}"""

SHARES = tuple(k / 200 for k in range(1, 200))


def fitted() -> Fidelity:
    """One that comes near."""
    return Fidelity(
        schema_version=SCHEMA_VERSION,
        run="20261120-1041-summaries-api-kqvd",
        scenario="summaries",
        target="api",
        models=("claude-sonnet-5",),
        profile="ours.json",
        estimates=(
            Estimate("ttft.p50", "sonnet", 0.873, 0.763, 0.956, 800),
            Estimate("ttft.p95", "sonnet", 2.53, 2.25, 3.21, 800),
            Estimate("rate.p50", "sonnet", 74.0, 68.5, 81.8, 800),
            Estimate("rate.p95", "sonnet", 103.9, 96.1, 114.6, 800),
            Estimate("length.p50", "sonnet", 1.12, 1.09, 1.15, 790),
            Estimate("length.p95", "sonnet", 1.9, 1.8, 2.1, 790),
            Estimate("correlation", "sonnet", -0.31, -0.37, -0.25, 800),
            Estimate("prefill", "sonnet", 0.0628, 0.0447, 0.0839, 800),
            Estimate("load", "sonnet", 0.0, -0.112, 0.187, 800),
        ),
        shapes=(
            Shape("ttft", "sonnet", "table", 0.004, 800),
            Shape("rate", "sonnet", "lognormal", 0.022, 800),
            Shape("length", "sonnet", "table", 0.006, 790),
        ),
        failures=(
            Failure("overloaded", 30, 854, 0.0351, 0.0247, 0.0497, "overloaded", 7.0),
            Failure("requests", 24, 824, 0.0291, 0.0196, 0.043, None, 2.0),
            Failure("connection", 5, 800, 0.00625, 0.00267, 0.0146, "reset"),
            Failure("timeout", 1, 795, 0.00126, 0.000222, 0.00709, None),
        ),
        retry_after=RetryAfter(24, 23, 2.0, 11.0),
        burst=Burst("requests", 50, 12.0, 12.0, 13.2, 24),
        settings=SETTINGS,
        simulations=5,
        rows=(
            Row("semaphore-64", "ttft.p50", 0.993, 0.995, 0.952, 1.035, 800),
            Row("semaphore-64", "ttft.p95", 2.66, 2.74, 2.51, 2.80, 800),
            Row("semaphore-64", "makespan", 66.7, 66.8, 66.0, 73.1, 800),
            Row("semaphore-64", "rate_limited", 0.0, 0.0, 0.0, 0.0, 800),
        ),
        curves=(
            _curve("ttft", 1.0, 1.02),
            _curve("latency", 6.0, 0.98),
            msgspec.structs.replace(_curve("tpot", 0.012, 1.0), distance=0.034),
        ),
        notes=("1 attempt timed out: how long it would have taken is not known, and never drawn",),
    )


def far() -> Fidelity:
    """One that does not."""
    return msgspec.structs.replace(
        fitted(), rows=(*fitted().rows, Row("gather", "latency.p95", 9.0, 10.8, 10.4, 11.2, 800))
    )


def by_chance() -> Fidelity:
    """One that is far, but no farther than it is from itself."""
    return msgspec.structs.replace(
        fitted(), rows=(*fitted().rows, Row("gather", "makespan", 452.0, 420.0, 411.0, 465.0, 800))
    )


def alone() -> Fidelity:
    """One that was not held against its run, of which nothing failed."""
    return msgspec.structs.replace(
        fitted(), rows=(), curves=(), simulations=0, failures=(), retry_after=None, burst=None
    )


def _curve(metric: str, typical: float, off: float) -> Curve:
    recorded = tuple(typical * (0.3 + 2 * share**2) for share in SHARES)
    return Curve("semaphore-64", metric, SHARES, recorded, tuple(one * off for one in recorded), 0.012, 800, 4_000)
