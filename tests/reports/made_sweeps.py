"""Sweeps made by hand, for the console and the page."""

from __future__ import annotations

from bench.results.recommendation import Recommendation, recommend
from bench.results.sweep import SCHEMA_VERSION, Estimate, Point, Series, Sweep


def point(at: int, goodput: float, p95: float | None, refused: float = 0.0, failed: float = 0.0) -> Point:
    return Point(
        at=at,
        strategy=f"semaphore-{at}",
        passes=3,
        requests=6000,
        succeeded=round(6000 * (1 - failed)),
        goodput=Estimate(goodput, goodput * 0.97, goodput * 1.03, (goodput * 0.99, goodput, goodput * 1.01)),
        p95={"ttft": None if p95 is None else Estimate(p95, p95 - 0.08, p95 + 0.08, (p95,) * 3)},
        refused={"requests": refused * 0.9, "output_tokens": refused * 0.1} if refused else {},
        failed=failed,
        cost_per_success=0.005,
        uses={"requests": min(1.0, goodput / 650), "input_tokens": 0.3},
        bounds={"requests": 650.0, "input_tokens": 2000.0},
    )


def found(tier: str = "start", case: str | None = None) -> Series:
    points = (
        point(8, 78, 1.20), point(16, 155, 1.22), point(32, 308, 1.25), point(64, 612, 1.38),
        point(128, 630, 1.61, 0.06), point(256, 580, 3.2, 0.48, 0.02),
    )  # fmt: skip
    return Series(tier, "semaphore", {"ttft": 1.6}, "latency", own_times=False, points=points, case=case)


def none(tier: str = "tier-1") -> Series:
    points = (point(8, 78, 1.7), point(16, 80, 1.8, 0.3), point(32, 82, 2.5, 0.7))
    return Series(tier, "semaphore", {"ttft": 1.6}, "latency", own_times=False, points=points)


def unsure() -> Series:
    points = (point(4, 300, 1.55), point(8, 305, 1.62), point(16, 306, None))
    return Series("build", "semaphore", {"ttft": 1.6}, "latency", own_times=False, points=points, case="people")


def sweep(*series: Series, stopped: str | None = None) -> Sweep:
    return Sweep(
        schema_version=SCHEMA_VERSION,
        name="summarise",
        question="How many at a time?",
        model="claude-sonnet-5",
        target="sim",
        kind="semaphore",
        started_at="2026-11-20T10:41:00Z",
        seeds=(0, 1, 2),
        series=series,
        cost=93.5,
        stopped=stopped,
        exit_code=130 if stopped else 0,
    )


def advised(*series: Series) -> Recommendation:
    return recommend("runs/20261120-1041-summarise-sweep-sim-kqvd", series)
