"""Markdown for a job summary, a comment or a ticket: the verdict, thresholds, strategies, what to believe.

At most 60 kB, so that the same text fits a comment of GitHub (65,536 characters) as well as a job summary (1 MiB).
"""

from __future__ import annotations

import html
import shlex
from collections.abc import Iterable, Sequence

from bench.errors import Exit
from bench.results.folder import LoadedRun
from bench.results.format import count
from bench.results.metrics import METRICS
from bench.results.summary import PassSummary, StreamSummary, Summary, ThresholdResult
from reports.console import COLUMNS, LEGEND, STREAM_COLUMNS
from reports.export.labels import title
from reports.words import column_text, measured, notices, thresholds_met

MOST_BYTES = 60_000
MOST_ROWS = 100
"""Rows of a table; of thresholds those that are not met come first."""

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
_CUT = "\n\n_Shortened; the report has all of it._\n"


def render(run: LoadedRun, summary: Summary) -> bytes:
    """The text, in UTF-8."""
    parts = [_head(summary), _thresholds(summary), _strategies(summary.passes), *_streams(summary.passes)]
    parts += [_believe(summary), _repeat(run, summary)]
    return _cut("\n\n".join(filter(None, parts)) + "\n")


def verdict(summary: Summary) -> str:
    """The outcome in a word or two."""
    return VERDICTS.get(Exit(summary.exit_code), "FAILED")


def _head(summary: Summary) -> str:
    facts = (summary.model, f"tier {summary.tier}", f"target {summary.target}", f"seed {summary.seed}")
    return "\n\n".join(
        (
            f"### {verdict(summary)}: {_plain(summary.name)}",
            f"> {_plain(summary.question)}",
            f"**{_plain(summary.answer)}**",
            _plain(" · ".join(facts)),
        )
    )


def _thresholds(summary: Summary) -> str:
    if not summary.thresholds:
        return ""
    worst_first = sorted(summary.thresholds, key=lambda result: result.verdict == "ok")
    rows = [_threshold(result) for result in worst_first]
    return f"{thresholds_met(summary)}\n\n" + _table(("", "threshold", "strategy", "measured", ""), rows, "-")


def _threshold(result: ThresholdResult) -> Sequence[str]:
    mark = _MARKS.get(result.verdict, "**FAIL**")
    condition = f"{result.metric} {result.expression}"
    said = measured(result) if result.value is not None else result.verdict
    return mark, _plain(condition), _plain(title(result)), _plain(said), _plain(result.detail)


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
    cells = [(_plain(name), *(_cell(one, metric, part) for _, metric, part in columns)) for name, one in rows]
    return _table(headings, cells, "-:")


def _cell(one: PassSummary | StreamSummary, metric: str, part: str) -> str:
    value = one.values[metric] if not part else getattr(one.distributions[metric], part).value
    return column_text(value, METRICS[metric].unit)


def _believe(summary: Summary) -> str:
    found = [
        f"- {_plain(notice.observed[0])}{_like(notice.observed)}  \n"
        f"  *Why it matters:* {_plain(notice.why)}  \n"
        f"  *What to do:* {_plain(notice.todo)}"
        for notice in notices(summary)
    ]
    return "\n".join((_FOLD, *found, "\n</details>")) if found else ""


def _like(observed: Sequence[str]) -> str:
    return f" ({count(len(observed) - 1, 'more', 'more')} like it)" if len(observed) > 1 else ""


def _repeat(run: LoadedRun, summary: Summary) -> str:
    prices = f" · prices: {_plain(summary.prices_as_of)}" if summary.prices_as_of else ""
    command = " ".join(shlex.join(run.info.command).replace("`", "").split())
    return f"`{command}` · run {_plain(run.info.id)}{prices}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    lines = [headings, ["-", *[align] * (len(headings) - 1)], *rows[:MOST_ROWS]]
    table = "\n".join(_line(line) for line in lines)
    return table + (f"\n\n{count(len(rows) - MOST_ROWS, 'more row')} in the report" if len(rows) > MOST_ROWS else "")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that is not taken for Markdown or HTML, on one line."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    for mark in ("\\", "|", "*", "_", "`", "[", "]", "@"):
        escaped = escaped.replace(mark, f"\\{mark}" if mark != "@" else "&#64;")
    return escaped


def _cut(text: str) -> bytes:
    """Cut between lines, and never within a character."""
    whole = text.encode()
    if len(whole) <= MOST_BYTES:
        return whole
    kept = whole[: MOST_BYTES - len(_CUT.encode())].rpartition(b"\n")[0]
    return kept + _CUT.encode()
