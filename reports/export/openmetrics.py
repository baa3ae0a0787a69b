"""OpenMetrics text: every number of a finished run, for whatever reads Prometheus' format from a file.

GitLab's metrics report is one such reader; it splits lines like a shell and takes `#` for a comment, so no label may
hold one (docs.gitlab.com/ci/testing/metrics_reports, read 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from bench.results.columns import Floats
from bench.results.folder import LoadedRun
from bench.results.metrics import DISTRIBUTIONS, SCALARS, Metric
from bench.results.semconv import unit_word, with_unit
from bench.results.summary import PassSummary, StreamSummary, Summary
from reports.export.labels import labels
from reports.export.numbers import QUANTILES

AnyMetric: TypeAlias = Metric[float | None] | Metric[Floats]


def render(run: LoadedRun, summary: Summary) -> bytes:
    """The numbers of a run; what is not known is left out, since it is not 0."""
    lines = [*_info(run, summary), *_scalars(summary), *_distributions(summary), "# EOF\n"]
    return "\n".join(lines).encode()


def _info(run: LoadedRun, summary: Summary) -> Iterator[str]:
    yield "# TYPE bench_run info"
    yield "# HELP bench_run What was run."
    facts = {"scenario": summary.name, "model": summary.model, "target": summary.target, "tier": summary.tier}
    yield _sample("bench_run_info", facts | {"version": run.info.versions.get("claude-bench", "")}, 1)


def _scalars(summary: Summary) -> Iterator[str]:
    for metric in SCALARS:
        name = _name(metric.name, metric)
        yield from _head(name, "gauge", metric)
        for own, part_of in _parts(summary):
            if (value := part_of.values[metric.name]) is not None:
                yield _sample(name, own, value)


def _distributions(summary: Summary) -> Iterator[str]:
    for metric in DISTRIBUTIONS:
        name = _name(metric.name, metric)
        yield from _head(name, "summary", metric)
        for own, part_of in _parts(summary):
            found = part_of.distributions[metric.name]
            for part, quantile in QUANTILES.items():
                if (value := getattr(found, part).value) is not None:
                    yield _sample(name, own | {"quantile": str(quantile)}, value)
            if found.mean is not None:
                yield _sample(f"{name}_count", own, found.n)
                yield _sample(f"{name}_sum", own, found.mean * found.n)
        yield from _bounds(metric, summary)


def _bounds(metric: AnyMetric, summary: Summary) -> Iterator[str]:
    """The 95 % intervals of the quantiles."""
    name = _name(f"{metric.name}_bound", metric)
    yield from _head(name, "gauge", metric)
    for own, part_of in _parts(summary):
        for part, quantile in QUANTILES.items():
            found = getattr(part_of.distributions[metric.name], part)
            for bound, value in (("lower", found.lo), ("upper", found.hi)):
                if value is not None:
                    yield _sample(name, own | {"quantile": str(quantile), "bound": bound}, value)


def _parts(summary: Summary) -> Iterator[tuple[dict[str, str], PassSummary | StreamSummary]]:
    """Each pass and each of its streams, with its labels."""
    for one in summary.passes:
        yield labels(one), one
        for stream in one.streams:
            yield labels(one) | {"stream": stream.name}, stream


def _name(name: str, metric: AnyMetric) -> str:
    return with_unit(f"bench_{name}", unit_word(metric.unit))


def _head(name: str, kind: str, metric: AnyMetric) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    if word := unit_word(metric.unit):
        yield f"# UNIT {name} {word}"
    yield f"# HELP {name} {_escape(metric.meaning)}"


def _sample(name: str, own: dict[str, str], value: float) -> str:
    written = ",".join(f'{label}="{_escape(text)}"' for label, text in own.items())
    return f"{name}{{{written}}} {float(value)!r}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"').replace("#", "no. ")
