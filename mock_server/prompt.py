"""A request's prompt as the cache sees it: a chain of hashes over its blocks, and where its breakpoints are.

What a part of the chain depends on beside its blocks follows the table of what invalidates the cache (page on prompt
caching, 2026-10-08): web search, citations and speed change everything from the system prompt on; tool_choice, images,
thinking and effort everything from the messages on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from mock_server.caching import FIVE_MINUTES, ONE_HOUR, Position, Prompt
from mock_server.errors import Where, invalid, is_object, one_of, wrong
from mock_server.models import Model
from mock_server.options import Options
from mock_server.tokens import block_tokens, canonical

MOST_BREAKPOINTS = 4

Part = tuple[Where, str, Mapping[str, Any]]
"""Where a block stands, what it belongs to (a role, `tools` or `system`), and the block."""

_THOUGHTS = ("thinking", "redacted_thinking")


def read_prompt(params: Mapping[str, Any], model: Model, options: Options) -> Prompt:
    """The prompt of a request that uses `cache_control` somewhere.  Raises RequestError."""
    parts = list(_parts(params))
    lifetimes = [_lifetime(block.get("cache_control"), (*where, "cache_control")) for where, _, block in parts]
    explicit = sum(lifetime is not None for lifetime in lifetimes)
    automatic = _lifetime(params.get("cache_control"), ("cache_control",))
    if explicit + (automatic is not None) > MOST_BREAKPOINTS:
        found = explicit + (automatic is not None)
        raise invalid(f"A maximum of 4 blocks with cache_control may be provided. Found {found}.")
    if automatic is not None:
        _mark_last(parts, lifetimes, automatic)
    _check_order(parts, lifetimes)
    return Prompt(tuple(_chain(parts, lifetimes, model, options)), model.cache_minimum)


def _lifetime(control: object, where: Where) -> float | None:
    if control is None:
        return None
    if not is_object(control):
        raise wrong(where, "Input should be an object")
    one_of(control.get("type"), (*where, "type"), "ephemeral")
    return FIVE_MINUTES if one_of(control.get("ttl") or "5m", (*where, "ttl"), "5m", "1h") == "5m" else ONE_HOUR


def _mark_last(parts: list[Part], lifetimes: list[float | None], lifetime: float) -> None:
    """Automatic caching: a breakpoint on the last block that can have one."""
    for place in range(len(parts) - 1, -1, -1):
        if parts[place][2].get("type") not in _THOUGHTS:
            if lifetimes[place] not in (None, lifetime):
                raise invalid("cache_control: the last block has a cache_control with another ttl")
            lifetimes[place] = lifetime
            return


def _check_order(parts: list[Part], lifetimes: list[float | None]) -> None:
    short = False
    for (where, _, block), lifetime in zip(parts, lifetimes, strict=True):
        if lifetime is not None and block.get("type") in _THOUGHTS:
            raise wrong((*where, "cache_control"), "Extra inputs are not permitted")
        if lifetime == ONE_HOUR and short:
            raise wrong(
                (*where, "cache_control", "ttl"),
                "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks"
                " are processed in the following order: `tools`, `system`, `messages`.",
            )
        short = short or lifetime == FIVE_MINUTES


def _parts(params: Mapping[str, Any]) -> Iterator[Part]:
    """All blocks in the order of the prompt; a string is one block of text.  Of a request that has been checked."""
    for place, tool in enumerate(params.get("tools") or ()):
        yield ("tools", place), "tools", tool
    yield from _blocks(("system",), "system", params.get("system") or ())
    for place, message in enumerate(params["messages"]):
        yield from _blocks(("messages", place, "content"), message["role"], message["content"])


def _blocks(where: Where, owner: str, content: Any) -> Iterator[Part]:  # noqa: ANN401 - JSON
    if isinstance(content, str):
        yield where, owner, {"type": "text", "text": content}
    else:
        for place, block in enumerate(content):
            yield (*where, place), owner, block


def _chain(parts: list[Part], lifetimes: list[float | None], model: Model, options: Options) -> Iterator[Position]:
    hashed, tokens, level = blake2b(model.id.encode(), digest_size=16), 0, 0
    kinds = {str(block.get("type")) for _, _, block in parts}
    settings = {
        1: (_searches(parts), _cites(parts), options.speed),
        2: (options.choice, options.tool, "image" in kinds, options.thinking, options.effort),
    }
    for (where, owner, block), lifetime in zip(parts, lifetimes, strict=True):
        own = ("tools", "system", "messages").index(str(where[0]))
        while level < own:
            level += 1
            hashed.update(repr(settings[level]).encode())
        here = hashed.copy()
        here.update(b"\0" + owner.encode() + b"\0" + canonical(block))
        tokens += block_tokens(block, model)
        yield Position(here.digest(), tokens, lifetime)
        if not _is_search(block):
            hashed = here


def _searches(parts: list[Part]) -> bool:
    return any(_is_search(block) for _, owner, block in parts if owner == "tools")


def _is_search(block: Mapping[str, Any]) -> bool:
    return "input_schema" not in block and str(block.get("type")).startswith("web_search_2")


def _cites(parts: list[Part]) -> bool:
    documents = (block.get("citations") for _, _, block in parts if block.get("type") == "document")
    return any(is_object(citations) and citations.get("enabled") is True for citations in documents)
