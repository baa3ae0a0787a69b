"""The models the mock serves, as one dated table, and how many tokens a text has for them.

Source: model overview, pricing and rate-limit pages, read 2026-10-10, and the SDK's release of Fable 5.2 of
2026-11-09.  Deliberately crude where the API does not say: tokens are counted from the number of characters alone, so
that whoever writes a prompt can know its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import lru_cache

AS_OF = date(2026, 11, 20)
"""When this table was last compared with the documentation."""

OLDER, NEWER = 10, 13
"""Tokens in 40 characters: 4.0 characters a token on the older tokenizer line; Opus 4.7 and later need about 30 % more
tokens for the same text (pricing page, 2026-10-10).  Whole numbers, so that counting is exact."""

EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""All effort levels, from the least thinking to the most."""

_FOUR_EFFORTS = ("low", "medium", "high", "max")

_ADAPTIVE = frozenset({"adaptive"})
_SWITCHED = frozenset({"adaptive", "disabled"})
_BETWEEN = frozenset({"adaptive", "between_tools"})
_EITHER = frozenset({"adaptive", "enabled", "disabled"})
_BUDGETED = frozenset({"enabled", "disabled"})


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One model id and what it can do.  Models of the same `limit_class` share their buckets.

    The defaults are those of the newest models.  Sources: the pages on troubleshooting thinking, mid-conversation
    system messages and prompt caching (copies of September and October 2026), what is new in Sonnet 5.5 (2026-09-29).
    """

    id: str
    family: str
    limit_class: str
    context: int = 1_000_000
    """Most tokens of a request and its answer together."""
    max_output: int = 128_000
    """Largest `max_tokens`."""
    tokens: int = NEWER
    """So many tokens ..."""
    characters: int = 40
    """... in so many characters."""
    cache_minimum: int = 512
    """Fewest tokens of a prompt that can be cached."""
    thinking: frozenset[str] = _ADAPTIVE
    """The values of `thinking.type` that are accepted."""
    thinks: bool = True
    """Whether it thinks when the request does not say."""
    shows_thinking: bool = False
    """Whether `thinking.display` is `summarized` when the request does not say."""
    efforts: tuple[str, ...] = EFFORTS
    effort: str = "high"
    """The level when the request does not say."""
    forced_tools: bool = False
    """Whether `tool_choice` may force the use of a tool."""
    prefill: bool = False
    """Whether the last message may be the beginning of the answer."""
    system_messages: bool = True
    """Whether instructions may come in the middle of the conversation."""
    sampling: bool = False
    """Whether temperature, top_p and top_k may differ from their defaults (API version 2023-06-01 only)."""
    fast: bool = False
    """Whether `speed: fast` is accepted."""

    @property
    def line(self) -> str:
        """As `GET /v1/models` has it: haiku, sonnet, opus, fable or mythos."""
        return self.id.split("-")[1] if self.id else "sonnet"


def _fable(id: str, limit_class: str, *, fast: bool = False, forced_tools: bool = False) -> Model:
    return Model(id, "fable", limit_class, fast=fast, forced_tools=forced_tools)


def _four_five(id: str, family: str, limit_class: str, minimum: int, efforts: tuple[str, ...] = ()) -> Model:
    """The models of 2025: thinking by budget and on request, prefill, sampling."""
    return Model(
        id,
        family,
        limit_class,
        context=200_000,
        max_output=64_000,
        tokens=OLDER,
        cache_minimum=minimum,
        thinking=_BUDGETED,
        thinks=False,
        shows_thinking=True,
        efforts=efforts,
        forced_tools=True,
        prefill=True,
        system_messages=False,
        sampling=True,
    )


def _four_six(id: str, family: str, limit_class: str, minimum: int) -> Model:
    return Model(
        id,
        family,
        limit_class,
        tokens=OLDER,
        cache_minimum=minimum,
        thinking=_EITHER,
        thinks=False,
        shows_thinking=True,
        efforts=_FOUR_EFFORTS,
        forced_tools=True,
        system_messages=False,
        sampling=True,
    )


_TABLE = (
    # Rate-limit row and caching minimum of the 5.2 models are unknown; assumed as of 5.1.
    _fable("claude-fable-5-2", "fable-5.x", fast=True),
    _fable("claude-fable-5-1", "fable-5.x"),
    _fable("claude-fable-5", "fable-5.x", forced_tools=True),  # refused since 5.1 (what is new in Fable 5.1)
    _fable("claude-mythos-5-2", "mythos-5.x", fast=True),
    _fable("claude-mythos-5-1", "mythos-5.x"),
    _fable("claude-mythos-5", "mythos-5.x", forced_tools=True),
    Model("claude-opus-5-5", "opus", "opus-5.5", effort="medium", fast=True),
    Model("claude-opus-5", "opus", "opus-5", thinking=_SWITCHED, forced_tools=True, fast=True),
    Model(
        "claude-opus-4-8",
        "opus",
        "opus-4.x",
        cache_minimum=1_024,
        thinking=_SWITCHED,
        thinks=False,
        forced_tools=True,
        fast=True,
    ),
    Model(
        "claude-opus-4-7",
        "opus",
        "opus-4.x",
        cache_minimum=2_048,
        thinking=_SWITCHED,
        thinks=False,
        forced_tools=True,
        system_messages=False,
    ),
    replace(_four_six("claude-opus-4-6", "opus", "opus-4.x", 4_096), fast=True),  # accepted, runs at standard speed
    _four_five("claude-opus-4-5", "opus", "opus-4.x", 4_096, ("low", "medium", "high")),
    Model("claude-sonnet-5-5", "sonnet", "sonnet-5.5", thinking=_BETWEEN),
    Model(
        "claude-sonnet-5",
        "sonnet",
        "sonnet-5",
        cache_minimum=1_024,
        thinking=_SWITCHED,
        forced_tools=True,
        system_messages=False,
    ),
    _four_six("claude-sonnet-4-6", "sonnet", "sonnet-4.x", 1_024),
    _four_five("claude-sonnet-4-5", "sonnet", "sonnet-4.x", 1_024),  # retires 2026-11-30
    Model("claude-haiku-5-5", "haiku", "haiku-5.5", effort="medium", thinking=_SWITCHED, forced_tools=True),
    _four_five("claude-haiku-4-5", "haiku", "haiku-4.5", 4_096),
)

MODELS = {model.id: model for model in _TABLE}
"""The served models by their id without a date."""

RETIRED = frozenset({"claude-opus-4-1", "claude-opus-4-0", "claude-opus-4", "claude-sonnet-4-0", "claude-sonnet-4"})
"""Ids that look like served ones but are not: retired 2026-06-15 and 2026-08-05."""

_DATED = re.compile(r"-\d{8}$")
_WELL_FORMED = re.compile(r"claude-(fable|mythos|opus|sonnet|haiku)-(\d{1,2})(-\d{1,2})?(-\d{8})?")
_NEWEST = {
    name: next(model for model in _TABLE if name in model.id) for name in ("fable", "mythos", "opus", "sonnet", "haiku")
}
_OTHER = Model("", "sonnet", "other")


def find_model(model_id: str) -> Model | None:
    """The model behind an id or a dated snapshot of it; None for one that the API would answer with 404.

    An id of a known family with a version that the table lacks is taken for a model newer than the table, and treated
    like the newest of its family.
    """
    known = MODELS.get(model_id) or MODELS.get(_DATED.sub("", model_id))
    if known or _DATED.sub("", model_id) in RETIRED or not _WELL_FORMED.fullmatch(model_id):
        return known
    return _like_newest(model_id)


def tuned(chars_per_token: Mapping[str, float]) -> Callable[[str], Model | None]:
    """`find_model` with other tokenizers: characters per token by model id or by line (`sonnet`); the id wins."""
    if not chars_per_token:
        return find_model
    rates = {name: Fraction(str(rate)) for name, rate in chars_per_token.items()}

    @lru_cache(maxsize=1024)
    def find(model_id: str) -> Model | None:
        model = find_model(model_id)
        rate = rates.get(model.id, rates.get(model.line)) if model else None
        return replace(model, tokens=rate.denominator, characters=rate.numerator) if model and rate else model

    return find


def _like_newest(model_id: str) -> Model:
    return next((model for name, model in _NEWEST.items() if name in model_id), _OTHER)


def describe(model_id: str) -> Model:
    """The model behind any id whatever: an unknown one is like the newest of its family, or a Sonnet."""
    return find_model(model_id) or _like_newest(model_id)


def model_class(model_id: str) -> str:
    """Which models share one set of limits with this one, such as `sonnet-4.x`.

    An unknown id belongs to the newest class of the family it names, or to `other`.
    """
    return describe(model_id).limit_class


def chars_per_token(model_id: str) -> float:
    """Characters of English text that make a token."""
    model = describe(model_id)
    return model.characters / model.tokens


def count_tokens(text: str, model: Model) -> int:
    """Tokens of a text: its characters over the characters per token, rounded up, at least 1."""
    return -(-len(text) * model.tokens // model.characters) or 1


def estimate_tokens(text: str, model_id: str) -> int:
    """Like `count_tokens`, by model id."""
    return count_tokens(text, describe(model_id))


def length_of(tokens: int, model: Model) -> int:
    """Characters of the longest text that counts as this many tokens."""
    return tokens * model.characters // model.tokens


def text_of_tokens(tokens: int, model_id: str, start: str = "") -> str:
    """English filler that counts as exactly `tokens` (at least 1), beginning with `start` as far as it fits."""
    length = length_of(tokens, describe(model_id))
    return start[:length] + filler(0, length - min(length, len(start)))


def filler(begin: int, end: int) -> str:
    """Characters `begin` to `end` of an endless plain text, which needs no escaping in JSON."""
    offset = begin % len(_FILLER)
    need = offset + end - begin
    text = _FILLER if need <= len(_FILLER) else _FILLER * (need // len(_FILLER) + 1)
    return text[offset:need]


_FILLER = (
    "The river had been rising since noon, and by evening the lower fields were a single sheet of grey water. "
    "Nobody in the village was surprised; the old people had moved their chairs to the upper rooms the day before, "
    "and the baker had carried his flour to the church. When the bell rang at seven, the whole valley was quiet, "
    "apart from the dogs and a boat that knocked against the wall of the school. Anna counted the lamps on the other "
    "side. There were nine of them, one more than yesterday, and that could only mean that somebody had come down "
    "from the hills with news. She put on her coat, took the long way round by the mill, and waited at the bridge "
    "until the water reached the second stone. "
) * 24
