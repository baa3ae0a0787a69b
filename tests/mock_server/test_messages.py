"""Everything a Messages request can ask for, over HTTP, by the official SDK, unmodified, with its own types."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anthropic
import jsonschema
import msgspec
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import (
    Message,
    RawContentBlockDeltaEvent,
    RefusalStopDetails,
    ServerToolUseBlock,
    TextBlock,
    ThinkingBlock,
    ThinkingConfigAdaptiveParam,
    ToolParam,
    ToolUseBlock,
)

from mock_server.models import text_of_tokens
from mock_server.settings import Settings

MODEL = "claude-opus-5"
ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 2_000, "messages": [{"role": "user", "content": "hello"}]}
TOOL: ToolParam = {
    "name": "get_level",
    "description": "How high the river stands",
    "input_schema": {
        "type": "object",
        "properties": {
            "river": {"type": "string", "enum": ["Elbe", "Spree"]},
            "at": {"type": "string", "format": "date-time"},
            "gauges": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
        },
        "required": ["river", "gauges"],
        "additionalProperties": False,
    },
}
SHOWN: ThinkingConfigAdaptiveParam = {"type": "adaptive", "display": "summarized"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of its own process, a thousand times faster than life."""
    command = [
        sys.executable,
        "-m",
        "mock_server",
        "--port",
        "0",
        "--speed",
        "1000",
        "--settings",
        "-",
        "--with-parent",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(msgspec.json.encode(Settings(tier="unlimited", output_tokens=(60.0, 90.0))) + b"\n")
        process.stdin.flush()
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline().decode())
        assert found
        yield found[0]
        process.stdin.close()
        assert process.wait(20) == 0


def run(url: str, job: Callable[[AsyncAnthropic], Awaitable[None]]) -> None:
    async def main() -> None:
        async with AsyncAnthropic(
            base_url=url, api_key="any", max_retries=0, _strict_response_validation=True
        ) as client:
            await job(client)

    asyncio.run(main())


def ending(reason: str) -> dict[str, str]:
    return {"x-mock-stop-reason": reason}


