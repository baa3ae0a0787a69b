"""The report as a file: what is in it, that it stands alone, repeats byte for byte, and shows text as text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
from made_comparisons import regressed
from made_runs import QUESTION, in_cases, in_streams, made_run, summary_of
from queue_simulation import FOUR, Queue

from bench.errors import UsageError
from bench.results.columns import Columns
from bench.results.metrics import METRICS
from bench.results.summary import Summary, ThresholdResult
from reports.html import render, write
from reports.waste import waste

VOID = {"meta", "br", "img", "input", "link", "hr"}


@dataclass
class Element:
    """One element with what is inside it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Every element below of this kind."""
        found = [
            child for child in self.children if child.tag == tag and attributes.items() <= child.attributes.items()
        ]
        return found + [element for child in self.children for element in child.all(tag, **attributes)]

    @property
    def text(self) -> str:
        return " ".join([*self.words, *(child.text for child in self.children)])


class Page(HTMLParser):
    """A small tree; fails on elements that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(html)
        assert self.open == [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.open[-1].words.append(data.strip())


def page(html: str) -> Element:
    return Page(html).root


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return render(made_run(tmp_path_factory.mktemp("run")))


def test_the_answer_is_the_first_thing_said(html: str) -> None:
    root = page(html)
    assert [heading.text for heading in root.all("h1")] == [QUESTION.question]
    header = root.all("header")[0]
    assert header.all("p", **{"class": "answer"})[0].text.startswith("semaphore-10")


def test_every_section_of_the_report_is_there_and_in_the_list(html: str) -> None:
    root = page(html)
    sections = [section.attributes["id"] for section in root.all("section")]
    assert sections == (
        [
            "claim",
            "validity",
            "thresholds",
            "strategies",
            "latency",
            "time",
            "timeline",
            "limits",
            "money",
            "errors",
            "repeat",
            "definitions",
        ]
    )
    links = [link.attributes["href"] for link in root.all("nav")[0].all("a")]
    assert links == [f"#{name}" for name in sections]


def test_landmarks_labels_and_ids_hold_together(html: str) -> None:
    root = page(html)
    assert root.all("html")[0].attributes["lang"] == "en"
    assert len(root.all("main")) == len(root.all("header")) == len(root.all("footer")) == 1
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {section.attributes["aria-labelledby"] for section in root.all("section")} <= set(ids)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)
    for table in root.all("table"):
        assert all("scope" in heading.attributes for heading in table.all("th"))


def test_every_figure_states_a_finding_and_carries_its_numbers(html: str) -> None:
    figures = page(html).all("figure")
    assert len(figures) == 3 + 4
    for figure in figures:
        title = figure.all("h3")[0].text
        svg = figure.all("svg", role="img")[0]
        assert title in svg.attributes["aria-label"]
        assert re.search(r"\d", title)
        rows = figure.all("details")[0].all("tr")
        assert len(rows) >= 5
        assert figure.all("ul", **{"class": "key"})[0].all("li")


def test_the_numbers_are_those_of_the_summary(html: str) -> None:
    table = page(html).all("section", id="strategies")[0].all("table")[0]
    rows = {
        row.all("th")[0].text: [cell.text.split() for cell in row.all("td")] for row in table.all("tbody")[0].all("tr")
    }
    assert rows["sequential"][0] == ["469", "s"]
    assert rows["sequential"][6] == ["444", "s", "423", "–", "469", "s"]  # noqa: RUF001
    assert rows["sequential"][4] == ["–", "needs", "368"]  # noqa: RUF001
    assert "★" in rows["semaphore-10"][0]
    assert not any("★" in cell for cell in rows["gather"])


def test_claims_stand_beside_what_was_measured(html: str) -> None:
    claim = page(html).all("section", id="claim")[0].text
    assert "A widely read tutorial" in claim
    assert "7 min 49 s, no 429s, no failed" in claim


def test_every_metric_is_defined(html: str) -> None:
    definitions = page(html).all("section", id="definitions")[0].text
    assert all(metric.meaning.split("'")[0] in definitions for metric in METRICS.values())


