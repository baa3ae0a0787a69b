"""An explanation on a terminal, as agreed."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from bench.planning import explain_scenario, explain_tier
from bench.planning.explain import explain
from mock_server.tiers import TIERS
from reports.explain import print_explanation

GOLDEN = Path(__file__).parent / "golden"
PRICES = "genai-prices 0.2.3, equal to the price page of 2026-10-08"


def printed(name: str, width: int = 80) -> str:
    file = io.StringIO()
    print_explanation(explain(name, date(2026, 11, 20)), Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize("name", ["start", "classify-500", "chat-users"])
def test_an_explanation_is_printed_as_agreed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (explain_tier, explain_scenario):
        monkeypatch.setattr(module, "prices_as_of", lambda: PRICES)  # whichever version is installed
    assert printed(name) == (GOLDEN / f"explain-{name}.txt").read_text()


@pytest.mark.parametrize("name", [*TIERS, "summarize-100", "fan-out-three-models", "batch-or-live", "output-classes"])
def test_no_line_is_wider_than_the_console_or_ends_in_blanks(name: str) -> None:
    lines = printed(name).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []
