"""Message batches of the simulation against those of the mock over HTTP, through the SDK: the same records."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench import api
from bench.results.record import Attempt, Record, read_records

SCENARIO = """\
version: 1
question: Is it the same?
model: claude-sonnet-5
tier: start
workload: {requests: 200, input_tokens: 100, output_tokens: {uniform: [10, 90]}, max_tokens: 70, stream: true}
strategies: [{batch: {poll: 30s, keep_results: true}}]
mock: {batch_time: 5m, batch_hidden: 40s, faults: {server_error: 8%, overloaded: 3%}}
"""


def records(folder: Path) -> dict[int, list[Attempt]]:
    """By request, all that does not depend on how long this machine takes."""
    return {
        record.seq: [_timeless(one) for one in record.attempts] for record in read_records(folder / "records.jsonl")
    }


def _timeless(attempt: Attempt) -> Attempt:
    return msgspec.structs.replace(attempt, sent=0.0, ended=0.0)


def raw(folder: Path) -> dict[str, set[str]]:
    """What was kept of each batch; the order of lines and the names differ from run to run."""
    return {
        path.name: {line.partition('"result"')[2] for line in path.read_text().splitlines()}
        for path in folder.iterdir()
    }


def test_the_simulation_and_the_sdk_give_the_same_records(tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text(SCENARIO)
    for target, speed in (("sim", "1"), ("mock", "100")):
        made = api.load(str(tmp_path / "made.yaml"), flags={"target": target, "speed": speed})
        api.run(made, out=tmp_path / target, html=False)
    simulated, over_http = records(tmp_path / "sim"), records(tmp_path / "mock")
    assert simulated == over_http
    assert {attempt.cause for attempts in simulated.values() for attempt in attempts} >= {
        None,
        "server_error",
        "overloaded",
    }
    assert raw(tmp_path / "sim" / "batches") == raw(tmp_path / "mock" / "batches")
    every = [record for target in ("sim", "mock") for record in read_records(tmp_path / target / "records.jsonl")]
    assert all(isinstance(record, Record) and record.attempts[-1].ended > record.intended for record in every)
