"""Annotations, as GitHub's runner reads them."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from made_runs import summary_of

from bench.errors import Problem
from bench.results.folder import Origin
from bench.results.summary import Summary, ThresholdResult
from reports.github import MOST, of_problems, of_summary

NOTHING = summary_of([])

COMMAND = re.compile(r"::(?P<kind>error|warning) (?P<properties>[^\n]*?)::(?P<message>[^\n]*)")


def read(line: str) -> tuple[str, dict[str, str], str]:
    """A command as the runner reads it: properties up to the next `::`, escapes undone."""
    match = COMMAND.fullmatch(line)
    assert match is not None, line
    properties = dict(one.split("=", 1) for one in match["properties"].split(","))
    return match["kind"], {name: unquote(value) for name, value in properties.items()}, unquote(match["message"])


def failing(values: dict[str, float | None], limit: str = "p(95) < 2s") -> Summary:
    results = tuple(
        ThresholdResult(
            name, 0, "latency", limit, value, "failed" if value is not None else "no samples", "1 .. 2, 90 samples"
        )
        for name, value in values.items()
    )
    return msgspec.structs.replace(NOTHING, thresholds=results, exit_code=99)


def test_the_worst_come_first_at_the_line_that_demands_it() -> None:
    origin = Origin("bench/a.yaml", {"latency p(95) < 2s": 12})
    found = [read(line) for line in of_summary(failing({"near": 2.1, "far": 9.0, "none": None}), origin)]
    assert [message.split(":")[0] for _, _, message in found] == ["none", "far", "near"]
    assert all(kind == "error" for kind, _, _ in found)
    assert found[1][1] == {"file": "bench/a.yaml", "line": "12", "title": "latency"}
    assert found[1][2] == "far: latency p(95) < 2s: 9.00 s (1 .. 2, 90 samples)"


def test_ten_of_a_kind_at_most() -> None:
    found = of_summary(failing({f"s{n}": 2.0 + n for n in range(1, 40)}), None)
    assert len(found) == MOST
    assert read(found[0])[2].startswith("s39:")


def test_what_is_inconclusive_is_a_warning() -> None:
    unsure = ThresholdResult("pool", 0, "ttft", "p(99) < 2s", None, "inconclusive", "p99 needs 368 samples")
    [line] = of_summary(msgspec.structs.replace(NOTHING, thresholds=(unsure,), exit_code=0), None)
    assert read(line)[0] == "warning"


def test_a_run_that_was_stopped_says_why() -> None:
    [line] = of_summary(
        msgspec.structs.replace(NOTHING, thresholds=(), exit_code=6, reasons=("the budget is used up",)),
        Origin("bench/a.yaml"),
    )
    kind, properties, message = read(line)
    assert (kind, message) == ("error", "the budget is used up")
    assert properties == {"file": "bench/a.yaml", "line": "1", "title": "summarize-100: STOPPED by a budget"}


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_whatever_a_message_holds_it_is_one_command(message: str) -> None:
    [line] = of_problems([Problem("a,b:c.yaml", 3, 1, "", message)])
    kind, properties, said = read(line)
    assert (kind, said) == ("error", message)
    assert properties["file"] == "a,b:c.yaml"
