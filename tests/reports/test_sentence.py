"""`report --sentence`: what can be pasted into a ticket."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from made_runs import INFO, in_cases, summary_of, summary_of_cases
from queue_simulation import FOUR, Queue

from bench.cli import call
from bench.results.columns import Columns
from bench.results.format import DASH
from bench.results.summary import Summary
from reports.sentence import sentences

GOLDEN = Path(__file__).parent / "golden" / "sentences.txt"


def said(summary: Summary) -> list[str]:
    return list(sentences(INFO, summary))


def summary(queues: tuple[Queue, ...] = FOUR) -> Summary:
    return summary_of([Columns.of(queue.records()) for queue in queues])


def test_each_strategy_is_told_as_agreed() -> None:
    assert "".join(f"{line}\n" for line in said(summary())) == GOLDEN.read_text()


def test_too_few_samples_are_said_and_no_percentile_made_up() -> None:
    [line] = said(summary((Queue("gather", 40, 40),)))
    assert "p95 TTFT not known (40 requests of 72 it takes)" in line


def test_of_several_runs_it_is_what_one_comes_to() -> None:
    [line] = said(summary(tuple(Queue("semaphore-10", 100, 10, pass_=pass_) for pass_ in range(3))))
    assert ", 3 runs), " in line


def test_an_unknown_price_is_unknown_and_a_pass_cut_short_is_called_so() -> None:
    found = summary((Queue("gather", 80, 8, model="no-such-model"),))
    [one] = found.passes
    cut = msgspec.structs.replace(one, stopped="interrupted")
    [line] = said(msgspec.structs.replace(found, passes=(cut,)))
    assert ", cost unknown, ended early, on the mock, " in line


def test_a_case_is_named_with_its_own_tier() -> None:
    queues = in_cases(FOUR[2:3], ("start", "build"))
    found = summary_of_cases([Columns.of(queue.records()) for queue in queues])
    cases = tuple(msgspec.structs.replace(one, tier=one.name) for one in found.cases)
    lines = said(msgspec.structs.replace(found, cases=cases))
    assert [line.partition(":")[0] for line in lines] == [
        "summarize-100 on start, start/semaphore-5",
        "summarize-100 on build, build/semaphore-5",
    ]


def test_the_command_prints_them_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(["run", "summarize-100", "--strategy", "gather,semaphore-10", "-q", "-o", "here"]) == 0
    capsys.readouterr()
    assert call(["report", "here", "--sentence"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(
        f"summarize-100 on start, gather: 1,200 a minute, p95 response time 5.00 s (5.00{DASH}5.00, "
    )
    assert second.endswith(", claude-sonnet-5.")
    assert ", simulated, " in second
