"""The cache against a naive model that remembers every request, and the documented cases one by one."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.caching import FIVE_MINUTES, LOOK_BACK, ONE_HOUR, Cache, Match, Position, Prompt
from mock_server.engine import Engine
from mock_server.models import text_of_tokens
from mock_server.plan import Plan, Usage
from mock_server.settings import Settings
from mock_server.tenants import Tenant

MINIMUM = 40


class Ask(NamedTuple):
    at: float
    begins: float
    tenant: str
    blocks: tuple[str, ...]
    marks: dict[int, float]
    """Lifetime by place."""


def prompt_of(ask: Ask) -> Prompt:
    positions = []
    for place in range(len(ask.blocks)):
        digest = "/".join(ask.blocks[: place + 1]).encode()
        positions.append(Position(digest, 10 * (place + 1), ask.marks.get(place)))
    return Prompt(tuple(positions), MINIMUM)


class Naive:
    """The documented rules read off a list of everything ever written."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def _alive(self, ask: Ask, place: int) -> list[dict[str, Any]]:
        prefix = ask.blocks[: place + 1]
        return [
            row
            for row in self.written
            if (row["tenant"], row["prefix"]) == (ask.tenant, prefix) and row["begins"] <= ask.at < row["expires"]
        ]

    def serve(self, ask: Ask) -> tuple[int, int, int]:
        marks = sorted(place for place in ask.marks if 10 * (place + 1) >= MINIMUM)
        reach = {place - back for place in marks for back in range(LOOK_BACK) if place >= back}
        found = max((place for place in reach if self._alive(ask, place)), default=-1)
        for place in {found, *(mark for mark in marks if mark < found)}:
            for row in self._alive(ask, place):
                row["expires"] = max(row["expires"], ask.at + row["lifetime"])
        new = [mark for mark in marks if mark > found]
        for mark in new:
            row = {"tenant": ask.tenant, "prefix": ask.blocks[: mark + 1], "begins": ask.begins}
            self.written.append({**row, "lifetime": ask.marks[mark], "expires": ask.at + ask.marks[mark]})
        hour = max([mark for mark in new if ask.marks[mark] == ONE_HOUR], default=found)
        end = max(new, default=found)
        return 10 * (found + 1), 10 * (end - hour), 10 * (hour - found)


@st.composite
def traffic(draw: st.DrawFn) -> list[Ask]:
    now, asks = 0.0, []
    for _ in range(draw(st.integers(1, 25))):
        now += draw(st.sampled_from([0.0, 1.0, 5.0, 100.0, 299.0, 300.0, 2_000.0]))
        size = draw(st.integers(1, 30))
        edit = draw(st.integers(0, 40))
        blocks = tuple("edited" if place == edit else "block" for place in range(size))
        marks = sorted(draw(st.sets(st.integers(0, size - 1), max_size=4)))
        hours = draw(st.integers(0, len(marks)))
        lifetimes = {place: ONE_HOUR if number < hours else FIVE_MINUTES for number, place in enumerate(marks)}
        asks.append(
            Ask(now, now + draw(st.sampled_from([0.0, 2.0, 10.0])), draw(st.sampled_from("ab")), blocks, lifetimes)
        )
    return asks


def serve(cache: Cache, ask: Ask) -> Match:
    match = cache.look(ask.tenant, prompt_of(ask), ask.at)
    cache.commit(ask.tenant, match, ask.at, ask.begins)
    return match


@given(traffic())
def test_it_reads_and_writes_what_the_naive_model_does(asks: list[Ask]) -> None:
    cache, naive = Cache(), Naive()
    for ask in asks:
        match = serve(cache, ask)
        assert (match.read, match.write_5m, match.write_1h) == naive.serve(ask)


@given(traffic())
def test_what_is_cached_is_part_of_the_prompt(asks: list[Ask]) -> None:
    cache = Cache(most=3)
    for ask in asks:
        match = serve(cache, ask)
        assert min(match.read, match.write_5m, match.write_1h) >= 0
        assert match.cached <= 10 * len(ask.blocks)
        assert len(cache) <= max(3, len(match.written))


MODEL = "claude-haiku-4-5"  # does not think; at least 4,096 tokens are kept
LONG = text_of_tokens(5_000, MODEL)
MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def text(said: str, **more: object) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def ask(model: str = MODEL, **change: Any) -> dict[str, Any]:  # noqa: ANN401
    said = {"role": "user", "content": text_of_tokens(7, MODEL)}
    return {"model": model, "max_tokens": 100, "system": [text(LONG, **MARK)], "messages": [said], **change}


def engine(**settings: Any) -> Engine:  # noqa: ANN401
    return Engine(Settings(tier="unlimited", ttft=(1.0, 1.0), tokens_per_second=(100.0, 100.0), **settings))


