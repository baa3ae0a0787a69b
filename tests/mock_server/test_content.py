"""What answers consist of: properties over all kinds of requests."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server import wire
from mock_server.content import CATEGORIES, THOUGHT
from mock_server.engine import Engine
from mock_server.models import MODELS, estimate_tokens, text_of_tokens
from mock_server.plan import Plan, moments, visible
from mock_server.request import RequestError
from mock_server.settings import Settings

TOOL = {
    "name": "look",
    "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
}
SCHEMA = {"type": "object", "properties": {"level": {"type": "integer"}}, "required": ["level"]}
SHAPES: list[dict[str, Any]] = [
    {},
    {"tools": [TOOL]},
    {"stop_sequences": ["river", "grey"]},
    {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    {"thinking": {"type": "adaptive", "display": "summarized"}},
]
REASONS = [None, "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "refusal:bio"]


def ask(model: str = "claude-sonnet-4-6", **change: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"model": model, "max_tokens": 1_000, "messages": [{"role": "user", "content": "hello"}], **change}


def answer(params: dict[str, Any], reason: str | None = None, tokens: int | None = None, **settings: Any) -> Plan:  # noqa: ANN401
    engine = Engine(Settings(tier="unlimited", **settings))
    return engine.handle(params, 0.0, key=(7, 12, 1), output_tokens=tokens, stop_reason=reason)


def parse(plan: Plan) -> list[dict[str, Any]]:
    stream = b"".join(data for _, data in wire.events(plan)).decode()
    return [msgspec.json.decode(event.split("data: ")[1]) for event in stream.split("\n\n")[:-1]]


def accumulate(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client makes of a stream; checks the order of its events on the way."""
    assert (events[0]["type"], events[-2]["type"], events[-1]["type"]) == (
        "message_start",
        "message_delta",
        "message_stop",
    )
    message, open_ = events[0]["message"], False
    for event in events[1:-2]:
        if event["type"] == "ping":
            continue
        content = message["content"]
        if event["type"] == "content_block_start":
            assert (event["index"], open_) == (len(content), False)
            content.append(event["content_block"])
            open_, json = True, ""
        elif event["type"] == "content_block_stop":
            assert (event["index"], open_) == (len(content) - 1, True)
            open_ = False
            if content[-1]["type"].endswith("tool_use") and json:
                content[-1]["input"] = json
        else:
            assert (event["type"], event["index"], open_) == ("content_block_delta", len(content) - 1, True)
            match event["delta"]:
                case {"type": "input_json_delta", "partial_json": piece}:
                    json += piece
                case {"type": "text_delta", "text": piece}:
                    content[-1]["text"] += piece
                case {"type": "thinking_delta", "thinking": piece}:
                    assert not content[-1]["signature"]
                    content[-1]["thinking"] += piece
                case {"type": "signature_delta", "signature": signature}:
                    content[-1]["signature"] = signature
                case unknown:
                    raise AssertionError(unknown)
    return {**message, **events[-2]["delta"], "usage": message["usage"] | events[-2]["usage"]}


def question(model: str, shape: dict[str, Any], room: int) -> dict[str, Any]:
    return ask(model, **(shape if "opus" in model else {}), max_tokens=room)


questions = st.builds(
    question,
    st.sampled_from(["claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5-5", "claude-haiku-5-5"]),
    st.sampled_from(SHAPES),
    st.one_of(st.just(4_000), st.integers(1, 300)),
)
lengths = st.none() | st.integers(1, 600)


@given(questions, lengths, st.sampled_from(REASONS), st.integers(1, 40))
def test_a_stream_adds_up_to_the_whole_answer(
    params: dict[str, Any], tokens: int | None, reason: str | None, chunk: int
) -> None:
    plan = answer(params, reason, tokens, chunk_tokens=chunk)
    streamed, whole = accumulate(parse(plan)), msgspec.json.decode(wire.body(plan))
    for block, told in zip(streamed["content"], whole["content"], strict=True):
        if "input" in block and isinstance(block["input"], str):
            if plan.stop_reason != "max_tokens":
                assert msgspec.json.decode(block["input"]) == told["input"]
            block["input"] = told["input"]
    assert streamed == whole


