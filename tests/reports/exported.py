"""Runs on the virtual clock, for what is made of run folders: with streams, repeats, refusals and thresholds."""

from __future__ import annotations

from pathlib import Path

from bench import api

PLAIN = """\
version: 1
question: Does | it *hold*?
model: claude-sonnet-5
tier: build
workload: {requests: 120, input_tokens: 1000, output_tokens: 200, max_tokens: 300, stream: true}
strategies: [gather, {semaphore: 10}]
repeat: 3
slo: {ttft: 2s}
thresholds:
  ttft:
    - "p(95) < 100ms"
    - "p(99) < 10s"
  errors: ["rate < 1%"]
  latency: ["p(95) < 4s"]
"""

REFUSED = """\
version: 1
question: What is refused?
model: claude-sonnet-5
tier: tier-1
workload: {requests: 90, input_tokens: 1000, output_tokens: 200, max_tokens: 300, stream: true}
strategies: [gather]
retry: {policy: retry_after, attempts: 2}
thresholds:
  errors: ["rate < 1%"]
"""

STREAMS = """\
version: 1
question: Who waits?
model: claude-sonnet-5
streams:
  - name: people
    priority: 1
    arrivals: {constant: 1/s}
    workload: {requests: 80, input_tokens: 500, output_tokens: 100, max_tokens: 200, stream: true}
  - name: batch
    arrivals: backlog
    model: claude-haiku-4-5
    workload: {requests: 40, input_tokens: 500, output_tokens: 100, max_tokens: 200}
strategies: [{semaphore: 10}]
"""


def run(text: str, folder: Path, name: str = "made") -> api.Finished:
    """Run a scenario of this text in a folder of its own."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.yaml"
    file.write_text(text)
    return api.run(api.load(str(file)), out=folder / name)
