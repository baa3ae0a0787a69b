"""Batches and hybrids in scenario files: what they come to, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from bench.errors import Exit, ScenarioError
from bench.scenario.load import load
from bench.scenario.model import Scenario, TokenBucket
from bench.scenario.schema import json_schema
from bench.scenario.strategies import Batching, Poll

HEAD = """\
version: 1
question: Which?
model: claude-sonnet-5
workload: {requests: 4, input_tokens: 100, output_tokens: 20, max_tokens: 50}
"""


def made(folder: Path, text: str) -> Scenario:
    (folder / "job.yaml").write_text(text)
    return load(folder / "job.yaml")


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        made(folder, text)
    assert caught.value.exit_code == Exit.USAGE
    return str(caught.value).replace(f"{folder}/", "")


def test_a_word_gets_all_defaults(tmp_path: Path) -> None:
    [strategy] = made(tmp_path, HEAD + "strategies: [batch]\n").strategies
    assert (strategy.name, strategy.kind, strategy.limit, strategy.pacer) == ("batch", "batch", None, None)
    assert strategy.batch == Batching()
    assert strategy.batch is not None
    assert (strategy.batch.size, strategy.batch.max_bytes, strategy.batch.attempts) == (100_000, 256e6, 3)


def test_everything_can_be_set_and_sizes_are_a_sweep(tmp_path: Path) -> None:
    text = """\
strategies:
  - batch:
      size: [10, 20]
      max_bytes: 5MB
      poll: 90s
      deadline: 12h
      attempts: 1
      cancel_on_stop: true
      keep_results: true
      hidden_for: 10s
