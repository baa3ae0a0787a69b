"""Markdown for a job summary, a comment or a ticket: the verdict, thresholds, strategies, what to believe."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bench.errors import Exit
from bench.results.folder import LoadedRun
from bench.results.format import count
from bench.results.metrics import METRICS
from bench.results.summary import PassSummary, StreamSummary, Summary, ThresholdResult
from reports.console import COLUMNS, LEGEND, STREAM_COLUMNS
from reports.export.labels import title
from reports.export.marks import fit, plain, table
from reports.words import column_text, measured, notices, thresholds_met

VERDICTS = {
    Exit.OK: "PASSED",
    Exit.REGRESSED: "REGRESSED",
    Exit.INCONCLUSIVE: "INCONCLUSIVE",
    Exit.NOT_VALID: "NOT VALID",
    Exit.BUDGET: "STOPPED by a budget",
    Exit.TARGET: "STOPPED: the target was lost",
    Exit.THRESHOLDS: "FAILED",
    Exit.INTERRUPTED: "INTERRUPTED",
    Exit.TERMINATED: "INTERRUPTED",
}
"""What an exit code means, in a word or two."""

_MARKS = {"ok": "ok", "inconclusive": "?"}
_FOLD = "<details><summary>What to know before believing it</summary>\n"


def render(run: LoadedRun, summary: Summary) -> bytes:
    """The text, in UTF-8."""
    parts = [_head(summary), _thresholds(summary), _strategies(summary.passes), *_streams(summary.passes)]
    parts += [_believe(summary), _repeat(run, summary)]
    return fit("\n\n".join(filter(None, parts)) + "\n")


def verdict(summary: Summary) -> str:
    """The outcome in a word or two."""
    return VERDICTS.get(Exit(summary.exit_code), "FAILED")


def _head(summary: Summary) -> str:
    facts = (
        summary.model,
        f"tier {summary.tier}",
        f"target {summary.target}",
        f"client {', '.join(summary.clients)}",
        f"seed {summary.seed}",
    )
    return "\n\n".join(
        (
            f"### {verdict(summary)}: {plain(summary.name)}",
            f"> {plain(summary.question)}",
            f"**{plain(summary.answer)}**",
            plain(" · ".join(facts)),
        )
    )


def _thresholds(summary: Summary) -> str:
    if not summary.thresholds:
        return ""
    worst_first = sorted(summary.thresholds, key=lambda result: result.verdict == "ok")
    rows = [_threshold(result) for result in worst_first]
    return f"{thresholds_met(summary)}\n\n" + table(("", "threshold", "strategy", "measured", ""), rows, "-")


def _threshold(result: ThresholdResult) -> Sequence[str]:
    mark = _MARKS.get(result.verdict, "**FAIL**")
    condition = f"{result.metric} {result.expression}"
    said = measured(result) if result.value is not None else result.verdict
    return mark, plain(condition), plain(title(result)), plain(said), plain(result.detail)


def _strategies(passes: Sequence[PassSummary]) -> str:
    return _measured("strategy", [(title(one), one) for one in passes], COLUMNS) + f"\n\n{LEGEND}"


def _streams(passes: Sequence[PassSummary]) -> list[str]:
    names = dict.fromkeys(stream.name for one in passes for stream in one.streams)
    return [
        _measured(
            f"stream {name}",
            [(title(one), own) for one in passes for own in one.streams if own.name == name],
            STREAM_COLUMNS,
        )
        for name in names
    ]


def _measured(
    heading: str,
    rows: Sequence[tuple[str, PassSummary | StreamSummary]],
    columns: Sequence[tuple[str, str, str]],
) -> str:
    """The table of the console."""
    headings = (heading, *(words.replace("\n", " ") for words, _, _ in columns))
    cells = [(plain(name), *(_cell(one, metric, part) for _, metric, part in columns)) for name, one in rows]
    return table(headings, cells, "-:")


def _cell(one: PassSummary | StreamSummary, metric: str, part: str) -> str:
    value = one.values[metric] if not part else getattr(one.distributions[metric], part).value
    return column_text(value, METRICS[metric].unit)


def _believe(summary: Summary) -> str:
    found = [
        f"- {plain(notice.observed[0])}{_like(notice.observed)}  \n"
        f"  *Why it matters:* {plain(notice.why)}  \n"
        f"  *What to do:* {plain(notice.todo)}"
        for notice in notices(summary)
    ]
    return "\n".join((_FOLD, *found, "\n</details>")) if found else ""


def _like(observed: Sequence[str]) -> str:
    return f" ({count(len(observed) - 1, 'more', 'more')} like it)" if len(observed) > 1 else ""


def _repeat(run: LoadedRun, summary: Summary) -> str:
    prices = f" · prices: {plain(summary.prices_as_of)}" if summary.prices_as_of else ""
    command = " ".join(shlex.join(run.info.command).replace("`", "").split())
    return f"`{command}` · run {plain(run.info.id)}{prices}"
