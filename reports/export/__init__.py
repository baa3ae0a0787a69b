"""A run in the formats of other tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from bench.results.folder import LoadedRun
from bench.results.summary import Summary
from reports.export import benchmark, junit, markdown, openmetrics, otlp, trends
from reports.export.rows import Rows, write_csv, write_parquet


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a run down."""

    name: str
    meaning: str
    write: Callable[[LoadedRun, Summary, Rows, IO[bytes]], object]
    binary: bool = False
    """Whether it is not for a terminal."""
    table: bool = False
    """Whether it has rows to choose from."""
    extra: str = ""
    """The module of an extra that it needs, which is also the extra's name."""


def _document(name: str, meaning: str, render: Callable[[LoadedRun, Summary], bytes]) -> Format:
    return Format(name, meaning, lambda run, summary, _rows, file: file.write(render(run, summary)))


FORMATS = {
    one.name: one
    for one in (
        _document("junit", "JUnit XML, a case a threshold", junit.render),
        _document("markdown", "verdict and tables, for a comment or a job summary", markdown.render),
        Format("csv", "a row a request (or --rows)", write_csv, table=True),
        Format("parquet", "the same for data frames", write_parquet, binary=True, table=True, extra="pyarrow"),
        _document("openmetrics", "every number, as Prometheus and GitLab read it", openmetrics.render),
        _document("pytest-benchmark", "for pytest-benchmark compare", benchmark.render),
        _document("gh-benchmark", "github-action-benchmark, customSmallerIsBetter", trends.smaller_is_better),
        _document("gh-benchmark-bigger", "github-action-benchmark, customBiggerIsBetter", trends.bigger_is_better),
        _document("bmf", "Bencher Metric Format", trends.bencher),
        _document("otel", "OTLP JSON metrics", otlp.render),
    )
}
"""All formats by name."""
