"""Whole runs made from the queue simulation: their summary, computed by the metrics table, and their rows."""

from __future__ import annotations

from collections.abc import Sequence

from queue_simulation import FOUR, MODEL, Queue

from bench.results.columns import Columns
from bench.results.limits import limit_use
from bench.results.metrics import DISTRIBUTIONS, SCALARS, PassFacts, Slo
from bench.results.statistics import distribution
from bench.results.summary import Cost, Overhead, PassSummary, Summary, ThresholdResult, Warning

LIMITS = {"requests": 50.0, "input_tokens": 30_000.0, "output_tokens": 8_000.0}


def summarise_pass(columns: Columns, kind: str, *, priced: bool = True) -> PassSummary:
    requests = columns.requests
    spent = float(requests.input_tokens.sum()) * 2e-6, float(requests.output_tokens.sum()) * 10e-6
    cost = Cost(sum(spent), spent[0], 0.0, 0.0, spent[1]) if priced else Cost(None, None, None, None, None)
    use = limit_use(columns, LIMITS)
    facts = PassFacts(columns, Slo(), cost, use)
    causes = [record for record in requests.cause if record >= 0]
    return PassSummary(
        strategy=columns.strategy,
        kind=kind,
        pass_=columns.pass_,
        values={metric.name: metric.compute(facts) for metric in SCALARS},
        distributions={metric.name: distribution(metric.compute(facts)) for metric in DISTRIBUTIONS},
        failures={"overloaded": len(causes)} if causes else {},
        attempts={"requests": int((columns.attempts.status == 429).sum())}
        if (columns.attempts.status == 429).any()
        else {},
        cost=cost,
        limits=use,
        overhead=Overhead(100, 0.0012, 0.003, 4.612, 4.611) if columns.strategy == "gather" else None,
    )


def summary_of(passes: Sequence[Columns], *, priced: bool = True, **changes: object) -> Summary:
    values: dict[str, object] = {
        "schema_version": 1,
        "name": "summarize-100",
        "question": "How should a hundred document summaries be sent: one by one, all at once, or a few at a time?",
        "claim": "A widely read tutorial: sequential 8 min 20 s, gather 45 s with 429s and retries, semaphore of 5 in "
        "1 min 40 s, semaphore of 10 in 58 s, near the ceiling.",
        "model": MODEL,
        "target": "sim",
        "tier": "tutorial-1",
        "tier_as_of": "2024-06-01",
        "seed": 7,
        "speed": 1.0,
        "prices_as_of": "2026-11-18",
        "answer": "semaphore-10 is the fastest that fails nothing: 100 requests in 1 min 52 s, 4.3 times as fast as one "
        "by one, for $0.50.",
        "passes": tuple(summarise_pass(columns, columns.strategy.split("-")[0], priced=priced) for columns in passes),
        "thresholds": (),
        "warnings": (),
        "reasons": (),
        "exit_code": 0,
    }
    return Summary(**(values | changes))  # type: ignore[arg-type]  # a dict of keyword arguments


THRESHOLDS = (
    ThresholdResult("semaphore-10", 0, "latency", "p(95) < 8s", 7.31, "ok"),
    ThresholdResult("gather", 0, "error_rate", "rate < 1%", 0.02, "failed", "2 of 100"),
    ThresholdResult("sequential", 0, "latency", "p(99) < 10s", None, "inconclusive", "needs 368 samples"),
)

WARNINGS = (
    Warning(
        "rate-limited",
        "gather: 198 of 298 attempts were answered with a 429.",
        "Response time shows the waits, latency does not.",
        "Use a limit on requests in flight, or the token_bucket strategy.",
    ),
    Warning(
        "few-samples",
        "100 requests a strategy bound no p99.",
        "The slowest 1 % is one request: another run may give a very different one.",
        "Run at least 368 requests to see the p99.",
    ),
)


def columns_of(queues: Sequence[Queue] = FOUR) -> list[Columns]:
    return [Columns.of(queue.records()) for queue in queues]
