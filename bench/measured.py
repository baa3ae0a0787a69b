"""A finished run as a test asks about it, in the words of thresholds.

    run = claude_bench("summarise.yaml", strategy="semaphore-10")
    assert run.ttft.p(95) < 2.0          # seconds, as everywhere
    assert run.rate_limited.rate == 0
    assert run.cost.per_success < 0.006

A number knows its interval and its samples: an assertion that fails shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

from bench.results import folder as folders
from bench.results.columns import Columns
from bench.results.format import text
from bench.results.metrics import METRICS
from bench.results.summary import PassSummary, Summary, ThresholdResult
from bench.results.thresholds import WORDS, failed, measure, split_tags
from reports.export.junit import sentence
from reports.export.labels import strategy_name, title
from reports.words import measured


class NotMeasured(AssertionError):  # noqa: N818  (what a test that asks for it comes to)
    """There is no such number: no samples, too few of them, or a price that is not known."""


class Value(float):
    """A measured number in its metric's unit, which says when shown what it is and how sure."""

    def __new__(cls, value: float, said: str) -> Value:  # noqa: ARG004  (kept by __init__)
        """`said` is how it is shown."""
        return super().__new__(cls, value)

    def __init__(self, value: float, said: str) -> None:  # noqa: ARG002  (taken by __new__)
        self.said = said

    def __repr__(self) -> str:
        return self.said


@dataclass(frozen=True)
class Measured:
    """One metric of a strategy: `p(95)`, `med`, `avg`, `min`, `max` of times, `rate`, `count` ... of single numbers.

    Of a strategy that was run several times, the median of its runs.
    """

    metric: str
    """As in a threshold: `ttft`, or `ttft{stream:people}`."""
    runs: Sequence[tuple[PassSummary, Columns]]

    def p(self, percent: float) -> Value:
        """A percentile.  NotMeasured where the samples are too few to bound it."""
        return self._value(f"p({percent:g})")

    def __getattr__(self, aggregate: str) -> Value:
        """Any other aggregate, by its word."""
        if aggregate.startswith("_"):
            raise AttributeError(aggregate)
        try:
            return self._value(aggregate)
        except ValueError as problem:
            raise AttributeError(str(problem)) from None

    def __repr__(self) -> str:
        return f"<{self.metric} of {strategy_name(self.runs[0][0])}>"

    def _value(self, aggregate: str) -> Value:
        found = [measure(self.metric, aggregate, summary, columns) for summary, columns in self.runs]
        for one in found:
            if one.value is None:
                raise NotMeasured(f"{title(one)}: {self.metric} {aggregate}: {one.verdict}, {one.detail}")
        values = [one.value for one in found if one.value is not None]
        if len(values) == 1:
            return Value(values[0], _said(found[0]))
        lowest, highest = (measured(one) for one in (min(found, key=_of), max(found, key=_of)))
        middle = text(median(values), METRICS[_single(self.metric, aggregate)].unit)
        return Value(median(values), f"{middle} (median of {len(values)} runs, {lowest} .. {highest})")


def _of(result: ThresholdResult) -> float:
    return result.value or 0.0


def _single(written: str, aggregate: str) -> str:
    metric, _ = split_tags(written)
    return WORDS.get(metric, {}).get(aggregate, metric)


def _said(result: ThresholdResult) -> str:
    return f"{measured(result)} ({result.detail})" if result.detail else measured(result)


@dataclass(frozen=True)
class StrategyRuns:
    """One strategy of a run, with all of its repeats."""

    runs: Sequence[tuple[PassSummary, Columns]]
    tag: str = ""

    def stream(self, name: str) -> StrategyRuns:
        """The same of one stream of its traffic alone."""
        return StrategyRuns(self.runs, f"{{stream:{name}}}")

    def __getattr__(self, metric: str) -> Measured:
        """A metric, or a word that thresholds have for one."""
        if metric not in METRICS and metric not in WORDS:
            raise AttributeError(f"no metric {metric!r}; there are {', '.join(sorted({*METRICS, *WORDS}))}")
        return Measured(metric + self.tag, self.runs)


class Run:
    """A finished run.  Where it has one strategy, that one's metrics are its own."""

    def __init__(self, folder: Path, summary: Summary) -> None:
        self.folder = folder
        """Where its records and its report are."""
        self.summary = summary

    @cached_property
    def strategies(self) -> dict[str, StrategyRuns]:
        """By name."""
        columns = folders.load(self.folder).passes
        pairs = list(zip(self.summary.passes, columns, strict=True))
        names = dict.fromkeys(strategy_name(one) for one, _ in pairs)
        return {name: StrategyRuns([pair for pair in pairs if strategy_name(pair[0]) == name]) for name in names}

    def __getitem__(self, strategy: str) -> StrategyRuns:
        """One strategy.  KeyError names those that there are."""
        if strategy not in self.strategies:
            raise KeyError(f"no strategy {strategy!r}; there are {', '.join(self.strategies)}")
        return self.strategies[strategy]

    def __getattr__(self, metric: str) -> Measured:
        """A metric of the only strategy."""
        if metric.startswith("_") or metric == "strategies":
            raise AttributeError(metric)
        if len(self.strategies) != 1:
            names = ", ".join(self.strategies)
            raise AttributeError(f"the run has several strategies ({names}): ask for one, run[{names.split(',')[0]!r}]")
        [only] = self.strategies.values()
        value: Measured = getattr(only, metric)
        return value

    def check(self) -> None:
        """Hold the run against the scenario's own thresholds, and against having measured anything at all.
        AssertionError names each that does not hold, with what was measured."""
        broken = [f"{title(one)}: {sentence(one)}" for one in self.summary.thresholds if failed(one)]
        broken += [] if broken or not self.summary.exit_code else list(self.summary.reasons)
        if broken:
            raise AssertionError("\n".join((*broken, str(self.folder / folders.REPORT))))

    def no_regression(
        self,
        base: str | Path,
        *,
        gate: Sequence[str] = (),
        across: Sequence[str] = (),
        baselines: str | Path = "baselines",
    ) -> None:
        """Hold the run against another one: the name of a baseline, a run folder, or a glob of them.

        `gate` names what may fail, such as `ttft.p95`, where the scenario does not; `across` what may differ between
        the two questions, such as `strategies`.  AssertionError when one of them regressed or was not measured; what
        is inconclusive passes.  UsageError where the two cannot be compared.
        """
        from bench.comparing import compare_sides
        from reports.changes import headline
        from reports.export.junit import gate_sentence

        found = compare_sides(str(base), str(self.folder), gate=gate, across=across, baselines=Path(baselines))
        if found.exit_code:
            broken = [gate_sentence(one) for one in found.gated if one.verdict in ("regressed", "no data")]
            raise AssertionError("\n".join((" ".join(headline(found)), *broken)))

    def __repr__(self) -> str:
        return f"<run {self.folder}: {self.summary.answer}>"
