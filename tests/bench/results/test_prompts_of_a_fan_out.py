from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from result_rows import DAY, asking, attempt, record

from bench.results.columns import Columns
from bench.results.cost import by_price
from bench.results.fan_out import FanOut, Prompts, Take, prompts
from bench.results.limits import Pool
from bench.results.record import Attempt, Record, Usage
from bench.results.slo import Slo
from bench.results.summarize import summarize_pass

MODELS = ("claude-haiku-4-5", "claude-sonnet-5", "claude-opus-5-5")


def member(place: int, end: Attempt, prompt: int = 0) -> Record:
    row = record(3 * prompt + place, 0.0, end, model=MODELS[place])
    return msgspec.structs.replace(row, group=prompt)


def cut(ended: float) -> Attempt:
    return msgspec.structs.replace(attempt(0, ended), stop_reason="max_tokens")


def given_up(ended: float) -> Attempt:
    return Attempt(0, ended, cause="outrun", usage=Usage(input_tokens=1000))


def asked(take: Take, *ends: Attempt, slo: Slo = Slo()) -> Prompts:  # noqa: B008
    rows = Columns.of(member(place, end) for place, end in enumerate(ends))
    return prompts(replace(rows, fan_out=FanOut(MODELS, take, slo)))


@pytest.mark.parametrize(
    ("take", "ends", "time", "taken"),
    [
        ("all", (attempt(0, 1), attempt(0, 2), attempt(0, 6)), 6.0, [True, True, True]),
        ("all", (attempt(0, 1), attempt(0, 2, "timeout"), attempt(0, 6)), None, [True, False, True]),
        ("first", (attempt(0, 1, "timeout"), attempt(0, 2), given_up(2)), 2.0, [False, True, False]),
        ("first", (attempt(0, 1, "timeout"), attempt(0, 2, "timeout"), attempt(0, 3, "timeout")), None, [False] * 3),
        ("cheapest", (attempt(0, 5), attempt(0, 2), given_up(2)), 5.0, [True, False, False]),
        ("cheapest", (cut(5), attempt(0, 2), given_up(2)), 5.0, [False, True, False]),
        ("cheapest", (cut(1), attempt(0, 2), given_up(2)), 2.0, [False, True, False]),
        ("cheapest", (cut(1), cut(2), cut(3)), None, [False] * 3),
        ("cheapest", (given_up(4), attempt(0, 2), given_up(2)), 4.0, [False, True, False]),
    ],
)
def test_what_a_prompt_came_to(take: Take, ends: tuple[Attempt, ...], time: float | None, taken: list[bool]) -> None:
    found = asked(take, *ends)
    assert found.answered[0] == (time is not None)
    assert found.time[0] == pytest.approx(math.nan if time is None else time, nan_ok=True)
    assert list(found.taken[0]) == taken


def test_an_answer_beyond_the_slo_is_not_acceptable() -> None:
    found = asked("cheapest", attempt(0, 9), attempt(0, 2), given_up(2), slo=Slo(latency=5.0))
    assert (found.time[0], list(found.taken[0])) == (9.0, [False, True, False])


def test_a_prompt_of_which_a_stop_left_a_model_unasked_is_not_answered_by_all() -> None:
    assert not asked("all", attempt(0, 1), attempt(0, 2)).answered[0]
    assert asked("first", attempt(0, 1), given_up(1)).answered[0]
    assert not np.isnan(asked("cheapest", attempt(0, 1)).time[0]), "nobody cheaper is missing"


def test_models_are_ranked_by_price_and_the_unknown_is_last() -> None:
    assert by_price(("claude-mythos-5-1", *reversed(MODELS)), DAY) == (*MODELS, "claude-mythos-5-1")


def test_of_several_pools_the_use_of_a_limit_is_that_of_the_one_nearest_to_it() -> None:
    rows = [member(place, attempt(0, 60), prompt) for prompt in range(10) for place in range(3)]
    pools = (Pool(MODELS[:1], {"requests": 20}), Pool(MODELS[1:], {"requests": 100, "input_tokens": 40_000}))
    summary = summarize_pass(Columns.of(rows), asking(pools=pools), kind="gather")
    assert [(use.limiter, use.per_minute, use.share) for use in summary.limits][:2] == [
        ("requests", 20, 0.5),
        ("input_tokens", 40_000, 0.5),
    ]
    assert [(one.name, one.values["requests"], one.values["requests_use"]) for one in summary.models] == [
        (MODELS[0], 10, 0.5),
        (MODELS[1], 10, 0.1),
        (MODELS[2], 10, 0.1),
    ]
