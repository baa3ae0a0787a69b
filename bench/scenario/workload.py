"""What is sent: prompts and their sizes, thinking, tools, what is to be cached, conversations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, ValidationInfo, model_validator

from bench.scenario import data
from bench.scenario.arrivals import Think
from bench.scenario.notation import (
    InputFile,
    Model,
    PositiveDuration,
    Written,
    notations,
    refuse_rows,
    wrong_at,
)
from bench.scenario.sizes import Fixed, FromTrace, HowMany, Lognormal, Size, Tokens
from bench.scenario.strategies import Count

Text = Annotated[str, Field(min_length=1)]

Loc = tuple[int | str, ...]


class Dataset(Model):
    """Prompts from a JSONL or CSV file, taken in order and again from the start when they run out."""

    path: InputFile
    """A .jsonl or .csv file, relative to the scenario file."""
    field: Text = "prompt"
    """The field or column that holds the prompt."""
    id: Text | None = None
    """The field or column that holds what a message batch calls the request (its custom_id); each must be unique."""


DatasetForm = Annotated[
    Annotated[InputFile, Tag("<path>")] | Annotated[Dataset, Tag("<mapping>")],
    Discriminator(lambda value: "<path>" if isinstance(value, str) else "<mapping>"),
]


def _resolve_dataset(form: DatasetForm, _: ValidationInfo) -> Dataset:
    dataset, loc = (form, ("path",)) if isinstance(form, Dataset) else (Dataset(path=form), ())
    if dataset.path.suffix not in data.FORMATS:
        wrong_at([(loc, f"expected a file that ends in {' or '.join(data.FORMATS)}, got {dataset.path.name}")])
    refuse_rows(loc, data.problems(data.prompts(dataset.path, dataset.field), str(dataset.path)))
    if dataset.id is not None:
        refuse_rows(loc, data.problems(data.ids(dataset.path, dataset.id), str(dataset.path)))
    return dataset


class ThinkingBudget(Model):
    """Thinking with a budget of tokens, as models up to Claude 4.6 take it."""

    budget: Annotated[int, Field(ge=1024)]
    """At most so many tokens; fewer than max_tokens."""


ThinkingWord: TypeAlias = Literal["adaptive", "off", "between_tools"]
_WORDS: tuple[ThinkingWord, ...] = ("adaptive", "off", "between_tools")
ThinkingForm = Annotated[
    Annotated[ThinkingWord, Tag("<word>")] | Annotated[ThinkingBudget, Tag("<budget:>")],
    notations("adaptive, off, between_tools or {budget: 4000}", words=_WORDS, keys=("budget",)),
]
_TYPES: Mapping[ThinkingWord, str] = {
    "adaptive": "adaptive",
    "off": "disabled",
    "between_tools": "between_tools",
}
"""The values of the API's `thinking.type`."""

Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]

Breakpoint: TypeAlias = Literal["tools", "system", "conversation"]
"""Up to where a prompt is kept: the tools; the tools and the system prompt; all that was said so far."""


class Cache(Model):
    """What the API is asked to keep of a prompt, so that later requests can read it at a fraction of the price."""

    ttl: Literal["5m", "1h"] = "5m"
    """How long it is kept after its last use.  An hour costs more to write."""
    breakpoints: tuple[Breakpoint, ...] = ()
    """Where a part to keep ends; empty is after all that requests share, and in conversations after the last word."""
    warm: bool = False
    """Whether one request writes what the others share before any of them goes."""

    @property
    def lifetime(self) -> float:
        """Seconds."""
        return 300.0 if self.ttl == "5m" else 3600.0


class CacheOptions(Model):
    """What to keep, for how long, and whether one request goes first to write it."""

    ttl: Literal["5m", "1h"] = "5m"
    """How long it is kept after its last use: 5m, or 1h, which costs more to write."""
    breakpoints: Annotated[list[Breakpoint], Field(min_length=1, max_length=3)] | None = None
    """Where a part to keep ends: after the tools, after the system prompt, after the last word of a conversation.
    Left out: after all that requests share, and in conversations after the last word."""
    warm: bool = False
    """Whether one request (max_tokens: 0) writes what the others share before any of them goes."""


