"""The live page: what it counts, how it is served, and that a browser shows a run as it goes and then its report."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_packages import installed
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bench import api
from bench.cli import call
from bench.results.record import Attempt, RateLimits, Record, read_records
from reports.live_page import LivePage, serving
from reports.live_state import SLOTS, LiveState

AXE = Path(__file__).parent / "axe" / "package-lock.json"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
MARKUP = "<img src=x onerror=alert(1)>"


def record(ended: float, *, latency: float = 1.0, refused: int = 0, limits: RateLimits | None = None) -> Record:
    attempts = [Attempt(0.0, 0.1, 429, "requests", retry_after=1.0)] * refused
    return Record("pool", 0, "m", 0.0, (*attempts, Attempt(ended - latency, ended, 200, limits=limits)))


def begun(total: int | None = 10, *, passes: int = 1, budget: float | None = None) -> LiveState:
    state = LiveState(passes=passes, budget=budget)
    state.pass_started("pool", 0, total, 1.0)
    return state


def told(state: LiveState, *records: Record, cost: float | None = 0.25) -> None:
    for one in records:
        state.sent("pool")
        state.done(one, cost)


# What it counts


def test_before_anything_it_is_starting() -> None:
    assert LiveState(passes=2).snapshot().heading == "Starting"


def test_figures_are_those_of_the_records() -> None:
    state = begun(passes=3, budget=4.0)
    told(state, record(15.0, latency=1.0), record(30.0, latency=2.0, refused=2), record(30.0, latency=9.0))
    state.sent("pool")
    snapshot = state.snapshot()
    facts = dict(snapshot.facts)
    assert snapshot.heading == "pool, 1 of 3"
    assert facts.pop("time left").startswith("about ")
    assert facts == {
        "done": "3 of 10",
        "in flight": "1",
        "throughput": "6.00 /min",
        "latency p50": "2.00 s",
        "latency p95": "9.00 s",
        "429s": "2",
        "failed for good": "0",
        "spent in all": "$0.75",
    }
    assert [(one.name, one.said, one.share) for one in snapshot.causes] == [
        ("429: the requests-per-minute limit", "2", 1.0)
    ]
    assert snapshot.budget is not None
    assert (snapshot.budget.said, snapshot.budget.share) == ("$0.75 of $4.00", 0.1875)


def test_the_window_forgets_what_ended_more_than_a_minute_ago() -> None:
    state = begun()
    told(state, record(10.0, latency=9.0), record(100.0, latency=1.0), record(110.0, latency=2.0))
    facts = dict(state.snapshot().facts)
    assert (facts["throughput"], facts["latency p95"]) == ("2.00 /min", "2.00 s")


def test_limits_are_those_that_the_last_answer_told() -> None:
    state = begun()
    told(
        state,
        record(2.0, limits=RateLimits(requests_limit=50, requests_remaining=20)),
        record(1.0, limits=RateLimits(requests_limit=50, requests_remaining=40)),
    )
    assert [(one.name, one.said, one.share) for one in state.snapshot().limits] == [
        ("requests", "20 of 50 a minute", 0.4)
    ]


def test_429s_stand_before_other_failures_and_what_was_not_needed_is_none() -> None:
    state = begun()
    ended = [Attempt(0.0, 1.0, cause=cause) for cause in ("overloaded", "overloaded", "requests", "outrun")]
    told(state, Record("pool", 0, "m", 0.0, tuple(ended)))
    assert [one.said for one in state.snapshot().causes] == ["1", "2"]


def test_an_unknown_cost_is_not_nothing() -> None:
    state = begun()
    told(state, record(1.0))
    told(state, record(2.0), cost=None)
    assert dict(state.snapshot().facts)["spent in all"] == "$0.25 + 1 request of unknown cost"


def test_a_pass_of_unknown_length_promises_no_end() -> None:
    state = begun(None)
    told(state, record(1.0))
    facts = dict(state.snapshot().facts)
    assert (facts["done"], facts["time left"]) == ("1", "unknown")


def test_passes_that_have_ended_stay_as_rows_and_money_adds_up() -> None:
    state = begun(passes=2)
    told(state, record(1.0, refused=1))
    state.pass_ended()
    state.pass_started("pool", 1, 10, 1.0, "build")
    told(state, record(1.0))
    snapshot = state.snapshot()
    assert snapshot.heading == "build/pool #2, 2 of 2"
    assert [row[:6] for row in snapshot.over] == [["pool", "1", "0", "1", "about 1.00 s", "$0.25"]]
    assert dict(snapshot.facts)["spent in all"] == "$0.50"


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=200))
def test_a_curve_loses_no_request_and_never_grows_past_its_slots(moments: list[float]) -> None:
    state = begun(None)
    told(state, *(record(moment + 1.0) for moment in moments))
    throughput, in_flight, latency = state.snapshot().charts
    rates = throughput.lines[0].values
    width = 1.0
    while max(moments) + 1.0 >= width * SLOTS:
        width *= 2
    if len(rates) > 1:  # the last slot is not over
        over = [moment for moment in moments if moment + 1.0 < (len(rates) - 1) * width]
        assert rates[-1] is None
    else:
        over = moments
    assert sum(rate or 0 for rate in rates) * width / 60 == pytest.approx(len(over))
    assert len(rates) == len(in_flight.lines[0].values) == len(latency.lines[0].values) <= SLOTS


@given(st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=100))
def test_a_percentile_of_a_curve_is_within_its_bin(latencies: list[float]) -> None:
    state = begun(None)
    told(state, *(record(2000.0, latency=one) for one in latencies))
    p50 = state.snapshot().charts[2].lines[0].values[-1]
    assert p50 == pytest.approx(sorted(latencies)[(len(latencies) + 1) // 2 - 1], rel=0.03)


# How it is served


@pytest.fixture
def state() -> LiveState:
    return begun()


@pytest.fixture
def page(state: LiveState) -> Iterator[LivePage]:
    with serving(MARKUP, state, 0) as page:
        yield page


class Events:
    """What a stream of server-sent events says, one by one."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> tuple[str, Any]:
        name = next(self._lines).removeprefix("event: ")
        data = next(self._lines).removeprefix("data: ")
        assert next(self._lines) == ""
        return name, msgspec.json.decode(data)