"""
    ten, twenty = made(tmp_path, HEAD + text).strategies
    assert (ten.name, twenty.name) == ("batch-10", "batch-20")
    assert twenty.batch == Batching(
        size=20,
        max_bytes=5e6,
        poll=Poll(first=90, factor=1, cap=90),
        deadline=43_200.0,
        attempts=1,
        cancel_on_stop=True,
        keep_results=True,
        hidden_for=10.0,
    )


def test_a_hybrid_has_the_limits_of_its_live_part(tmp_path: Path) -> None:
    text = "strategies: [{hybrid: {deadline: 2h, live: {token_bucket: {share: [80%, 90%]}}}}]\n"
    first, second = made(tmp_path, HEAD + text).strategies
    assert (first.name, second.name) == ("hybrid-share-80", "hybrid-share-90")
    assert (second.kind, second.pacer) == ("hybrid", TokenBucket(share=0.9))
    assert second.batch is not None
    assert (second.batch.deadline, second.batch.share) == (7_200.0, None)
    text = "strategies: [{hybrid: {deadline: 2h, live: {semaphore: 20}, share: 60%}, name: both}]\n"
    [hybrid] = made(tmp_path, HEAD + text).strategies
    assert (hybrid.name, hybrid.limit, hybrid.batch and hybrid.batch.share) == ("both", 20, 0.6)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("batch: {size: 100001}", "batch.size: a message batch has at most 100,000 requests, got 100,001"),
        ("batch: {size: [5, 200000]}", "batch.size[1]: a message batch has at most 100,000 requests, got 200,000"),
        ("batch: {size: 0}", "batch.size: expected at least 1, got 0"),
        ("batch: {max_bytes: 300MB}", "batch.max_bytes: a message batch has at most 256MB, got 300MB"),
        ("batch: {max_bytes: 300}", "batch.max_bytes: expected a size such as 20MB, got 300 without a unit"),
        ("batch: {poll: 60}", "batch.poll: expected a duration such as 90s or 5m, got 60 without a unit"),
        ("batch: {poll: {first: 1m, facter: 2}}", "batch.poll.facter: unknown key.  Did you mean factor?"),
        ("hybrid: {live: adaptive}", "hybrid.deadline: missing"),
        ("hybrid: {deadline: 1h, live: batch}", "hybrid.live: expected a live strategy such as adaptive"),
        ("hybrid: {deadline: 1h, live: {semaphore: 4}}", "hybrid.live: nobody knows beforehand how fast this goes"),
        (
            "hybrid: {deadline: 1h, live: {semaphore: 4, name: x}, share: 5%}",
            "hybrid.live.name: give this beside `hybrid`",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, strategy: str, message: str) -> None:
    found = problems(tmp_path, f"{HEAD}strategies:\n  - {strategy}\n")
    where, _, rest = found.partition("  ")
    assert where.startswith("job.yaml:6:")
    assert rest.replace("strategies[0].", "").split("; did")[0].startswith(message.split("  ")[0])


def test_users_who_wait_for_answers_cannot_go_through_batches(tmp_path: Path) -> None:
    found = problems(tmp_path, HEAD + "arrivals: {users: 5, think: 1s}\nstrategies: [batch]\n")
    assert (
        found
        == "job.yaml:5:1  arrivals: users wait for each answer, which `batch` gives after hours; use open arrivals"
    )


CHATS = HEAD.replace("requests: 4", "conversations: {count: 4, turns: 3}")
CACHED = HEAD.replace("requests: 4", "requests: 4, system_tokens: 5000, cache: {warm: true}")
HYBRID = "{hybrid: {deadline: 2h, live: {token_bucket: auto}}}"


@pytest.mark.parametrize(
    ("head", "strategy", "where", "message"),
    [
        (CHATS, "batch", "4:12  workload.conversations", "a batch cannot wait for answers, and each turn needs"),
        (CHATS, HYBRID, "4:12  workload.conversations", "the one before it; leave out `hybrid`"),
        (CACHED, "batch", "4:54  workload.cache.warm", "a batch cannot wait for answers, and so not for a request"),
        (
            HEAD.replace("model: claude-sonnet-5", "fan_out: {models: [claude-sonnet-5, claude-haiku-4-5]}"),
            "batch",
            "3:1  fan_out",
            "not with `batch`: which answers are taken is decided while they come",
        ),
        (
            HEAD[: HEAD.index("workload")] + "streams:\n  - name: chat\n    arrivals: {poisson: 1/s}\n"
            "    workload: {conversations: {count: 2, turns: 3}, input_tokens: 9, output_tokens: 9, max_tokens: 50}\n",
            "batch",
            "7:16  streams[0].workload.conversations",
            "a batch cannot wait for answers",
        ),
        (
            HEAD + "cases: {chat: {workload: {requests: null, conversations: {count: 4, turns: 3}}}}\n",
            "batch",
            "5:59  cases.chat.workload.conversations",
            "a batch cannot wait for answers",
        ),
        (HEAD, "{batch: {}, hedge: {after: 3s}}", "5:26  strategies[0].hedge", "no answer of a batch is late"),
    ],
)
def test_what_waits_for_answers_cannot_go_through_batches(
    tmp_path: Path, head: str, strategy: str, where: str, message: str
) -> None:
    found = problems(tmp_path, f"{head}strategies: [{strategy}]\nbudget: {{max_requests: 99}}\n")
    assert found.startswith(f"job.yaml:{where}: "), found
    assert message in found
    assert "\n" not in found


ROWS = '{"prompt": "a", "id": "one"}\n{"prompt": "b", "id": "two"}\n'


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ROWS + '{"prompt": "c", "id": "one"}\n',
            "p.jsonl:3:1  the custom_id `one` is that of line 1 already; each must be unique",
        ),
        (ROWS + '{"prompt": "c"}\n', "p.jsonl:3:1  no field `id` (its fields are prompt)"),
        (
            ROWS + '{"prompt": "c", "id": "with space"}\n',
            "p.jsonl:3:1  field `id`: a custom_id has 1 to 64 letters, digits, `_` or `-`",
        ),
        (ROWS, "job.yaml:4:12  workload.requests: the dataset has 2 custom_ids, and each can be used once"),
    ],
)
def test_custom_ids_of_a_dataset_are_unique(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "p.jsonl").write_text(rows)
    text = HEAD.replace("requests: 4, input_tokens: 100", "requests: 3, dataset: {path: p.jsonl, id: id}")
    assert problems(tmp_path, text + "strategies: [batch]\n").startswith(message)


def test_custom_ids_of_a_dataset_are_as_many_as_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(ROWS)
    asked = HEAD.replace("requests: 4, input_tokens: 100", "dataset: {path: p.jsonl, id: id}")
    many = asked + "arrivals: {backlog: 3}\nstrategies: [batch]\n"
    assert problems(tmp_path, many).startswith("job.yaml:5:12  arrivals.backlog: the dataset has 2 custom_ids")
    endless = asked.replace("dataset", "duration: 1m, dataset") + "arrivals: {poisson: 1/s}\nstrategies: [batch]\n"
    assert "so `requests` has to say how many there are" in problems(tmp_path, endless)


@pytest.mark.parametrize(
    ("strategy", "good"),
    [
        ("batch", True),
        ({"batch": None}, True),
        ({"batch": {"size": [1, 2], "poll": "1m", "max_bytes": "5MB"}, "name": "b"}, True),
        ({"batch": {"poll": {"first": "5s", "factor": 1.5}}}, True),
        ({"batch": {"poll": 5}}, False),
        ({"batch": {"max_bytes": 5000}}, False),
        ({"hybrid": {"deadline": "2h", "live": {"token_bucket": "auto"}}}, True),
        ({"hybrid": {"deadline": "2h", "live": "adaptive", "share": "60%", "batch": {"size": 5}}}, True),
        ({"hybrid": {"live": "adaptive"}}, False),
        ({"hybrid": {"deadline": "2h", "live": "batch"}}, False),
    ],
)
def test_the_schema_says_the_same(strategy: object, good: bool) -> None:
    scenario = {
        "version": 1,
        "question": "How long?",
        "model": "claude-sonnet-5",
        "workload": {"requests": 1, "input_tokens": 10, "output_tokens": 10, "max_tokens": 10},
        "strategies": [strategy],
    }
    assert jsonschema.Draft7Validator(json_schema()).is_valid(scenario) is good