CacheForm = Annotated[
    Annotated[Literal["off", "5m", "1h"], Tag("<word>")] | Annotated[CacheOptions, Tag("<mapping>")],
    notations("off, 5m, 1h or a mapping such as {ttl: 5m, warm: true}", words=("off", "5m", "1h")),
]


def _resolve_cache(form: CacheForm, _: ValidationInfo) -> Cache | None:
    match form:
        case "off":
            return None
        case CacheOptions(ttl=ttl, breakpoints=breakpoints, warm=warm):
            return Cache(ttl=ttl, breakpoints=tuple(breakpoints or ()), warm=warm)
        case _:
            return Cache(ttl=form)


class Conversations(Model):
    """Conversations of several turns: each turn resends all that was said before."""

    count: Count | None = None
    """How many begin; left out with a trace or a `duration`: as many as arrive."""
    turns: HowMany
    """Turns of each: how often the person says something."""
    think: Think = 0.0
    """From the answer that ends a turn to the next one."""
    opening_tokens: Size | None = None
    """Tokens of the first thing said, such as a document or a task; left out: `input_tokens`, as in later turns."""

    @model_validator(mode="after")
    def _some_turns(self) -> Self:
        if isinstance(self.turns, Lognormal):
            return self
        if (self.turns.value if isinstance(self.turns, Fixed) else self.turns.low) < 1:
            wrong_at([(("turns",), "a conversation has at least one turn")])
        return self


_LEAST_OF_A_TOOL = 50
"""Tokens of a tool's definition, whose name and schema alone are 30 to 40."""


class Tools(Model):
    """Tools that the model may call.  Their definitions come first in every prompt."""

    count: Annotated[int, Field(ge=1, le=128)]
    """How many there are."""
    tokens: Tokens
    """Of all definitions together."""
    calls: HowMany = Fixed(value=0)
    """Calls in each turn of a conversation, one after another: a request that calls, the tool's run, the next request
    with its result, and at last the one whose answer ends the turn."""
    call_tokens: Size = Fixed(value=80)
    """Tokens of an answer that calls a tool."""
    result_tokens: Size = Fixed(value=500)
    """Tokens of what a tool gives back."""
    time: Think = 0.0
    """How long a tool runs."""

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.tokens < _LEAST_OF_A_TOOL * self.count:
            least = f"{self.count:,} tools need at least {_LEAST_OF_A_TOOL * self.count:,}"
            wrong_at([(("tokens",), f"{least}, {_LEAST_OF_A_TOOL} each")])
        return self

    @property
    def calls_any(self) -> bool:
        """Whether a tool is called at all."""
        return self.calls != Fixed(value=0)


