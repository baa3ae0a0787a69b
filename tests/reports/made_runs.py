"""Whole runs made from the queue simulation, summarized as a real run is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
from queue_simulation import FOUR, MODEL, Queue

from bench.results.columns import Columns
from bench.results.environment import Machine
from bench.results.folder import RECORDS, LoadedRun, RunInfo
from bench.results.question import Question
from bench.results.record import Record, write_records
from bench.results.summarize import overhead, summarize, summarize_pass
from bench.results.summary import Overhead, Summary, ThresholdResult

QUESTION = Question(
    name="summarize-100",
    question="How should a hundred document summaries be sent: one by one, all at once, or a few at a time?",
    model=MODEL,
    target="mock",
    client="sdk on aiohttp",
    tier="tutorial-2",
    day=date(2026, 11, 20),
    claim="A widely read tutorial gives 8 min 20 s one by one; 45 s all at once, with 429s and retries; 1 min 40 s "
    "with five in flight; 58 s with ten, near the ceiling.",
    tier_as_of="2024-06-01",
    seed=7,
    limits={"requests": 150.0, "input_tokens": 450_000.0, "output_tokens": 90_000.0},
)

THRESHOLDS = (
    ThresholdResult("semaphore-10", 0, "latency", "p(95) < 8s", 7.31, "ok", "6.80 s .. 7.72 s, 100 samples"),
    ThresholdResult("gather", 0, "errors", "rate < 1%", 0.02, "failed"),
    ThresholdResult(
        "sequential", 0, "latency", "p(99) < 10s", None, "inconclusive", "p99 needs 368 samples, there are 100"
    ),
)

INFO = RunInfo(
    id="20261120-1041-summarize-100-mock-kqvd",
    started_at="2026-11-20T10:41:07Z",
    command=("claude-bench", "run", "summarize-100", "--target", "mock", "--seed", "7"),
    scenario={
        "version": 1,
        "name": "summarize-100",
        "model": MODEL,
        "strategies": [{"name": "gather", "kind": "gather"}],
    },
    scenario_hash="9f2c1e77a0b4",
    versions={"python": "3.11.9", "claude-bench": "0.1.0", "anthropic": "2.11.0"},
    machine=Machine("Linux 6.1 x86_64", "Some CPU", 2),
    seed=7,
    target="mock",
    client="sdk on aiohttp",
    tier="tutorial-2",
    tier_as_of="2024-06-01",
    prices_as_of="2026-11-18",
)


def summary_of(
    passes: Sequence[Columns], question: Question = QUESTION, thresholds: Sequence[ThresholdResult] = ()
) -> Summary:
    summaries = [
        summarize_pass(one, question, kind=one.strategy.split("-")[0], overhead=_overhead(one, question))
        for one in passes
    ]
    return summarize(question, summaries, thresholds)


def summary_of_cases(passes: Sequence[Columns], thresholds: Sequence[ThresholdResult] = ()) -> Summary:
    """Of the same question in each case."""
    cases = [msgspec.structs.replace(QUESTION, case=case) for case in dict.fromkeys(one.case for one in passes)]
    summaries = [summarize_pass(one, QUESTION, kind=one.strategy.split("-")[0]) for one in passes]
    return summarize(QUESTION, summaries, thresholds, cases=cases)


def in_cases(queues: Sequence[Queue], cases: Sequence[str]) -> list[Queue]:
    """The same queues in each case."""
    return [replace(queue, case=case) for case in cases for queue in queues]


def _overhead(columns: Columns, question: Question) -> Overhead | None:
    latency = columns.requests.latency[columns.requests.ok]
    return overhead(latency, latency - 0.0012) if question.target == "mock" else None


def made_run(
    folder: Path,
    queues: Sequence[Queue] = FOUR,
    question: Question = QUESTION,
    thresholds: Sequence[ThresholdResult] = THRESHOLDS,
) -> LoadedRun:
    """A run as it is read back from its folder, whose records are there."""
    records: list[Record] = []
    passes = []
    for queue in queues:
        rows = queue.records()
        records += rows
        passes.append(Columns.of(rows))
    write_records(folder / RECORDS, records)
    info = msgspec.structs.replace(INFO, target=question.target)
    several = any(one.case for one in passes)
    found = summary_of_cases(passes, thresholds) if several else summary_of(passes, question, thresholds)
    return LoadedRun(folder=folder, info=info, summary=found, passes=passes, torn=0)


def in_streams(columns: Columns) -> Columns:
    """The same pass, every fourth request of which people wait for."""
    stream = (columns.requests.seq % 4 > 0).astype(int)
    return replace(columns, requests=replace(columns.requests, stream=stream), streams=("chat", "job"))
