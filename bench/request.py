"""What to send: one request of a workload, made when it is needed and forgotten when it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

_UNSEEN, _UNSEEN_WITH_TOOLS = 100, 1_000
"""Input tokens that the API may add to what a request says.  Where there are tools it is a system prompt of up to 530
(page on their pricing, read 2026-11-20); taken twice for models that the page does not have."""

_encode = msgspec.json.Encoder().encode


class RequestSpec(msgspec.Struct, frozen=True):
    """A Messages API request and what the workload expects of it."""

    seq: int
    """Place in the workload, from 0; below it for a request that warms the cache for the others."""
    intended: float
    """When it should go, seconds since the start of the pass."""
    params: Mapping[str, Any]
    """The keyword arguments of `client.messages.create`: model, max_tokens, messages, stream ..."""
    input_tokens: int
    """Expected input tokens: what a pacer reserves and a budget assumes."""
    output_tokens: int
    """Expected output tokens; the mock and the simulation produce exactly these, up to max_tokens."""
    stream: str | None = None
    """Which of several streams of traffic it belongs to."""
    conversation: int | None = None
    """Which conversation it is a turn of."""
    turn: int | None = None
    """Which turn, from 0."""
    final: bool = False
    """Whether its answer ends the conversation."""
    group: int | None = None
    """Which prompt that several models are asked at once: the requests of a group bear the same number."""
    cache: Literal["5m", "1h"] | None = None
    """How long the API is asked to keep parts of it; None is not at all."""
    cached_tokens: int = 0
    """Input tokens that it is expected to read from the cache, which are free of the input limit."""
    bound: int | None = None
    """`most_input_tokens`, of one that keeps no longer what it says."""

    @property
    def most_input_tokens(self) -> int:
        """Input tokens that it cannot exceed whatever the tokenizer: no token is less than a byte of its JSON."""
        if self.bound is not None:
            return self.bound
        return len(_encode(self.params)) + (_UNSEEN_WITH_TOOLS if "tools" in self.params else _UNSEEN)
