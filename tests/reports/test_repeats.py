"""A strategy that was run several times: one row, whose interval is that over the runs."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from made_runs import in_streams, made_run, summary_of
from queue_simulation import FOUR, Queue
from test_console import printed
from test_html import page

from bench.results.columns import Columns
from bench.results.format import DASH
from bench.results.intervals import typical
from bench.results.summary import PassSummary
from reports.html import render
from reports.repeats import over_runs

RUNS = [Queue("semaphore-10", 100, 10, pass_=pass_) for pass_ in range(4)]


def passes(queues: list[Queue]) -> tuple[PassSummary, ...]:
    return summary_of([Columns.of(queue.records()) for queue in queues]).passes


@given(st.lists(st.floats(0.01, 1e4), min_size=2, max_size=12))
def test_the_interval_is_scipys_t_of_the_logarithms(values: list[float]) -> None:
    found, logs = typical(values), np.log(values)
    assert found
    assert found.estimate == pytest.approx(scipy.stats.gmean(values))
    error = scipy.stats.sem(logs)
    if error > 1e-12:
        lo, hi = scipy.stats.t.interval(0.95, len(values) - 1, logs.mean(), error)
        assert (math.log(found.lo), math.log(found.hi)) == pytest.approx((lo, hi), abs=1e-9)


def test_counts_that_may_be_nothing_have_a_plain_mean_and_no_bound_below_it() -> None:
    found = typical([0.0, 0.0, 3.0])
    assert found
    assert found.estimate == 1.0
    assert found.lo == 0.0
    assert found.hi == pytest.approx(1 + scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem([0, 0, 3]))


def test_one_run_says_nothing_of_the_next() -> None:
    assert typical([1.0]) is None
    [alone] = over_runs(passes(RUNS[:1]))
    assert alone.summary == passes(RUNS[:1])[0]
    assert alone.spread == {}


def test_a_strategy_comes_to_what_its_runs_come_to() -> None:
    runs = passes(RUNS)
    [whole] = over_runs(runs)
    p95s = [one.distributions["latency"].p95.value or 0.0 for one in runs]
    found = whole.summary.distributions["latency"]
    assert found.p95.value == pytest.approx(scipy.stats.gmean(p95s))
    assert (found.p95.lo or 0) < min(p95s) < max(p95s) < (found.p95.hi or 0)
    assert found.n == 400
    assert found.p99.value is None, "it takes 368 samples in each run"
    assert whole.runs == 4
    assert whole.summary.values["makespan"] == whole.spread["makespan"].estimate
    assert whole.summary.values["failed"] == 0


def test_what_a_single_run_does_not_know_is_not_known() -> None:
    short = Queue("semaphore-10", 50, 10, pass_=4)
    [whole] = over_runs(passes([*RUNS, short]))
    assert whole.summary.distributions["latency"].p95.value is None
    assert whole.summary.distributions["latency"].p50.value is not None


def test_a_run_that_was_cut_short_is_no_run_like_the_others() -> None:
    *whole, last = passes(RUNS)
    cut = msgspec.structs.replace(last, stopped="interrupted")
    assert over_runs([*whole, cut])[0].runs == 3
    assert over_runs([cut])[0].summary is cut


def test_streams_are_brought_together_too() -> None:
    runs = summary_of([in_streams(Columns.of(queue.records())) for queue in RUNS]).passes
    [whole] = over_runs(runs)
    assert [own.name for own in whole.summary.streams] == ["chat", "job"]
    p50s = [one.streams[1].distributions["latency"].p50.value or 0.0 for one in runs]
    assert whole.summary.streams[1].distributions["latency"].p50.value == pytest.approx(scipy.stats.gmean(p50s))


def test_the_console_has_a_line_a_strategy_and_says_what_its_intervals_are() -> None:
    lines = printed(summary_of([Columns.of(queue.records()) for queue in (*RUNS, FOUR[2])])).splitlines()
    rows = [line for line in lines if line.startswith("semaphore-10 ")]
    assert len(rows) == 3, "the answer, and a row in each of two tables"
    assert rows[0].startswith(f"semaphore-10 finishes first: {rows[1].split()[1]} s for 100 requests")
    assert not [line for line in lines if "#2" in line and not line.startswith("  !")]
    assert rows[2].split()[-1] == "4"
    assert [line.split()[-4:] for line in lines if line.startswith("semaphore-5 ")][-1] == [DASH, DASH, DASH, "1"]
    assert "over the runs: geometric mean, 95 % interval (t of the logarithms)" in lines


def test_the_report_has_a_row_a_strategy_and_each_run_below(tmp_path: Path) -> None:
    html = render(made_run(tmp_path, [*RUNS, FOUR[2]], thresholds=()))
    tables = page(html).all("section", id="strategies")[0].all("table")
    names = [[row.all("th")[0].text for row in table.all("tbody")[0].all("tr")] for table in tables]
    assert names[0] == ["semaphore-10", "semaphore-5"]
    assert [*map(str, range(2, 5))] == [name.partition("#")[2] for name in names[-2] if "#" in name]
    assert "interval over the runs" in html
    titles = [one.text for one in page(html).all("h3")]
    assert not [title for title in titles if "with semaphore-10 #" in title]
