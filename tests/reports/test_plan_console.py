"""What a plan prints, letter by letter at 80 columns."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from made_plans import BATCH, before_sending, full
from rich.console import Console

from bench.results.plan import Plan
from reports.plan import planning, print_plan, print_preflight

GOLDEN = Path(__file__).parent / "golden"


def printed(show: Callable[[Plan, Console], None], found: Plan, width: int = 80) -> str:
    file = io.StringIO()
    show(found, Console(file=file, width=width))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def test_a_plan_is_printed_as_agreed() -> None:
    assert printed(print_plan, full()) == (GOLDEN / "plan.txt").read_text()


def test_what_is_shown_before_sending_is_printed_as_agreed() -> None:
    assert printed(print_preflight, before_sending()) == (GOLDEN / "plan-before-sending.txt").read_text()


@pytest.mark.parametrize(("show", "made"), [(print_plan, full), (print_preflight, before_sending)])
def test_no_line_is_wider_than_the_console(show: Callable[[Plan, Console], None], made: Callable[[], Plan]) -> None:
    assert max(map(len, printed(show, made()).splitlines())) <= 80


def test_the_answer_comes_first_and_what_decides_last() -> None:
    lines = printed(print_plan, full()).splitlines()
    assert lines[0].startswith("extract on start with token-bucket")
    assert lines[-2].startswith("3 of 4 are done within 1 h")
    alone = msgspec.structs.replace(full(), deadline=None, verdict="", feasible=None)
    assert printed(print_plan, alone).count("extract on start with token-bucket, about 59 in flight") == 2


def test_a_plan_without_a_way_has_no_what_ifs_to_compare() -> None:
    found = msgspec.structs.replace(full(), cells=(BATCH,), what_ifs=(), sensitivity=())
    assert "what if" not in printed(print_plan, found)


def test_a_log_gets_a_line_for_each_round_of_simulations() -> None:
    file = io.StringIO()
    with planning(Console(file=file, width=80)) as told:
        for done in range(4):
            told(done, 3)
        told(0, 1)
    assert file.getvalue() == "simulating 3 cells ...\nsimulating 1 cell ...\n"
