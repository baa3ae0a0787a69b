"""Which requests deserve which documented error: tables by version, model and option."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.engine import Engine
from mock_server.models import MODELS, find_model
from mock_server.options import VERSIONS
from mock_server.request import Purpose, RequestError, read
from mock_server.settings import Settings

OLD, NEW = VERSIONS
USER = {"role": "user", "content": "hello"}
TOOLS = [{"name": "look", "input_schema": {"type": "object"}}]


def refusal(model: str = "claude-sonnet-4-5", version: str = NEW, purpose: Purpose = "messages", **change: Any) -> str:  # noqa: ANN401
    """The message of the error that the request gets; empty if it gets none."""
    try:
        read({"model": model, "max_tokens": 5_000, "messages": [USER], **change}, version, purpose)
    except RequestError as refused:
        return str(refused)
    return ""


SAMPLING = [("temperature", 1.0), ("temperature", 0.3), ("top_p", 0.9), ("top_k", 5)]


@pytest.mark.parametrize("purpose", ["messages", "count_tokens", "batch"])
@pytest.mark.parametrize(("name", "value"), SAMPLING)
@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-5-5"])
def test_the_new_version_refuses_sampling_even_at_its_defaults(
    purpose: Purpose, name: str, value: float, model: str
) -> None:
    assert refusal(model, NEW, purpose, **{name: value}) == f"{name}: Extra inputs are not permitted"


@pytest.mark.parametrize(("name", "value"), SAMPLING)
def test_the_old_version_takes_sampling_from_older_models(name: str, value: float) -> None:
    sampling: dict[str, Any] = {name: value}
    assert refusal("claude-haiku-4-5", OLD, **sampling) == ""
    expected = "" if value == 1.0 else f"`{name}` is deprecated for this model."
    assert refusal("claude-opus-4-7", OLD, **sampling) == expected


DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
ANSWERED = [USER, {"role": "assistant", "content": [DOCUMENT]}, USER]
CITED = [{"role": "user", "content": [{"type": "text", "text": "x", "citations": [{"type": "char_location"}]}]}]


@pytest.mark.parametrize("messages", [ANSWERED, CITED])
def test_the_new_version_is_stricter_about_blocks(messages: list[dict[str, Any]]) -> None:
    assert refusal(version=NEW, messages=messages)
    assert not refusal(version=OLD, messages=messages)


ADAPTIVE, ENABLED = {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1_024}
DISABLED, BETWEEN = {"type": "disabled"}, {"type": "between_tools"}


@pytest.mark.parametrize(
    ("model", "accepted"),
    [
        ("claude-fable-5-2", [ADAPTIVE]),
        ("claude-fable-5", [ADAPTIVE]),
        ("claude-mythos-5-1", [ADAPTIVE]),
        ("claude-opus-5-5", [ADAPTIVE]),
        ("claude-opus-5", [ADAPTIVE, DISABLED]),
        ("claude-opus-4-8", [ADAPTIVE, DISABLED]),
        ("claude-opus-4-6", [ADAPTIVE, ENABLED, DISABLED]),
        ("claude-opus-4-5", [ENABLED, DISABLED]),
        ("claude-sonnet-5-5", [ADAPTIVE, BETWEEN]),
        ("claude-sonnet-5", [ADAPTIVE, DISABLED]),
        ("claude-sonnet-4-6", [ADAPTIVE, ENABLED, DISABLED]),
        ("claude-sonnet-4-5-20250929", [ENABLED, DISABLED]),
        ("claude-haiku-5-5", [ADAPTIVE, DISABLED]),
        ("claude-haiku-4-5", [ENABLED, DISABLED]),
    ],
)
def test_each_model_takes_its_kinds_of_thinking(model: str, accepted: list[dict[str, Any]]) -> None:
    for thinking in (ADAPTIVE, ENABLED, DISABLED, BETWEEN):
        message = refusal(model, thinking=thinking)
        assert (message == "") == (thinking in accepted)
        if message:
            assert f'"thinking.type.{thinking["type"]}" is not supported' in message or "adaptive" in message


@pytest.mark.parametrize(
    ("model", "change", "words"),
    [
        ("claude-sonnet-5-5", {"thinking": DISABLED}, "thinking.type.between_tools"),
        ("claude-sonnet-5-5", {"thinking": {**BETWEEN, "display": "omitted"}}, "display: Extra inputs"),
        ("claude-sonnet-5-5", {"thinking": BETWEEN, "output_config": {"effort": "max"}}, "between_tools"),
        ("claude-opus-5", {"thinking": DISABLED, "output_config": {"effort": "xhigh"}}, "disabled"),
        ("claude-opus-4-5", {"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
        ("claude-opus-4-5", {"thinking": {"type": "enabled", "budget_tokens": 1_023}}, "or equal to 1024"),
        ("claude-opus-4-5", {"thinking": {"type": "enabled", "budget_tokens": 5_000}}, "`max_tokens` must be greater"),
        ("claude-opus-5", {"thinking": {"type": "adaptive", "display": "all"}}, "thinking.adaptive.display"),
        ("claude-opus-5", {"thinking": {"type": "often"}}, "thinking.type: Input should be 'adaptive'"),
        ("claude-opus-5", {"thinking": "yes"}, "thinking: Input should be an object"),
        ("claude-opus-5", {"output_config": {"effort": "huge"}}, "output_config.effort: Input should be 'low'"),
        ("claude-opus-4-6", {"output_config": {"effort": "xhigh"}}, "does not support effort level 'xhigh'"),
        ("claude-haiku-4-5", {"output_config": {"effort": "low"}}, "does not support the effort parameter"),
        ("claude-opus-5", {"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ("claude-opus-5", {"speed": "slow"}, "speed: Input should be 'standard' or 'fast'"),
        ("claude-sonnet-5", {"speed": "fast"}, "`speed`"),
        ("claude-opus-5", {"service_tier": "gold"}, "service_tier"),
        ("claude-opus-5", {"temprature": 1}, "temprature: Extra inputs are not permitted"),
        ("claude-opus-5", {"metadata": "me"}, "metadata: Input should be an object"),
        ("claude-opus-5", {"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
        ("claude-opus-5", {"stop_sequences": ["x", "\n"]}, "each stop sequence must contain non-whitespace"),
        ("claude-opus-5", {"tools": {}}, "tools: Input should be a valid list"),
        ("claude-opus-5", {"tools": [{"input_schema": {}}]}, "tools.0.custom.name: Field required"),
        ("claude-opus-5", {"tools": [{"name": "a b", "input_schema": {}}]}, "should match pattern"),
        ("claude-opus-5", {"tools": [{"name": "a"}]}, "tools.0.custom.input_schema: Field required"),
        ("claude-opus-5", {"tools": [{"name": "a", "input_schema": {}}]}, "input_schema.type: Field required"),
        ("claude-opus-5", {"tools": [*TOOLS, *TOOLS]}, "tools: Tool names must be unique."),
        ("claude-opus-5", {"tool_choice": {"type": "any"}}, "may only be specified while providing tools"),
        ("claude-opus-5", {"tools": TOOLS, "tool_choice": {"type": "all"}}, "tool_choice.type"),
        ("claude-opus-5", {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "see"}}, "'see' not found"),
        (
            "claude-opus-5",
            {"tools": TOOLS, "tool_choice": {"type": "any"}, "thinking": ADAPTIVE},
            "Thinking may not be enabled when tool_choice forces tool use.",
        ),
        (
            "claude-sonnet-4-6",
            {"messages": [USER, {"role": "assistant", "content": "It"}]},
            "assistant message prefill",
        ),
        ("claude-sonnet-5", {"messages": [USER, {"role": "system", "content": "x"}]}, "role 'system' is not supported"),
        ("claude-opus-5", {"messages": [{"role": "system", "content": "x"}, USER]}, "top-level 'system' parameter"),
        (
            "claude-opus-5",
            {"messages": [USER, {"role": "system", "content": "x"}, USER]},
            "messages.1: a system message",
        ),
        ("claude-opus-5", {"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "Input tag 'video'"),
        ("claude-opus-5", {"system": [DOCUMENT]}, "system.0.type: Input should be 'text'"),
    ],
)
def test_wrong_options_get_their_documented_error(model: str, change: dict[str, Any], words: str) -> None:
    assert words in refusal(model, **change)


FORCED = [{"type": "any"}, {"type": "tool", "name": "look"}]


@pytest.mark.parametrize("choice", FORCED)
@pytest.mark.parametrize(
    "model", ["claude-sonnet-5-5", "claude-fable-5-1", "claude-fable-5-2", "claude-mythos-5-1", "claude-opus-5-5"]
)
def test_newer_models_cannot_be_forced_to_use_a_tool(model: str, choice: dict[str, str]) -> None:
    for purpose in ("messages", "count_tokens"):
        message = refusal(model, purpose=purpose, tools=TOOLS, tool_choice=choice)
        assert message == 'tool_choice: type "tool" and "any" are not supported for this model.'
    for older in ("claude-opus-5", "claude-fable-5", "claude-mythos-5", "claude-haiku-5-5"):
        assert refusal(older, tools=TOOLS, tool_choice=choice) == ""


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        *((f"claude-fable-5{minor}", "high") for minor in ("", "-1", "-2")),
        ("claude-opus-5-5", "medium"),
        ("claude-sonnet-5-5", "high"),
        ("claude-haiku-5-5", "medium"),
    ],
)
def test_each_model_has_its_own_effort_where_nothing_is_said(model: str, effort: str) -> None:
    def effort_of(**change: Any) -> str:  # noqa: ANN401
        return read({"model": model, "max_tokens": 9, "messages": [USER], **change}).options.effort

    assert effort_of() == effort_of(system="be brief", metadata={}) == effort
    assert effort_of(output_config={"effort": "low"}) == "low"


def test_every_documented_parameter_is_accepted() -> None:
    everything: dict[str, Any] = {
        "system": "be brief",
        "stop_sequences": ["x"],
        "thinking": ADAPTIVE,
        "tools": TOOLS,
        "tool_choice": {"type": "auto"},
        "metadata": {"user_id": "7"},
        "service_tier": "standard_only",
        "speed": "fast",
        "inference_geo": "us",
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "cache_control": {"type": "ephemeral"},
        "container": None,
        "diagnostics": {},
        "user_profile_id": "u",
        "stream": True,
    }
    assert refusal("claude-opus-5", **everything) == ""


def test_a_hundred_thousand_messages_are_enough() -> None:
    assert refusal(messages=[USER] * 100_000) == ""
    assert "at most 100000 messages" in refusal(messages=[USER] * 100_001)


@pytest.mark.parametrize(
    ("change", "purpose"),
    [
        ({"stream": True}, "messages"),
        ({"thinking": ENABLED}, "messages"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "messages"),
        ({"tools": TOOLS, "tool_choice": {"type": "any"}}, "messages"),
        ({}, "batch"),
    ],
)
def test_warming_the_cache_goes_with_little(change: dict[str, Any], purpose: Purpose) -> None:
    assert "max_tokens: 0 cannot be used with" in refusal(max_tokens=0, purpose=purpose, **change)
    assert refusal(max_tokens=0) == ""


@pytest.mark.parametrize("change", [{"stream": True}, {"speed": "standard"}])
def test_a_batch_takes_no_streams_and_no_speed(change: dict[str, Any]) -> None:
    assert "not supported in a message batch" in refusal(purpose="batch", **change)
    assert refusal("claude-opus-5", **change) == ""


def test_older_models_take_a_beginning_of_the_answer() -> None:
    assert refusal("claude-haiku-4-5", messages=[USER, {"role": "assistant", "content": "It"}]) == ""


def test_instructions_may_come_later_on_newer_models() -> None:
    later = {"role": "system", "content": "be brief"}
    answer = {"role": "assistant", "content": "yes"}
    for messages in ([USER, later], [USER, later, answer, USER], [USER, answer, USER, later]):
        assert refusal("claude-sonnet-5-5", messages=messages) == ""
    assert "messages.2" in refusal("claude-sonnet-5-5", messages=[USER, answer, later])


USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "12"}]}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([USER, USE, RESULT], ""),
        ([USER, USE, USER], "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after"),
        ([USER, RESULT], "messages.1.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1."),
        ([USER, USE, RESULT, RESULT], "messages.3.content.0: unexpected `tool_use_id`"),
    ],
)
def test_each_use_of_a_tool_has_its_result(messages: list[dict[str, Any]], words: str) -> None:
    message = refusal("claude-opus-5", messages=messages)
    assert message.startswith(words)
    assert bool(message) == bool(words)


@pytest.mark.parametrize("model", MODELS)
def test_counting_tokens_agrees_with_usage(model: str) -> None:
    ask = {"model": model, "messages": [USER, *([USE, RESULT])], "system": "be brief", "tools": TOOLS}
    counted = read(ask, purpose="count_tokens").input_tokens
    assert Engine(Settings()).handle({**ask, "max_tokens": 10}, 0.0).usage.input_tokens == counted
    marked = {**ask, "max_tokens": 10, "cache_control": {"type": "ephemeral"}}
    usage = Engine(Settings()).handle(marked, 0.0).usage
    assert usage.input_tokens + usage.cache_read + usage.cache_write_5m == counted


@given(st.text(min_size=1, max_size=2_000), st.floats(1, 20))
def test_one_number_replaces_the_estimator(said: str, rate: float) -> None:
    settings = Settings(chars_per_token={"sonnet": rate, "claude-sonnet-5": 2.5})
    engine, message = Engine(settings), {"role": "user", "content": said}

    def counted(model: str) -> int:
        return engine.read({"model": model, "max_tokens": 1, "messages": [message]}).input_tokens

    assert (counted("claude-sonnet-4-5-20250929") - 1) * rate < len(said) <= counted("claude-sonnet-4-6") * rate + 1e-6
    assert counted("claude-sonnet-5") == -(-len(said) * 2 // 5)
    haiku = find_model("claude-haiku-4-5")
    assert haiku
    assert counted("claude-haiku-4-5") == -(-len(said) * haiku.tokens // haiku.characters)
