"""inference-perf, of the Kubernetes project: processes around aiohttp; speaks the Messages API."""

from __future__ import annotations

import json

from benchmarks.peers.generator import Generator, Work, environment
from benchmarks.peers.tokenizer import write_tokenizer
from benchmarks.trial import Spread

NAME = "inference-perf"


def _prepare(work: Work) -> None:
    write_tokenizer(work.folder / "tokenizer")
    config = {
        "api": {"type": "anthropic_messages", "streaming": True},
        "data": {"type": "mock"},
        "load": {
            "type": "concurrent",
            "stages": [{"num_requests": work.requests, "concurrency_level": work.streams}],
        },
        "server": {"type": "vllm", "base_url": work.url, "model_name": "m"},
        "tokenizer": {"pretrained_model_name_or_path": str(work.folder / "tokenizer")},
        "storage": {"local_storage": {"path": "out"}},
    }
    (work.folder / "config.yaml").write_text(json.dumps(config))


def _command(_work: Work) -> list[str]:
    return [str(environment(NAME) / "bin" / "inference-perf"), "--config_file", "config.yaml"]


def reported(work: Work, _said: str) -> Spread:
    """From its summary, in seconds."""
    (summary,) = (work.folder / "out").rglob("summary_lifecycle_metrics.json")
    latency = json.loads(summary.read_text())["successes"]["latency"]["request_latency"]
    return Spread(latency["median"], latency["p99"])


INFERENCE_PERF = Generator(NAME, _command, reported, _prepare, packages=("inference-perf==0.7.0",), python=(3, 12))
