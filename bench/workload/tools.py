"""Tools of a synthetic agent: their definitions, a call, and what it gives back, each of a wanted size.

Sizes are those of the one estimator, which counts such blocks by the characters of their JSON.  The filler needs no
escaping, so a block grows by as many characters as its text does.
"""

from __future__ import annotations

from typing import Any

from mock_server.models import Model, describe, filler, length_of
from mock_server.tokens import block_tokens, canonical

Block = dict[str, Any]


def definitions(count: int, tokens: int, model_id: str, start: str = "") -> list[Block]:
    """So many tools that come to `tokens` in all, at least 50 for each; the first is described by `start` first."""
    model = describe(model_id)
    each, rest = divmod(tokens, count)
    return [_definition(place, each + (place < rest), model, "" if place else start) for place in range(count)]


def _definition(place: int, tokens: int, model: Model, start: str) -> Block:
    schema = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    tool = {"name": _name(place), "description": "", "input_schema": schema}
    return {**tool, "description": _room(tool, tokens, model, start)}


def call(tools: int, place: int, tokens: int, model: Model) -> Block:
    """The call of one of so many tools; `place` is that of the request, so that no two have the same id."""
    use = {"type": "tool_use", "id": _id(place), "name": _name(place % tools), "input": {"query": ""}}
    return {**use, "input": {"query": _room(use, tokens, model)}}


def result(place: int, tokens: int, model: Model) -> Block:
    """What the call of the same place gives back."""
    empty = {"type": "tool_result", "tool_use_id": _id(place), "content": ""}
    return {**empty, "content": _room(empty, tokens, model)}


def size(block: Block, model: Model) -> int:
    """Tokens of a block; more than were wanted where its JSON alone needs more."""
    return block_tokens(block, model)


def _room(block: Block, tokens: int, model: Model, start: str = "") -> str:
    """The text that fills a block up to so many tokens."""
    room = max(0, length_of(tokens, model) - len(canonical(block)))
    return start[:room] + filler(0, room - min(room, len(start)))


def _name(place: int) -> str:
    return f"tool_{place:03d}"


def _id(place: int) -> str:
    return f"toolu_{place:024d}"
