from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import ScenarioError
from bench.scenario.load import load
from bench.scenario.model import FanOut, Scenario

ASKED = """\
version: 1
question: Who answers?
fan_out: {models: [claude-opus-5-5, claude-sonnet-5, claude-haiku-4-5]}
workload: {requests: 10, input_tokens: 100, output_tokens: 20, max_tokens: 50}
strategies: [gather]
"""


def read(folder: Path, text: str = ASKED) -> Scenario:
    path = folder / "job.yaml"
    path.write_text(text)
    return load(path)


def problem(folder: Path, old: str, new: str) -> str:
    assert old in ASKED
    with pytest.raises(ScenarioError) as caught:
        read(folder, ASKED.replace(old, new))
    return str(caught.value).replace(f"{folder}/", "")


def test_the_first_model_is_the_one_that_sizes_are_counted_by(tmp_path: Path) -> None:
    scenario = read(tmp_path)
    assert scenario.model == "claude-opus-5-5"
    assert scenario.fan_out == FanOut(models=("claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"), take="all")
    assert scenario.models == {"claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"}


def test_a_strategy_may_take_other_answers_than_the_scenario_says(tmp_path: Path) -> None:
    text = ASKED.replace("5]}", "5], take: first}").replace(
        "[gather]", "[gather, {sequential: , take: all}, {semaphore: [2, 4], take: cheapest}]"
    )
    takes = [(strategy.name, strategy.take) for strategy in read(tmp_path, text).strategies]
    assert takes == [
        ("gather", "first"), ("sequential", "all"), ("semaphore-2", "cheapest"), ("semaphore-4", "cheapest"),
    ]  # fmt: skip


def test_without_a_fan_out_nothing_of_it_is_in_the_resolved_scenario(tmp_path: Path) -> None:
    alone = ASKED.replace("fan_out: {models: [claude-opus-5-5, claude-sonnet-5, claude-haiku-4-5]}", "model: claude-x")
    resolved = read(tmp_path, alone).resolved()
    assert "fan_out" not in resolved
    assert "take" not in resolved["strategies"][0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("claude-haiku-4-5]", "claude-opus-5-5]", "job.yaml:3:54  fan_out.models[2]: `claude-opus-5-5` is asked"),
        ("claude-opus-5-5, claude-sonnet-5, ", "", "job.yaml:3:11  fan_out.models: expected at least 2 of them"),
        ("models:", "modells:", "fan_out.modells: unknown key. Did you mean models?"),
        ("5]}", "5], take: cheap}", "fan_out.take: expected 'all', 'first' or 'cheapest', got `cheap`. Did you mean"),
        ("fan_out:", "model: claude-sonnet-5\nfan_out:", "job.yaml:3:1  model: not with `fan_out`, which names"),
        ("4-5]}", "4-5, claude-mythos-5-1], take: cheapest}", "that of `claude-mythos-5-1` is not known"),
        ("[gather]", "[{gather: , take: fist}]", "strategies[0].take: expected 'all', 'first' or 'cheapest'"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in problem(tmp_path, old, new)


def test_a_strategy_that_takes_the_cheapest_needs_prices_too(tmp_path: Path) -> None:
    text = ASKED.replace("4-5]}", "4-5, claude-mythos-5-1]}").replace(
        "[gather]", "[gather, {gather: , name: c, take: cheapest}]"
    )
    with pytest.raises(ScenarioError, match=r"strategies\[1\].take: `take: cheapest` needs prices"):
        read(tmp_path, text)


def test_take_without_a_fan_out_and_a_fan_out_of_streams(tmp_path: Path) -> None:
    alone = ASKED.replace("fan_out: {models: [claude-opus-5-5, claude-sonnet-5, claude-haiku-4-5]}", "model: claude-x")
    with pytest.raises(ScenarioError, match=r"take: only with `fan_out`"):
        read(tmp_path, alone.replace("[gather]", "[{gather: , take: first}]"))
    streams = ASKED.replace("workload:", "streams: [{name: a, arrivals: backlog, workload:").replace("50}", "50}}]")
    with pytest.raises(ScenarioError, match=r"streams: not with `fan_out`"):
        read(tmp_path, streams)
