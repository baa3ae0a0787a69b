"""NVIDIA AIPerf: several processes around aiohttp; speaks the Messages API."""

from __future__ import annotations

import json

from benchmarks.peers.generator import Generator, Work, environment
from benchmarks.peers.tokenizer import write_tokenizer
from benchmarks.trial import Spread

NAME = "AIPerf"


def _prepare(work: Work) -> None:
    write_tokenizer(work.folder / "tokenizer")


def _command(work: Work) -> list[str]:
    options = {
        "--model": "m",
        "--tokenizer": str(work.folder / "tokenizer"),
        "--endpoint-type": "messages",
        "--url": work.url,
        "--concurrency": str(work.streams),
        "--request-count": str(work.requests),
        "--synthetic-input-tokens-mean": "220",
        "--output-tokens-mean": "20",
        "--output-artifact-dir": "out",
        "--ui": "none",
    }
    flags = ["--streaming", "--use-server-token-count"]
    program = environment(NAME) / "bin" / "aiperf"
    return [str(program), "profile", *flags, *(text for option in options.items() for text in option)]


def reported(work: Work, _said: str) -> Spread:
    """From the export of its summary, in ms."""
    (export,) = (work.folder / "out").rglob("profile_export_aiperf.json")
    latency = json.loads(export.read_text())["request_latency"]
    return Spread(latency["p50"] / 1000, latency["p99"] / 1000)


AIPERF = Generator(NAME, _command, reported, _prepare, packages=("aiperf==0.13.0",))
