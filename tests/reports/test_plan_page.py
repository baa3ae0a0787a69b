"""The page of a plan: what it says first, that it stands alone, and that it shows text as text."""

from __future__ import annotations

import re

import msgspec
import pytest
from test_html import HOSTILE, Element, page

from bench.results.plan import Bound, Cell, ClosedForm, LimitShare, Plan, Played, Spending, TierPlan, WhatIf
from reports.plan_figures import efficient, frontier
from reports.plan_flights import flights
from reports.plan_page import render


def cell(
    tier: str, strategy: str, makespan: float, cost: float | None, *, kind: str = "semaphore", clean: bool = True,
    best: bool = False, recommended: bool = False,
) -> Cell:  # fmt: skip
    bound = Bound("in_flight", makespan * 0.98, demand=200.0)
    form = ClosedForm(makespan * 0.98, "in_flight", 60.0, 10.0, True, (bound, Bound("requests", 6.0, 100, 1000, 100)))
    played = Played(
        requests=100, simulated=100, estimate=False, makespan=makespan, throughput=60.0, response_p50=makespan / 2,
        response_p95=makespan, ttft_p50=0.5, ttft_p95=1.0, latency_p50=2.0, latency_p95=4.0,
        limits=(
            LimitShare("requests", 1000, 0.1), LimitShare("input_tokens", 2e6, 0.9),
            LimitShare("output_tokens", None, None),
        ),
        rate_limited=0 if clean else 40, rate_limited_share=0.0 if clean else 0.3, failed=0, failed_share=0.0,
    )  # fmt: skip
    return Cell(
        tier, None, strategy, kind, form, Spending(cost, None if cost is None else cost * 2, 500.0, None), played,
        difference=0.02, why="the last answers take longer", clean=clean, best=best, recommended=recommended,
    )  # fmt: skip


CELLS = (
    cell("start", "semaphore-10", 100.0, 2.0, best=True, recommended=True),
    cell("start", "gather", 50.0, 2.0, clean=False),
    cell("start", "batch", 3600.0, 1.0, kind="batch"),
    cell("build", "semaphore-10", 98.0, 2.0, best=True),
)

PLAN = Plan(
    name="made",
    question="How long?",
    model="claude-sonnet-5",
    answer=("Use semaphore-10 on start.", "Another tier would not help."),
    tiers=(TierPlan("start", "2026-10-08", "rate-limit page", 500.0, {"claude-sonnet-5": {"requests": 1000.0}}),),
    cells=CELLS,
    what_ifs=(WhatIf("as message batches", "batches", None, 3600.0, 1.0, 3600.0, "half price"),),
    sensitivity=(
        WhatIf("answers 50 % longer", "outputs", None, 150.0, 2.8, 150.0),
        WhatIf("service 50 % slower", "service", None, 148.0, 2.0, 149.0),
    ),
    deadline=60.0,
    feasible=False,
    verdict="At the earliest after 98 s.",
    notes=("Buckets are taken to be full.",),
    prices_as_of="today",
    exit_code=99,
)


@pytest.fixture(scope="module")
def html() -> str:
    return render(PLAN)


def first(root: Element, title: str) -> Element:
    return next(one for one in root.all("div") if one.attributes.get("aria-label") == title)


def test_the_answer_stands_first_and_the_page_holds_together(html: str) -> None:
    root = page(html)
    assert root.all("p", **{"class": "answer"})[0].text == "Use semaphore-10 on start."
    assert "Not in time." in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)
    for table in root.all("table"):
        assert all("scope" in heading.attributes for heading in table.all("th"))


def test_each_cell_is_a_row_and_one_is_to_be_used(html: str) -> None:
    rows = first(page(html), "Every cell: Tiers and strategies").all("tbody")[0].all("tr")
    verdicts = {row.all("th")[0].text: row.all("td")[0].text for row in rows}
    assert verdicts == {
        "start: semaphore-10": "use this",
        "start: gather": "not clean",
        "start: batch": "\N{EN DASH}",
        "build: semaphore-10": "best on this tier",
    }


def test_strategies_stand_by_tiers_and_the_one_to_use_is_marked(html: str) -> None:
    table = first(page(html), "Strategies by tiers: Tiers and strategies")
    assert [heading.text for heading in table.all("thead")[0].all("th")] == ["strategy", "start", "build"]
    rows = {row.all("th")[0].text: row.all("td") for row in table.all("tbody")[0].all("tr")}
    marks = {name: [square.attributes.get("class", "") for square in squares] for name, squares in rows.items()}
    assert marks == {"semaphore-10": ["use", "best"], "gather": ["", ""], "batch": ["", ""]}
    used, other = rows["semaphore-10"]
    assert used.text == "100 s $2.00 use this"
    assert other.text == "98.0 s $2.00 best on this tier"
    assert rows["batch"][1].text == "\N{EN DASH}"


