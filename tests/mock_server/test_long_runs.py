"""A server that is left running keeps what it needs, and no more."""

from __future__ import annotations

import gc
import json
from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server import batches, returns, world
from mock_server.caching import Cache
from mock_server.engine import Engine
from mock_server.faults import Fault
from mock_server.models import text_of_tokens
from mock_server.repeats import Repeats
from mock_server.request import RequestError
from mock_server.settings import Ramp, Settings
from mock_server.world import Server, World

MODEL = "claude-sonnet-5-5"


def reachable(thing: object) -> int:
    """How many objects it keeps alive, without the program itself."""
    seen, waiting = set[int](), [thing]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen and not isinstance(each, type | ModuleType) and not callable(each):
            seen.add(id(each))
            waiting.extend(gc.get_referents(each))
    return len(seen)


def live(world: World, minutes: range) -> None:
    """Sixty requests a minute, each with a prompt of its own, and all kinds of trouble."""
    engine = world.engine
    for minute in minutes:
        for second in range(60):
            now = minute * 60.0 + second
            text = text_of_tokens(600, MODEL, f"{minute} {second} ")
            system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
            params: dict[str, Any] = {"model": MODEL, "max_tokens": 50, "system": system}
            params["messages"] = [{"role": "user", "content": text}]
            plan = engine.handle(params, now, content=text.encode())
            if second % 7 == 0:
                engine.abort(plan, now + 0.5)
            world.note(plan, "messages", now, None, None)
        entry = {"custom_id": "a", "params": params}
        try:
            engine.batches.create({"requests": [entry]}, minute * 60.0 + 59)
        except RequestError:
            world.note(engine.attend("batches", now), "batches", now, now, now)


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "MAX_TRUTH", 100)
    monkeypatch.setattr(returns, "MAX_TOLD", 20)
    monkeypatch.setattr(batches, "MOST_BATCHES", 5)
    faults = {"overloaded": Fault(0.1), "cut": Fault(0.1), "retry_after_zero": Fault(0.2)}
    settings = Settings(
        tier="tier-1",
        burst=10.0,
        load=1.0,
        concurrency=4,
        ramp=Ramp(),
        faults=faults,
        batch_time=(60.0, 60.0),
        credit=1e9,
    )
    running = Server(settings, 1.0).world
    running.engine.cache, running.engine.repeats = Cache(100), Repeats(100)
    live(running, range(60))
    assert len({cause for _, _, cause in running.counts}) >= 4  # it has seen something
    before = reachable(running)
    live(running, range(60, 180))
    assert reachable(running) <= before * 1.1


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 6))
def test_contents_are_counted_as_long_as_they_are_remembered(contents: list[int], most: int) -> None:
    counts, remembered = Repeats(most), Counter[int]()
    last: dict[int, int] = {}
    for place, content in enumerate(contents):
        others = set(contents[last.get(content, -1) + 1 : place])
        count = counts.count(content)
        if len(others) >= 2 * most:
            assert count == 1
        elif len(others) < most:
            assert count == remembered[content] + 1
        remembered[content], last[content] = count, place
        assert len(counts) <= 2 * most


def test_the_oldest_batches_that_have_ended_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"requests": [{"custom_id": "a", "params": {}}]}).encode()
    engine = Engine(Settings(batch_time=(100.0, 100.0)))

    def kept(now: float) -> list[float]:
        return [batch.created for batch in engine.batches.list(now)]

    monkeypatch.setattr(batches, "MOST_BATCHES", 2)
    for second in (0.0, 1.0, 2.0):
        engine.batches.create(body, second)
    assert kept(50.0) == [2.0, 1.0, 0.0], "those that run are never forgotten"
    engine.batches.create(body, 101.0)
    assert kept(101.0) == [101.0, 2.0]
    monkeypatch.setattr(batches, "MOST_BATCHES", 100)
    monkeypatch.setattr(batches, "MOST_BYTES", 3 * len(body))
    for second in (300.0, 301.0):
        engine.batches.create(body, second)
    assert kept(301.0) == [301.0, 300.0, 101.0]
    engine.batches.delete(engine.batches.list(301.0)[-1].id, 301.0)
    engine.batches.create(body, 302.0)
    assert kept(302.0) == [302.0, 301.0, 300.0]
