"""What the work would cost otherwise, and by the month."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest
from made_runs import QUESTION
from queue_simulation import FOUR

from bench.results.alternatives import alternatives
from bench.results.columns import Columns
from bench.results.cost import batch_prices, standard_prices
from bench.results.format import text
from bench.results.record import Attempt, Record, Usage
from bench.results.summarize import summarize_pass
from bench.results.summary import PassSummary
from reports.money import by_model, months
from reports.passes import Pass

DAY = date(2026, 11, 20)
WORK = Usage(input_tokens=1000, output_tokens=200, cache_read=3000, cache_write_5m=500)


def columns(model: str, *attempts: Attempt) -> Columns:
    return Columns.of([Record("s", seq, model, 0.0, (one,)) for seq, one in enumerate(attempts)])


def named(of: Columns) -> dict[str, float]:
    return {one.name: one.total for one in alternatives(of, DAY)}


def test_the_same_work_in_batches_and_without_the_cache_at_list_prices() -> None:
    ok = Attempt(0, 1, 200, usage=WORK)
    lost = Attempt(0, 1, cause="timeout", usage=WORK)
    found = named(columns("claude-sonnet-5", ok, ok, lost))
    batch, plain = batch_prices("claude-sonnet-5", DAY), standard_prices("claude-sonnet-5", DAY)
    assert batch
    assert plain
    assert found["as message batches"] == pytest.approx(2 * batch.of(WORK))
    assert found["without the prompt cache"] == pytest.approx(2 * plain.of(Usage(4500, 200)))


def test_what_went_through_batches_is_held_against_sending_it_live() -> None:
    found = named(columns("claude-sonnet-5", Attempt(0, 1, 200, usage=Usage(1000, 200), batch="msgbatch_1")))
    plain = standard_prices("claude-sonnet-5", DAY)
    assert plain
    assert found["live, not in batches"] == pytest.approx(plain.of(Usage(1000, 200)))
    assert "as message batches" not in found


def test_another_model_needs_more_tokens_for_the_same_text_where_its_tokenizer_does() -> None:
    work = Usage(100_000, 10_000)
    found = named(columns("claude-sonnet-4-6", Attempt(0, 1, 200, usage=work)))
    newer = standard_prices("claude-sonnet-5-5", DAY)
    assert newer
    assert found["with claude-sonnet-5-5"] == pytest.approx(newer.of(Usage(130_000, 13_000)))


def test_nothing_is_said_of_a_model_without_a_price() -> None:
    assert not [name for name in named(columns("no-such", Attempt(0, 1, 200, usage=WORK))) if "batches" in name]


def summary(volume: float | None, cap: float | None) -> PassSummary:
    question = msgspec.structs.replace(QUESTION, volume=volume, spend_cap=cap)
    return summarize_pass(Columns.of(FOUR[0].records()), question, kind="sequential")


def test_a_month_is_the_cost_of_a_success_at_the_stated_volume() -> None:
    found = summary(50_000 / 86_400, 500.0)
    assert found.monthly
    assert found.monthly.requests == pytest.approx(50_000 * 365.25 / 12)
    each = found.values["cost_per_success"]
    assert each
    assert found.monthly.cost == pytest.approx(each * found.monthly.requests)
    assert np.isclose(found.monthly.spend_cap or 0, 500)


def test_a_month_is_told_once_for_all_that_come_to_the_same() -> None:
    one = summary(1.0, 500.0)
    other = msgspec.structs.replace(one, strategy="other")
    assert months([summary(None, 500.0)]) == []
    assert len(months([one, other])) == 1
    assert "whatever the strategy" in months([one, other])[0]
    assert "times the tier's cap of $500 a month" in months([one])[0]
    assert "cap" not in months([summary(1.0, None)])[0]


def test_each_of_several_models_has_its_cost_by_kind_of_token() -> None:
    models = ("claude-haiku-4-5", "claude-opus-5-5")
    rows = [Record("s", seq, model, 0.0, (Attempt(0, 1, 200, usage=WORK),)) for seq, model in enumerate(models * 2)]
    both = Columns.of(rows)
    summary = summarize_pass(both, QUESTION, kind="gather")
    found = by_model([Pass("s", summary, both)])
    assert found is not None
    assert [row[:2] for row in found.rows] == [("s", model) for model in models]
    for row, own in zip(found.rows, summary.models, strict=True):
        prices = standard_prices(own.name, DAY)
        assert prices
        assert own.cost is not None
        assert own.cost.total == pytest.approx(2 * prices.of(WORK))
        assert own.cost.cache_read == pytest.approx(2 * prices.of(Usage(cache_read=3000)))
        assert row[2] == text(own.cost.total, "USD")
    total = summary.cost.total
    assert total == pytest.approx(sum(own.cost.total or 0 for own in summary.models if own.cost))


def test_one_model_is_told_by_the_strategies_already() -> None:
    one = columns("claude-sonnet-5", Attempt(0, 1, 200, usage=WORK))
    assert by_model([Pass("s", summarize_pass(one, QUESTION, kind="gather"), one)]) is None
