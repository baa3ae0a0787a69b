"""Reading the body of a Messages request: what is asked, or which documented error it deserves.

Shapes follow the API reference (2026-10-10); wordings stay close to those seen in public.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from mock_server.caching import Prompt
from mock_server.errors import RequestError as RequestError
from mock_server.errors import Where, is_list, is_object, is_whole, wrong
from mock_server.errors import invalid as invalid
from mock_server.models import Model, count_tokens, find_model
from mock_server.options import NEW_VERSION, Options, defaults, read_options
from mock_server.plan import Error
from mock_server.prompt import read_prompt
from mock_server.tokens import block_tokens

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a Messages request (errors page, 2026-10-10)."""
MAX_MESSAGES = 100_000

Purpose = Literal["messages", "count_tokens", "batch"]
"""Which endpoint asks: count_tokens needs no max_tokens, a request in a batch must not stream."""

_ROLES = ("user", "assistant", "system")
_PLAIN = frozenset(("model", "max_tokens", "messages", "stream", "system"))
_BLOCKS = frozenset(
    (
        *("text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result"),
        *("server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result"),
        *("bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result"),
        *("container_upload", "mcp_tool_use", "mcp_tool_result", "tool_addition", "tool_removal", "compaction"),
    )
)

_default_options = lru_cache(maxsize=1024)(defaults)


class Question(msgspec.Struct, frozen=True):
    """What a valid request asks for."""

    model_id: str
    model: Model
    max_tokens: int
    stream: bool
    input_tokens: int
    """All of them, cached or not."""
    options: Options
    prompt: Prompt | None = None
    """For the cache; None if the request does not use it."""
    answers_tool: bool = False
    """Whether the last message brings the result of a tool."""
    is_special: bool = False
    """Whether there are options other than the model's defaults."""


class _Seen:
    """What was met while counting that needs a closer look."""

    __slots__ = ("breakpoints", "kinds", "version")

    def __init__(self, version: str) -> None:
        self.version = version
        self.breakpoints = False
        self.kinds: set[str] | tuple[()] = ()

    def note(self, kind: str) -> None:
        """There is a block of this kind."""
        self.kinds = {*self.kinds, kind}


def read(
    params: Mapping[str, Any],
    version: str = NEW_VERSION,
    purpose: Purpose = "messages",
    *,
    find: Callable[[str], Model | None] = find_model,
) -> Question:
    """Check the parameters of a Messages request and count its input.  Raises RequestError.

    `find` gives the model behind an id, None for one that is not served.
    """
    model_id, model = _read_model(params, find)
    stream = _read_stream(params, purpose)
    max_tokens = 0 if purpose == "count_tokens" else _read_max_tokens(params, model)
    seen = _Seen(version)
    tokens = _count_messages(params, model, seen)
    if params.get("system"):
        tokens += _count_content(params["system"], model, ("system",), "system", seen)
    is_plain = _PLAIN.issuperset(params)
    if is_plain:
        options = _default_options(model)
    else:
        options = read_options(params, model, version, max_tokens)
        tokens += sum(block_tokens(tool, model) for tool in params.get("tools") or ())
        _note_breakpoints(params, seen)
    if seen.kinds:
        _check_conversation(params["messages"], model, seen.kinds)
    if not model.prefill:
        _check_end(params["messages"])
    if tokens > model.context:
        raise invalid(f"prompt is too long: {tokens} tokens > {model.context} maximum")
    if not max_tokens and purpose != "count_tokens":
        _check_warming(stream, options, purpose)
    prompt = read_prompt(params, model, options) if seen.breakpoints else None
    answers_tool = "tool_result" in seen.kinds and _brings_result(params["messages"])
    return Question(model_id, model, max_tokens, stream, tokens, options, prompt, answers_tool, not is_plain)


def _read_model(params: Mapping[str, Any], find: Callable[[str], Model | None]) -> tuple[str, Model]:
    model_id = _required(params, "model")
    if not isinstance(model_id, str) or not model_id:
        raise invalid("model: Input should be a valid string")
    model = find(model_id)
    if model is None:
        raise RequestError(404, Error("not_found_error", f"model: {model_id[:200]}"))
    return model_id, model


