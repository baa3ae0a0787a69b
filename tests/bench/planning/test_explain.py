"""The arithmetic in words: the numbers are right, and each says where it is from."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import api
from bench.cli import call
from bench.planning.explain import explain
from bench.planning.rates import allowed, in_flight
from bench.planning.simulate import simulate
from bench.results.explanation import Explanation, Statement
from bench.scenario.load import shipped
from mock_server.tiers import TIERS, Limits

DAY = date(2026, 11, 20)


def statements(found: Explanation, title: str) -> list[Statement]:
    [part] = [part for part in found.parts if part.title.startswith(title)]
    return list(part.statements)


def values(found: Explanation, title: str) -> list[float]:
    return [one.value for one in statements(found, title) if one.value is not None]


def test_a_tier_for_requests_of_one_size_worked_out_by_hand() -> None:
    found = explain("start", DAY, input_tokens=2_000, output_tokens=500, latency="6s", model="claude-sonnet-5")
    # 1,000 / 1; 2,000,000 / 2,000; 400,000 / 500; the least of them; 6 s each; 800 / 60 x 6
    assert values(found, "Requests of") == pytest.approx([1_000, 1_000, 800, 800, 6, 80])
    # $2 and $10 a million: $0.004 + $0.005; $500 / $0.009; at 800 a minute; in batches twice as many
    cost = 0.009
    assert values(found, "What the monthly") == pytest.approx([cost, 500 / cost, 500 / cost / 800 * 60, 1_000 / cost])
    # 5,000; 5,000,000 / 2,000; 1,000,000 / 500
    assert values(found, "The next tier") == pytest.approx([2_000, 1_000])
    assert found.answer == (
        "start lets through 800 requests of 2,000 input and 500 output tokens to claude-sonnet-5 a minute, bound by "
        "output tokens: 80 in flight where one takes 6.00 s; its $500 a month buy 55,556.",
    )


def test_classes_of_models_with_the_same_limits_stand_together() -> None:
    words = [one.words for one in statements(explain("start", DAY), "What a minute allows")]
    assert words[0].startswith("fable-5.x, mythos-5.x: 1,000 requests, 500,000 input tokens, 100,000 output tokens")
    assert "sonnet-5.5" in words[1]
    assert "2,000,000 input tokens" in words[1]


def test_the_limits_of_an_organisation_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "ours.json"
    file.write_text(
        '{"data": [{"type": "rate_limit", "group_type": "model_group", "models": ["claude-opus-5"], "limits": '
        '[{"type": "requests_per_minute", "value": 70}, {"type": "output_tokens_per_minute", "value": 30000}]}]}'
    )
    found = explain(str(file), DAY, latency="10s")
    assert found.answer[0].startswith(
        f"{file} lets through 70 requests of 2,000 input and 300 output tokens to claude-"
    )
    assert "bound by requests: 11.7 in flight" in found.answer[0]
    assert any("every other model: no limit" in one.words for one in statements(found, "What a minute"))
    assert any("Rate Limits API" in source for source in found.sources)


LIMITS = st.builds(Limits, *[st.none() | st.integers(1, 10**7)] * 3)
SIZES = st.floats(0.1, 10**5)
EACH = st.fixed_dictionaries(
    {"requests": st.just(1.0), "input_tokens": st.just(0.0) | SIZES, "output_tokens": st.just(0.0) | SIZES}
)


@given(LIMITS, EACH, st.floats(0.01, 1_000))
def test_the_rate_that_is_allowed_uses_one_limit_up_and_none_more(
    limits: Limits, each: dict[str, float], took: float
) -> None:
    rates = allowed(limits, each)
    if not rates:
        assert all(limit is None or not each[name] for name, limit in limits._asdict().items())
        return
    rate = min(rates.values())
    used = [rate * each[name] / limit for name, limit in limits._asdict().items() if limit is not None]
    assert max(used) == pytest.approx(1)
    assert in_flight(rate, took) / took * 60 == pytest.approx(rate)


@pytest.mark.parametrize(
    ("name", "case"), [("summarize-100", ""), ("classify-500", ""), ("adaptive-or-fixed", "start")]
)
def test_no_strategy_is_faster_than_explained_and_its_cost_is_what_is_spent(name: str, case: str) -> None:
    scenario = api.load(name, cases=[case] if case else [])
    found = explain(name, DAY, cases=[case] if case else [])
    prefix = f"{case}: " if case else ""
    bounds = {one.words.partition(":")[0]: one.value or 0 for one in statements(found, f"{prefix}What its strategies")}
    played = {one.strategy: one.values for one in simulate(scenario).summary.passes}
    assert bounds.keys() == played.keys()
    for strategy, bound in bounds.items():
        assert (played[strategy]["makespan"] or 0) >= bound * (1 - 1e-9)
        assert (played[strategy]["makespan"] or 0) == pytest.approx(bound, rel=0.2)
        assert played[strategy]["cost"] == pytest.approx(statements(found, f"{prefix}What it costs")[0].value)


def test_rounds_that_are_not_full_are_in_the_formula() -> None:
    [thirty] = [one for one in statements(explain("classify-500", DAY), "What its") if "semaphore-30" in one.words]
    assert thirty.formula == "17 rounds x 3.84 s"
    assert thirty.value == pytest.approx(17 * 3.84)


def test_where_answers_bind_the_longest_of_them_is_the_reason_and_no_limit() -> None:
    """All of a hundred requests of 5 s fit into what full buckets hold."""
    found = explain("summarize-100", DAY)
    [all_at_once] = [one for one in statements(found, "What its") if one.words.startswith("gather")]
    assert (all_at_once.words, all_at_once.formula) == ("gather: 5.00 s, because of how long answers take.", "")
    assert all_at_once.sources == ("summarize-100.yaml, seed 0", "summarize-100.yaml: mock.latency")
    assert "The longest answer takes 5.00 s." in [one.words for one in statements(found, "What the limits")]


NAMES = [*TIERS, *(one.name for one in shipped())]


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_its_formula_or_its_source_and_every_source_that_matters_a_date(name: str) -> None:
    found = explain(name, DAY)
    for one in (one for part in found.parts for one in part.statements):
        assert one.formula or one.sources or one.value is None
        assert (one.value is None) == (one.unit == "")
    assert [part.title for part in found.parts if not part.statements] == []
    for source in found.sources:
        if re.search(r"API documentation|presets|price page|claude-bench,|tutorials on", source):
            assert re.search(r"\d{4}-\d{2}-\d{2}|copies of January to April 2026", source)


@pytest.mark.parametrize(
    ("name", "fits"), [("summarize-100", True), ("chat-users", False), ("chat-with-history", False)]
)
def test_batches_are_named_only_where_nobody_waits_for_an_answer(name: str, fits: bool) -> None:
    costs = [one.words for part in explain(name, DAY).parts for one in part.statements]
    assert any(words.startswith("As message batches") for words in costs) == fits


def test_a_volume_is_priced_by_the_month() -> None:
    found = explain("summarize-100", DAY, settings=["volume=100/day"])
    monthly = statements(found, "What it costs")[-1]
    assert monthly.value == pytest.approx(0.006 * 100 * 365.25 / 12)
    assert monthly.sources == ("summarize-100.yaml, seed 0: volume",)


def test_another_tier_than_the_scenarios_own() -> None:
    titles = [part.title for part in explain("summarize-100", DAY, tier="tier-1").parts]
    assert "What the limits of tier-1 make of it" in titles


def test_json_holds_all_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["explain", "summarize-100", "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out, type=Explanation)
    assert (found.name, found.kind, found.schema_version) == ("summarize-100", "scenario", 1)
    assert values(found, "How many in flight") == pytest.approx([1_000, 1_000 / 60 * 5])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("strat", "no tier or scenario `strat`. Did you mean start?"),
        ("summarise-100", "no tier or scenario `summarise-100`. Did you mean summarize-100?"),
        ("start --tier build --set seed=2", "--tier, --set: start is a tier; this is for scenarios"),
        ("classify-500 --input 5 --model x", "--input, --model: classify-500 is a scenario"),
        ("start --latency 5", "--latency: expected a duration such as 90s or 5m, got `5`"),
        ("start --latency 0s", "--latency: expected more than 0"),
        ("start --input 0", 'Invalid value "0" for --input'),
        ("none.json", "none.json: No such file or directory"),
        ("summarize-100 --case x", "--case: no case `x`"),
        ("summarize-100 --tier strat", "--tier"),
    ],
)
def test_what_cannot_be_explained(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["explain", *arguments.split()]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
