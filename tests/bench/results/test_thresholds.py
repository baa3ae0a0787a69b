from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from result_rows import QUESTION, attempt, backlog, record, refused, summary_of

from bench.results.columns import Columns
from bench.results.metrics import METRICS
from bench.results.record import Record
from bench.results.summary import ThresholdResult
from bench.results.thresholds import WORDS, Op, evaluate, failed, parse_threshold


@dataclass(frozen=True)
class Written:
    """A threshold as a scenario would hold it."""

    metric: str
    expression: str
    aggregate: str
    op: Op
    value: float


def judged(records: list[Record], metric: str, expression: str, model: str = "claude-sonnet-5") -> ThresholdResult:
    parsed = parse_threshold(metric, expression)
    threshold = Written(metric, expression, parsed.aggregate, parsed.op, parsed.value)
    (result,) = evaluate([threshold], [summary_of(records)], [Columns.of(records)])
    return result


@pytest.mark.parametrize(
    ("metric", "expression", "aggregate", "op", "value"),
    [
        ("ttft", "p(95) < 2s", "p95", "<", 2.0),
        ("latency", "p(99.9)<=500ms", "p99.9", "<=", 0.5),
        ("latency", "  med >= 1.5 min ", "p50", ">=", 90.0),
        ("latency", "avg > .5s", "mean", ">", 0.5),
        ("response_time", "max < 1h", "max", "<", 3600.0),
        ("errors", "rate < 1%", "rate", "<", 0.01),
        ("errors", "count < 3", "count", "<", 3.0),
        ("error_rate", "value < 0.5 %", "value", "<", 0.005),
        ("rate_limited", "rate < 2%", "rate", "<", 0.02),
        ("rate_limited", "value < 1", "value", "<", 1.0),
        ("cost", "per_success < $0.006", "per_success", "<", 0.006),
        ("cost", "total < $2", "total", "<", 2.0),
        ("goodput", "per_minute > 10/min", "per_minute", ">", 10.0),
        ("goodput", "share > 95%", "share", ">", 0.95),
        ("throughput", "value > 2/s", "value", ">", 120.0),
        ("output_tokens", "value < 20000 tok", "value", "<", 20000.0),
        ("output_tokens_per_second", "value > 800 tok/s", "value", ">", 800.0),
        ("makespan", "value < 5m", "value", "<", 300.0),
    ],
)
def test_what_a_condition_means(metric: str, expression: str, aggregate: str, op: str, value: float) -> None:
    parsed = parse_threshold(metric, expression)
    assert (parsed.aggregate, parsed.op) == (aggregate, op)
    assert parsed.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("metric", "expression", "message"),
    [
        ("latancy", "p(95) < 2s", "'latancy' is not a metric. Did you mean latency?"),
        ("error", "rate < 1%", "Did you mean errors?"),
        ("zzz", "rate < 1%", "Expected requests, succeeded"),
        ("latency", "p(95) 2s", "expected one such as 'p(95) < 2s'"),
        ("latency", "p(95) == 2s", "not a condition"),
        ("errors", "fine", "expected one such as 'rate < 1%'"),
        ("latency", "p(100) < 2s", "between p(0) and p(100)"),
        ("latency", "p95 < 2s", "latency has no 'p95'; expected p(N), med, avg, min or max"),
        ("errors", "p(95) < 2s", "errors has no 'p(95)'; expected rate or count"),
        ("latency", "p(95) < 2", "'2' is not a value with a unit that fits; expected one such as 2s, 500ms"),
        ("latency", "p(95) < $2", "expected one such as 2s"),
        ("latency", "p(95) < $2s", "expected one such as 2s"),
        ("latency", "p(95) < -2s", "expected one such as 2s"),
        ("errors", "rate < 0.01", "expected one such as 1%"),
        ("cost", "total < 6", r"expected one such as \$0.006"),
        ("errors", "count < 3s", "expected one such as 3"),
    ],
)
def test_a_wrong_condition_says_what_was_expected(metric: str, expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        parse_threshold(metric, expression)


@pytest.mark.parametrize(
    ("expression", "verdict", "value", "detail"),
    [
        ("p(50) < 2s", "ok", 1.0, "1.00 s .. 1.00 s, 100 samples"),
        ("p(95) < 1s", "failed", 1.0, "1.00 s .. 1.00 s, 100 samples"),
        ("p(95) <= 1s", "ok", 1.0, "1.00 s .. 1.00 s, 100 samples"),
        ("p(99) < 2s", "inconclusive", None, "p99 needs 368 samples, there are 100"),
        ("max > 2s", "failed", 1.0, "100 samples"),
        ("avg < 2s", "ok", 1.0, "100 samples"),
        ("min >= 1s", "ok", 1.0, "100 samples"),
    ],
)
def test_verdicts_on_a_hundred_requests_of_a_second(
    expression: str, verdict: str, value: float | None, detail: str
) -> None:
    result = judged(backlog(100, 1.0, 10), "latency", expression)
    assert (result.verdict, result.value, result.detail) == (verdict, value, detail)
    assert failed(result) == (verdict == "failed")


@pytest.mark.parametrize("op", ["<", ">"])
@pytest.mark.parametrize("aggregate", ["p(95)", "avg", "max"])
def test_no_samples_fail_whichever_way_the_condition_points(aggregate: str, op: str) -> None:
    all_failed = [record(0, 0, attempt(0, 1, "timeout"))]
    for records in (all_failed, backlog(100, 1.0, 1)):  # the latter were not streamed: no first token
        result = judged(records, "ttft", f"{aggregate} {op} 2s")
        assert (result.verdict, result.value) == ("no samples", None)
        assert failed(result)


def test_what_is_not_known_is_not_below_any_bound() -> None:
    free = [record(0, 0, attempt(0, 1), model="my-own-model")]
    result = judged(free, "cost", "total < $100")
    assert (result.verdict, result.detail) == ("no samples", "not known")
    assert failed(result)


@pytest.mark.parametrize(
    ("metric", "expression", "value", "verdict", "detail"),
    [
        ("rate_limited", "rate < 20%", 3 / 13, "failed", "8.18 % .. 50.3 %, 13 attempts"),
        ("rate_limited", "count <= 3", 3, "ok", ""),
        ("errors", "rate < 1%", 0, "ok", "0 % .. 27.8 %, 10 requests"),
        ("cost", "per_success < $0.006", 0.005, "ok", ""),
    ],
)
def test_single_numbers(metric: str, expression: str, value: float, verdict: str, detail: str) -> None:
    result = judged(refused(backlog(10, 1.0, 1), 3), metric, expression)
    assert result.value == pytest.approx(value)
    assert (result.verdict, result.detail) == (verdict, detail)


def test_every_pass_is_judged() -> None:
    rows = [backlog(100, 1.0, 10), backlog(100, 3.0, 10, "slow"), backlog(100, 1.0, 10, pass_=1)]
    threshold = Written("latency", "p(50) < 2s", "p50", "<", 2.0)
    results = evaluate([threshold], [summary_of(one, QUESTION) for one in rows], [Columns.of(one) for one in rows])
    assert [(one.strategy, one.pass_, one.verdict) for one in results] == [
        ("pool", 0, "ok"),
        ("slow", 0, "failed"),
        ("pool", 1, "ok"),
    ]


def test_every_word_stands_for_a_metric() -> None:
    assert {name for words in WORDS.values() for name in words.values()} <= METRICS.keys()


def streams() -> list[Record]:
    """A hundred quick requests of one stream, a hundred slow ones of another, of which two were refused."""
    slow = refused(backlog(100, 3.0, 10), 2)
    return [
        *(msgspec.structs.replace(one, stream="chat") for one in backlog(100, 1.0, 100)),
        *(msgspec.structs.replace(one, stream="job", seq=one.seq + 100) for one in slow),
    ]


@pytest.mark.parametrize(
    ("metric", "expression", "value", "verdict", "detail"),
    [
        ("latency{stream:chat}", "p(95) < 2s", 1.0, "ok", "1.00 s .. 1.00 s, 100 samples"),
        ("latency{stream:job}", "p(95) < 2s", 3.0, "failed", "3.00 s .. 3.00 s, 100 samples"),
        ("latency{ stream: job }", "max < 4s", 3.0, "ok", "100 samples"),
        ("rate_limited{stream:job}", "count < 1", 2.0, "failed", ""),
        ("rate_limited{stream:chat}", "count < 1", 0.0, "ok", ""),
        ("errors{stream:chat}", "rate < 1%", 0.0, "ok", ", 100 requests"),
        ("latency{stream:other}", "max < 4s", None, "no samples", "no request of stream other"),
    ],
)
def test_a_threshold_on_one_stream(
    metric: str, expression: str, value: float | None, verdict: str, detail: str
) -> None:
    result = judged(streams(), metric, expression)
    assert (result.value, result.verdict) == (value, verdict)
    assert detail in result.detail
    assert failed(result) is (verdict != "ok")


def test_tags_choose_passes_streams_and_models() -> None:
    large = [msgspec.structs.replace(one, model="claude-sonnet-5") for one in streams()]
    small = [
        msgspec.structs.replace(one, model="claude-haiku-4-5", stream="tiny", seq=one.seq + 200)
        for one in backlog(100, 0.5, 100)
    ]
    passes = [
        [msgspec.structs.replace(one, strategy=strategy, case=case) for one in (*large, *small)]
        for strategy, case in (("pool", "start"), ("pool", "build"), ("gather", "build"))
    ]

    def held(metric: str, expression: str) -> list[tuple[str, str | None, float | None]]:
        parsed = parse_threshold(metric, expression)
        threshold = Written(metric, expression, parsed.aggregate, parsed.op, parsed.value)
        found = evaluate([threshold], [summary_of(one) for one in passes], [Columns.of(one) for one in passes])
        return [(one.strategy, one.case, one.value) for one in found]

    assert held("latency{strategy:gather}", "max < 9s") == [("gather", "build", 3.0)]
    assert held("latency{ strategy: pool, case: build }", "max < 9s") == [("pool", "build", 3.0)]
    assert held("latency{case:start,model:claude-haiku-4-5}", "max < 9s") == [("pool", "start", 0.5)]
    assert held("rate_limited{case:start,model:claude-sonnet-5}", "count < 9") == [("pool", "start", 2.0)]
    assert held("rate_limited{case:start,model:claude-haiku-4-5}", "count < 9") == [("pool", "start", 0.0)]
    assert held("latency{case:start,stream:tiny,model:claude-haiku-4-5}", "max < 9s") == [("pool", "start", 0.5)]
    assert held("rate_limited{case:start,stream:job,model:claude-sonnet-5}", "count < 9") == [("pool", "start", 2.0)]
    assert held("latency{case:start,stream:tiny,model:claude-sonnet-5}", "max < 9s") == [("pool", "start", None)]
    assert held("latency{strategy:other}", "max < 9s") == []


@pytest.mark.parametrize(
    "metric",
    [
        "latency{kind:chat}", "latency{stream:}", "latency{stream:a", "latency}", "{}", "latency{}",
        "latency{stream:a,}", "latency{stream:a,stream:b}", "latency{stream:a case:b}",
    ],
)  # fmt: skip
def test_other_tags_are_refused(metric: str) -> None:
    with pytest.raises(ValueError, match=r"a tag that is not known; expected one such as .*\{stream:interactive\}"):
        parse_threshold(metric, "p(95) < 2s")


def test_the_metric_of_a_tagged_threshold_must_be_known() -> None:
    with pytest.raises(ValueError, match="Did you mean latency"):
        parse_threshold("latncy{stream:chat}", "p(95) < 2s")