def _read_stream(params: Mapping[str, Any], purpose: Purpose) -> bool:
    stream = params.get("stream", False)
    if stream is not False and stream is not True and stream is not None:
        raise invalid("stream: Input should be a valid boolean")
    if purpose == "batch":
        if stream:
            raise invalid("stream: not supported in a message batch")
        if params.get("speed") is not None:
            raise invalid("speed: not supported in a message batch")
    return bool(stream)


def _read_max_tokens(params: Mapping[str, Any], model: Model) -> int:
    max_tokens = _required(params, "max_tokens")
    if not is_whole(max_tokens):
        raise invalid("max_tokens: Input should be a valid integer")
    if max_tokens < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    if max_tokens > model.max_output:
        raise invalid(
            f"max_tokens: {max_tokens} > {model.max_output}, which is the maximum allowed number of output tokens"
            f" for {model.id}"
        )
    return max_tokens


def _check_warming(stream: bool, options: Options, purpose: Purpose) -> None:
    """`max_tokens: 0` only warms the cache; what shapes an answer makes no sense then (prompt caching, 2026-10-08)."""
    for refused, what in (
        (stream, "stream"),
        (options.thinking.mode == "enabled", "thinking.type.enabled"),
        (options.format is not None, "output_config.format"),
        (options.forced, "a tool_choice that forces a tool"),
        (purpose == "batch", "message batches"),
    ):
        if refused:
            raise invalid(f"max_tokens: 0 cannot be used with {what}")


def _note_breakpoints(params: Mapping[str, Any], seen: _Seen) -> None:
    tools = params.get("tools") or ()
    if params.get("cache_control") is not None or any(tool.get("cache_control") is not None for tool in tools):
        seen.breakpoints = True


def _count_messages(params: Mapping[str, Any], model: Model, seen: _Seen) -> int:
    messages = _required(params, "messages")
    if not is_list(messages):
        raise invalid("messages: Input should be a valid list")
    if not messages:
        raise invalid("messages: at least one message is required")
    if len(messages) > MAX_MESSAGES:
        raise invalid(f"messages: at most {MAX_MESSAGES} messages are allowed")
    return sum([_count_message(message, model, place, seen) for place, message in enumerate(messages)])


def _count_message(message: object, model: Model, place: int, seen: _Seen) -> int:
    if not isinstance(message, (dict, Mapping)):
        raise wrong(("messages", place), "Input should be an object")
    role = message.get("role")
    content = message.get("content")
    if role == "user" and content.__class__ is str and content:
        return count_tokens(content, model)
    if role not in _ROLES:
        raise wrong(("messages", place, "role"), "Input should be 'user', 'assistant' or 'system'")
    if "content" not in message:
        raise wrong(("messages", place, "content"), "Field required")
    if role == "system":
        seen.note("system")
    return _count_content(message["content"], model, ("messages", place, "content"), role, seen)


def _count_content(content: object, model: Model, where: Where, role: str, seen: _Seen) -> int:
    if isinstance(content, str):
        if not content:
            raise wrong(where, "text must not be empty")
        return count_tokens(content, model)
    if not is_list(content):
        raise wrong(where, "Input should be a valid string or list")
    return sum([_count_block(block, model, (*where, place), role, seen) for place, block in enumerate(content)])


def _count_block(block: object, model: Model, where: Where, role: str, seen: _Seen) -> int:
    if not isinstance(block, (dict, Mapping)):
        raise wrong(where, "Input should be an object")
    if block.get("cache_control") is not None:
        seen.breakpoints = True
    kind = block.get("type")
    if kind == "text":
        text = block.get("text")
        if not isinstance(text, str) or not text:
            raise wrong((*where, "text"), "text content blocks must be non-empty strings")
        if role == "user" and seen.version == NEW_VERSION and block.get("citations"):
            raise wrong((*where, "citations"), "Extra inputs are not permitted")
        return count_tokens(text, model)
    _check_kind(kind, where, role, seen)
    return block_tokens(block, model)


