"""The pages whose figures are measured say what is measured today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MADE_BY = runpy.run_path(str(DOCS / "measured.py"))


@pytest.mark.parametrize("name", [pytest.param("claims", marks=pytest.mark.soak), "choosing"])  # claims takes minutes
def test_a_page_is_what_its_commands_measure_now(name: str) -> None:
    assert (DOCS / f"{name}.md").read_text() == MADE_BY["page"](name), "run `make measured`, and read what changed"


def test_every_template_is_a_page() -> None:
    assert sorted(path.name.partition(".")[0] for path in DOCS.glob("*.jinja")) == sorted(MADE_BY["PAGES"])


def test_words_that_the_figures_do_not_bear_out_stop_the_page() -> None:
    with pytest.raises(SystemExit, match="more than five times as fast"):
        MADE_BY["must"](False, "more than five times as fast")


def test_a_command_that_fails_stops_the_page_with_its_reason() -> None:
    with pytest.raises(SystemExit, match="no scenario `no-such`"):
        MADE_BY["measure"]("no-such")
