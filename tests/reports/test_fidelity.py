"""What a calibration prints, letter by letter at 80 columns, and its page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import msgspec
import pytest
from made_fidelities import alone, by_chance, far, fitted
from rich.console import Console
from test_html import HOSTILE, Element, page

from bench.results.fidelity import MEASURES, Fidelity
from bench.results.measures import parse_measure
from reports.fidelity import print_fidelity
from reports.fidelity_page import render

GOLDEN = Path(__file__).parent / "golden"
CALIBRATIONS = {made.__name__: made for made in (fitted, far, by_chance, alone)}


def printed(found: Fidelity, width: int = 80) -> str:
    file = io.StringIO()
    print_fidelity(found, Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_what_is_printed(name: str) -> None:
    text = printed(CALIBRATIONS[name]())
    assert text == (GOLDEN / f"fidelity-{name.replace('_', '-')}.txt").read_text()
    assert max(map(len, text.splitlines())) <= 80


def answer(html: str) -> str:
    root: Element = page(html)
    return root.all("p", **{"class": "answer"})[0].text


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (fitted(), "Fitted."),
        (far(), "Fitted, but far."),
        (by_chance(), "no more than by chance"),
        (alone(), "not held"),
    ],
)
def test_the_page_says_first_how_near_it_comes_and_holds_together(found: Fidelity, said: str) -> None:
    html = render(found)
    assert said in answer(html)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)
    for table in page(html).all("table"):
        assert all("scope" in heading.attributes for heading in table.all("th"))
    assert html == render(found)


def test_the_figure_has_its_numbers_and_says_how_many_there_are() -> None:
    [figure] = page(render(fitted())).all("figure")
    assert "800 recorded and 4,000 simulated (TTFT)" in figure.text
    rows = figure.all("tbody")[0].all("tr")
    assert [row.all("th")[0].text for row in rows][:6] == [f"TTFT p{p}" for p in (5, 25, 50, 75, 95, 99)]
    assert {row.all("td")[-1].text for row in rows} == {"+2.0 %", "-2.0 %", "0.0 %"}
    assert len(figure.all("title")) >= 18, "each of them is told under the pointer"


def test_every_number_is_on_the_page_and_in_it() -> None:
    html = render(fitted())
    written = page(html).all("script", id="fidelity")[0]
    assert msgspec.json.decode(written.text, type=Fidelity) == fitted()
    text = page(html).text
    for words in (
        "63 ms",
        "-0.31",
        "3.51 %",
        "by the limits",
        "burst: 12.0 s of the requests limit",
        "retry_after: 7s",
    ):
        assert words in text, words


def test_text_is_shown_as_text() -> None:
    hostile = msgspec.structs.replace(fitted(), run=HOSTILE, scenario=HOSTILE, notes=(HOSTILE,), settings=HOSTILE)
    rows = tuple(msgspec.structs.replace(row, strategy=HOSTILE) for row in hostile.rows)
    curves = tuple(msgspec.structs.replace(one, strategy=HOSTILE) for one in hostile.curves)
    root = page(render(msgspec.structs.replace(hostile, rows=rows, curves=curves)))
    assert not root.all("img")
    assert len(root.all("script")) == 2


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_are_those_of_every_report(measure: str) -> None:
    assert str(parse_measure(measure)) == measure
