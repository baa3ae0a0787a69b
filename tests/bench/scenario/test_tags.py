"""Thresholds with tags, and those that abort, as a file has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import ScenarioError
from bench.scenario.load import load

TEXT = """\
version: 1
question: Who waits?
model: claude-sonnet-5
arrivals: {poisson: 10/s}
streams:
  - {name: chat, share: 20%, workload: &work {duration: 1m, input_tokens: 9, output_tokens: 9, max_tokens: 9}}
  - {name: job, share: 80%, model: claude-haiku-4-5, workload: *work}
strategies: [gather, {semaphore: [4, 8]}]
cases: {a: {}, b: {strategies: [sequential]}}
thresholds:
  "WRITTEN": ["p(95) < 2s"]
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "tags.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "metric",
    [
        "latency{strategy:semaphore-8}",
        "latency{strategy:sequential,case:b}",
        "latency{stream:chat,model:claude-sonnet-5}",
        "latency{case:a,strategy:gather,stream:job,model:claude-haiku-4-5}",
    ],
)
def test_tags_name_what_is_there(tmp_path: Path, metric: str) -> None:
    (threshold,) = load(written(tmp_path, TEXT.replace("WRITTEN", metric))).thresholds
    assert (threshold.metric, threshold.line) == (metric, 11)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("strategy:semaphore-9", "no strategy `semaphore-9`; there are gather, semaphore-4, semaphore-8, sequential."),
        ("strategy:semaphore", "Did you mean semaphore-8?"),
        ("strategy:gather,case:b", "no strategy `gather`; there is sequential."),
        ("case:c", "no case `c`; there are a, b."),
        ("stream:chad", "no stream `chad`; there are chat, job. Did you mean chat?"),
        ("model:claude-haiku-4-6", "no model `claude-haiku-4-6`; there are claude-haiku-4-5, claude-sonnet-5."),
        ("stream:job,model:claude-sonnet-5", "no model `claude-sonnet-5`; there is claude-haiku-4-5."),
    ],
)
def test_tags_that_name_nothing_are_problems_of_their_line(tmp_path: Path, tags: str, words: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        load(written(tmp_path, TEXT.replace("WRITTEN", f"latency{{{tags}}}")))
    (problem,) = refused.value.problems
    assert problem.line == 11
    assert words in problem.message


def test_a_condition_may_abort(tmp_path: Path) -> None:
    aborting = '{condition: "p(95) < 2s", abort: true, delay: 30s}, {condition: "avg < 1s", abort: true}, "max < 3s"'
    text = TEXT.replace("WRITTEN", "latency").replace('"p(95) < 2s"', aborting)
    scenario = load(written(tmp_path, text))
    assert [(one.expression, one.abort_after) for one in scenario.thresholds] == [
        ("p(95) < 2s", 30.0),
        ("avg < 1s", 0.0),
        ("max < 3s", None),
    ]
    assert "abort_after" not in scenario.resolved()["thresholds"][2], "what asks for nothing new keeps its hash"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("{condition: p(95) < 2s, delay: 30s}", "Only a condition with `abort: true` waits"),
        ("{condition: p(95) < 2s, abort: true, delay: 30}", "expected a duration such as 90s"),
        ("{condition: p(95) < 2, abort: true}", "not a value with a unit that fits"),
        ("{conditoin: p(95) < 2s, abort: true}", "Did you mean condition?"),
        ("5", "expected text, got 5"),
    ],
)
def test_conditions_that_make_no_sense(tmp_path: Path, form: str, words: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        load(written(tmp_path, TEXT.replace("WRITTEN", "latency").replace('"p(95) < 2s"', form)))
    assert words in str(refused.value)
