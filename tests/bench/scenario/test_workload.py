"""Workloads as files write them: thinking, effort, caching, conversations, tools, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import Exit, ScenarioError
from bench.scenario.load import load
from bench.scenario.model import (
    Cache,
    Conversations,
    Exponential,
    Fixed,
    Lognormal,
    ThinkingBudget,
    Tools,
    Uniform,
    Workload,
)

FILE = """\
version: 1
question: What does it cost?
model: {model}
workload:
  {workload}
  input_tokens: 100
  output_tokens: 20
  max_tokens: 5000
arrivals: {arrivals}
strategies: [gather]
"""


def write(folder: Path, workload: str, model: str = "claude-sonnet-5", arrivals: str = "backlog") -> Path:
    path = folder / "job.yaml"
    path.write_text(FILE.format(model=model, workload=workload.replace("\n", "\n  "), arrivals=arrivals))
    return path


def workload_of(path: Path) -> Workload:
    workload = load(path).workload
    assert workload is not None
    return workload


@pytest.mark.parametrize(
    ("written", "model", "read"),
    [
        ("thinking: adaptive", "claude-sonnet-5", {"thinking": "adaptive"}),
        ("thinking: off", "claude-sonnet-5", {"thinking": "off"}),
        ("thinking: between_tools", "claude-sonnet-5-5", {"thinking": "between_tools"}),
        ("thinking: {budget: 4000}", "claude-haiku-4-5", {"thinking": ThinkingBudget(budget=4000)}),
        ("effort: xhigh", "claude-opus-5", {"effort": "xhigh"}),
        ("cache: off", "claude-sonnet-5", {"cache": None}),
        ("cache: 5m\nsystem_tokens: 2000", "claude-sonnet-5", {"cache": Cache()}),
        ("cache: 1h\nsystem_tokens: 2000", "claude-sonnet-5", {"cache": Cache(ttl="1h")}),
        (
            "cache: {ttl: 1h, breakpoints: [tools, system], warm: true}\nsystem_tokens: 2000\n"
            "tools: {count: 4, tokens: 1200}",
            "claude-sonnet-5",
            {
                "cache": Cache(ttl="1h", breakpoints=("tools", "system"), warm=True),
                "tools": Tools(count=4, tokens=1200),
            },
        ),
    ],
)
def test_each_key_is_read(tmp_path: Path, written: str, model: str, read: dict[str, object]) -> None:
    workload = workload_of(write(tmp_path, f"requests: 5\n{written}", model))
    assert {name: getattr(workload, name) for name in read} == read


def test_conversations_and_tools_are_read(tmp_path: Path) -> None:
    workload = workload_of(
        write(
            tmp_path,
            "conversations: {count: 9, turns: {uniform: [3, 12]}, think: {exponential: 20s}, opening_tokens: 4000}\n"
            "tools: {count: 12, tokens: 3000, calls: {lognormal: {median: 3, p95: 9}}, call_tokens: 90,\n"
            "        result_tokens: {lognormal: {median: 800, p95: 6000}}, time: 2s}",
        )
    )
    assert workload.conversations == Conversations(
        count=9, turns=Uniform(low=3, high=12), think=Exponential(mean=20.0), opening_tokens=Fixed(value=4000)
    )
    assert workload.tools == Tools(
        count=12,
        tokens=3000,
        calls=Lognormal(median=3, p95=9),
        call_tokens=Fixed(value=90),
        result_tokens=Lognormal(median=800, p95=6000),
        time=2.0,
    )
    assert (workload.arriving, workload.breakpoints) == (9, ())


BAD = [
    # keys that do not go together
    ("requests: 5\nconversations: {count: 5, turns: 2}", "5:3  workload.requests: not with `conversations`"),
    ("conversations: {turns: 2}", "4:1  workload: expected `conversations.count`: how many the backlog has"),
    ("requests: 5\nsystem: Hi\nsystem_tokens: 9", "7:3  workload.system_tokens: not with `system`"),
    ("requests: 5\ntools: {count: 2, tokens: 100, calls: 1}", "6:34  workload.tools.calls: needs `conversations`"),
    (
        "conversations: {count: 2, turns: 3, opening_tokens: trace}",
        "5:39  workload.conversations.opening_tokens: a trace says when conversations begin",
    ),
    # values
    ("conversations: {count: 5, turns: 0}", "5:29  workload.conversations.turns: a conversation has at least one turn"),
    ("conversations: {count: 5, turns: {uniform: [0, 4]}}", "5:29  workload.conversations.turns: a conversation has"),
    (
        "conversations: {count: 5, turns: {uniform: [4, 1]}}",
        "5:37  workload.conversations.turns.uniform: expected the l",
    ),
    ("conversations: {count: 5, turns: 2, think: 20}", "workload.conversations.think: expected a duration such as 90s"),
    ("conversations: {count: 5, turns: many}", "workload.conversations.turns: expected a number such as 8, {uniform"),
    (
        "requests: 5\ntools: {count: 12, tokens: 300}",
        "6:22  workload.tools.tokens: 12 tools need at least 600, 50 each",
    ),
    ("requests: 5\ntools: {count: 200, tokens: 30000}", "6:11  workload.tools.count: expected at most 128, got 200"),
    (
        "requests: 5\nthinking: on",
        "workload.thinking: expected adaptive, off, between_tools or {budget: 4000}, got `on`",
    ),
    ("requests: 5\nthinking: {budget: 500}", "6:14  workload.thinking.budget: expected at least 1024, got 500"),
    (
        "requests: 5\neffort: hihg",
        "6:3  workload.effort: expected 'low', 'medium', 'high', 'xhigh' or 'max', got `hihg`",
    ),
    ("requests: 5\ncache: 2h", "6:3  workload.cache: expected off, 5m, 1h or a mapping such as {ttl: 5m, warm: true}"),
    ("requests: 5\ncache: {ttl: 5m, wram: true}", "6:20  workload.cache.wram: unknown key. Did you mean warm?"),
    # caching that cannot be
    ("requests: 5\ncache: 5m", "6:3  workload.cache: nothing to keep: there are no `system`, `system_tokens`, `tools`"),
    (
        "requests: 5\nsystem_tokens: 2000\ncache: {breakpoints: [tools, system]}",
        "7:25  workload.cache.breakpoints[0]: this workload has no tools",
    ),
    (
        "requests: 5\nsystem_tokens: 2000\ncache: {breakpoints: [conversation]}",
        "7:25  workload.cache.breakpoints[0]: this workload has no conversation",
    ),
    (
        "conversations: {count: 2, turns: 2}\ncache: {warm: true}",
        "6:11  workload.cache.warm: nothing that requests share is kept",
    ),
    (
        "requests: 5\nsystem_tokens: 2000\nthinking: {budget: 2000}\ncache: {warm: true}",
        "8:11  workload.cache.warm: not with a thinking budget",
    ),
    # what the model does not do
    (
        "requests: 5\nsystem_tokens: 1000\ncache: 5m",
        "7:3  workload.cache: claude-sonnet-5 keeps nothing shorter than 1,024 tokens, and up to the end of the system "
        "there are 1,000",
    ),
    (
        "requests: 5\nsystem_tokens: 1000\ntools: {count: 4, tokens: 500}\ncache: {breakpoints: [tools, system]}",
        "8:25  workload.cache.breakpoints[0]: claude-sonnet-5 keeps nothing shorter than 1,024 tokens, and up to the "
        "end of the tools there are 500",
    ),
    (
        "requests: 5\nthinking: {budget: 2000}",
        '6:3  workload.thinking: claude-sonnet-5 would refuse it: "thinking.type',
    ),
]


@pytest.mark.parametrize(("written", "words"), BAD)
def test_what_makes_no_sense_is_said_with_its_place(tmp_path: Path, written: str, words: str) -> None:
    path = write(tmp_path, written)
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert caught.value.exit_code == Exit.USAGE
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("model", "written", "words"),
    [
        ("claude-haiku-4-5", "thinking: adaptive", "thinking: claude-haiku-4-5 would refuse it: adaptive"),
        ("claude-haiku-4-5", "effort: low", "effort: claude-haiku-4-5 would refuse it: This model"),
        ("claude-sonnet-5-5", "thinking: off", "thinking: claude-sonnet-5-5 would refuse it"),
        ("claude-opus-4-6", "effort: xhigh", "Supported levels: high, low, max, medium"),
        ("claude-opus-5", "thinking: off\neffort: max", "workload.effort: claude-opus-5 would refuse it"),
        ("claude-haiku-4-5", "thinking: {budget: 5000}", "`max_tokens` must be greater than `thinking.budget_tokens`"),
        ("claude-haiku-4-5-20251001", "system_tokens: 4000\ncache: 5m", "keeps nothing shorter than 4,096 tokens"),
    ],
)  # fmt: skip
def test_a_model_refuses_here_what_it_would_refuse_there(tmp_path: Path, model: str, written: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(write(tmp_path, f"requests: 5\n{written}", model))
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("model", ["gateway/some-model", "claude-sonnet-9"])
def test_models_that_the_table_does_not_know_are_let_pass(tmp_path: Path, model: str) -> None:
    assert workload_of(write(tmp_path, "requests: 5\nthinking: {budget: 2000}\nsystem_tokens: 9\ncache: 5m", model))


def test_a_conversation_may_begin_with_less_than_can_be_kept(tmp_path: Path) -> None:
    workload = workload_of(write(tmp_path, "conversations: {count: 5, turns: 3}\nsystem: Be brief.\ncache: 5m"))
    assert workload.breakpoints == ("system", "conversation")


def test_a_streams_workload_is_held_against_the_streams_model(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("""\
version: 1
question: What does it cost?
model: claude-sonnet-5
streams:
  - name: a
    arrivals: backlog
    workload: {requests: 5, thinking: off, input_tokens: 10, output_tokens: 10, max_tokens: 50}
  - name: b
    arrivals: backlog
    model: claude-sonnet-5-5
    workload: {requests: 5, thinking: off, input_tokens: 10, output_tokens: 10, max_tokens: 50}
strategies: [gather]
""")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert f"{path}:11:29  streams[1].workload.thinking: claude-sonnet-5-5 would refuse it" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_left_out_does_not_change_the_question_asked(tmp_path: Path) -> None:
    resolved = load(write(tmp_path, "requests: 5")).resolved()["workload"]
    assert resolved.keys() == {"requests", "input_tokens", "output_tokens", "max_tokens", "stream"}