def flying(number: int, throughput: float, *, clean: bool = True, own_times: bool = False, tier: str = "start") -> Cell:
    """Of 600 requests, of which the tier lets 1,000 a minute through."""
    one = cell(tier, f"semaphore-{number}", 100.0, 2.0, clean=clean)
    bounds = (Bound("requests", 36.0, 600, 1000, 100), Bound("arrivals" if own_times else "answers", 4.0))
    form = ClosedForm(36.0, "requests", 1000.0, float(number), True, bounds)
    assert one.simulated is not None
    played = msgspec.structs.replace(one.simulated, throughput=throughput)
    return msgspec.structs.replace(one, closed_form=form, simulated=played)


CURVE = (flying(32, 310), flying(8, 80), flying(128, 1050), flying(256, 1060, clean=False), flying(4, 40))


def test_three_numbers_in_flight_are_a_curve_beside_what_the_tier_lets_through() -> None:
    [figure] = flights("f", (*CELLS[1:3], *CURVE))
    assert figure.title == "semaphore: on start 128 in flight give 1,050 a minute"
    assert "start: 1,000 a minute for long" in figure.svg
    assert figure.table.rows[-1] == ("semaphore-256 on start", "1,060", "1,000", "4.00 s", "40", "no")
    assert [row[0] for row in figure.table.rows][:3] == [f"semaphore-{n} on start" for n in (4, 8, 32)]
    assert "p95 latency" in figure.note
    of_users = [flying(number, 40 * number, own_times=True) for number in (1, 2, 3)]
    [figure] = flights("f", of_users)
    assert "p95 response time" in figure.note
    assert figure.table.rows[0][3] == "100 s"


def test_fewer_than_three_numbers_are_no_curve_and_five_tiers_are_two_figures() -> None:
    assert not [*flights("f", CURVE[:2])]
    tiers = ("start", "build", "scale", "tier-1", "tier-2")
    each = [flying(number, 10 * number, tier=tier) for tier in tiers for number in (1, 2, 4)]
    assert [figure.name for figure in flights("f", each)] == ["f-0-0", "f-0-1"]


def test_the_frontier_is_what_nothing_clean_beats_in_cost_and_time() -> None:
    assert [(one.tier, one.strategy) for one in efficient(CELLS)] == [("build", "semaphore-10"), ("start", "batch")]
    figure = frontier("f", CELLS)
    assert figure is not None
    assert figure.title == "batch on start costs 50 % less than semaphore-10 on build and takes 1 h instead of 98.0 s"


def test_figures_state_what_they_show(html: str) -> None:
    titles = [figure.all("h3")[0].text for figure in page(html).all("figure")]
    assert titles[1] == "The limit that is nearest: 90 % on start, 90 % on build of input tokens"
    assert titles[2] == (
        "If an assumption fails: at worst 50 % later (answers 50 % longer), and 40 % dearer (answers 50 % longer)"
    )
    for figure in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        assert not re.search(r"#[0-9a-f]{6}\b(?![^<]*</text>)", figure)


def test_what_has_no_price_is_drawn_nowhere_and_called_unknown() -> None:
    unpriced = tuple(cell(one.tier, one.strategy, one.makespan, None, recommended=one.recommended) for one in CELLS)
    assert frontier("f", unpriced) is None
    html = render(msgspec.structs.replace(PLAN, cells=unpriced, what_ifs=(), sensitivity=(), prices_as_of=None))
    assert "$0" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def test_nothing_is_loaded_from_anywhere_and_the_plan_can_be_read_back(html: str) -> None:
    assert not re.search(r"https?://|@import|<link|<iframe|<object", html)
    embedded = re.search(r'<script type="application/json" id="plan">(.*?)</script>', html)
    assert embedded is not None
    assert msgspec.json.decode(embedded[1], type=Plan) == PLAN
    assert render(PLAN) == html


def test_hostile_words_are_shown_as_they_are() -> None:
    strange = tuple(msgspec.structs.replace(one, strategy=HOSTILE, why=HOSTILE) for one in CELLS)
    root = page(render(msgspec.structs.replace(PLAN, question=HOSTILE, cells=strange, answer=(HOSTILE,))))
    assert len(root.all("script")) == 2
    assert root.all("h1")[0].text == HOSTILE
    assert root.all("p", **{"class": "answer"})[0].text == HOSTILE
