"""What the documentation names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mock_server.faults import KINDS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "mock-server.md").read_text()
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_each_test_that_holds_a_fact_exists(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / "tests" / "mock_server" / file).read_text()


def test_every_row_of_the_tables_of_facts_names_its_test() -> None:
    facts = PAGE.partition("## What it does")[2]
    rows = [line for line in facts.splitlines() if line.startswith("| ") and not re.match(r"\| (the API|it) \|", line)]
    assert len(rows) > 40
    assert [row for row in rows if "::test_" not in row] == []


def test_every_fault_is_described() -> None:
    faults = PAGE.partition("## Faults")[2].partition("## Control")[0]
    assert [name for name in KINDS if f"`{name}`" not in faults] == []
