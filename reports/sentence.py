"""A run in sentences that can be pasted into a ticket: each stands alone, with what it was measured on and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bench.results.folder import RunInfo
from bench.results.format import DASH, count, pass_name, text, three
from bench.results.metrics import METRICS
from bench.results.summary import PassSummary, Quantile, Summary
from reports.passes import asked_of
from reports.repeats import Repeated, over_runs
from reports.words import column_text, interval

HOW = {"sim": "simulated", "mock": "on the mock", "api": "on the API"}


def sentences(info: RunInfo, summary: Summary) -> Iterator[str]:
    """One for each strategy: how much a minute, how quick with its interval, for how much, when, of which model."""
    for one in over_runs(summary.passes):
        yield _sentence(info, summary, one)


def _sentence(info: RunInfo, summary: Summary, one: Repeated) -> str:
    found = one.summary
    tier, model = asked_of(summary, found)
    began = datetime.fromisoformat(info.started_at)
    facts = [
        f"{three(found.values['throughput'] or 0)} a minute",
        _slow(found, one.runs),
        f"{text(found.values['cost_per_success'], 'USD')} each" if found.cost.total is not None else "cost unknown",
        *_trouble(found, one.runs),
        HOW.get(summary.target, f"at {summary.target}"),
        f"{began.day} {began:%b %Y}",
        model,
    ]
    return f"{summary.name} on {tier}, {pass_name(found.strategy, 0, found.case)}: {', '.join(facts)}."


def _slow(found: PassSummary, runs: int) -> str:
    """The p95 people wait for: of the first token where answers are streamed, else of the response time."""
    name = "ttft" if found.distributions["ttft"].n else "response_time"
    distribution, title = found.distributions[name], METRICS[name].title
    of = count(runs, "run") if runs > 1 else count(distribution.n, "request")
    p95: Quantile = distribution.p95
    if p95.value is None:
        return f"p95 {title} not known ({of} of {p95.needed} it takes)"
    value, bounds = column_text(p95.value, "s"), interval(p95, "s").replace(f" {DASH} ", DASH)
    number, _, unit = value.partition(" ")
    if bounds.count(" ") == 1:  # one unit, and the value before it has the same
        bounds = bounds.removesuffix(f" {unit}")
    return f"p95 {title} {number} {unit} ({bounds}, {of})"


def _trouble(found: PassSummary, runs: int) -> Iterator[str]:
    """What would be hidden by silence; of several runs, a typical one's."""
    each = " a run" if runs > 1 else ""
    for metric, noun in (("rate_limited", "429"), ("failed", "failed request")):
        if met := found.values[metric]:
            yield f"{count(met, noun)}{each}"
    if found.stopped is not None:
        yield "ended early"
