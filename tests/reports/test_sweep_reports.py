"""What a sweep prints, letter by letter at 80 columns, and what its page holds."""

from __future__ import annotations

import io
import re
from pathlib import Path

import msgspec
import pytest
from made_sweeps import advised, found, none, sweep, unsure
from rich.console import Console
from test_html import HOSTILE, page

from bench.results.sweep import Series, Sweep
from reports.sweep import print_recommendation, print_sweep
from reports.sweep_live import Stages
from reports.sweep_page import render

GOLDEN = Path(__file__).parent / "golden"
SHORT = msgspec.structs.replace(found(), of="short")
MADE = {
    "found": [found()],
    "none": [none()],
    "several": [found(), unsure(), none(), SHORT],
}
FOLDER = Path("runs/20261120-1041-summarise-sweep-sim-kqvd")


def printed(series: list[Series], width: int = 80) -> str:
    file = io.StringIO()
    print_recommendation(advised(*series), series, Console(file=file, width=width))
    return file.getvalue()


def html_of(*series: Series) -> str:
    return render(sweep(*series), advised(*series), series)


@pytest.mark.parametrize("name", MADE)
def test_a_recommendation_is_printed_as_agreed(name: str) -> None:
    assert printed(MADE[name]) == (GOLDEN / f"recommend-{name}.txt").read_text()


@pytest.mark.parametrize("name", MADE)
def test_no_line_is_wider_than_the_console_or_ends_in_blanks(name: str) -> None:
    lines = printed(MADE[name]).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_sweep_that_was_ended_early_says_so_first() -> None:
    file = io.StringIO()
    print_sweep(
        sweep(found(), stopped="interrupted"), advised(found()), [found()], FOLDER, Console(file=file, width=80)
    )
    assert file.getvalue().startswith("Ended early: interrupted.")
    assert file.getvalue().endswith(f"{FOLDER / 'sweep.html'}\n")


def test_the_page_begins_with_what_to_use_and_holds_together() -> None:
    html = html_of(*MADE["several"])
    root = page(html)
    answers = [one.text for one in root.all("p") if "answer" in one.attributes.get("class", "")]
    assert answers == [one.sentence for one in advised(*MADE["several"]).answers if one.of is None]
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)
    assert [one.attributes["id"] for one in root.all("section")] == ["numbers", "classes", "terms"]
    assert not re.search(r"https?://|@import|<link|<iframe|<object", html)
    for table in root.all("table"):
        assert all("scope" in heading.attributes for heading in table.all("th"))
    assert len(root.all("figure")) == len(MADE["several"])


def test_every_number_is_a_row_with_its_verdict() -> None:
    rows = page(html_of(found())).all("table")[0].all("tbody")[0].all("tr")
    assert [row.all("th")[0].text for row in rows] == ["8", "16", "32", "64", "128", "256"]
    verdicts = ["goodput", "goodput", "goodput", "use", "429s, ttft?", "goodput, 429s, failures, ttft"]
    assert [row.all("td")[-1].text for row in rows] == verdicts


def test_the_figure_draws_the_bound_and_says_what_it_is() -> None:
    figure = page(html_of(found())).all("figure")[0]
    assert figure.all("h3")[0].text == "Start: 64 in flight gives 97.1 % of the most; requests per minute bind"
    assert "650 a minute (requests per minute)" in figure.text
    assert "Hollow marks: more than 1 % of the requests fail for good." in figure.text
    assert "recommended" in [key.text.strip() for key in figure.all("li")]
    said = [hint.all("title")[0].text for hint in figure.all("circle", **{"class": "hint"})]
    assert "64 in flight: 612 a minute" in said
    assert "128 in flight: 6 % of attempts met a 429" in said
    assert "64 in flight: p95 TTFT 1.38 s" in said


def test_colours_follow_the_theme() -> None:
    for figure in re.findall(r"<svg.*?</svg>", html_of(found()), flags=re.DOTALL):
        assert "var(--c-throttle)" in figure
        assert not re.search(r"#[0-9a-f]{6}\b(?![^<]*</text>)", figure)


def test_the_sweep_inside_can_be_read_back_and_the_same_gives_the_same_page() -> None:
    html = html_of(found())
    embedded = re.search(r'<script type="application/json" id="sweep">(.*?)</script>', html)
    assert embedded is not None
    assert msgspec.json.decode(embedded[1], type=Sweep) == sweep(found())
    assert html == html_of(found())


def test_hostile_words_are_shown_as_they_are() -> None:
    hostile = msgspec.structs.replace(found(), case=HOSTILE)
    root = page(html_of(hostile, found()))
    assert root.all("h2")[0].text == f"{HOSTILE} on Start"
    assert len(root.all("script")) == 2


def test_a_page_of_nothing_says_so() -> None:
    assert "Too little was measured" in html_of()


def test_one_number_without_p95s_or_limits_can_be_drawn() -> None:
    bare = [
        msgspec.structs.replace(point, p95={"ttft": None}, bounds={}, uses={}, cost_per_success=None)
        for point in found().points
    ]
    root = page(html_of(msgspec.structs.replace(found(), points=tuple(bare))))
    assert "p95: too few answers for one" in root.text


def test_away_from_a_terminal_each_stage_is_a_line() -> None:
    file = io.StringIO()
    with Stages(file) as stages:
        for done in range(3):
            stages.tell(done, 2, "4, 8 on start")
    assert file.getvalue() == "simulating 4, 8 on start\n"
