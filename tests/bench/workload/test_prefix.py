"""What requests share: options, tools, system prompt, breakpoints, and the request that goes first to write it."""

from __future__ import annotations

from itertools import starmap
from typing import Any

import pytest

from bench.request import RequestSpec
from bench.scenario.model import (
    Backlog,
    Cache,
    Conversations,
    Fixed,
    Retry,
    Scenario,
    Strategy,
    Tools,
    Warmup,
    Workload,
)
from bench.workload.requests import Source, count_of, sources_of, warmup_of
from mock_server.request import read

MODEL = "claude-sonnet-4-6"
TOOLS = Tools(count=3, tokens=1500)


def job(**workload: object) -> Scenario:
    given = {
        "requests": 3,
        "input_tokens": Fixed(value=100),
        "output_tokens": Fixed(value=30),
        "max_tokens": 5000,
        **workload,
    }
    return Scenario(
        version=1,
        name="job",
        question="?",
        model=MODEL,
        workload=Workload.model_validate(given),
        arrivals=Backlog(),
        strategies=(Strategy(name="gather", kind="gather", retry=Retry()),),
    )


def source(scenario: Scenario) -> Source:
    [only] = sources_of(scenario, "gather 0")
    return only


def first(**workload: object) -> RequestSpec:
    only = source(job(**workload))
    return next(iter(starmap(only.spec, only.arrivals)))


@pytest.mark.parametrize(
    ("workload", "params"),
    [
        ({}, {}),
        ({"thinking": "adaptive"}, {"thinking": {"type": "adaptive"}}),
        ({"thinking": "off", "effort": "low"}, {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}),
        ({"thinking": {"budget": 4000}}, {"thinking": {"type": "enabled", "budget_tokens": 4000}}),
        ({"stream": True}, {"stream": True}),
    ],
)
def test_options_are_sent_as_the_api_takes_them(workload: dict[str, object], params: dict[str, Any]) -> None:
    spec = first(**workload)
    assert {"model": MODEL, "max_tokens": 5000, "messages": spec.params["messages"], **params} == spec.params
    assert read(spec.params).input_tokens == spec.input_tokens == 100


def test_a_synthetic_system_prompt_has_exactly_its_tokens_and_is_the_same_in_all_requests() -> None:
    only = source(job(system_tokens=4321))
    specs = list(starmap(only.spec, only.arrivals))
    assert [read(spec.params).input_tokens for spec in specs] == [4421] * 3 == [spec.input_tokens for spec in specs]
    assert len({spec.params["system"] for spec in specs}) == 1


def breakpoints(params: Any) -> list[str]:  # noqa: ANN401 - a request's parameters
    """Where a prompt has breakpoints, and for how long."""
    found = []
    system = params.get("system", "")
    last = params["messages"][-1]["content"]
    for part, blocks in (("tools", params.get("tools", [])), ("system", system), ("conversation", last)):
        for place, block in enumerate(blocks if isinstance(blocks, list) else []):
            if "cache_control" in block:
                assert place == len(blocks) - 1, "only the last block of a part ends it"
                found.append(f"{part} {block['cache_control']['ttl']}")
    return found


TALK = Conversations(count=2, turns=Fixed(value=2))


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        ({"system_tokens": 2000, "cache": None}, []),
        ({"system_tokens": 2000, "cache": Cache()}, ["system 5m"]),
        ({"system_tokens": 2000, "tools": TOOLS, "cache": Cache(ttl="1h")}, ["system 1h"]),
        ({"tools": TOOLS, "cache": Cache()}, ["tools 5m"]),
        (
            {"tools": TOOLS, "system_tokens": 2000, "cache": Cache(breakpoints=("tools", "system"))},
            ["tools 5m", "system 5m"],
        ),
        ({"requests": None, "conversations": TALK, "cache": Cache()}, ["conversation 5m"]),
        (
            {"requests": None, "conversations": TALK, "system": "Be brief.", "cache": Cache()},
            ["system 5m", "conversation 5m"],
        ),
        (
            {"requests": None, "conversations": TALK, "system_tokens": 2000, "cache": Cache(breakpoints=("system",))},
            ["system 5m"],
        ),
    ],
)
def test_breakpoints_stand_where_the_workload_says(workload: dict[str, object], expected: list[str]) -> None:
    spec = first(**workload)
    assert breakpoints(spec.params) == expected
    prompt = read(spec.params).prompt
    asked = [position for position in prompt.positions if position.lifetime is not None] if prompt else []
    assert [position.lifetime for position in asked] == [
        {"5m": 300.0, "1h": 3600.0}[each.split()[1]] for each in expected
    ]


def test_the_warming_request_goes_alone_asks_for_no_answer_and_counts() -> None:
    scenario = job(system_tokens=2000, cache=Cache(warm=True), stream=True)
    only = source(scenario)
    [(place, arrival)] = only.arrivals
    warm = only.spec(place, arrival)
    assert (warm.seq, warm.params["max_tokens"], warm.params.get("stream"), warm.output_tokens) == (-1, 0, None, 0)
    assert read(warm.params).input_tokens == warm.input_tokens == 2001
    assert only.after is not None
    rest = list(starmap(only.spec, only.after(place, 1.5, True)))
    assert [(spec.seq, spec.intended, spec.cached_tokens) for spec in rest] == [
        (0, 0, 2000),
        (1, 0, 2000),
        (2, 0, 2000),
    ]
    assert {spec.params["system"][0]["text"] for spec in (warm, *rest)} == {warm.params["system"][0]["text"]}
    assert count_of(scenario) == 4


def test_where_warming_failed_the_others_go_but_count_on_nothing() -> None:
    only = source(job(system_tokens=2000, cache=Cache(warm=True)))
    [(place, _)] = only.arrivals
    assert only.after is not None
    assert [spec.cached_tokens for spec in starmap(only.spec, only.after(place, 1.5, False))] == [0, 0, 0]


def test_nothing_is_expected_of_the_cache_before_the_first_answer() -> None:
    only = source(job(system_tokens=2000, cache=Cache()))
    places = list(only.arrivals)
    assert only.after is not None
    assert [only.spec(*each).cached_tokens for each in places[:2]] == [0, 0]
    only.after(places[0][0], 2.0, False)
    assert only.spec(*places[2]).cached_tokens == 0
    only.after(places[1][0], 2.0, True)
    assert only.spec(*places[2]).cached_tokens == 2000


def test_warm_up_writes_nothing_that_the_pass_would_find() -> None:
    scenario = job(system_tokens=2000, cache=Cache()).model_copy(update={"warmup": Warmup(requests=1)})
    [before] = warmup_of(scenario)
    [only] = sources_of(scenario, "gather 0")
    assert before.params["system"] != only.spec(*next(iter(only.arrivals))).params["system"]
