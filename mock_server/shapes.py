"""The objects that an answer consists of, field by field, as the API reference of 2026-10-10 has them.

Structs rather than dicts: making and encoding one costs a seventh.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class CacheCreation(Struct, gc=False):
    """What was written to the prompt cache, by lifetime."""

    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int


class OutputDetails(Struct, gc=False):
    """What the output consists of."""

    thinking_tokens: int


class Usage(Struct, gc=False):
    """Tokens.  What is UNSET is not sent: the end of a stream says less than its beginning."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    cache_creation: CacheCreation | UnsetType
    output_tokens: int
    output_tokens_details: OutputDetails
    server_tool_use: None = None
    service_tier: str | UnsetType = UNSET
    inference_geo: str | UnsetType = UNSET
    speed: str | UnsetType = UNSET


class Text(Struct, kw_only=True, gc=False):
    """A block of text."""

    type: str = "text"
    text: str
    citations: None = None


class Thinking(Struct, kw_only=True, gc=False):
    """A block of thoughts."""

    type: str = "thinking"
    thinking: str
    signature: str


class Caller(Struct, kw_only=True, frozen=True, gc=False):
    """Who calls a tool."""

    type: str = "direct"


class ToolUse(Struct, kw_only=True, gc=False):
    """The use of a tool, the client's or the server's."""

    type: str
    id: str
    name: str
    caller: Caller = Caller()
    input: Any


class RefusalDetails(Struct, kw_only=True, gc=False):
    """Why an answer was refused."""

    type: str = "refusal"
    category: str | None
    explanation: str = "This request was declined by the mock because it was asked to."


class Message(Struct, kw_only=True, gc=False):
    """An answer."""

    id: str
    type: str = "message"
    role: str = "assistant"
    model: str
    content: list[Text | Thinking | ToolUse]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: RefusalDetails | None = None
    container: None = None
    diagnostics: None = None
    usage: Usage


class End(Struct, kw_only=True, gc=False):
    """What a stream learns of the message when it ends."""

    stop_reason: str | None
    stop_sequence: str | None
    stop_details: RefusalDetails | None
    container: None = None


class MessageStart(Struct, kw_only=True, gc=False):
    """The first event of a stream."""

    type: str = "message_start"
    message: Message


class MessageDelta(Struct, kw_only=True, gc=False):
    """The last event of a stream but one."""

    type: str = "message_delta"
    delta: End
    usage: Usage