@given(questions, lengths, st.sampled_from(REASONS))
def test_usage_is_what_was_produced(params: dict[str, Any], tokens: int | None, reason: str | None) -> None:
    plan = answer(params, reason, tokens)
    usage = plan.usage
    assert usage.output_tokens <= params["max_tokens"]
    assert usage.thinking_tokens <= usage.output_tokens
    if plan.stop_reason == "max_tokens":
        assert usage.output_tokens == params["max_tokens"]
    if plan.stop_reason != "stop_sequence" or reason == "stop_sequence":
        assert sum(block.tokens for block in plan.blocks) == usage.output_tokens
    message = msgspec.json.decode(wire.body(plan))
    shown = [block.get("text") or block.get("thinking") for block in message["content"]]
    for block, text in zip(plan.blocks, shown, strict=True):
        if text:
            assert estimate_tokens(text, plan.model) == block.tokens


@given(questions, lengths, st.integers(1, 40))
def test_moments_are_those_of_the_pieces(params: dict[str, Any], tokens: int | None, chunk: int) -> None:
    plan = answer(params, None, tokens, chunk_tokens=chunk)
    pieces = list(visible(plan))
    dues = [due for due, _, _ in pieces]
    texts = [due for due, kind, _ in pieces if kind == "text"]
    assert dues == sorted(dues)
    expected = (dues[0] if dues else None, texts[0] if texts else None, dues[-1] if dues else None)
    assert moments(plan) == expected
    times = [due for due, _ in wire.events(plan)]
    assert times == sorted(set(times))
    assert (times[0], times[-1]) == (plan.first_token, plan.ended)


@pytest.mark.parametrize("model", MODELS)
def test_models_think_where_they_do_by_default(model: str) -> None:
    plan = answer(ask(model), tokens=200)
    thinks = "-4-" not in model
    assert [block.kind for block in plan.blocks] == ["thinking", "text"] if thinks else ["text"]
    assert plan.usage.output_tokens == 200, "a given length is the whole length"


def test_more_effort_is_more_thinking() -> None:
    plans = [answer(ask("claude-opus-5-5", max_tokens=9_000, output_config={"effort": level})) for level in THOUGHT]
    thought = [plan.usage.thinking_tokens for plan in plans]
    assert thought == sorted(thought)
    assert thought[0] > 0
    assert {plan.usage.output_tokens - plan.usage.thinking_tokens for plan in plans} == {
        plans[0].usage.output_tokens - thought[0]
    }
    ended = [plan.ended for plan in plans]
    assert ended == sorted(ended), "thinking takes its time"


def test_a_budget_is_kept() -> None:
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    plans = [answer(ask(max_tokens=30_000, thinking=thinking), tokens=n) for n in (1_000, 10_000)]
    assert plans[0].usage.thinking_tokens < 1_024
    assert plans[1].usage.thinking_tokens == 1_024
    assert plans[0].blocks[0].shown, "on 4.6 and earlier the thoughts are shown"


def test_hidden_thinking_is_a_signature_and_silence() -> None:
    plan = answer(ask("claude-sonnet-5-5"), tokens=100)
    message = msgspec.json.decode(wire.body(plan))
    assert message["content"][0]["thinking"] == ""
    assert message["content"][0]["signature"]
    assert [event["type"] for event in parse(plan)[:6]] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
    ]
    first_token = moments(plan).first_token
    assert first_token
    assert first_token == plan.due(plan.usage.thinking_tokens + 1) > plan.first_token


def test_between_tools_there_are_only_notes() -> None:
    between = ask("claude-sonnet-5-5", thinking={"type": "between_tools"}, tools=[TOOL])
    assert [block.kind for block in answer(between, tokens=100).blocks] == ["text", "tool_use"]
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "12"}]}
    later = answer({**between, "messages": [*between["messages"], use, result]}, tokens=100)
    assert [block.kind for block in later.blocks] == ["thinking", "text"]
    assert later.blocks[0].shown


def test_a_stop_sequence_ends_the_answer_before_it() -> None:
    plan = answer(ask(stop_sequences=["lamps", "grey water", "noon"]), tokens=500)
    assert (plan.stop_reason, plan.stop_sequence) == ("stop_sequence", "noon")
    message = msgspec.json.decode(wire.body(plan))
    assert message["content"][0]["text"] == "The river had been rising since "
    assert plan.usage.output_tokens == estimate_tokens("The river had been rising since noon", plan.model)
    assert answer(ask(stop_sequences=["never said"]), tokens=500).stop_reason == "end_turn"
    assert answer(ask(stop_sequences=["lamps"]), tokens=5).stop_reason == "end_turn"


