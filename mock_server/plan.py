"""Everything that is decided about a request when it arrives.  All times are engine seconds."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Literal

import msgspec

from mock_server.rng import Draws
from mock_server.tenants import ANYONE, Tenant


class Error(msgspec.Struct, frozen=True, gc=False):
    """What an error body says."""

    type: str
    message: str
    error_code: str | None = None


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of a request and its answer.  Nothing is cached, so these are all."""

    input_tokens: int
    output_tokens: int


class Window(msgspec.Struct, frozen=True, gc=False):
    """What the headers say of one limit."""

    limit: int
    """Per minute."""
    remaining: int
    """Requests rounded down, tokens rounded to the nearest thousand, as the API does (2026-10-08)."""
    reset: float
    """Engine second at which its bucket is full again if nothing more is taken."""


class RateLimits(msgspec.Struct, frozen=True, gc=False):
    """What the `anthropic-ratelimit-*` headers say; None for a limit that does not exist."""

    requests: Window | None
    input_tokens: Window | None
    output_tokens: Window | None
    most_restrictive: Window | None = None
    """The limit of a workspace, or its organisation's where that is the closer one; None without such limits."""

    @property
    def tokens(self) -> Window | None:
        """The most restrictive limit in effect where a workspace has its own; else input and output together."""
        if self.most_restrictive:
            return self.most_restrictive
        if self.input_tokens is None or self.output_tokens is None:
            return None
        both = (self.input_tokens, self.output_tokens)
        return Window(sum(w.limit for w in both), sum(w.remaining for w in both), max(w.reset for w in both))


class Flaw(msgspec.Struct, frozen=True, gc=False):
    """What spoils an answer, and from when on (engine seconds)."""

    kind: Literal["reset", "stall", "stream_error", "cut", "malformed"]
    at: float
    delay: float = 0.0
    """How much later than planned everything from `at` on comes (stall)."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one request, from its status to its last token."""

    status: int
    key: tuple[int, ...]
    """What seeds the draws of this request."""
    epoch: float
    """Unix time of engine second 0."""
    arrived: float
    first_token: float
    last_token: float
    ended: float
    """When the last byte is due."""
    token_interval: float = 0.0
    """Seconds between tokens."""
    chunk_tokens: int = 1
    """Tokens per streamed event."""
    error: Error | None = None
    cause: str | None = None
    """Which limit or fault refused or spoiled it, for whoever counts."""
    flaw: Flaw | None = None
    retry_after: int | None = None
    """Whole seconds."""
    retry_after_as_date: bool = False
    should_retry: bool | None = None
    """What `x-should-retry` says."""
    limits: RateLimits | None = None
    model: str = ""
    stream: bool = False
    usage: Usage = Usage(0, 0)
    stop_reason: str | None = None
    tenant: Tenant | None = ANYONE
    """Whose request it is; None where the key is not known."""
    service_tier: str = "standard"
    """`batch` for the requests of a batch."""
    reserved: int = 0
    """Output tokens taken from the bucket at the start, where the settings say so."""

    def produced(self, now: float) -> int:
        """Output tokens produced by engine second `now`."""
        if now >= self.last_token:
            return self.usage.output_tokens
        return 0 if now < self.first_token else 1 + int((now - self.first_token) / self.token_interval)

    @property
    def is_reset(self) -> bool:
        """Whether the connection ends before any answer."""
        return self.flaw is not None and self.flaw.kind == "reset"

    @property
    def is_cut(self) -> bool:
        """Whether the connection ends before the answer does."""
        return self.flaw is not None and self.flaw.kind in ("reset", "cut")

    @property
    def request_id(self) -> str:
        """`req_` and 24 base-62 characters."""
        return "req_" + base62(Draws(*self.key, "request_id"))

    @property
    def message_id(self) -> str:
        """`msg_` and 24 base-62 characters."""
        return "msg_" + base62(Draws(*self.key, "message_id"))


def chunks(plan: Plan) -> Iterator[tuple[float, int]]:
    """When how many tokens are due: one at the first token, then `chunk_tokens` each as their last one is produced."""
    total = plan.usage.output_tokens
    if total < 1:
        return
    yield plan.first_token, 1
    for done in range(1, total, plan.chunk_tokens):
        upto = min(done + plan.chunk_tokens, total)
        due = plan.last_token if upto == total else plan.first_token + (upto - 1) * plan.token_interval
        yield min(due, plan.last_token), upto - done


def base62(draws: Draws) -> str:
    """24 characters.  Base 64 is many times faster; its two characters too many become two more of the others."""
    bits = draws.bits() << 128 | draws.bits() << 64 | draws.bits()
    return b64encode(bits.to_bytes(24, "big")[:18], altchars=b"0A").decode()
