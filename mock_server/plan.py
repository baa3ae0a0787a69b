"""Everything that is decided about a request when it arrives.  All times are engine seconds."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

import msgspec

from mock_server.caching import NOTHING, Match
from mock_server.models import Model
from mock_server.rng import Draws
from mock_server.tenants import ANYONE, Tenant


class Error(msgspec.Struct, frozen=True, gc=False):
    """What an error body says."""

    type: str
    message: str
    error_code: str | None = None


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of a request and its answer.  The four input counts do not overlap."""

    input_tokens: int
    """Neither read from nor written to the cache."""
    output_tokens: int
    """All that are produced, thinking included."""
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thinking_tokens: int = 0


class Block(msgspec.Struct, frozen=True, gc=False):
    """One block of an answer's content."""

    kind: str
    """text, thinking, tool_use or server_tool_use."""
    tokens: int
    text: str | None = None
    """What it says, of a tool its input as JSON; None is filler."""
    name: str = ""
    """Of the tool."""
    shown: bool = True
    """Whether the tokens are sent; of hidden thinking only the signature is."""
    cut: bool = False
    """Whether it was cut off before its end."""


class Window(msgspec.Struct, frozen=True, gc=False):
    """What the headers say of one limit."""

    limit: int
    """Per minute."""
    remaining: int
    """Requests rounded down, tokens rounded to the nearest thousand, as the API does (2026-10-08)."""
    reset: float
    """Engine second at which its bucket is full again if nothing more is taken."""
    level: float = 0.0
    """What its bucket holds, exactly; headers do not say that."""


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
        one, other = self.input_tokens, self.output_tokens
        if one is None or other is None:
            return None
        return Window(one.limit + other.limit, one.remaining + other.remaining, max(one.reset, other.reset))


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
    served: Model | None = None
    """What `model` stands for, with its tokenizer."""
    blocks: tuple[Block, ...] = ()
    """The content.  Their tokens follow each other from first_token on."""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    refusal: str | None = None
    """Category of a refusal."""
    service_tier: str = "standard"
    """`batch` for the requests of a batch."""
    inference_geo: str = "global"
    speed: str = "standard"
    ping_interval: float | None = None
    """Longest silence of a stream, seconds."""
    tenant: Tenant | None = ANYONE
    """Whose request it is; None where the key is not known."""
    match: Match = NOTHING
    """What the cache did."""
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
        return _ids(self.key)[0]

    @property
    def message_id(self) -> str:
        """`msg_` and 24 base-62 characters."""
        return _ids(self.key)[1]

    def due(self, tokens: int) -> float:
        """The engine second at which so many tokens (at least 1) have been produced."""
        if tokens >= self.usage.output_tokens:
            return self.last_token
        return min(self.first_token + (tokens - 1) * self.token_interval, self.last_token)


class Delta(NamedTuple):
    """One piece of a block: some of its tokens, due when the last of them is produced."""

    due: float
    begin: int
    """The block's tokens before it ..."""
    end: int
    """... and with it."""


def deltas(plan: Plan, block: Block, before: int) -> Iterator[Delta]:
    """The pieces in which a block is streamed: the first is one token, then `chunk_tokens` each.

    `before` is the number of tokens of the blocks before it.  Hidden thinking has no pieces.
    """
    if block.shown and block.tokens:
        yield Delta(plan.due(before + 1), 0, 1)
        for begin in range(1, block.tokens, plan.chunk_tokens):
            end = min(begin + plan.chunk_tokens, block.tokens)
            yield Delta(plan.due(before + end), begin, end)


def visible(plan: Plan) -> Iterator[tuple[float, str, int]]:
    """All pieces of an answer: when each is due, the kind of its block, and how many tokens it carries."""
    before = 0
    for block in plan.blocks:
        for due, begin, end in deltas(plan, block, before):
            yield due, block.kind, end - begin
        before += block.tokens


class Moments(NamedTuple):
    """When a stream shows what; None where it never does."""

    first_token: float | None = None
    """Of any kind: thinking, text or tool input."""
    first_text: float | None = None
    last_token: float | None = None


def moments(plan: Plan) -> Moments:
    """When the pieces of a streamed answer are due, without making them all."""
    first = first_text = last = None
    before = 0
    for block in plan.blocks:
        if block.shown and block.tokens:
            begin = plan.due(before + 1)
            first = begin if first is None else first
            first_text = begin if first_text is None and block.kind == "text" else first_text
            last = plan.due(before + block.tokens)
        before += block.tokens
    return Moments(first, first_text, last)


def base62(draws: Draws) -> str:
    """24 characters of an id.  Base 64 is many times faster; its two characters too many become two of the others."""
    digest = blake2b(draws.bits().to_bytes(8, "big"), digest_size=18).digest()
    return b2a_base64(digest, newline=False).translate(_BASE_62).decode()


_BASE_62 = bytes.maketrans(b"+/", b"0A")


@lru_cache(maxsize=4096)
def _ids(key: tuple[int, ...]) -> tuple[str, str]:
    """Of the request and of the message."""
    digest = blake2b(repr(key).encode(), digest_size=36).digest()
    letters = b2a_base64(digest, newline=False).translate(_BASE_62).decode()
    return "req_" + letters[:24], "msg_" + letters[24:]
