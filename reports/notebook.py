"""A finished run as a notebook shows it: the answer, the strategies side by side, where the report is."""

from __future__ import annotations

from pathlib import Path

from bench.results.format import pass_name
from bench.results.summary import Summary
from reports.console import COLUMNS, cell
from reports.templates import template


def snippet(summary: Summary, page: Path) -> str:
    """A piece of HTML that links to `page`."""
    return template("notebook.html").render(
        answer=summary.answer.splitlines(),
        headings=[heading.replace("\n", " ") for heading, _, _ in COLUMNS],
        rows=[
            (pass_name(one.strategy, one.pass_, one.case), [cell(one, metric, part) for _, metric, part in COLUMNS])
            for one in summary.passes
        ],
        report=page.as_posix(),
    )
