from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.engine import Engine
from mock_server.models import MODELS, text_of_tokens
from mock_server.plan import Plan, Usage
from mock_server.prices import BILLED_REFUSALS, PRICES, cost
from mock_server.settings import Settings
from mock_server.spending import Purse
from mock_server.tenants import Accounts, Key, Organization, Tenant, Workspace

MODEL = "claude-opus-5-5"  # $4 and $20 per million
EPOCH = datetime(2026, 12, 31, 23, 0, tzinfo=UTC).timestamp()
LIKE_50_CENTS = {"model": MODEL, "max_tokens": 128_000, "messages": [{"role": "user", "content": "x" * 307}]}


def ask(engine: Engine, now: float = 0.0, output_tokens: int = 24_980, **more: Any) -> Plan:  # noqa: ANN401
    """100 tokens of input and as many of output as said, half a dollar by default."""
    return engine.handle(LIKE_50_CENTS, now, output_tokens=output_tokens, **more)


def engine(**settings: Any) -> Engine:  # noqa: ANN401 - whatever Settings take
    return Engine(Settings(tier="unlimited", service_time=1.0, **settings), epoch=EPOCH)


def test_every_model_has_a_price() -> None:
    assert PRICES.keys() == MODELS.keys()


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        (MODEL, Usage(1_000_000, 0), 4.0),
        (MODEL, Usage(0, 1_000_000), 20.0),
        (MODEL, Usage(0, 0, 1_000_000), 0.2),
        (MODEL, Usage(0, 0, 0, 1_000_000), 5.0),
        (MODEL, Usage(0, 0, 0, 0, 1_000_000), 8.0),
        ("claude-sonnet-5-5", Usage(0, 0, 1_000_000), 0.1),
        ("claude-fable-5-1", Usage(0, 0, 1_000_000), 0.25),
        ("claude-haiku-4-5", Usage(0, 0, 1_000_000), 0.1),
        ("claude-sonnet-4-5-20250929", Usage(1_000_000, 1_000_000), 18.0),
        ("claude-haiku-5-5", Usage(100_000, 0), 0.01),
        ("claude-haiku-5-5", Usage(1, 0, 100_000), 0.0050005),
        ("claude-haiku-5-5", Usage(200_000, 1_000), 0.1025),
    ],
)
def test_prices(model: str, usage: Usage, dollars: float) -> None:
    assert cost(model, usage) == pytest.approx(dollars)
    assert cost(model, usage, batch=True) == pytest.approx(dollars / 2)


def test_the_cap_of_a_tier_is_a_429_without_retry_after() -> None:
    mock = engine(spend_cap=1.0)
    assert [ask(mock).status for _ in range(4)] == [200, 200, 429, 429]
    refused = ask(mock)
    assert refused.error
    assert refused.error.type == "rate_limit_error"
    assert refused.error.error_code == "enforced_spend_limit_reached"
    assert refused.error.message.startswith("You have reached your API usage limits")
    assert "2027-01-01 at 00:00 UTC" in refused.error.message
    assert refused.retry_after is None
    assert ask(mock, now=3_599.0).status == 429
    assert ask(mock, now=3_600.0).status == 200, "a new month"


def test_an_own_limit_is_a_400() -> None:
    mock = engine(spend_limit=0.5)
    assert ask(mock).status == 200
    refused = ask(mock)
    assert (refused.status, refused.retry_after) == (400, None)
    assert refused.error
    assert refused.error.type == "invalid_request_error"
    assert refused.error.message.startswith("You have reached your specified API usage limits")


def test_an_own_limit_of_a_workspace_holds_for_it_alone() -> None:
    organizations = {"acme": Organization(workspaces={"prod": Workspace(spend_limit=0.5)})}
    mock = engine(accounts=Accounts({"a": Key()}, organizations))
    prod, dev = Tenant("acme", "prod"), Tenant("acme", "dev")
    assert [ask(mock, tenant=dev).status for _ in range(3)] == [200] * 3
    assert ask(mock, tenant=prod).status == 200
    refused = ask(mock, tenant=prod)
    assert refused.status == 400
    assert refused.error
    assert refused.error.message.startswith("You have reached your specified workspace API usage limits")
    assert ask(mock, tenant=dev).status == 200


def test_credit_that_is_used_up_is_a_402_for_ever() -> None:
    mock = engine(credit=0.5)
    assert ask(mock).status == 200
    refused = ask(mock, now=86_400.0)
    assert refused.status == 402
    assert refused.error
    assert refused.error.type == "billing_error"


def test_one_organization_does_not_pay_for_another() -> None:
    mock = engine(spend_cap=0.5, accounts=Accounts({"a": Key()}, {"rich": Organization(spend_cap=10.0)}))
    poor, rich = Tenant("poor"), Tenant("rich")
    assert [ask(mock, tenant=poor).status for _ in range(2)] == [200, 429]
    assert [ask(mock, tenant=rich).status for _ in range(2)] == [200, 200]


def test_an_answer_that_is_not_produced_is_not_paid() -> None:
    mock = engine(spend_cap=0.5)
    plan = ask(mock)
    assert ask(mock).status == 429
    mock.abort(plan, 0.5)
    assert ask(mock, now=0.5).status == 200


@pytest.mark.parametrize(
    ("category", "billed"),
    [("cyber", False), ("general_harms", False), *((name, True) for name in BILLED_REFUSALS)],
)
def test_most_refusals_cost_nothing(category: str, billed: bool) -> None:
    mock = engine(credit=1e-9)
    assert ask(mock, stop_reason=f"refusal:{category}").stop_reason == "refusal"
    assert ask(mock).status == (402 if billed else 200)


def test_nothing_left_from_the_beginning() -> None:
    assert ask(engine(spend_cap=0.0)).status == 429
    assert ask(engine(spend_limit=0.0)).status == 400
    assert ask(engine(credit=0.0)).status == 402


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1e8)), max_size=30), st.floats(0.1, 20))
def test_what_is_spent_is_the_sum_of_each_month(payments: list[tuple[float, float]], limit: float) -> None:
    purse, months = Purse(limit=limit), dict[str, float]()
    for dollars, unix in payments:
        month = datetime.fromtimestamp(unix, UTC).strftime("%Y-%m")
        assert (purse.check(unix) is None) == (months.get(month, 0.0) < limit)
        purse.pay(dollars, unix)
        months[month] = months.get(month, 0.0) + dollars


def test_a_batch_costs_half_and_a_cancelled_one_what_was_processed() -> None:
    def create(mock: Engine) -> str:
        requests = [{"custom_id": f"r{n}", "params": LIKE_50_CENTS} for n in range(100)]
        return mock.batches.create({"requests": requests}, 0.0, output_tokens=[24_980] * 100).id

    mock = engine(spend_cap=24.99, batch_time=(1_000.0, 1_000.0))
    batch_id = create(mock)
    assert ask(mock).status == 429, "100 times half of 50 cents"
    with pytest.raises(Exception, match="usage limits"):
        create(mock)
    mock.batches.cancel(batch_id, 200.0)
    assert [ask(mock).status for _ in range(40)] == [200] * 39 + [429], "23 processed cost $5.75"


def test_input_is_what_the_price_says() -> None:
    assert text_of_tokens(100, MODEL)
    assert ask(engine()).usage.input_tokens == 100
