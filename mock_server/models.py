"""The models the mock serves, as one dated table, and how many tokens a text has for them.

Source: model overview, pricing and rate-limit pages, read 2026-10-10, and the SDK's release of Fable 5.2 of
2026-11-09.  Deliberately crude where the API does not say: tokens are counted from the number of characters alone, so
that whoever writes a prompt can know its size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

AS_OF = date(2026, 11, 20)
"""When this table was last compared with the documentation."""

OLDER, NEWER = 10, 13
"""Tokens in 40 characters: 4.0 characters a token on the older tokenizer line; Opus 4.7 and later need about 30 % more
tokens for the same text (pricing page, 2026-10-10).  Whole numbers, so that counting is exact."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model id.  Models of the same `limit_class` share their buckets."""

    id: str
    family: str
    limit_class: str
    context: int = 1_000_000
    """Most input tokens of one request."""
    max_output: int = 128_000
    """Largest `max_tokens`."""
    tokens_per_40: int = NEWER


_TABLE = (
    Model("claude-fable-5-2", "fable", "fable-5.x"),  # its row of the rate-limit page is unknown; assumed pooled
    Model("claude-fable-5-1", "fable", "fable-5.x"),
    Model("claude-fable-5", "fable", "fable-5.x"),
    Model("claude-mythos-5-2", "fable", "mythos-5.x"),
    Model("claude-mythos-5-1", "fable", "mythos-5.x"),
    Model("claude-mythos-5", "fable", "mythos-5.x"),
    Model("claude-opus-5-5", "opus", "opus-5.5"),
    Model("claude-opus-5", "opus", "opus-5"),
    Model("claude-opus-4-8", "opus", "opus-4.x"),
    Model("claude-opus-4-7", "opus", "opus-4.x"),
    Model("claude-opus-4-6", "opus", "opus-4.x", tokens_per_40=OLDER),
    Model("claude-opus-4-5", "opus", "opus-4.x", 200_000, 64_000, OLDER),
    Model("claude-sonnet-5-5", "sonnet", "sonnet-5.5"),
    Model("claude-sonnet-5", "sonnet", "sonnet-5"),
    Model("claude-sonnet-4-6", "sonnet", "sonnet-4.x", tokens_per_40=OLDER),
    Model("claude-sonnet-4-5", "sonnet", "sonnet-4.x", 200_000, 64_000, OLDER),  # retires 2026-11-30
    Model("claude-haiku-5-5", "haiku", "haiku-5.5"),
    Model("claude-haiku-4-5", "haiku", "haiku-4.5", 200_000, 64_000, OLDER),
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
    return 40 / describe(model_id).tokens_per_40


def count_tokens(text: str, model: Model) -> int:
    """Tokens of a text: its characters over the characters per token, rounded up, at least 1."""
    return max(1, -(-len(text) * model.tokens_per_40 // 40))


def estimate_tokens(text: str, model_id: str) -> int:
    """Like `count_tokens`, by model id."""
    return count_tokens(text, describe(model_id))


def length_of(tokens: int, model: Model) -> int:
    """Characters of the longest text that counts as this many tokens."""
    return tokens * 40 // model.tokens_per_40


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