def counts(plan: Plan) -> tuple[int, int, int, int]:
    usage = plan.usage
    return usage.input_tokens, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h


def test_first_written_then_read() -> None:
    mock = engine()
    assert counts(mock.handle(ask(), 0.0)) == (7, 0, 5_000, 0)
    assert counts(mock.handle(ask(), 0.9)) == (7, 0, 5_000, 0), "the first answer has not begun"
    assert counts(mock.handle(ask(), 1.0)) == (7, 5_000, 0, 0)


def test_use_refreshes_from_the_start_of_the_request() -> None:
    mock = engine()
    reads = [mock.handle(ask(), now).usage.cache_read for now in (0.0, 299.0, 598.0, 898.0)]
    assert reads == [0, 5_000, 5_000, 0]


def test_an_hour_is_an_hour() -> None:
    mock = engine()
    kept = ask(system=[text(LONG, **HOUR)])
    assert counts(mock.handle(kept, 0.0)) == (7, 0, 0, 5_000)
    assert counts(mock.handle(kept, 3_599.0)) == (7, 5_000, 0, 0)
    assert counts(mock.handle(kept, 3_599.0 + 3_600.0)) == (7, 0, 0, 5_000)


def test_automatic_caching_follows_a_conversation() -> None:
    mock = engine()
    messages: list[dict[str, Any]] = [{"role": "user", "content": LONG}]
    auto: dict[str, Any] = {"system": "be brief", "cache_control": {"type": "ephemeral"}}
    first = mock.handle(ask(messages=messages, **auto), 0.0)
    messages += [{"role": "assistant", "content": "yes"}, {"role": "user", "content": LONG}]
    second = mock.handle(ask(messages=messages, **auto), 10.0)
    assert second.usage.cache_read == first.usage.cache_write_5m == 5_002
    assert second.usage.cache_write_5m == 5_001
    assert (first.usage.input_tokens, second.usage.input_tokens) == (0, 0)


def test_too_short_is_silently_not_kept() -> None:
    mock = engine()
    short = ask(system=[text(text_of_tokens(4_095, MODEL), **MARK)])
    for now in (0.0, 5.0):
        assert counts(mock.handle(short, now)) == (4_102, 0, 0, 0)
    exact = ask(system=[text(text_of_tokens(4_096, MODEL), **MARK)])
    assert counts(mock.handle(exact, 10.0)) == (7, 0, 4_096, 0)


@pytest.mark.parametrize(("further", "read"), [(0, 5_000), (19, 5_000), (20, 0)])
def test_twenty_blocks_are_looked_at_the_last_one_included(further: int, read: int) -> None:
    mock = engine()
    mock.handle(ask(), 0.0)
    blocks = [text("x") for _ in range(further)]
    system = [text(LONG), *blocks[:-1], *(text("x", **MARK) for _ in blocks[-1:])] if blocks else [text(LONG, **MARK)]
    assert mock.handle(ask(system=system), 10.0).usage.cache_read == read


@pytest.mark.parametrize(
    ("model", "minimum"),
    [
        *((f"claude-{name}-5{minor}", 512) for name in ("fable", "mythos") for minor in ("", "-1", "-2")),
        *((f"claude-{name}", 512) for name in ("opus-5-5", "opus-5", "sonnet-5-5", "haiku-5-5")),
        *((f"claude-{name}", 1_024) for name in ("opus-4-8", "sonnet-5", "sonnet-4-6", "sonnet-4-5")),
        ("claude-opus-4-7", 2_048),
        *((f"claude-{name}", 4_096) for name in ("opus-4-6", "opus-4-5", "haiku-4-5")),
    ],
)
def test_the_minimum_is_that_of_the_model(model: str, minimum: int) -> None:
    for tokens, kept in ((minimum - 1, 0), (minimum, minimum)):
        plan = engine().handle(ask(model, system=[text(text_of_tokens(tokens, model), **MARK)]), 0.0)
        assert plan.usage.cache_write_5m == kept


def test_organisations_and_workspaces_do_not_share() -> None:
    mock = engine()
    tenants = [Tenant("a", "x"), Tenant("a", "y"), Tenant("b", "x")]
    reads = [mock.handle(ask(), now, tenant=tenant).usage.cache_read for now in (0.0, 5.0) for tenant in tenants]
    assert reads == [0, 0, 0, 5_000, 5_000, 5_000]