def test_errors_have_causes_and_request_ids(html: str) -> None:
    errors = page(html).all("section", id="errors")[0].text
    assert "529: the service as a whole is overloaded" in errors
    assert "req_gather_0_39" in errors
    assert "The first was told: Overloaded" in errors


def test_what_the_first_was_told_names_no_organisation(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    journal = tmp_path / "records.jsonl"
    told = "over the limit (org: 5eed0000-c1a0-4be2-8000-00000000bec4) <b>"
    journal.write_text(journal.read_text().replace('"Overloaded"', json.dumps(told)))
    errors = page(render(made)).all("section", id="errors")[0].text
    assert "over the limit (org: …) <b>" in errors


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    root = page(html)
    policy = root.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"]
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?://|@import|<link|<iframe|<object", html)
    assert [script.attributes.get("type", "run") for script in root.all("script")] == ["application/json", "run"]
    assert re.search(r"script-src 'sha256-[\w+/]+=*';", policy)
    sources = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert all(source.startswith(("#", "data:image/png;base64,")) for source in sources)


def test_colours_of_figures_follow_the_theme(html: str) -> None:
    for figure in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        assert "var(--c-" in figure
        assert not re.search(r"#[0-9a-f]{6}\b(?![^<]*</text>)", figure)
        assert "font-family" not in figure


def test_the_summary_inside_can_be_read_back(html: str) -> None:
    embedded = re.search(r'<script type="application/json" id="summary">(.*?)</script>', html)
    assert embedded is not None
    assert msgspec.json.decode(embedded[1], type=Summary).question == QUESTION.question


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    write(run, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(run)


HOSTILE = '<script>alert(1)</script> $x^2$ "&\' id="z" #0a0b00 {{ 7 * 7 }}'


def test_hostile_words_are_shown_as_they_are(tmp_path: Path) -> None:
    queue = Queue(HOSTILE, 90, 9, rpm=150, burst=5, fail_every=30)
    question = msgspec.structs.replace(QUESTION, question=HOSTILE, claim=f"</script>{HOSTILE}", name=HOSTILE)
    html = render(made_run(tmp_path, [queue], question))
    root = page(html)
    assert len(root.all("script")) == 2
    assert root.all("h1")[0].text == HOSTILE
    assert root.all("table")[1].all("tbody")[0].all("th")[0].text == HOSTILE
    assert root.all("figure", id="timeline-0")[0].all("h3")[0].text.startswith(HOSTILE)
    assert not root.all("section", id="strategies")[0].all("th", id="z")


def test_a_short_name_stays_itself_inside_a_figure(tmp_path: Path) -> None:
    html = render(made_run(tmp_path, [Queue("<b>$x^2$</b> #0a0b00", 90, 9)]))
    figure = page(html).all("figure")[0]
    assert "<b>$x^2$</b> #0a0b00" in [text.text for text in figure.all("text")]


@pytest.mark.parametrize("count", [1, 2, 3, 6, 14])
def test_any_number_of_strategies_is_drawn(tmp_path: Path, count: int) -> None:
    html = render(made_run(tmp_path, [Queue(f"semaphore-{n}", 40, n, fail_every=7) for n in range(1, count + 1)]))
    timelines = re.findall(r'<figure id="timeline-\d+"', html)
    assert len(timelines) == min(count, 8)
    assert ("Not drawn here: semaphore-9" in html) == (count > 8)


def test_repeats_are_rows_of_their_own_and_have_no_timeline(tmp_path: Path) -> None:
    html = render(made_run(tmp_path, [Queue("pool", 40, 4), Queue("pool", 40, 4, pass_=1)]))
    table = page(html).all("section", id="strategies")[0].all("tbody")[0]
    assert [heading.text for heading in table.all("th")] == ["pool"]
    each = page(html).all("section", id="strategies")[0].all("details")[0].all("tbody")[0]
    assert [heading.text for heading in each.all("th")] == ["pool", "pool #2"]
    assert len(re.findall(r'<figure id="timeline-\d+"', html)) == 1


def test_a_run_in_which_all_failed_has_no_latency_to_show(tmp_path: Path) -> None:
    html = render(made_run(tmp_path, [Queue("pool", 20, 4, fail_every=1)]))
    root = page(html)
    assert "latency" not in [section.attributes["id"] for section in root.all("section")]
    assert "#latency" not in [link.attributes["href"] for link in root.all("nav")[0].all("a")]
    assert "20 requests of 20 failed for good" in root.all("section", id="errors")[0].text


def test_a_run_that_sent_nothing_is_still_a_report(tmp_path: Path) -> None:
    root = page(render(made_run(tmp_path, [])))
    assert not root.all("figure")
    assert root.all("section", id="repeat")


def test_answers_that_take_no_time_are_drawn(tmp_path: Path) -> None:
    html = render(made_run(tmp_path, [Queue("pool", 80, 4, median=1e-300, p95=2e-300)]))
    assert len(page(html).all("figure")) == 4


def test_a_record_cut_off_is_said(tmp_path: Path) -> None:
    assert "cut off and is not counted" in render(replace(made_run(tmp_path), torn=1))


def test_an_unknown_price_is_called_unknown(tmp_path: Path) -> None:
    html = render(made_run(tmp_path, [Queue("pool", 80, 4, model="no-such-model")]))
    assert "is not known, so no cost is shown" in html
    assert "$0" not in page(html).all("header")[0].text


def test_a_run_without_a_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no summary"):
        render(replace(made_run(tmp_path), summary=None))


def test_each_stream_of_traffic_has_a_table_of_its_own(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    passes = [in_streams(one) for one in run.passes]
    page = Page(render(replace(run, passes=passes, summary=summary_of(passes)))).root
    for name, requests in (("chat", 25), ("job", 75)):
        [region] = page.all("div", **{"aria-label": f"Table: Stream: {name}"})
        rows = region.all("tbody")[0].all("tr")
        assert [row.all("th")[0].text.strip() for row in rows] == [one.strategy for one in run.passes]
        assert {row.all("td")[0].text.strip() for row in rows} == {str(requests)}


def test_a_comparison_is_a_section(tmp_path: Path) -> None:
    root = page(render(made_run(tmp_path), regressed()))
    section = root.all("section", id="comparison")[0]
    title = section.all("h2")[0]
    assert title.text.startswith("Compared with main: TTFT p95 is 24 % slower")
    assert title.all("span", **{"class": "failed"})[0].text == "Regressed."
    assert len(section.all("figure")) == len(regressed().strategies)
    assert "#comparison" in [link.attributes["href"] for link in root.all("nav")[0].all("a")]


@pytest.mark.parametrize(
    ("code", "reasons", "said"),
    [
        (0, (), "1 of 3 thresholds met Passed."),
        (99, ("gather: errors rate < 1%: failed",), "1 of 3 thresholds met Failed."),
        (6, tuple("abcde"), "a; b; c; 2 more Stopped by its budget."),
    ],
)
def test_the_verdict_stands_at_the_top(tmp_path: Path, code: int, reasons: tuple[str, ...], said: str) -> None:
    run = made_run(tmp_path)
    assert run.summary is not None
    summary = msgspec.structs.replace(run.summary, exit_code=code, reasons=reasons)
    assert page(render(replace(run, summary=summary))).all("p", **{"class": "verdict"})[0].text == said


def test_each_threshold_shows_how_far_it_is_from_its_limit(tmp_path: Path) -> None:
    found = ThresholdResult("gather", 0, "latency", "p(95) < 8s", 10.0, "failed", limit=8.0)
    [bar] = page(render(made_run(tmp_path, thresholds=[found]))).all("span", **{"class": "bar bullet"})
    assert [bar.all(tag)[0].attributes["style"] for tag in ("i", "b")] == ["width:80.0%", "left:64.0%"]


def test_the_verdict_stands_beside_its_condition(html: str) -> None:
    table = page(html).all("section", id="thresholds")[0].all("table")[0]
    assert [heading.text for heading in table.all("thead")[0].all("th")][:3] == ["condition", "verdict", "measured"]
    rows = [(row.all("th")[0].text, row.all("td")[0].text) for row in table.all("tbody")[0].all("tr")]
    assert ("errors rate < 1%", "failed") in rows


def test_a_number_of_the_answer_stays_with_its_unit(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    assert made.summary
    answer = "gather: 2 min 5 s at 0 % of 3 models, 612 ms. Next: 4.00 M tok in 10 sentences."
    html = render(replace(made, summary=msgspec.structs.replace(made.summary, answer=answer)))
    header = page(html).all("header")[0]
    said = " ".join(header.all("p", **{"class": name})[0].text for name in ("answer", "further"))
    assert said == (
        "gather: 2\u00a0min 5\u00a0s at 0\u00a0% of 3 models, 612\u00a0ms. Next: 4.00\u00a0M tok in 10 sentences."
    )


def test_the_service_is_parted_at_the_first_token_where_that_is_known(tmp_path: Path) -> None:
    queue = Queue("pool", 100, 10)
    whole = made_run(tmp_path, [queue], thresholds=())
    [columns] = whole.passes
    [figure] = [one for one in page(render(whole)).all("figure") if one.attributes["id"] == "where-time-went"]
    parts = [one.text for one in figure.all("thead")[0].all("th")][2:]
    assert parts[2:] == ["in service until the first token", "in service from then on"]
    silent = replace(columns, requests=replace(columns.requests, ttft=np.full(100, np.nan)))
    [figure] = [
        one
        for one in page(render(replace(whole, passes=[silent]))).all("figure")
        if one.attributes["id"] == "where-time-went"
    ]
    assert [one.text for one in figure.all("thead")[0].all("th")][4:] == ["in service"]


def test_waste_that_is_alike_is_told_once() -> None:
    passes = [summary_of([Columns.of(Queue(name, 80, 8).records())]).passes[0] for name in ("a", "b", "c")]
    for one, silent in zip(passes, (2, 2, 0), strict=True):
        one.values.update(wasted_attempts=silent, wasted_unknown=silent)
    assert waste(passes) == ["a, b: each 2 attempts ended without a word on usage: what they cost is in no figure."]


def test_each_heading_leads_to_what_is_meant(html: str) -> None:
    marks = page(html).all("a", **{"class": "help"})
    assert len(marks) > 5
    assert all(mark.attributes["title"] == METRICS[mark.attributes["href"][5:]].meaning for mark in marks)


def test_cases_stand_one_below_the_other_and_are_compared_within(tmp_path: Path) -> None:
    queues = in_cases(FOUR[1:], ("start", "build"))
    html = render(made_run(tmp_path, queues, thresholds=()))
    root = page(html)
    header = root.all("header")[0]
    assert [heading.text for heading in header.all("h2")] == ["start", "build"]
    assert len(header.all("p", **{"class": "answer one-of-many"})) == 2
    table = root.all("section", id="strategies")[0].all("table")[0]
    parts = [[row.all("th")[0].text for row in part.all("tr")] for part in table.all("tbody")]
    assert parts == [[case, *(queue.strategy for queue in FOUR[1:])] for case in ("start", "build")]
    stars = [len(part.all("span", **{"class": "tag"})) for part in table.all("tbody")]
    assert stars[0] == stars[1] > 0, "the same numbers in both, so the same are best in both"
    for section, name in (("latency", "percentiles"), ("time", "where-time-went"), ("money", "cost")):
        figures = root.all("section", id=section)[0].all("figure")
        assert [figure.attributes["id"] for figure in figures] == [f"{name}-start", f"{name}-build"]
        assert [figure.all("h3")[0].text.partition(": ")[0] for figure in figures] == ["start", "build"]
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    drawn = root.all("section", id="timeline")[0].all("h3")
    assert [title.text.partition(":")[0] for title in drawn] == [
        f"{case}/{queue.strategy}" for case in ("start", "build") for queue in FOUR[1:]
    ]


def test_of_many_cases_some_timelines_of_each_are_drawn(tmp_path: Path) -> None:
    html = render(made_run(tmp_path, in_cases(FOUR[1:], [f"case-{n}" for n in range(6)]), thresholds=()))
    timelines = page(html).all("section", id="timeline")[0]
    assert len(timelines.all("figure")) == 6
    assert "Not drawn here: case-0/semaphore-5" in timelines.text
