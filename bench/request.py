"""What to send: one request of a workload, made when it is needed and forgotten when it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


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
