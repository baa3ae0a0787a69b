import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.models import MODELS, chars_per_token, estimate_tokens, find_model, model_class, text_of_tokens

ids = st.sampled_from([*MODELS, "claude-opus-9", "gpt-4o"])


@given(st.integers(1, 20_000), ids, st.text(max_size=200))
def test_a_text_of_tokens_counts_as_exactly_so_many(tokens: int, model_id: str, start: str) -> None:
    text = text_of_tokens(tokens, model_id, start)
    assert estimate_tokens(text, model_id) == tokens
    assert text.startswith(start) or start.startswith(text)


@given(st.text(max_size=500), ids)
def test_tokens_are_characters_over_characters_per_token_rounded_up(text: str, model_id: str) -> None:
    tokens = estimate_tokens(text, model_id)
    assert tokens >= 1
    assert (tokens - 1) * chars_per_token(model_id) < max(1, len(text)) <= tokens * chars_per_token(model_id) + 1e-9


def test_the_newer_tokenizer_needs_30_percent_more() -> None:
    text = "x" * 4_000
    assert estimate_tokens(text, "claude-opus-4-6") == 1_000
    assert estimate_tokens(text, "claude-opus-4-7") == 1_300


@pytest.mark.parametrize(
    ("model_id", "limit_class"),
    [
        ("claude-fable-5", "fable-5.x"),
        ("claude-fable-5-1", "fable-5.x"),
        ("claude-mythos-5-1", "mythos-5.x"),
        ("claude-opus-5-5", "opus-5.5"),
        ("claude-opus-5", "opus-5"),
        ("claude-opus-4-5-20251101", "opus-4.x"),
        ("claude-opus-4-8", "opus-4.x"),
        ("claude-sonnet-4-5-20250929", "sonnet-4.x"),
        ("claude-sonnet-4-6", "sonnet-4.x"),
        ("claude-haiku-4-5", "haiku-4.5"),
        ("claude-sonnet-7", "sonnet-5.5"),  # newer than the table: the newest class of its family
        ("anthropic.something-haiku", "haiku-5.5"),
        ("gpt-4o", "other"),
    ],
)
def test_models_are_pooled_as_documented(model_id: str, limit_class: str) -> None:
    assert model_class(model_id) == limit_class


@pytest.mark.parametrize(
    "model_id", [*MODELS, "claude-haiku-4-5-20251001", "claude-opus-6", "claude-sonnet-6-1-20270101"]
)
def test_current_and_newer_models_are_served(model_id: str) -> None:
    assert find_model(model_id)


@pytest.mark.parametrize(
    "model_id",
    [
        *("gpt-4o", "", "claude", "claude-sonet-5", "claude-3-5-haiku-20241022", "claude-3-7-sonnet-latest"),
        *("claude-opus-4-1", "claude-opus-4-1-20250805", "claude-opus-4-20250514", "claude-sonnet-4-0"),
        "claude-mythos-preview",
    ],
)
def test_retired_and_unknown_models_are_not(model_id: str) -> None:
    assert find_model(model_id) is None
