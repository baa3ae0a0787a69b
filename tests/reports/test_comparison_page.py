"""The page of a comparison: what is in it, that it stands alone, and that it shows text as text."""

from __future__ import annotations

import re

import msgspec
import pytest
from made_comparisons import identical, inconclusive, missing, no_change, one_night, regressed, simulated, ungated
from test_html import HOSTILE, Element, page

from bench.results.comparison import Comparison
from reports.comparison_page import render


@pytest.fixture(scope="module")
def html() -> str:
    return render(regressed())


def header(root: Element) -> str:
    return root.all("p", **{"class": "answer"})[0].text


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (regressed(), "Regressed."),
        (inconclusive(), "Inconclusive."),
        (no_change(), "No change"),
        (one_night(), "Regressed."),
        (simulated(), "No change"),
        (identical(), "Identical"),
        (missing(), "Not valid."),
        (ungated(), "No gate."),
    ],
)
def test_the_verdict_is_the_first_thing_said_and_the_page_holds_together(found: Comparison, said: str) -> None:
    html = render(found)
    root = page(html)
    assert said in header(root)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)
    assert len(root.all("section")) == len(found.strategies) + 1
    for table in root.all("table"):
        assert all("scope" in heading.attributes for heading in table.all("th"))


def test_every_change_is_a_row_with_its_verdict(html: str) -> None:
    figure, everything = page(html).all("section")[0].all("table")
    assert len(everything.all("tbody")[0].all("tr")) == len(regressed().changes)
    first = figure.all("tbody")[0].all("tr")[0]
    assert first.all("th")[0].text == "goodput (gate)"
    gates = {row.all("th")[0].text: row.all("td")[-1].text for row in figure.all("tbody")[0].all("tr")}
    assert gates["TTFT p95 (gate)"] == "regressed"


def test_the_figure_says_in_words_what_became_of_the_gates(html: str) -> None:
    figure = page(html).all("figure")[0]
    assert "TTFT p95, regressed" in [text.text for text in figure.all("text")]
    assert figure.all("h3")[0].text in figure.all("svg")[0].attributes["aria-label"]


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    assert not re.search(r"https?://|@import|<link|<iframe|<object", html)
    policy = page(html).all("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"]
    assert policy.startswith("default-src 'none'")
    assert len(page(html).all("script")) == 2  # its data, and its own


def test_colours_follow_the_theme(html: str) -> None:
    for figure in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        assert "var(--c-bad)" in figure
        assert not re.search(r"#[0-9a-f]{6}\b(?![^<]*</text>)", figure)


def test_the_comparison_inside_can_be_read_back(html: str) -> None:
    embedded = re.search(r'<script type="application/json" id="comparison">(.*?)</script>', html)
    assert embedded is not None
    assert msgspec.json.decode(embedded[1], type=Comparison) == regressed()


def test_the_same_comparison_gives_the_same_bytes(html: str) -> None:
    assert render(regressed()) == html


def test_hostile_words_are_shown_as_they_are() -> None:
    found = regressed()
    strange = tuple(msgspec.structs.replace(one, strategy=HOSTILE) for one in found.changes)
    root = page(render(msgspec.structs.replace(found, changes=strange)))
    assert len(root.all("script")) == 2
    assert root.all("h2")[0].text == HOSTILE
