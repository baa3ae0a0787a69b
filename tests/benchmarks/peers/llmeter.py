"""LLMeter, a library of AWS: a thread for each client around the SDK's synchronous one; speaks the Messages API."""

from __future__ import annotations

import json

from benchmarks.peers.generator import Generator, Work, environment
from benchmarks.trial import Spread

NAME = "LLMeter"

PROGRAM = """\
import asyncio, sys
from llmeter.endpoints import AnthropicMessagesStream
from llmeter.runner import Runner

url, streams, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
endpoint = AnthropicMessagesStream("claude-sonnet-4-6", api_key="any", base_url=url)
payload = {"max_tokens": 96, "messages": [{"role": "user", "content": "word " * 200}]}
each = -(-requests // streams)
asyncio.run(Runner(endpoint, output_path="out").run(payload=payload, clients=streams, n_requests=each))
"""
"""It has no command line.  It counts the requests of each client."""


def _command(work: Work) -> list[str]:
    return [str(environment(NAME) / "bin" / "python"), "-c", PROGRAM, work.url, str(work.streams), str(work.requests)]


def reported(work: Work, _said: str) -> Spread:
    """From the statistics that it saves, in seconds."""
    (saved,) = (work.folder / "out").rglob("stats.json")
    stats = json.loads(saved.read_text())
    return Spread(stats["time_to_last_token-p50"], stats["time_to_last_token-p99"])


LLMETER = Generator(
    NAME,
    _command,
    reported,
    # httpx: it imports it and does not ask for it.  aiobotocore[boto3]: else pip looks for versions for half an hour.
    packages=("llmeter[anthropic]==0.2.0", "httpx", "aiobotocore[boto3]"),
)
