"""What a run prints at its end, letter by letter at 80 columns."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from made_runs import QUESTION, THRESHOLDS, in_cases, in_streams, summary_of, summary_of_cases
from queue_simulation import FOUR, Queue
from rich.console import Console

from bench.results.columns import Columns
from bench.results.summary import Summary, ThresholdResult, Warning
from reports.console import print_summary

GOLDEN = Path(__file__).parent / "golden"
ANSWER = (
    "semaphore-10 finishes first of those that get through cleanly: 55.1 s for 100 requests, no 429s, $0.50. gather is "
    "faster (42.2 s), but 2 of its 100 requests failed."
)
WARNINGS = (
    Warning(
        "rate_limited",
        "gather: 1,092 of 1,192 attempts were refused with a 429.",
        "Retries hide in the response time, not in the latency; what else uses the same limits is slowed down too.",
        "Fewer in flight, or a token bucket, gets the same work done without being refused.",
    ),
)
FOLDER = Path("runs/20261120-1041-summarize-100-mock-kqvd")


def printed(summary: Summary, width: int = 80) -> str:
    file = io.StringIO()
    print_summary(summary, FOLDER / "report.html", Console(file=file, width=width))
    return file.getvalue()


def summary(queues: Sequence[Queue] = FOUR) -> Summary:
    """Of words that are fixed here: what the answer and the warnings say is tested where they are made."""
    found = summary_of([Columns.of(queue.records()) for queue in queues], QUESTION, THRESHOLDS)
    passes = tuple(msgspec.structs.replace(one, warnings=()) for one in found.passes)
    return msgspec.structs.replace(found, passes=passes, answer=ANSWER, warnings=WARNINGS)


def sweep() -> Summary:
    """Ten passes of strategies with long names, one of them run twice, whose price nobody knows."""
    queues = [
        Queue(f"semaphore-with-a-long-name-{n}", 300, n, rpm=300, model="no-such-model", pass_=pass_)
        for n, pass_ in [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (64, 0), (128, 0), (256, 0), (256, 1)]
    ]
    return msgspec.structs.replace(summary(queues), thresholds=(), warnings=(), reasons=(), exit_code=0)


def streams() -> Summary:
    """Two strategies that two streams of traffic went through."""
    passes = [in_streams(Columns.of(queue.records())) for queue in FOUR[1:3]]
    found = summary_of(passes, QUESTION, (ThresholdResult("gather", 0, "errors{stream:job}", "rate < 9%", 0, "ok"),))
    return msgspec.structs.replace(found, answer=ANSWER, warnings=())


def cases() -> Summary:
    """Two strategies in two cases."""
    found = summary_of_cases([Columns.of(queue.records()) for queue in in_cases(FOUR[1:3], ("start", "a-long-name"))])
    return msgspec.structs.replace(
        found,
        passes=tuple(msgspec.structs.replace(one, warnings=()) for one in found.passes),
        thresholds=(ThresholdResult("gather", 0, "errors", "rate < 9%", 0, "ok", case="start"),),
    )


@pytest.mark.parametrize(
    ("name", "found"), [("four", summary()), ("sweep", sweep()), ("streams", streams()), ("cases", cases())]
)
def test_the_end_of_a_run_is_printed_as_agreed(name: str, found: Summary) -> None:
    assert printed(found) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("found", [summary(), sweep(), cases()])
def test_no_line_is_wider_than_the_console_and_every_heading_is_whole(found: Summary, width: int) -> None:
    lines = printed(found, width).splitlines()
    assert max(map(len, lines)) <= width
    headings = " ".join(lines)
    for word in ("strategy", "wall", "clock", "latency", "response", "429s", "failed", "success"):
        assert word in headings


def test_the_answer_comes_first_and_the_report_last() -> None:
    lines = printed(summary()).splitlines()
    assert " ".join(lines[:2]).startswith(summary().answer[:60])
    assert lines[-1] == str(FOLDER / "report.html")


def test_advice_is_given_once_and_says_how_often_it_holds() -> None:
    warning = Warning("c", "1 of 9 went wrong.", "It matters.", "Do this.")
    found = summary()
    passes = tuple(msgspec.structs.replace(one, warnings=(warning,)) for one in found.passes)
    text = printed(msgspec.structs.replace(found, passes=passes))
    assert text.count("What to do: Do this.") == 1
    assert "sequential: 1 of 9 went wrong. (3 more like it)" in text


def test_more_warnings_than_fit_are_counted() -> None:
    warnings = tuple(Warning(str(n), f"seen {n}", "why", f"todo {n}") for n in range(9))
    text = printed(msgspec.structs.replace(summary(), warnings=warnings))
    assert "5 more warnings in the report" in text
    assert "seen 4" not in text


def test_many_thresholds_show_those_that_are_not_met() -> None:
    many = tuple(msgspec.structs.replace(THRESHOLDS[0], strategy=f"s{n}") for n in range(20))
    text = printed(msgspec.structs.replace(summary(), thresholds=(*many, THRESHOLDS[1])))
    assert "FAILED  20 of 21 thresholds met" in text
    assert "FAIL  errors rate < 1%" in text
    assert "  ok " not in text


def test_a_strategy_may_be_called_anything() -> None:
    queue = Queue("[bold red]x[/] $1", 80, 4)
    assert "[bold red]x[/]" in printed(summary_of([Columns.of(queue.records())]), 200)


def test_colour_appears_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in printed(summary())
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    print_summary(summary(), FOLDER / "report.html", Console(file=file, width=80, force_terminal=True))
    assert "\x1b[3" not in file.getvalue()


def test_the_console_does_without_matplotlib() -> None:
    code = "import sys, reports.console, reports.live; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
