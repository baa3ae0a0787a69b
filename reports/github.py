"""What GitHub shows beside the lines of a scenario: workflow commands for thresholds that do not hold.

Their syntax and escapes: docs.github.com/actions/reference/workflow-commands-for-github-actions (read 2026-11-20).
A step shows ten annotations of each kind and drops the others, so the worst come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.errors import Exit, Problem
from bench.results.changes import Change
from bench.results.comparison import Comparison
from bench.results.folder import Origin
from bench.results.summary import Summary, ThresholdResult
from bench.results.thresholds import failed, parse_threshold
from reports.export.junit import gate_sentence, sentence
from reports.export.labels import title
from reports.export.markdown import verdict

MOST = 10


def of_summary(summary: Summary, origin: Origin | None) -> list[str]:
    """An `::error` for each threshold that failed and for whatever else ended the run, a `::warning` for each that is
    inconclusive; at most ten of each.  `origin.file` must be relative to the repository."""
    errors = [*_ending(summary, origin), *_thresholds("error", filter(failed, summary.thresholds), origin)]
    unsure = (result for result in summary.thresholds if result.verdict == "inconclusive")
    return [*errors[:MOST], *_thresholds("warning", unsure, origin)[:MOST]]


def of_comparison(found: Comparison) -> list[str]:
    """An `::error` for each gate that failed, a `::warning` for each of which nothing can be said."""
    gates = sorted(found.gated, key=lambda one: abs(one.change or 0.0), reverse=True)
    errors = [_gate("error", one) for one in gates if one.verdict in ("regressed", "no data")]
    unsure = [_gate("warning", one) for one in gates if one.verdict == "inconclusive"]
    return [*errors[:MOST], *unsure[:MOST]]


def _gate(kind: str, one: Change) -> str:
    return _command(kind, gate_sentence(one), one.measure, None, None)


def of_problems(problems: Sequence[Problem]) -> list[str]:
    """An `::error` for each problem of a scenario file."""
    return [
        _command("error", f"{one.path}: {one.message}" if one.path else one.message, "scenario", one.file, one.line)
        for one in problems[:MOST]
    ]


def of_error(message: str, hint: str) -> str:
    """An `::error` for what kept a run from beginning."""
    return _command("error", f"{message}\n{hint}".strip(), "claude-bench", None, None)


def _ending(summary: Summary, origin: Origin | None) -> list[str]:
    """Why the run ended as it did, where that is more than a threshold."""
    if summary.exit_code in (Exit.OK, Exit.THRESHOLDS):
        return []
    file = origin.file if origin else None
    return [_command("error", summary.reasons[0], f"{summary.name}: {verdict(summary)}", file, 1)]


def _thresholds(kind: str, results: Iterable[ThresholdResult], origin: Origin | None) -> list[str]:
    commands = []
    for result in sorted(results, key=_badness, reverse=True):
        line = origin.line_of(result.metric, result.expression) if origin else None
        file = origin.file if origin else None
        commands.append(_command(kind, f"{title(result)}: {sentence(result)}", result.metric, file, line))
    return commands


def _badness(result: ThresholdResult) -> float:
    """How far beyond its limit, as a share of it; what was not measured is worst."""
    if result.value is None:
        return float("inf")
    limit = parse_threshold(result.metric, result.expression).value
    return abs(result.value - limit) / limit if limit else abs(result.value)


def _command(kind: str, message: str, title: str, file: str | None, line: int | None) -> str:
    properties = {"file": file, "line": str(line) if file and line else None, "title": title}
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{kind} {written}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
