from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_rows import DAY, attempt, record

from bench.results.columns import Columns, ColumnsBuilder
from bench.results.cost import KINDS, batch_prices, cost_of, prices_as_of, standard_prices, worst_case
from bench.results.record import Usage

# The price page of 2026-10-08 and, for 5.2, the release of 2026-11-09: input, output, write 5m, write 1h, read.
TABLE = {
    "claude-fable-5-2": (8, 40, 10, 16, 0.20),
    "claude-mythos-5-2": (8, 40, 10, 16, 0.20),
    "claude-fable-5-1": (10, 50, 12.50, 20, 0.25),
    "claude-fable-5": (10, 50, 12.50, 20, 1.00),
    "claude-opus-5-5": (4, 20, 5, 8, 0.20),
    "claude-opus-5": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-8": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-7": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-6": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-5-20251101": (5, 25, 6.25, 10, 0.50),
    "claude-sonnet-5-5": (2, 10, 2.50, 4, 0.10),
    "claude-sonnet-5": (2, 10, 2.50, 4, 0.20),
    "claude-sonnet-4-6": (3, 15, 3.75, 6, 0.30),
    "claude-sonnet-4-5-20250929": (3, 15, 3.75, 6, 0.30),
    "claude-haiku-5-5": (0.10, 0.50, 0.125, 0.20, 0.01),
    "claude-haiku-4-5-20251001": (1, 5, 1.25, 2, 0.10),
}

_tokens = st.integers(0, 120_000)
_usages = st.builds(Usage, _tokens, _tokens, _tokens, _tokens, _tokens)
_models = st.sampled_from(["claude-haiku-5-5", "claude-sonnet-5-5", "claude-fable-5-2", "claude-opus-4-6"])


def _asked(model: str, usage: Usage) -> Decimal:
    """genai-prices' own answer for one attempt."""
    return genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.total_input,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
            cache_write_5m_tokens=usage.cache_write_5m,
            cache_write_1h_tokens=usage.cache_write_1h,
        ),
        model,
        provider_id="anthropic",
        genai_request_timestamp=datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC),
    ).total_price


@pytest.mark.parametrize("model", TABLE)
def test_unit_prices_are_those_of_the_price_page(model: str) -> None:
    prices = standard_prices(model, DAY)
    assert prices is not None
    rates = dict(zip(KINDS, prices.rates[0], strict=True))
    millions = [
        rates[k] * 1e6 for k in ("input_tokens", "output_tokens", "cache_write_5m", "cache_write_1h", "cache_read")
    ]
    assert millions == pytest.approx(TABLE[model], rel=1e-12)


@given(_models, _usages)
def test_one_attempt_costs_what_genai_prices_says_to_the_micro_dollar(model: str, usage: Usage) -> None:
    prices = standard_prices(model, DAY)
    assert prices is not None
    assert prices.of(usage) == pytest.approx(float(_asked(model, usage)), abs=1e-6)


@given(st.lists(st.tuples(_models, _usages), min_size=1, max_size=8))
def test_a_pass_costs_the_sum_of_its_attempts_to_the_micro_dollar(rows: list[tuple[str, Usage]]) -> None:
    columns = Columns.of(record(k, 0, attempt(0, 1, usage=usage), model=model) for k, (model, usage) in enumerate(rows))
    cost = cost_of(columns, DAY)
    assert cost.total == pytest.approx(float(sum(_asked(model, usage) for model, usage in rows)), abs=1e-6)
    assert cost.input is not None
    assert cost.cache_write is not None
    assert cost.cache_read is not None
    assert cost.output is not None
    assert cost.total == pytest.approx(cost.input + cost.cache_write + cost.cache_read + cost.output)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(input_tokens=100_000, output_tokens=1000), 0.0105),
        (Usage(input_tokens=100_001, output_tokens=1000), 0.0525005),
        (Usage(input_tokens=1, cache_read=99_999), 0.00100009),
        (Usage(input_tokens=2, cache_read=99_999), 0.00500095),
    ],
)
def test_haiku_5_5_costs_five_times_as_much_above_100_000_prompt_tokens(usage: Usage, dollars: float) -> None:
    prices = standard_prices("claude-haiku-5-5", DAY)
    assert prices is not None
    assert prices.of(usage) == pytest.approx(dollars, abs=1e-12)


def test_a_failed_attempt_that_used_tokens_is_paid_for() -> None:
    cut = attempt(0, 1, "connection", Usage(input_tokens=1_000_000))
    assert cost_of(Columns.of([record(0, 0, cut, attempt(2, 3, usage=Usage()))]), DAY).total == pytest.approx(2.0)


@pytest.mark.parametrize("model", ["claude-mythos-5", "claude-sonnet-9", "gpt-5", "my-model", ""])
def test_an_unknown_model_costs_unknown(model: str) -> None:
    assert standard_prices(model, DAY) is None
    assert batch_prices(model, DAY) is None
    assert worst_case(model, 1000, 100, DAY) is None
    cost = cost_of(Columns.of([record(0, 0, attempt(0, 1)), record(1, 0, attempt(0, 1), model=model)]), DAY)
    assert {cost.total, cost.input, cost.cache_write, cost.cache_read, cost.output} == {None}


def test_a_pass_that_sent_nothing_costs_nothing() -> None:
    assert cost_of(ColumnsBuilder("pool", 0).columns(), DAY).total == 0


def test_a_batch_is_half_price() -> None:
    standard, batch = standard_prices("claude-haiku-5-5", DAY), batch_prices("claude-haiku-5-5", DAY)
    assert standard is not None
    assert batch is not None
    for full, half in zip(standard.rates, batch.rates, strict=True):
        assert half == pytest.approx([rate / 2 for rate in full])


@pytest.mark.parametrize(
    ("model", "day"), [("claude-sonnet-5", date(2026, 10, 13)), ("claude-opus-4-1", DAY)], ids=["too early", "no price"]
)
def test_a_batch_price_equal_to_the_standard_price_is_not_believed(model: str, day: date) -> None:
    assert standard_prices(model, day) is not None
    assert batch_prices(model, day) is None


def test_the_worst_case_is_an_answer_of_max_tokens() -> None:
    assert worst_case("claude-sonnet-5", 1000, 400, DAY) == pytest.approx(0.002 + 0.004)


def test_the_prices_say_where_they_come_from() -> None:
    assert genai_prices.__version__ in prices_as_of()