class Workload(Model):
    """What is sent."""

    requests: Count | None = None
    """How many.  Left out with a trace: all of its window; with a `duration`: as many as arrive."""
    duration: PositiveDuration | None = None
    """How long requests arrive, or conversations begin (constant, poisson and trace arrivals)."""
    conversations: Conversations | None = None
    """Conversations of several turns, instead of `requests`."""
    dataset: Annotated[Dataset, Written(DatasetForm, _resolve_dataset)] | None = None
    """Prompts from a file; left out: synthetic prompts of `input_tokens`."""
    input_tokens: Size | None = None
    """Tokens of each synthetic prompt; in conversations, of what is said in each turn."""
    output_tokens: Size
    """Expected answer length, thinking included; on mock and sim what is produced, on the API an assumption."""
    system: Text | None = None
    """System prompt of every request."""
    system_tokens: Tokens | None = None
    """Tokens of a synthetic system prompt, the same in every request; instead of `system`."""
    tools: Tools | None = None
    """Tools that the model may call; left out: none."""
    thinking: Annotated[ThinkingWord | ThinkingBudget, Written(ThinkingForm, lambda form, _: form)] | None = None
    """How the model thinks: adaptive, off, between_tools or {budget: 4000}; left out: as the model does by itself."""
    effort: Effort | None = None
    """How much the model puts into an answer; left out: its own default."""
    cache: Annotated[Cache, Written(CacheForm, _resolve_cache)] | None = None
    """Prompt caching: off, 5m, 1h or a mapping such as {ttl: 5m, warm: true}; left out: off."""
    max_tokens: Tokens
    """The Messages API's max_tokens: where an answer is cut off."""
    stream: bool = False
    """Whether answers are streamed; without it there is no time to first token."""

    @property
    def arriving(self) -> int | None:
        """How many requests come, or conversations begin; None where their arrivals say so."""
        return self.requests if self.conversations is None else self.conversations.count

    @property
    def breakpoints(self) -> tuple[Breakpoint, ...]:
        """Where a part of the prompt to keep ends; none without `cache`."""
        if self.cache is None:
            return ()
        return self.cache.breakpoints or tuple(self._parts())

    @property
    def options(self) -> dict[str, Any]:
        """The API's parameters for thinking and effort."""
        options: dict[str, Any] = {}
        if isinstance(self.thinking, ThinkingBudget):
            options["thinking"] = {"type": "enabled", "budget_tokens": self.thinking.budget}
        elif self.thinking is not None:
            options["thinking"] = {"type": _TYPES[self.thinking]}
        if self.effort is not None:
            options["output_config"] = {"effort": self.effort}
        return options

    def _parts(self) -> Iterator[Breakpoint]:
        """What there is to keep; the system prompt comes after the tools and includes them."""
        if self.has("system"):
            yield "system"
        elif self.has("tools"):
            yield "tools"
        if self.has("conversation"):
            yield "conversation"

    def has(self, part: Breakpoint) -> bool:
        """Whether its prompts have such a part."""
        match part:
            case "tools":
                return self.tools is not None
            case "system":
                return self.system is not None or self.system_tokens is not None
            case "conversation":
                return self.conversations is not None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wrong_at([*self._of_conversations(), *self._of_cache()])
        return self

    def _of_conversations(self) -> Iterator[tuple[Loc, str]]:
        if self.system is not None and self.system_tokens is not None:
            yield ("system_tokens",), "not with `system`, whose text has its own size"
        if self.conversations is None:
            if self.tools is not None and self.tools.calls_any:
                yield ("tools", "calls"), "needs `conversations`; an agent with one task has one turn"
            return
        if self.requests is not None:
            yield ("requests",), "not with `conversations`, which has a `count` of its own"
        if self.dataset is not None:
            yield ("dataset",), "not with `conversations`, which are made of synthetic text; give `input_tokens`"
        for loc, size in (
            (("input_tokens",), self.input_tokens),
            (("output_tokens",), self.output_tokens),
            (("conversations", "opening_tokens"), self.conversations.opening_tokens),
            (("tools", "call_tokens"), self.tools and self.tools.call_tokens),
            (("tools", "result_tokens"), self.tools and self.tools.result_tokens),
        ):
            if isinstance(size, FromTrace):
                yield loc, "a trace says when conversations begin, not how large their turns are"

    def _of_cache(self) -> Iterator[tuple[Loc, str]]:
        if self.cache is None:
            return
        if not self.breakpoints:
            yield ("cache",), "nothing to keep: there are no `system`, `system_tokens`, `tools` or `conversations`"
        for place, part in enumerate(self.cache.breakpoints):
            if not self.has(part):
                yield ("cache", "breakpoints", place), f"this workload has no {part}"
        if self.cache.warm and not {"tools", "system"} & {*self.breakpoints}:
            yield ("cache", "warm"), "nothing that requests share is kept; a conversation warms its own cache"
        if self.cache.warm and isinstance(self.thinking, ThinkingBudget):
            yield ("cache", "warm"), "not with a thinking budget: the API refuses max_tokens: 0 there"
