"""Conversations as they are sent: sizes exact, prefixes the same to the byte, places and numbers in order."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.request import RequestSpec
from bench.scenario.model import (
    Arrivals,
    Backlog,
    Cache,
    Conversations,
    Exponential,
    Fixed,
    Lognormal,
    Poisson,
    Retry,
    Scenario,
    Strategy,
    Stream,
    Tools,
    Uniform,
    Users,
    Workload,
)
from bench.workload.requests import count_of, sources_of
from mock_server.request import read

MODELS = ("claude-sonnet-5", "claude-haiku-4-5", "claude-sonnet-4-6")
STRATEGY = Strategy(name="gather", kind="gather", retry=Retry())


BACKLOG = Backlog()


def agents(model: str = MODELS[0], seed: int = 0, arrivals: Arrivals = BACKLOG, **workload: object) -> Scenario:
    return with_workload(workload, model, seed, arrivals)


def with_workload(
    changes: Mapping[str, object], model: str = MODELS[0], seed: int = 0, arrivals: Arrivals = BACKLOG
) -> Scenario:
    given = {
        "conversations": Conversations(count=5, turns=Uniform(low=1, high=4), think=20.0),
        "input_tokens": Lognormal(median=60, p95=300),
        "output_tokens": Uniform(low=5, high=200),
        "max_tokens": 150,
        **changes,
    }
    return Scenario(
        version=1,
        name="agents",
        question="?",
        model=model,
        workload=Workload.model_validate(given),
        arrivals=arrivals,
        strategies=(STRATEGY,),
        seed=seed,
    )


TOOLS = Tools(
    count=3,
    tokens=200,
    calls=Uniform(low=0, high=3),
    call_tokens=Uniform(low=10, high=90),
    result_tokens=Uniform(low=1, high=400),
    time=2.0,
)


def played(scenario: Scenario, answer_time: float = 1.0) -> Iterator[RequestSpec]:
    """All requests of a scenario whose every answer comes after so many seconds, first due first."""
    for source in sources_of(scenario):
        assert source.after is not None
        waiting = list(source.arrivals)
        while waiting:
            waiting.sort(key=lambda one: (one[1].at, one[0]))
            place, arrival = waiting.pop(0)
            yield source.spec(place, arrival)
            waiting += source.after(place, arrival.at + answer_time, True)


def by_conversation(specs: Iterator[RequestSpec]) -> dict[int, list[RequestSpec]]:
    found: defaultdict[int, list[RequestSpec]] = defaultdict(list)
    for spec in specs:
        assert spec.conversation is not None
        found[spec.conversation].append(spec)
    return found


def plain(messages: list[dict[str, Any]]) -> list[str]:
    """Messages as bytes, without their breakpoints."""
    return [
        json.dumps(
            [{name: value for name, value in block.items() if name != "cache_control"} for block in one["content"]]
        )
        for one in messages
    ]


WORKLOADS = st.fixed_dictionaries(
    {
        "conversations": st.builds(
            Conversations,
            count=st.just(3),
            turns=st.sampled_from([Fixed(value=1), Uniform(low=1, high=5), Lognormal(median=2, p95=5)]),
            think=st.sampled_from([0.0, 20.0, Exponential(mean=10.0)]),
            opening_tokens=st.sampled_from([None, Fixed(value=500)]),
        ),
        "tools": st.sampled_from([None, TOOLS, TOOLS.model_copy(update={"calls": Fixed(value=2)})]),
        "system_tokens": st.sampled_from([None, 700]),
        "system": st.none(),
        "cache": st.sampled_from([None, Cache(), Cache(ttl="1h", breakpoints=("conversation",))]),
    }
)


@settings(max_examples=60, deadline=None)
@given(WORKLOADS, st.sampled_from(MODELS), st.integers(0, 2**40))
def test_a_request_is_valid_and_has_exactly_the_tokens_it_expects(
    workload: dict[str, object], model: str, seed: int
) -> None:
    for spec in played(with_workload(workload, model, seed)):
        question = read(spec.params)
        assert question.input_tokens == spec.input_tokens
        assert (question.prompt is not None) == (spec.cache is not None)
        assert 0 <= spec.cached_tokens < spec.input_tokens


@settings(max_examples=60, deadline=None)
@given(WORKLOADS, st.integers(0, 2**40))
def test_each_request_says_what_the_one_before_it_said_and_one_answer_and_one_thing_more(
    workload: dict[str, object], seed: int
) -> None:
    for specs in by_conversation(played(with_workload(workload, seed=seed))).values():
        said = [plain(spec.params["messages"]) for spec in specs]
        assert len(said[0]) == 1
        for before, after in pairwise(said):
            assert after[: len(before)] == before
            assert len(after) == len(before) + 2
        roles = [message["role"] for message in specs[-1].params["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


def test_the_context_grows_by_each_answer_and_by_what_is_said() -> None:
    scenario = agents(
        conversations=Conversations(count=1, turns=Fixed(value=4), opening_tokens=Fixed(value=900)),
        input_tokens=Fixed(value=30),
        output_tokens=Fixed(value=70),
        system_tokens=100,
    )
    assert [spec.input_tokens for spec in played(scenario)] == [1000, 1100, 1200, 1300]
    cut = scenario.workload.model_copy(update={"max_tokens": 50}) if scenario.workload else None
    assert [spec.input_tokens for spec in played(scenario.model_copy(update={"workload": cut}))] == [
        1000,
        1080,  # an answer is resent as far as max_tokens lets it come
        1160,
        1240,
    ]


def test_an_agents_turn_is_a_loop_of_calls_and_results() -> None:
    tools = Tools(
        count=12,
        tokens=3000,
        calls=Fixed(value=2),
        call_tokens=Fixed(value=60),
        result_tokens=Fixed(value=500),
        time=2.0,
    )
    scenario = agents(
        conversations=Conversations(count=1, turns=Fixed(value=2), think=20.0),
        tools=tools,
        input_tokens=Fixed(value=30),
        output_tokens=Fixed(value=70),
    )
    specs = list(played(scenario, answer_time=1.0))
    assert [(spec.turn, spec.output_tokens, spec.final) for spec in specs] == [
        (0, 60, False),
        (0, 60, False),
        (0, 70, False),
        (1, 60, False),
        (1, 60, False),
        (1, 70, True),
    ]
    assert [spec.intended for spec in specs] == [0, 3, 6, 27, 30, 33]  # 1 s to answer, 2 s a tool, 20 s to think
    assert [spec.input_tokens for spec in specs] == [3030, 3590, 4150, 4250, 4810, 5370]
    kinds = [message["content"][0]["type"] for message in specs[-1].params["messages"]]
    assert kinds == ["text", *["tool_use", "tool_result"] * 2, "text", "text", *["tool_use", "tool_result"] * 2]
    assert len(specs[0].params["tools"]) == 12


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_the_same_seed_gives_the_same_conversations_in_whatever_order_they_are_asked_for(seed: int, other: int) -> None:
    scenario = agents(seed=seed, tools=TOOLS)
    specs = {spec.seq: spec for spec in played(scenario)}
    assert sorted(specs) == list(range(len(specs)))
    assert count_of(scenario) == len(specs)
    again = {spec.seq: spec for spec in played(scenario, answer_time=1000.0)}
    assert {seq: spec.params for seq, spec in specs.items()} == {seq: spec.params for seq, spec in again.items()}
    if seed != other:
        assert [spec.input_tokens for spec in played(agents(seed=other, tools=TOOLS))] != [
            spec.input_tokens for spec in played(scenario)
        ]


def test_a_conversation_does_not_depend_on_how_many_there_are() -> None:
    def talks(count: int) -> dict[int, list[RequestSpec]]:
        return by_conversation(played(agents(conversations=Conversations(count=count, turns=Uniform(low=1, high=6)))))

    few, many = talks(3), talks(30)
    assert {number: many[number] for number in few} == few


def test_no_two_conversations_begin_alike() -> None:
    many = agents(conversations=Conversations(count=200, turns=Fixed(value=1)), input_tokens=Fixed(value=20))
    assert len({str(spec.params["messages"]) for spec in played(many)}) == 200


def test_another_pass_has_a_cache_of_its_own() -> None:
    scenario = agents(system_tokens=2000, tools=TOOLS, cache=Cache())

    def first(mark: str) -> RequestSpec:
        [source] = sources_of(scenario, mark)
        return source.spec(*next(iter(source.arrivals)))

    one, other = first("gather 0"), first("gather 1")
    assert one.params["system"] != other.params["system"]
    assert one.params["tools"] != other.params["tools"]
    assert one.input_tokens == other.input_tokens


@pytest.mark.parametrize("answer_time", [0.5, 30.0])
def test_users_begin_the_next_conversation_after_the_last_and_share_them_evenly(answer_time: float) -> None:
    scenario = agents(
        arrivals=Users(count=3, think=100.0, ramp_up=6.0),
        conversations=Conversations(count=9, turns=Fixed(value=2), think=20.0),
    )
    talks = by_conversation(played(scenario, answer_time))
    assert {number: [spec.intended for spec in specs] for number, specs in talks.items()} == {
        user + 3 * nth: [start := 2.0 * user + nth * (2 * answer_time + 120.0), start + answer_time + 20.0]
        for user in range(3)
        for nth in range(3)
    }
    assert count_of(scenario) == 18


def test_without_an_end_users_begin_conversations_for_as_long_as_the_duration() -> None:
    scenario = agents(
        arrivals=Users(count=1, think=0.0),
        duration=10.0,
        conversations=Conversations(turns=Fixed(value=3), think=2.0),
    )
    starts = [spec.intended for spec in played(scenario) if spec.turn == 0]
    assert starts == [0.0, 7.0]  # a conversation that has begun is finished
    assert count_of(scenario) is None


def test_conversations_come_at_a_rate_for_a_while() -> None:
    scenario = agents(
        arrivals=Poisson(rate=2.0), duration=60.0, conversations=Conversations(turns=Uniform(low=1, high=3))
    )
    starts = [spec.intended for spec in played(scenario) if spec.turn == 0]
    assert 90 < len(starts) < 150
    assert max(starts) < 60.0
    assert count_of(scenario) == sum(1 for _ in played(scenario))


def test_streams_number_their_conversations_apart() -> None:
    alone = agents()
    assert alone.workload is not None
    streams = tuple(Stream(name=name, workload=alone.workload, arrivals=Backlog()) for name in ("a", "b"))
    specs = list(played(alone.model_copy(update={"workload": None, "streams": streams})))
    assert len({spec.seq for spec in specs}) == len(specs)
    mine, theirs = ({spec.conversation for spec in specs if spec.stream == name} for name in ("a", "b"))
    assert len(mine) == len(theirs) == 5
    assert not mine & theirs


def test_think_times_belong_to_the_turn_and_not_to_the_order_of_events() -> None:
    scenario = agents(conversations=Conversations(count=20, turns=Fixed(value=3), think=Exponential(mean=30.0)))

    def thought(answer_time: float) -> dict[int, float]:
        specs = {spec.seq: spec for spec in played(scenario, answer_time)}
        return {seq: spec.intended - specs[seq - 1].intended - answer_time for seq, spec in specs.items() if spec.turn}

    assert thought(0.1) == pytest.approx(thought(50.0))
    assert len(set(thought(0.0).values())) == 40


# What of it is expected to be in the cache


def test_the_part_that_the_request_before_it_wrote_is_expected_to_be_read() -> None:
    scenario = agents(
        conversations=Conversations(count=1, turns=Fixed(value=3), think=20.0),
        input_tokens=Fixed(value=30),
        output_tokens=Fixed(value=70),
        system_tokens=2000,
        cache=Cache(),
    )
    assert [(spec.input_tokens, spec.cached_tokens) for spec in played(scenario)] == [
        (2030, 0),
        (2130, 2030),
        (2230, 2130),
    ]


def test_nothing_is_expected_that_has_expired_meanwhile() -> None:
    scenario = agents(
        conversations=Conversations(count=1, turns=Fixed(value=3), think=301.0),
        input_tokens=Fixed(value=30),
        cache=Cache(),
        system_tokens=2000,
    )
    assert [spec.cached_tokens for spec in played(scenario)] == [0, 2000, 2000]  # others may have used the rest
    assert scenario.workload is not None
    hour = scenario.workload.model_copy(update={"cache": Cache(ttl="1h")})
    assert [spec.cached_tokens > 2000 for spec in played(scenario.model_copy(update={"workload": hour}))] == [
        False,
        True,
        True,
    ]
