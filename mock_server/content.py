"""What an answer consists of: its blocks, how long each is, and why it ends.

No model runs here, so every choice is a documented rule:

- Length: what the client's hint says, thinking included; else drawn, and thinking comes on top.
- Thinking: so many tokens for each token of the answer as `THOUGHT` says for the effort, give or take half of it; never
  beyond a budget, nor beyond the same share of max_tokens.  With `between_tools` only a short note after the result
  of a tool.
- Tools: with `tool_choice` any or tool always; with auto where the last message brings no result of a tool (so that an
  agent's loop ends), with the probability `tool_use_rate`.  One call; the tool is drawn, its input satisfies its
  schema.
- Stop sequences: the answer ends before the first of them that occurs in its text (see `models.filler`).
- On demand (`x-mock-stop-reason`): end_turn, max_tokens, stop_sequence, tool_use, pause_turn, refusal, or
  refusal:CATEGORY.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mock_server.errors import RequestError, invalid
from mock_server.models import Model, count_tokens, filler, length_of
from mock_server.plan import Block
from mock_server.request import Question
from mock_server.rng import Draws
from mock_server.schema import example
from mock_server.settings import Settings

THOUGHT = {"low": 0.25, "medium": 0.6, "high": 1.0, "xhigh": 2.0, "max": 3.0}
"""Tokens of thinking for each token of the answer, by effort.  Presets of 2026-11-20, made up: nothing is published."""

NOTE_TOKENS = 20
"""Of a note between two uses of tools."""

CATEGORIES = ("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms")
"""Of refusals (SDK 2.10)."""

STOP_REASONS = ("end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal")
"""Those that can be had on demand."""

_SEARCH = '{"query":"height of the river at the stone bridge"}'

_encode = msgspec.json.Encoder().encode


class Content(msgspec.Struct, frozen=True, gc=False):
    """An answer's blocks and its end."""

    blocks: tuple[Block, ...]
    tokens: int
    """All that were produced, those of a stop sequence included."""
    stop_reason: str
    stop_sequence: str | None = None
    refusal: str | None = None
    """Its category."""


def check_stop_reason(wanted: str | None) -> RequestError | None:
    """What is wrong with the value of `x-mock-stop-reason`, if anything."""
    reason, _, category = (wanted or "end_turn").partition(":")
    if reason in STOP_REASONS and (not category or (reason == "refusal" and category in CATEGORIES)):
        return None
    return invalid(f"x-mock-stop-reason: one of {', '.join(STOP_REASONS)}, or refusal:{'|'.join(CATEGORIES)}")


def compose(question: Question, draws: Draws, settings: Settings, wished: int | None, wanted: str | None) -> Content:
    """The answer to a question.  `wished` is the length the client hints at, `wanted` the end it asks for."""
    options = question.options
    room = min(question.max_tokens, question.model.context - question.input_tokens)
    if wanted and wanted.startswith("refusal"):
        return Content((), 0, "refusal", refusal=wanted.partition(":")[2] or "general_harms")
    if room < 1:
        return Content((), 0, "max_tokens" if not question.max_tokens else "model_context_window_exceeded")
    if wanted == "max_tokens":
        wished = room
    length = draw_length(draws.of("length"), settings) if wished is None else max(1, wished)
    thinking = (
        0 if options.thinking.mode == "disabled" else _thinking(question, draws, length, room, wished is not None)
    )
    text = length if wished is None else length - thinking
    full = "max_tokens" if room == question.max_tokens else "model_context_window_exceeded"
    if not (thinking or wanted or question.is_special):
        kept = min(text, room)
        return Content((Block("text", kept, cut=kept < text),), kept, full if kept < text else "end_turn")
    blocks = (Block("text", text),) if text else ()
    content = Content(blocks, text, wanted or "end_turn")
    if wanted or options.tools or options.format is not None or options.stop_sequences:
        content = _shaped(content, question, draws, settings, wanted, room - thinking)
    if thinking:
        thoughts = Block("thinking", thinking, shown=options.thinking.shown)
        content = replace(content, blocks=(thoughts, *content.blocks), tokens=thinking + content.tokens)
    if content.stop_reason == "max_tokens" and content.tokens < room:
        return replace(content, stop_reason="end_turn")  # a structured answer is as long as it is
    if content.tokens <= room:
        return content
    return _cut(content, room, full)