TOOL = {"name": "look", "description": LONG, "input_schema": {"type": "object"}, **MARK}
LEVELS: dict[str, Any] = {
    "tools": [TOOL],
    "system": [text(LONG, **MARK)],
    "messages": [{"role": "user", "content": [text(LONG, **MARK)]}],
}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, 3),
        ({"messages": [{"role": "user", "content": [text("other"), text(LONG, **MARK)]}]}, 2),
        ({"system": [text("other"), text(LONG, **MARK)]}, 1),
        ({"tools": [{**TOOL, "name": "find"}]}, 0),
        ({"tools": [TOOL, SEARCH]}, 1),
        (
            {
                "messages": [
                    {"role": "user", "content": [text(LONG, **MARK), {**DOCUMENT, "citations": {"enabled": True}}]}
                ]
            },
            1,
        ),
        ({"messages": [{"role": "user", "content": [text(LONG, **MARK), DOCUMENT]}]}, 3),
        ({"messages": [{"role": "user", "content": [text(LONG, **MARK), {"type": "image", "source": {}}]}]}, 2),
        ({"tool_choice": {"type": "none"}}, 2),
        ({"tool_choice": {"type": "auto"}}, 3),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}, "max_tokens": 3_000}, 2),
        ({"thinking": {"type": "disabled"}}, 3),
    ],
)
def test_changes_invalidate_their_level_and_those_after(change: dict[str, Any], kept: int) -> None:
    mock = engine()
    levels = [mock.handle(ask(**LEVELS), 0.0).match.written]
    assert len(levels[0]) == 3
    plan = mock.handle(ask(**{**LEVELS, **change}), 10.0)
    assert len(plan.match.written) == 3 - kept
    assert len(plan.match.used) == kept


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, 3),
        ({"speed": "fast"}, 1),
        ({"output_config": {"effort": "low"}}, 2),
        ({"output_config": {"effort": "high"}}, 3),
        ({"thinking": {"type": "disabled"}}, 2),
    ],
)
def test_so_do_options_that_newer_models_have(change: dict[str, Any], kept: int) -> None:
    mock, model = engine(), "claude-opus-5"
    assert len(mock.handle(ask(model, **LEVELS), 0.0).match.written) == 3
    assert len(mock.handle(ask(model, **{**LEVELS, **change}), 10.0).match.used) == kept


def test_reads_do_not_count_against_the_input_limit() -> None:
    mock = Engine(Settings(tier="tier-1", ttft=(0.1, 0.1)))  # 50,000 input tokens a minute
    prefix = text_of_tokens(45_000, MODEL)
    plans = [mock.handle(ask(system=[text(prefix, **MARK)]), now) for now in (0.0, 1.0, 2.0, 3.0)]
    assert [plan.status for plan in plans] == [200, 200, 200, 200]
    assert mock.handle(ask(system=prefix), 4.0).status == 429


def test_a_refused_request_leaves_no_trace() -> None:
    mock = Engine(Settings(tier="tier-1", ttft=(0.1, 0.1)))
    mock.handle(ask(system=text_of_tokens(49_000, MODEL)), 0.0)
    assert mock.handle(ask(), 0.0).status == 429
    assert len(mock.cache) == 0


def test_an_answer_that_never_began_writes_nothing() -> None:
    mock = engine()
    plan = mock.handle(ask(), 0.0)
    mock.abort(plan, 0.5)
    assert mock.handle(ask(), 2.0).usage.cache_read == 0


def test_reading_from_the_cache_is_quicker() -> None:
    mock = Engine(Settings(tier="unlimited"))
    long = ask(system=[text(text_of_tokens(150_000, MODEL), **MARK)])
    cold, warm = (mock.handle(long, now, key=(1, 2, 3)) for now in (0.0, 60.0))
    assert (cold.first_token - cold.arrived) - (warm.first_token - warm.arrived) == pytest.approx(135 * 0.03)


def test_warming_without_an_answer() -> None:
    mock = engine()
    warming = mock.handle(ask(max_tokens=0), 0.0)
    assert (warming.usage, warming.stop_reason) == (Usage(7, 0, 0, 5_000), "max_tokens")
    assert mock.handle(ask(), 2.0).usage.cache_read == 5_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system": [text("x", **MARK)] * 5}, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        ({"system": [text("x", **MARK)] * 4, **MARK}, "Found 5."),
        (
            {"system": [text("x", **MARK), text("y", **HOUR)]},
            "system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m'",
        ),
        ({"system": [text("x", cache_control={"type": "forever"})]}, "system.0.cache_control.type"),
        ({"system": [text("x", cache_control={"type": "ephemeral", "ttl": "2h"})]}, "system.0.cache_control.ttl"),
        ({"cache_control": "yes"}, "cache_control"),
        (
            {
                "messages": [
                    {"role": "user", "content": "x"},
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "s", **MARK}]},
                    {"role": "user", "content": "x"},
                ]
            },
            "messages.1.content.0.cache_control",
        ),
    ],
)
def test_wrong_breakpoints_are_refused(change: dict[str, Any], words: str) -> None:
    plan = engine().handle(ask(**change), 0.0)
    assert plan.error
    assert (plan.status, plan.error.type) == (400, "invalid_request_error")
    assert words in plan.error.message
