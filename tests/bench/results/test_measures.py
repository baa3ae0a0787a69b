from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from result_rows import asking, backlog, summary_of

from bench.results.columns import Columns
from bench.results.measures import PARTS, Measure, parse_gate, parse_measure, values_of
from bench.results.metrics import DISTRIBUTIONS, SCALARS
from bench.results.summarize import summarize_pass

ALL = [metric.name for metric in SCALARS] + [f"{metric.name}.{part}" for metric in DISTRIBUTIONS for part in PARTS]


@pytest.mark.parametrize("written", [*ALL, "makespan{stream:chat}", "ttft.p95{stream:chat}"])
def test_every_measure_is_written_as_it_is_read(written: str) -> None:
    assert str(parse_measure(written)) == written


@pytest.mark.parametrize(
    ("written", "measure"),
    [
        (" ttft.p95 ", Measure("ttft", "p95")),
        ("cost.per_success", Measure("cost_per_success")),
        ("goodput.share", Measure("goodput_share")),
        ("latency.mean{ stream : job }", Measure("latency", "mean", "job")),
    ],
)
def test_words_of_thresholds_and_blanks_are_understood(written: str, measure: Measure) -> None:
    assert parse_measure(written) == measure


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("makespn", "Did you mean makespan?"),
        ("ttft", "expected ttft.p50, ttft.p90, ttft.p95, ttft.p99 or ttft.mean"),
        ("ttft.p42", "expected ttft.p50"),
        ("makespan.p95", "one number: expected makespan alone"),
        ("p(95) ttft", "expected a metric such as ttft.p95"),
        ("ttft.p95{model:x}", "expected a metric such as ttft.p95"),
    ],
)
def test_what_is_no_measure_is_explained(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace("?", r"\?")):
        parse_measure(written)


@pytest.mark.parametrize("written", ["error_rate", "errors.rate", "failed", "rate_limited", "retried_share"])
def test_what_is_often_0_cannot_gate(written: str) -> None:
    with pytest.raises(ValueError, match="cannot gate: it is often 0"):
        parse_gate(written)


def test_what_has_no_better_direction_cannot_gate() -> None:
    with pytest.raises(ValueError, match="neither more nor less of it is better"):
        parse_gate("output_tokens")
    assert parse_gate("goodput") == Measure("goodput")


def test_a_pass_has_the_measures_that_are_known() -> None:
    summary = summary_of(backlog(80, 2.0, 4))
    values = values_of(summary)
    assert values["makespan"] == 40.0
    assert values["latency.p95"] == pytest.approx(2.0)
    assert "latency.p99" not in values  # of 80 requests nobody knows it
    assert "ttft.p50" not in values  # nothing was streamed
    assert "goodput" not in values  # nothing was demanded


def test_streams_have_measures_of_their_own() -> None:
    columns = Columns.of(backlog(80, 2.0, 4))
    stream = (columns.requests.seq % 4 > 0).astype(np.int64)
    divided = replace(columns, requests=replace(columns.requests, stream=stream), streams=("chat", "job"))
    values = values_of(summarize_pass(divided, asking(streams=("chat", "job")), kind="semaphore"))
    assert (values["requests"], values["requests{stream:chat}"], values["requests{stream:job}"]) == (80, 20, 60)
    assert values["latency.p50{stream:chat}"] == 2.0