def draw_length(draws: Draws, settings: Settings) -> int:
    """Output tokens of an answer for which the request gives no hint, its thinking left out."""
    return max(1, round(draws.lognormal(*settings.output_tokens)))


def _thinking(question: Question, draws: Draws, length: int, room: int, inclusive: bool) -> int:
    """Tokens of thinking; some of an `inclusive` length are left for the answer."""
    thinking = question.options.thinking
    if thinking.mode == "between_tools":
        return min(NOTE_TOKENS, length - 1) if question.answers_tool else 0
    odds = THOUGHT[question.options.effort] * draws.uniform(0.5, 1.5)
    share = odds / (1 + odds)
    whole = length if inclusive else length * (1 + odds)
    return min(int(share * min(whole, room)), room if thinking.budget is None else thinking.budget)


def _shaped(
    content: Content, question: Question, draws: Draws, settings: Settings, wanted: str | None, room: int
) -> Content:
    """The answer with what the request asks for beside plain text.  What goes beyond `room` is going to be cut."""
    options = question.options
    if (wanted == "stop_sequence" and not options.stop_sequences) or (wanted == "tool_use" and not options.tools):
        wanted = "end_turn"  # there is none
    blocks, tokens, reason = content.blocks, content.tokens, wanted or "end_turn"
    if fixed := _fixed(question, draws, settings, wanted):
        text = 0 if fixed.kind == "text" else max(0, tokens - fixed.tokens)
        blocks = (Block("text", text), fixed) if text else (fixed,)
        tokens = text + fixed.tokens
        reason = "tool_use" if fixed.kind == "tool_use" else reason
    content = Content(blocks, tokens, reason)
    return _stopped(content, question, wanted, room) if options.stop_sequences else content


def _fixed(question: Question, draws: Draws, settings: Settings, wanted: str | None) -> Block | None:
    """The block whose text is not filler: the use of a tool, a structured answer, or a search that is paused."""
    options = question.options
    if wanted == "pause_turn":
        return Block("server_tool_use", count_tokens(_SEARCH, question.model), text=_SEARCH, name="web_search")
    if options.tools and options.choice != "none":
        draws = draws.of("tool")
        called = options.forced or wanted == "tool_use" or _calls(question, draws, settings, wanted)
        tools = [tool for tool in options.tools if options.tool in (None, tool.name)]
        if called and tools:
            tool = tools[draws.integer(0, len(tools) - 1)]
            return _literal("tool_use", example(tool.schema, draws), question.model, tool.name)
    if options.format is not None:
        return _literal("text", example(options.format, draws.of("format")), question.model)
    return None


def _calls(question: Question, draws: Draws, settings: Settings, wanted: str | None) -> bool:
    return wanted is None and not question.answers_tool and draws.uniform() < settings.tool_use_rate


def _literal(kind: str, value: object, model: Model, name: str = "") -> Block:
    try:
        text = _encode(value).decode()
    except (TypeError, ValueError):  # out of a schema that was never JSON
        text = "{}"
    return Block(kind, count_tokens(text, model), text=text, name=name)


def _stopped(content: Content, question: Question, wanted: str | None, room: int) -> Content:
    """The answer as it ends at a stop sequence, if one occurs in its text."""
    sequences = question.options.stop_sequences
    if wanted == "stop_sequence":
        return replace(content, stop_reason="stop_sequence", stop_sequence=sequences[0])
    before = 0
    for place, block in enumerate(content.blocks):
        if block.kind == "text":
            text = filler(0, length_of(block.tokens, question.model)) if block.text is None else block.text
            places = [(at, -len(sequence), sequence) for sequence in sequences if (at := text.find(sequence)) >= 0]
            if places:
                at, _, sequence = min(places)
                tokens = count_tokens(text[: at + len(sequence)], question.model)
                if before + tokens > room:
                    return content
                kept = (Block("text", count_tokens(text[:at], question.model), text=text[:at]),) if at else ()
                return Content(content.blocks[:place] + kept, before + tokens, "stop_sequence", sequence)
        before += block.tokens
    return content


def _cut(content: Content, room: int, reason: str) -> Content:
    """The first `room` tokens of an answer."""
    left, blocks = room, []
    for block in content.blocks:
        if left > 0:
            whole = block.tokens <= left
            blocks.append(block if whole else Block(block.kind, left, block.text, block.name, block.shown, cut=True))
            left -= block.tokens
    return Content(tuple(blocks), room, reason)