def test_events_follow_the_run_and_end_with_the_report(page: LivePage, state: LiveState, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("the report")
    with httpx2.stream("GET", f"{page.address}events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = Events(response)
        name, first = events.next()
        assert (name, first["facts"][0]) == ("snapshot", ["done", "0 of 10"])
        told(state, record(1.0))
        while events.next()[1]["facts"][0] != ["done", "1 of 10"]:
            pass
        assert httpx2.get(f"{page.address}report").status_code == 404
        over = threading.Thread(target=page.hand_over, args=(tmp_path / "report.html",))
        over.start()
        while (event := events.next())[0] == "snapshot":
            pass
    assert event == ("over", {"report": True})
    assert httpx2.get(f"{page.address}report").text == "the report"
    over.join()  # it was waiting for just that


def test_a_run_that_fails_says_so_to_whoever_watches(state: LiveState) -> None:
    with serving("run", state, 0) as page:
        stream = httpx2.stream("GET", f"{page.address}events")
        events = Events(stream.__enter__())
        events.next()
        closing = threading.Thread(target=page.close)
        closing.start()
        while (event := events.next())[0] == "snapshot":
            pass
        stream.__exit__(None, None, None)
        closing.join()
    assert event == ("over", {"report": False})


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:1", ""])
def test_a_name_that_was_made_to_resolve_to_this_machine_is_refused(page: LivePage, host: str) -> None:
    for path in ("", "events", "report"):
        answer = httpx2.get(f"{page.address}{path}", headers={"Host": host})
        assert answer.status_code == 403
        assert "pool" not in answer.text


def test_the_page_may_run_its_own_script_only_and_ask_nobody_else(page: LivePage) -> None:
    answer = httpx2.get(page.address)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert re.search(r"script-src 'sha256-[\w+/]+='", policy)
    assert MARKUP not in answer.text


def test_a_port_that_is_taken_stops_before_anything_is_sent(
    page: LivePage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(["run", "summarize-100", "--target", "sim", "--live-port", str(page.server_port)]) == 2
    assert f"--live-port: cannot listen on 127.0.0.1:{page.server_port}" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_simulation_that_is_over_in_a_blink_shows_how_it_ended(tmp_path: Path) -> None:
    scenario = api.load("summarize-100", flags=api.flags(target="sim", tier="tutorial-1"))
    said: list[str] = []
    with api.live_page(scenario, port=0, say=said.append) as shown:
        finished = api.run(scenario, out=tmp_path / "run", observer=shown.observer)
        address = said[0].removeprefix("live at ")
        with httpx2.stream("GET", f"{address}events") as response:
            _, last = Events(response).next()
        handing = threading.Thread(target=shown.hand_over, args=(finished,))
        with httpx2.stream("GET", f"{address}events") as response:
            events = Events(response)
            events.next()
            handing.start()
            while events.next()[0] == "snapshot":
                pass
        assert httpx2.get(f"{address}report").content == (finished.folder / "report.html").read_bytes()
        handing.join()
    strategies = [one.name for one in scenario.strategies]
    records = list(read_records(finished.folder / "records.jsonl"))
    refused = [
        sum(a.status == 429 for one in records if one.strategy == name for a in one.attempts) for name in strategies
    ]
    assert last["heading"] == f"{strategies[-1]}, {len(strategies)} of {len(strategies)}"
    assert [(row[0], row[3]) for row in last["over"]] == [
        (name, f"{many:,}") for name, many in zip(strategies, refused, strict=True)
    ]
    assert sum(refused) > 0
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(address)


def started(folder: Path, *flags: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "summarize-100", "--quiet", "--live", "--out", "run", *flags],
        cwd=folder, env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def address_of(run: subprocess.Popen[str]) -> str:
    assert run.stderr is not None
    return run.stderr.readline().removeprefix("live at ").strip()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_ends_the_wait_for_a_browser_and_not_the_result(tmp_path: Path) -> None:
    with started(tmp_path, "--target", "sim") as run:
        with httpx2.stream("GET", f"{address_of(run)}events", timeout=60) as response:
            events = Events(response)
            while events.next()[0] == "snapshot":
                pass
        run.send_signal(signal.SIGINT)
        answer, said = run.communicate()
    assert (run.returncode, said) == (0, "")
    assert answer


# In a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("NOT CHECKED in a browser: there is no Chromium on this machine (apt-get install chromium)")
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    yield page
    page.close()


def complaints_of(page: Page) -> list[str]:
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("dialog", lambda dialog: found.append(dialog.message))
    return found


def test_a_run_is_shown_as_it_goes_and_then_as_its_report(tab: Page, tmp_path: Path) -> None:
    flags = ("--target", "mock", "--speed", "20", "--strategy", "semaphore-5,semaphore-10", "--max-cost", "2")
    with started(tmp_path, *flags) as run:
        complaints = complaints_of(tab)
        tab.goto(address_of(run))
        done = tab.locator("#facts dd").first
        expect(done).to_have_text(re.compile(r"^[1-9]\d? of 100$"), timeout=60_000)
        before = int(done.inner_text().split()[0])
        expect(done).not_to_have_text(f"{before} of 100")
        expect(tab.locator("#over tr")).to_have_count(1, timeout=60_000)
        expect(tab.locator("#limits li").first).to_contain_text("requests")
        expect(tab.locator("#budget li")).to_contain_text("of $2.00")
        tab.wait_for_url("**/report", timeout=60_000)
        expect(tab.locator("#strategies")).to_contain_text("semaphore-10")
        answer, said = run.communicate()
    assert run.returncode == 0, said
    shown = "".join(tab.locator(".answer, .further").all_inner_texts()).replace("\u00a0", " ")
    assert shown.startswith(answer[:40])
    assert complaints == []


def test_what_names_hold_is_shown_as_it_is_written(tab: Page) -> None:
    state = LiveState(passes=1)
    state.pass_started(MARKUP, 0, 1, 1.0)
    told(state, msgspec.structs.replace(record(1.0), model=MARKUP))
    state.pass_ended()
    complaints = complaints_of(tab)
    with serving(MARKUP, state, 0) as page:
        tab.goto(page.address)
        expect(tab.locator("#over th")).to_have_text(MARKUP)
        assert tab.locator("img").count() == 0
    expect(tab.locator("#state")).to_contain_text("ended without a report")
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(
    chromium: Browser, scheme: Literal["light", "dark"], pytestconfig: pytest.Config
) -> None:
    axe = installed(AXE, "for accessibility", pytestconfig) / "node_modules" / "axe-core" / "axe.min.js"
    state = begun(passes=2, budget=2.0)
    told(state, record(5.0, refused=1, limits=RateLimits(requests_limit=50, requests_remaining=20)), record(9.0))
    state.pass_ended()
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True)
    tab = context.new_page()
    with serving("run", state, 0) as page:
        tab.goto(page.address)
        expect(tab.locator("#over tr")).to_have_count(1)
        tab.add_script_tag(path=axe)
        found = tab.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        for width in (320, 768, 1200):
            tab.set_viewport_size({"width": width, "height": 800})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    assert [(one["id"], one["impact"], [node["target"] for node in one["nodes"]][:5]) for one in found] == []
