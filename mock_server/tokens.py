"""How many tokens the blocks of a request have: the one estimator behind count_tokens, usage, limits and the cache.

Text counts by its characters (`models.count_tokens`), images and documents by a constant each, everything else by the
characters of its JSON.  A `cache_control` counts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from mock_server.models import Model, count_tokens

ATTACHMENT_TOKENS = 1_500
"""What every image and document counts as.  A stand-in: the API counts pixels and pages."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def block_tokens(block: Mapping[str, Any], model: Model) -> int:
    """Tokens of one content block or tool."""
    kind = block.get("type")
    if kind == "text" and isinstance(text := block.get("text"), str):
        return count_tokens(text, model)
    if kind in ("image", "document"):
        return ATTACHMENT_TOKENS
    return count_tokens(canonical(block).decode("utf-8", "replace"), model)


def canonical(block: Mapping[str, Any]) -> bytes:
    """A block as bytes that are the same for equal blocks, whether or not there is a breakpoint on it."""
    if "cache_control" in block:
        block = {name: value for name, value in block.items() if name != "cache_control"}
    try:
        return _encode(block)
    except (TypeError, ValueError, msgspec.MsgspecError):  # not JSON, or half a surrogate pair
        return repr(block).encode("utf-8", "backslashreplace")