def test_tools_are_called_until_they_have_answered() -> None:
    first = answer(ask(tools=[TOOL]), tokens=60)
    assert (first.stop_reason, first.blocks[-1].kind, first.usage.output_tokens) == ("tool_use", "tool_use", 60)
    assert answer(ask(tools=[TOOL], tool_choice={"type": "none"})).stop_reason == "end_turn"
    assert answer(ask(tools=[TOOL]), tool_use_rate=0.0).stop_reason == "end_turn"
    assert answer(ask(tools=[TOOL]), "end_turn").stop_reason == "end_turn"
    engine = Engine(Settings(tier="unlimited", tool_use_rate=0.3))
    reasons = [engine.handle(ask(tools=[TOOL]), 0.0, key=(1, n, 1)).stop_reason for n in range(500)]
    assert reasons.count("tool_use") == pytest.approx(150, abs=40)


def test_the_forced_tool_is_used() -> None:
    tools = [{**TOOL, "name": name} for name in ("look", "dig", "row")]
    for name in ("look", "dig", "row"):
        plan = answer(ask(tools=tools, tool_choice={"type": "tool", "name": name}))
        assert (plan.stop_reason, plan.blocks[-1].name) == ("tool_use", name)


def test_a_structured_answer_satisfies_its_schema() -> None:
    config = {"format": {"type": "json_schema", "schema": SCHEMA}}
    message = msgspec.json.decode(wire.body(answer(ask("claude-sonnet-5-5", output_config=config))))
    assert isinstance(msgspec.json.decode(message["content"][-1]["text"])["level"], int)
    assert message["stop_reason"] == "end_turn"


@pytest.mark.parametrize("category", ["", *CATEGORIES])
def test_refusals_on_demand(category: str) -> None:
    plan = answer(ask(), f"refusal:{category}" if category else "refusal")
    message = msgspec.json.decode(wire.body(plan))
    assert (message["stop_reason"], message["content"], message["usage"]["output_tokens"]) == ("refusal", [], 0)
    assert message["stop_details"]["category"] == (category or "general_harms")


def test_a_paused_turn_may_be_sent_back() -> None:
    params = ask("claude-opus-5-5")
    message = msgspec.json.decode(wire.body(answer(params, "pause_turn")))
    assert (message["stop_reason"], message["content"][-1]["type"]) == ("pause_turn", "server_tool_use")
    resumed = {**params, "messages": [*params["messages"], {"role": "assistant", "content": message["content"]}]}
    assert answer(resumed).stop_reason == "end_turn"


@pytest.mark.parametrize("reason", ["tired", "end_turn:bio", "refusal:rude", "model_context_window_exceeded"])
def test_no_other_end_can_be_asked_for(reason: str) -> None:
    plan = answer(ask(), reason)
    assert plan.error
    assert plan.error.message.startswith("x-mock-stop-reason")


def test_the_context_window_ends_an_answer() -> None:
    model = "claude-haiku-4-5"
    full = [{"role": "user", "content": text_of_tokens(199_990, model)}]
    plan = answer(ask(model, messages=full), tokens=50)
    assert (plan.stop_reason, plan.usage.output_tokens) == ("model_context_window_exceeded", 10)
    over = [{"role": "user", "content": text_of_tokens(200_001, model)}]
    with pytest.raises(RequestError, match="prompt is too long: 200001 tokens > 200000 maximum"):
        Engine(Settings()).read(ask(model, messages=over))


def test_pings_break_long_silences() -> None:
    slow: dict[str, Any] = {"ttft": (1.0, 1.0), "tokens_per_second": (1.0, 1.0), "chunk_tokens": 40}
    plan = answer(ask(), tokens=41, ping_interval=15.0, **slow)
    pings = [due for due, data in wire.events(plan) if data == b'event: ping\ndata: {"type":"ping"}\n\n']
    assert pings == [16.0, 31.0]
    assert len(list(wire.events(answer(ask(), tokens=41, ping_interval=None, **slow)))) == 2
