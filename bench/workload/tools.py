"""Tools of a synthetic agent: their definitions, a call, and what it gives back, each of a wanted size.

Sizes are those of the one estimator, which counts such blocks by the characters of their JSON.  The filler needs no
escaping, so a block grows by as many characters as its text does.
"""

from __future__ import annotations

from typing import Any

from mock_server.models import Model, describe, filler, length_of
from mock_server.tokens import block_tokens

Block = dict[str, Any]

Sized = tuple[Block, int]
"""A block and its tokens: more than were wanted where its JSON alone needs more."""


def definitions(count: int, tokens: int, model_id: str, start: str = "") -> list[Block]:
    """So many tools that come to `tokens` in all, at least 50 for each; the first is described by `start` first."""
    model = describe(model_id)
    each, rest = divmod(tokens, count)
    return [_definition(place, each + (place < rest), model, "" if place else start) for place in range(count)]


def _definition(place: int, tokens: int, model: Model, start: str) -> Block:
    schema = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    tool = {"name": _name(place), "description": "", "input_schema": schema}
    room, _ = _sizes(tokens, block_tokens(tool, _CHARACTERS), model)
    return {**tool, "description": start[:room] + filler(0, room - min(room, len(start)))}


def call(tools: int, place: int, tokens: int, model: Model) -> Sized:
    """The call of one of so many tools; `place` is that of the request, so that no two have the same id."""
    room, size = _sizes(tokens, _CALL, model)
    use = {"type": "tool_use", "id": _id(place), "name": _name(place % tools), "input": {"query": filler(0, room)}}
    return use, size


def result(place: int, tokens: int, model: Model) -> Sized:
    """What the call of the same place gives back."""
    room, size = _sizes(tokens, _RESULT, model)
    return {"type": "tool_result", "tool_use_id": _id(place), "content": filler(0, room)}, size


def _sizes(tokens: int, bare: int, model: Model) -> tuple[int, int]:
    """Characters of text that fill a block to so many tokens, which has `bare` without any; and its tokens then."""
    length = max(bare, length_of(tokens, model))
    return length - bare, -(-length * model.tokens // model.characters)


def _name(place: int) -> str:
    return f"tool_{place:03d}"


def _id(place: int) -> str:
    return f"toolu_{place:024d}"


_CHARACTERS = Model("", "", "", tokens=1, characters=1)
"""A model that counts characters."""
_CALL = block_tokens({"type": "tool_use", "id": _id(0), "name": _name(0), "input": {"query": ""}}, _CHARACTERS)
_RESULT = block_tokens({"type": "tool_result", "tool_use_id": _id(0), "content": ""}, _CHARACTERS)
