"""claude-bench itself, a whole run with records, journal, summary and report, through either of its clients."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

from benchmarks.peers.generator import PYTHON, Generator, Work
from benchmarks.trial import Spread

SCENARIO = """\
version: 1
question: What does a stream of 20 events cost?
model: claude-sonnet-4-6
client: {client}
tier: unlimited
workload: {{requests: {requests}, input_tokens: 220, output_tokens: 20, max_tokens: 96, stream: true}}
strategies: [{{semaphore: {streams}}}]
"""


def _write(client: str, work: Work) -> None:
    scenario = SCENARIO.format(client=client, requests=work.requests, streams=work.streams)
    (work.folder / "scenario.yaml").write_text(scenario)


def _command(work: Work) -> list[str]:
    options = ["-q", "--exit-zero", "--target", work.url, "--max-cost", "10000", "-o", "run"]
    return [PYTHON, "-m", "bench", "run", "scenario.yaml", *options]


def reported(work: Work, _said: str) -> Spread:
    """From summary.json, in seconds.  Not a number where the run was too small to say."""
    (one,) = json.loads((work.folder / "run" / "summary.json").read_text())["passes"]
    latency = one["distributions"]["latency"]
    return Spread(*(math.nan if (value := latency[name]["value"]) is None else value for name in ("p50", "p99")))


def _with(client: str) -> Generator:
    path = {"PYTHONPATH": str(Path(__file__).parents[3])}
    return Generator(f"claude-bench, {client}", _command, reported, partial(_write, client), path)


WIRE, SDK = _with("wire"), _with("sdk")
