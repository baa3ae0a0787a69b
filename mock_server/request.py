"""Reading the body of a Messages request: what is asked, or which documented error it deserves.

Shapes follow the API reference (2026-10-10); wordings stay close to those seen in public.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from mock_server.models import Model, count_tokens, find_model
from mock_server.plan import Error

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a Messages request (errors page, 2026-10-10)."""
MAX_MESSAGES = 100_000
ATTACHMENT_TOKENS = 1_500
"""What every image and document counts as.  A stand-in: the API counts pixels and pages."""

Where = tuple[str | int, ...]
"""The path to a part of the body."""

_ROLES = ("user", "assistant", "system")
_ATTACHMENTS = ("image", "document")


class RequestError(Exception):
    """The request gets an error before any limit is looked at."""

    def __init__(self, status: int, error: Error, retry_after: int | None = None, cause: str | None = None) -> None:
        """`cause` is which limit it was, for whoever counts."""
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.retry_after = retry_after
        self.cause = cause


class Question(NamedTuple):
    """What a valid request asks for."""

    model_id: str
    model: Model
    max_tokens: int
    stream: bool
    input_tokens: int


def invalid(message: str, status: int = 400) -> RequestError:
    """A 400 `invalid_request_error`."""
    return RequestError(status, Error("invalid_request_error", message))


def read(params: Mapping[str, Any]) -> Question:
    """Check the parameters of a Messages request and count its input.  Raises RequestError."""
    model_id, model = _read_model(params)
    stream = params.get("stream", False)
    if stream is not False and stream is not True and stream is not None:
        raise invalid("stream: Input should be a valid boolean")
    max_tokens = _read_max_tokens(params, model, bool(stream))
    tokens = _count_messages(params, model)
    for name in ("system", "tools"):
        if params.get(name):
            tokens += _count_content(params[name], model, (name,))
    if tokens > model.context:
        raise invalid(f"prompt is too long: {tokens} tokens > {model.context} maximum")
    return Question(model_id, model, max_tokens, bool(stream), tokens)


def _read_model(params: Mapping[str, Any]) -> tuple[str, Model]:
    model_id = _required(params, "model")
    if not isinstance(model_id, str) or not model_id:
        raise invalid("model: Input should be a valid string")
    model = find_model(model_id)
    if model is None:
        raise RequestError(404, Error("not_found_error", f"model: {model_id[:200]}"))
    return model_id, model


def _read_max_tokens(params: Mapping[str, Any], model: Model, stream: bool) -> int:
    max_tokens = _required(params, "max_tokens")
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool):
        raise invalid("max_tokens: Input should be a valid integer")
    if max_tokens < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    if max_tokens == 0 and stream:
        raise invalid("max_tokens: 0 cannot be used with stream")
    if max_tokens > model.max_output:
        raise invalid(
            f"max_tokens: {max_tokens} > {model.max_output}, which is the maximum allowed number of output tokens"
            f" for {model.id}"
        )
    return max_tokens


def _count_messages(params: Mapping[str, Any], model: Model) -> int:
    messages = _required(params, "messages")
    if not _is_list(messages):
        raise invalid("messages: Input should be a valid list")
    if not messages:
        raise invalid("messages: at least one message is required")
    if len(messages) > MAX_MESSAGES:
        raise invalid(f"messages: at most {MAX_MESSAGES} messages are allowed")
    return sum([_count_message(message, model, place) for place, message in enumerate(messages)])


def _count_message(message: object, model: Model, place: int) -> int:
    if not isinstance(message, (dict, Mapping)):
        raise _wrong(("messages", place), "Input should be an object")
    if message.get("role") not in _ROLES:
        raise _wrong(("messages", place, "role"), "Input should be 'user', 'assistant' or 'system'")
    if "content" not in message:
        raise _wrong(("messages", place, "content"), "Field required")
    return _count_content(message["content"], model, ("messages", place, "content"))


def _count_content(content: object, model: Model, where: Where) -> int:
    if isinstance(content, str):
        if not content:
            raise _wrong(where, "text must not be empty")
        return count_tokens(content, model)
    if not _is_list(content):
        raise _wrong(where, "Input should be a valid string or list")
    return sum([_count_block(block, model, (*where, place)) for place, block in enumerate(content)])


def _count_block(block: object, model: Model, where: Where) -> int:
    if not isinstance(block, (dict, Mapping)):
        raise _wrong(where, "Input should be an object")
    if block.get("type") in _ATTACHMENTS:
        return ATTACHMENT_TOKENS
    if block.get("type") != "text":
        return count_tokens(repr(block), model)  # tools and their results: about the length of their JSON
    text = block.get("text")
    if not isinstance(text, str) or not text:
        raise _wrong((*where, "text"), "text content blocks must be non-empty strings")
    return count_tokens(text, model)


def _wrong(where: Where, message: str) -> RequestError:
    return invalid(f"{'.'.join(map(str, where))}: {message}")


def _required(params: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever the client sent
    if name not in params:
        raise invalid(f"{name}: Field required")
    return params[name]


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, (list, Sequence)) and not isinstance(value, str | bytes)
