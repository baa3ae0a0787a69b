"""The page of claims says what is measured today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MADE_BY = runpy.run_path(str(DOCS / "claims.py"))


def test_the_page_of_claims_is_what_its_commands_measure_now() -> None:
    assert (DOCS / "claims.md").read_text() == MADE_BY["page"](), "run `make claims`, and read what changed"


def test_words_that_the_figures_do_not_bear_out_stop_the_page() -> None:
    with pytest.raises(SystemExit, match="more than five times as fast"):
        MADE_BY["must"](False, "more than five times as fast")


def test_a_command_that_fails_stops_the_page_with_its_reason() -> None:
    with pytest.raises(SystemExit, match="no scenario `no-such`"):
        MADE_BY["measure"]("no-such")
