"""Plans with every kind of cell, made by hand."""

from __future__ import annotations

import msgspec

from bench.results.plan import (
    Bound,
    Cell,
    ClosedForm,
    LimitShare,
    Plan,
    Played,
    Spending,
    TierPlan,
    Volume,
    WhatIf,
)

USED = (
    LimitShare("requests", 1000, 1.01),
    LimitShare("input_tokens", 2e6, 0.304),
    LimitShare("output_tokens", 4e5, 0.004),
)


def closed(seconds: float, binds: str, in_flight: float, *, limited: bool = False) -> ClosedForm:
    bounds = (Bound(binds, seconds, 10_000, 1000, 1000), Bound("answers", 21.7))
    return ClosedForm(seconds, binds, 10_000 / seconds * 60, in_flight, limited, bounds)


def played(seconds: float, *, refused: float = 0.0, failed: float = 0.0, estimate: bool = False) -> Played:
    return Played(
        requests=10_000,
        simulated=5_000 if estimate else 10_000,
        estimate=estimate,
        makespan=seconds,
        throughput=10_000 / seconds * 60,
        response_p50=seconds / 2,
        response_p95=seconds * 0.95,
        ttft_p50=0.85,
        ttft_p95=2.5,
        latency_p50=3.1,
        latency_p95=8.8,
        limits=USED,
        rate_limited=refused,
        rate_limited_share=refused / (refused + 10_000),
        failed=failed,
        failed_share=failed / 10_000,
    )


def spent(expected: float | None, cap: float | None) -> Spending:
    if expected is None:
        return Spending(None, None, cap, None)
    part = None if cap is None else expected / cap
    return Spending(expected, expected * 2.8, cap, part, expected * 152, None if cap is None else expected * 152 / cap)


PACED = Cell(
    "start", None, "token-bucket", "token_bucket", closed(593.5, "requests", 59.4), spent(45.91, 500), played(596.9),
    0.0057, carries_volume=False, best=True, recommended=True,
)  # fmt: skip
ROUGH = Cell(
    "start", None, "a-strategy-with-a-very-long-name", "semaphore", closed(588.5, "in_flight", 60, limited=True),
    spent(45.91, 500), played(652.2, refused=123_456, failed=120, estimate=True), 0.108,
    "123,456 429s, each with a retry-after of whole seconds in which the limit may go unused", clean=False,
)  # fmt: skip
BATCH = Cell(
    "start", None, "batch", "batch", closed(14_246.8, "batches", 2.5), spent(22.95, 500), played(14_287.5), 0.0029
)
FASTER = Cell(
    "unlimited", None, "token-bucket", "token_bucket", closed(160.7, "input_tokens", 220), spent(45.91, None),
    played(165.7), 0.031, "the last answers take longer than the mean: up to 21.7 s instead of 3.53 s", best=True,
)  # fmt: skip
UNPRICED = Cell("start", None, "gather", "gather", closed(593.5, "requests", 59.4), spent(None, 500), None)

LIMITS: dict[str, dict[str, float | None]] = {
    "claude-sonnet-5": {"requests": 1000, "input_tokens": 2e6, "output_tokens": 4e5}
}


def full() -> Plan:
    """Two tiers, what-ifs, a deadline that is met and a volume that is not carried."""
    return Plan(
        name="extract",
        question="What do 10,000 extractions cost, and how long do they take?",
        model="claude-sonnet-5",
        answer=(
            "extract on start with token-bucket, about 59 in flight: 10,000 requests in 9 min 57 s, no 429s, $45.91 "
            "(at worst $129); what binds is the limit on requests.",
            "It would take 2 min 46 s on unlimited (token-bucket).",
        ),
        tiers=(
            TierPlan("start", "2026-10-08", "API documentation", 500, LIMITS),
            TierPlan("unlimited", "2026-11-20", "claude-bench", None, {}),
        ),
        cells=(BATCH, PACED, ROUGH, FASTER),
        what_ifs=(
            WhatIf("on the build tier", "tier", None, 165.7, 45.91, 152.4),
            WhatIf("as message batches", "batches", None, 2700, 22.95, 2700, "half price; answers within 24 hours"),
            WhatIf("with claude-haiku-5-5", "model", None, 594.7, 2.295, None, "quality is another matter"),
        ),
        sensitivity=(WhatIf("answers 50 % longer", "outputs", None, 600.9, 54.78, 565.4),),
        deadline=3600.0,
        feasible=True,
        verdict=(
            "3 of 4 are done within 1 h; token-bucket on start is the cheapest that is, with $45.91, after 9 min 57 s."
        ),
        volume=Volume(1055.9, 1_521_875),
        prices_as_of="genai-prices 0.2.3, equal to the price page of 2026-10-08",
        notes=("Answer times are presets, not measured: a profile of your own makes them true.",),
    )


def in_flight() -> Plan:
    """The same with one strategy at three numbers in flight, of which the last is refused."""
    rough = [
        msgspec.structs.replace(
            ROUGH,
            strategy=f"semaphore-{number}",
            closed_form=closed(seconds, "in_flight", number, limited=True),
            simulated=played(seconds * 1.1, refused=refused),
            clean=not refused,
        )
        for number, seconds, refused in ((20, 1765.0, 0.0), (60, 588.5, 0.0), (180, 560.0, 9000.0))
    ]
    return msgspec.structs.replace(full(), cells=(BATCH, PACED, *rough, FASTER))


def before_sending() -> Plan:
    """Arithmetic alone, of two cases, one of a model without a price."""
    return Plan(
        name="extract",
        question="How long?",
        model="claude-sonnet-9",
        answer=("extract on start with gather.",),
        tiers=(TierPlan("start", "2026-10-08", "API documentation", 500, LIMITS),),
        cells=(
            Cell(
                "start",
                "known",
                "semaphore-10",
                "semaphore",
                closed(40, "in_flight", 10, limited=True),
                spent(0.3, 500),
                None,
            ),
            Cell("start", "unknown", "gather", "gather", UNPRICED.closed_form, UNPRICED.spending, None),
        ),
        repeat=3,
    )
