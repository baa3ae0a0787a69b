"""All pages in headless Chromium, from file://: what a person sees, and what the pages do not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import made_fidelities
import made_plans
import made_sweeps
import msgspec
import pytest
from made_comparisons import no_change, regressed
from made_runs import in_cases, made_run
from node_packages import installed
from playwright.sync_api import Browser, Page, sync_playwright
from queue_simulation import FOUR

from bench.results.comparison import Comparison
from bench.results.format import DASH
from bench.results.texts import Text
from reports import comparison_page, fidelity_page, plan_page, sweep_page
from reports.html import write

AXE = Path(__file__).parent / "axe" / "package-lock.json"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("NOT CHECKED in a browser: there is no Chromium on this machine (apt-get install chromium)")
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report whose every text that a person chooses is markup."""
    run = made_run(tmp_path_factory.mktemp("run"))
    assert run.summary is not None
    summary = msgspec.structs.replace(run.summary, model=f"claude{MARKUP}", question=MARKUP, name=MARKUP, answer=MARKUP)
    path = tmp_path_factory.mktemp("report") / "report.html"
    texts = [Text("gather", 0, f"claude{MARKUP}", f"user: {MARKUP}", MARKUP)]
    write(replace(run, summary=summary), path, _marked(regressed()), texts)
    return path.as_uri()


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page of a comparison, of three strategies that bear markup in their names."""
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    path.write_text(comparison_page.render(_marked(no_change())), encoding="utf-8")
    return path.as_uri()


def _marked(found: Comparison) -> Comparison:
    changes = tuple(msgspec.structs.replace(one, strategy=f"{one.strategy}{MARKUP}") for one in found.changes)
    return msgspec.structs.replace(found, changes=changes, base=msgspec.structs.replace(found.base, label=MARKUP))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of two cases."""
    run = made_run(tmp_path_factory.mktemp("run"), in_cases(FOUR, ("start", "build")), thresholds=())
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(run, path)
    return path.as_uri()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page of a plan."""
    path = tmp_path_factory.mktemp("plan") / "plan.html"
    plan_page.write(made_plans.in_flight(), path)
    return path.as_uri()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page of a sweep with and without an answer."""
    path, series = tmp_path_factory.mktemp("sweep") / "sweep.html", (made_sweeps.found(), made_sweeps.none())
    html = sweep_page.render(made_sweeps.sweep(*series), made_sweeps.advised(*series), series)
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def fidelity(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page of a calibration."""
    path = tmp_path_factory.mktemp("fidelity") / "fidelity.html"
    path.write_text(fidelity_page.render(made_fidelities.fitted()), encoding="utf-8")
    return path.as_uri()


PAGES = ["report", "cases", "comparison", "plan", "sweep", "fidelity"]


class Opened:
    """A page, and everything that it asked for or complained of."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.goto(address)


@pytest.fixture
def opened(chromium: Browser, report: str) -> Iterator[Opened]:
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    yield Opened(page, report)
    page.close()


@pytest.fixture
def compared(chromium: Browser, comparison: str) -> Iterator[Opened]:
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    yield Opened(page, comparison)
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_and_complains_of_nothing(
    chromium: Browser, name: str, request: pytest.FixtureRequest
) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    opened = Opened(page, address := request.getfixturevalue(name))
    assert opened.requests == [address]
    assert opened.complaints == []
    page.close()


def test_markup_in_names_is_shown_as_it_is_written(opened: Opened, compared: Opened) -> None:
    assert opened.page.locator("h1").inner_text() == MARKUP
    opened.page.locator("#texts summary").click()
    assert opened.page.locator("#texts pre").all_inner_texts() == [f"user: {MARKUP}", MARKUP]
    assert MARKUP in opened.page.locator("#comparison h2").inner_text()
    assert compared.page.locator("h2").first.inner_text().endswith(MARKUP)
    for one in (opened, compared):
        assert one.page.locator("img").count() == 0
        assert one.complaints == []


def test_a_comparison_sorts(compared: Opened) -> None:
    table = compared.page.locator("section").first.locator("details table").last
    compared.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    heading = table.locator("thead th", has_text="change")
    names = table.locator("tbody th")
    before = names.all_inner_texts()
    heading.locator("button").click()
    rising = names.all_inner_texts()
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert sorted(rising) == sorted(before)
    assert names.all_inner_texts() != rising


def test_a_question_mark_leads_to_what_is_meant(opened: Opened) -> None:
    mark = opened.page.get_by_label("What is meant by wall clock", exact=True).first
    assert "meant to go" in (mark.get_attribute("title") or "")
    mark.focus()
    opened.page.keyboard.press("Enter")
    assert opened.page.locator(":target").inner_text() == "wall clock"


def _column(opened: Opened, number: int) -> list[str]:
    cells = opened.page.locator(f"#strategies > .scroll:first-of-type tbody tr > :nth-child({number})")
    return [text.split("\n")[0] for text in cells.all_inner_texts()]


def test_a_table_sorts_by_the_heading_that_is_clicked_up_and_then_down(opened: Opened) -> None:
    heading = opened.page.locator("#strategies thead th", has_text="wall clock").first
    before = _column(opened, 2)
    heading.locator("button").click()
    rising = _column(opened, 2)
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").click()
    assert sorted(rising) == sorted(before)
    assert _column(opened, 2) == rising[::-1] != rising
    assert heading.get_attribute("aria-sort") == "descending"


def test_cases_are_sorted_each_within_itself(chromium: Browser, cases: str) -> None:
    page = chromium.new_page()
    opened = Opened(page, cases)
    page.locator("#strategies thead th", has_text="wall clock").first.locator("button").click()
    parts = page.locator("#strategies > .scroll:first-of-type tbody")
    names = [parts.nth(place).locator("tr > th").all_inner_texts() for place in range(2)]
    page.close()
    assert names == [[case, "gather", "semaphore-10", "semaphore-5", "sequential"] for case in ("start", "build")]
    assert opened.complaints == []


@pytest.mark.parametrize(
    ("shown", "ordered"),
    [
        (["2 min 5 s", "612 ms", DASH, "96.0 s", "1 h 2 min"], ["612 ms", "96.0 s", "2 min 5 s", "1 h 2 min", DASH]),
        (["$1,350", "$0.60", "$42.29"], ["$0.60", "$42.29", "$1,350"]),
        (["2.00 M tok", "612 tok", "99.0 k tok"], ["612 tok", "99.0 k tok", "2.00 M tok"]),
        (["100 %", "9.9 %", "0 %"], ["0 %", "9.9 %", "100 %"]),
        (["semaphore-10", "gather", "semaphore-5"], ["gather", "semaphore-5", "semaphore-10"]),
    ],
)
def test_values_sort_by_what_they_mean(opened: Opened, shown: list[str], ordered: list[str]) -> None:
    opened.page.evaluate(
        """cells => {
            const table = document.querySelector("#errors table, #strategies table");
            table.tHead.innerHTML = "<tr><th>name</th></tr>";
            table.tBodies[0].innerHTML = cells.map(cell => `<tr><td>${cell}</td></tr>`).join("");
            sort(table, 0, table.tHead.rows[0].cells[0]);
            window.sorted = [...table.tBodies[0].rows].map(row => row.textContent);
        }""",
        shown,
    )
    assert opened.page.evaluate("window.sorted") == ordered


def test_a_figure_tells_the_value_under_the_pointer(opened: Opened) -> None:
    mark = opened.page.locator("#percentiles .hint").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box
    opened.page.mouse.move(box["x"] + 2, box["y"] + 2)
    tip = opened.page.locator(".tip")
    assert tip.is_visible()
    assert "latency p50: " in tip.inner_text()
    opened.page.mouse.move(5, 5)
    assert not tip.is_visible()


def test_the_keyboard_reaches_headings_and_sorts(opened: Opened) -> None:
    heading = opened.page.locator("#strategies thead th", has_text="wall clock").first
    heading.locator("button").focus()
    opened.page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"


def test_it_says_everything_without_script(
    chromium: Browser, report: str, comparison: str, opened: Opened, compared: Opened
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(comparison)
    assert page.locator("main").inner_text() == compared.page.locator("main").inner_text()
    page.goto(report)
    assert page.locator("main").inner_text() == opened.page.locator("main").inner_text()
    assert page.locator("#percentiles .hint title").first.text_content()
    context.close()


def test_it_prints(opened: Opened) -> None:
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("nav").first.is_visible()
    assert opened.page.locator("h1").is_visible()
    assert opened.page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("name", PAGES)
def test_paper_cuts_nothing_off(chromium: Browser, name: str, request: pytest.FixtureRequest) -> None:
    paper = {"width": 688, "height": 1000}  # A4 less its margins, in CSS pixels
    page = chromium.new_page(viewport={"width": paper["width"], "height": paper["height"]})
    page.goto(request.getfixturevalue(name))
    page.emulate_media(media="print")
    rights = page.evaluate(
        """() => [...document.querySelectorAll("table, svg, h1, h2, h3, p, dl")].filter((one) => one.checkVisibility())
                 .map((one) => one.getBoundingClientRect().right)"""
    )
    page.close()
    assert max(rights) <= paper["width"] + 1


@pytest.mark.parametrize("name", PAGES)
def test_nothing_but_tables_and_plots_scrolls_sideways(
    chromium: Browser, name: str, request: pytest.FixtureRequest
) -> None:
    page = chromium.new_page()
    page.goto(request.getfixturevalue(name))
    for width in (320, 768, 1200):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.fixture(scope="module")
def axe(pytestconfig: pytest.Config) -> Path:
    return installed(AXE, "for accessibility", pytestconfig) / "node_modules" / "axe-core" / "axe.min.js"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation(
    chromium: Browser, axe: Path, name: str, scheme: Literal["light", "dark"], request: pytest.FixtureRequest
) -> None:
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(request.getfixturevalue(name))
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.add_script_tag(path=axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    context.close()
    assert [(one["id"], one["impact"], [node["target"] for node in one["nodes"]][:5]) for one in found] == []