def test_thinking_comes_first(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        message = await client.messages.create(**ASK, thinking=SHOWN)
        thinking, text = message.content
        assert isinstance(thinking, ThinkingBlock)
        assert isinstance(text, TextBlock)
        assert thinking.thinking
        assert thinking.signature
        assert message.usage.output_tokens_details
        assert 0 < message.usage.output_tokens_details.thinking_tokens < message.usage.output_tokens

    run(url, job)


def test_hidden_thinking_streams_a_signature_alone(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        async with client.messages.stream(**ASK) as stream:
            kinds = [event.delta.type async for event in stream if isinstance(event, RawContentBlockDeltaEvent)]
            message = await stream.get_final_message()
        assert kinds[0] == "signature_delta"
        assert set(kinds[1:]) == {"text_delta"}
        block = message.content[0]
        assert isinstance(block, ThinkingBlock)
        assert (block.thinking, bool(block.signature)) == ("", True)

    run(url, job)


def test_a_stream_of_thoughts_text_and_a_tool(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        thoughts, texts, inputs = [], [], []
        async with client.messages.stream(
            **ASK, thinking=SHOWN, tools=[TOOL], extra_headers={"x-mock-output-tokens": "200"}
        ) as stream:
            async for event in stream:
                match event.type:
                    case "thinking":
                        thoughts.append(event.thinking)
                    case "text":
                        texts.append(event.text)
                    case "input_json":
                        inputs.append(event.partial_json)
            message = await stream.get_final_message()
        thinking, text, tool = message.content
        assert isinstance(thinking, ThinkingBlock)
        assert isinstance(text, TextBlock)
        assert isinstance(tool, ToolUseBlock)
        assert "".join(thoughts) == thinking.thinking
        assert "".join(texts) == text.text
        assert msgspec.json.decode("".join(inputs)) == tool.input
        assert min(len(thoughts), len(texts), len(inputs)) > 1
        jsonschema.validate(tool.input, TOOL["input_schema"])
        assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 200)

    run(url, job)


def test_an_agent_s_loop_ends(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        messages: list[Any] = list(ASK["messages"])
        reasons: list[str | None] = []
        while not reasons or reasons[-1] == "tool_use":
            message = await client.messages.create(**{**ASK, "messages": messages}, tools=[TOOL])
            reasons.append(message.stop_reason)
            uses = [block for block in message.content if isinstance(block, ToolUseBlock)]
            results = [{"type": "tool_result", "tool_use_id": use.id, "content": "12"} for use in uses]
            messages += [message.to_param(), {"role": "user", "content": results}]
        assert reasons == ["tool_use", "end_turn"]

    run(url, job)


def test_a_forced_tool(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        message = await client.messages.create(**ASK, tools=[TOOL], tool_choice={"type": "tool", "name": "get_level"})
        assert isinstance(message.content[-1], ToolUseBlock)
        jsonschema.validate(message.content[-1].input, TOOL["input_schema"])
        with pytest.raises(anthropic.BadRequestError, match='type "tool" and "any" are not supported'):
            await client.messages.create(
                **{**ASK, "model": "claude-sonnet-5-5"}, tools=[TOOL], tool_choice={"type": "any"}
            )

    run(url, job)


def test_stop_sequences(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        message = await client.messages.create(**ASK, stop_sequences=["since"])
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "since")
        async with client.messages.stream(**ASK, stop_sequences=["since"]) as stream:
            assert (await stream.get_final_message()).stop_sequence == "since"
            assert await stream.get_final_text() == "The river had been rising "

    run(url, job)


def test_a_refusal_and_a_pause_on_demand(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        refused = await client.messages.create(**ASK, extra_headers=ending("refusal:cyber"))
        assert refused.stop_reason == "refusal"
        assert isinstance(refused.stop_details, RefusalStopDetails)
        assert refused.stop_details.category == "cyber"
        async with client.messages.stream(**ASK, extra_headers=ending("refusal")) as stream:
            message = await stream.get_final_message()
        assert (message.stop_reason, message.content) == ("refusal", [])
        assert message.stop_details
        paused = await client.messages.create(**ASK, extra_headers=ending("pause_turn"))
        assert paused.stop_reason == "pause_turn"
        assert isinstance(paused.content[-1], ServerToolUseBlock)

    run(url, job)


def test_usage_is_complete(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        message: Message = await client.messages.create(**ASK, inference_geo="us", speed="fast")
        usage = message.usage
        assert (usage.service_tier, usage.inference_geo, usage.speed) == ("standard", "us", "fast")
        assert (usage.server_tool_use, message.diagnostics, message.container) == (None, None, None)
        assert usage.cache_creation
        assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (0, 0)

    run(url, job)


def test_prompts_are_cached(url: str) -> None:
    system = text_of_tokens(3_000, MODEL)

    async def job(client: AsyncAnthropic) -> None:
        kept: Any = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        warming = await client.messages.create(**{**ASK, "max_tokens": 0}, system=kept)
        assert (warming.content, warming.stop_reason) == ([], "max_tokens")
        assert warming.usage.cache_creation
        assert warming.usage.cache_creation.ephemeral_1h_input_tokens == 3_000
        message = await client.messages.create(**ASK, system=kept)
        assert (message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens) == (3_000, 0)
        async with client.messages.stream(**ASK, system=kept) as stream:
            streamed = await stream.get_final_message()
        assert streamed.usage.cache_read_input_tokens == 3_000
        automatic = await client.messages.create(**ASK, system=kept, cache_control={"type": "ephemeral"})
        assert (automatic.usage.cache_read_input_tokens, automatic.usage.input_tokens) == (3_000, 0)

    run(url, job)


def test_the_versions_differ(url: str) -> None:
    async def job(client: AsyncAnthropic) -> None:
        old = {"anthropic-version": "2023-06-01"}
        ask = {**ASK, "model": "claude-haiku-4-5", "extra_body": {"temperature": 0.5}}
        assert (await client.messages.create(**ask, extra_headers=old)).stop_reason == "end_turn"
        with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs are not permitted"):
            await client.messages.create(**ask)
        with pytest.raises(anthropic.BadRequestError, match="not a valid version"):
            await client.messages.create(**ASK, extra_headers={"anthropic-version": "2027-01-01"})

    run(url, job)