def _check_kind(kind: object, where: Where, role: str, seen: _Seen) -> None:
    if not isinstance(kind, str) or kind not in _BLOCKS:
        tags = ", ".join(f"'{name}'" for name in sorted(_BLOCKS))
        shown = str(kind)[:100]
        raise wrong(where, f"Input tag '{shown}' found using 'type' does not match any of the expected tags: {tags}")
    if where[0] == "system":
        raise wrong((*where, "type"), "Input should be 'text'")
    if kind == "document" and role == "assistant" and seen.version == NEW_VERSION:
        raise wrong(where, "document blocks are not allowed in assistant messages")
    seen.note(kind)


def _check_conversation(messages: Sequence[Mapping[str, Any]], model: Model, kinds: Collection[str]) -> None:
    if "system" in kinds:
        _check_system(messages, model)
    if "tool_use" in kinds or "tool_result" in kinds:
        _check_tool_results(messages)


def _check_system(messages: Sequence[Mapping[str, Any]], model: Model) -> None:
    """Instructions come after a turn of the user's, at the end or before the answer (page of 2026-09-02)."""
    if not model.system_messages:
        raise invalid("role 'system' is not supported on this model")
    roles = [message["role"] for message in messages]
    if roles[0] == "system":
        raise invalid("messages.0: use the top-level 'system' parameter for the initial system prompt")
    for place in range(1, len(roles)):
        if roles[place] == "system" and roles[place - 1] == "assistant":
            raise invalid(f"messages.{place}: a system message must follow a user message")
        if roles[place] == "user" and roles[place - 1] == "system":
            raise invalid(
                f"messages.{place - 1}: a system message must come before an assistant message or end the conversation"
            )


def _check_tool_results(messages: Sequence[Mapping[str, Any]]) -> None:
    """Every use of a tool has its result in the next message, and the other way round."""
    open_: set[object] = set()
    for place, message in enumerate(messages):
        blocks = [] if isinstance(message["content"], str) else message["content"]
        if message["role"] == "system":
            continue
        answered = set()
        for number, block in enumerate(blocks):
            if block.get("type") == "tool_result":
                use = block.get("tool_use_id")
                if not isinstance(use, str):
                    raise wrong(("messages", place, "content", number, "tool_result", "tool_use_id"), "Field required")
                if use not in open_:
                    raise invalid(
                        f"messages.{place}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks:"
                        f" {use[:100]}. Each `tool_result` block must have a corresponding `tool_use` block in the"
                        " previous message."
                    )
                answered.add(use)
        if missing := sorted(map(str, open_ - answered)):
            raise invalid(
                f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after:"
                f" {', '.join(missing)[:200]}. Each `tool_use` block must have a corresponding `tool_result` block in"
                " the next message."
            )
        open_ = {
            _use_id(block, place, number) for number, block in enumerate(blocks) if block.get("type") == "tool_use"
        }


def _use_id(block: Mapping[str, Any], place: int, number: int) -> str:
    where: Where = ("messages", place, "content", number, "tool_use")
    if not isinstance(block.get("id"), str):
        raise wrong((*where, "id"), "Field required")
    if not isinstance(block.get("name"), str):
        raise wrong((*where, "name"), "Field required")
    if not is_object(block.get("input")):
        raise wrong((*where, "input"), "Input should be an object")
    return str(block["id"])


def _check_end(messages: Sequence[Mapping[str, Any]]) -> None:
    """A turn that was paused (`pause_turn`) may be sent back as it was; its last block is a tool's, not text."""
    last = messages[-1]
    if last["role"] == "assistant":
        content = last["content"]
        if isinstance(content, str) or not content or content[-1].get("type") in ("text", "thinking"):
            raise invalid(
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )


def _brings_result(messages: Sequence[Mapping[str, Any]]) -> bool:
    users = (message["content"] for message in reversed(messages) if message["role"] == "user")
    last = next(users, "")
    return not isinstance(last, str) and any(block.get("type") == "tool_result" for block in last)


def _required(params: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever the client sent
    if name not in params:
        raise invalid(f"{name}: Field required")
    return params[name]
