"""Loops around three building blocks, with nothing else: the least that a load generator on them can cost."""

from __future__ import annotations

import json
from functools import partial

from benchmarks.peers.generator import PYTHON, Generator, Work, script
from benchmarks.trial import Spread, spread


def _command(kind: str, work: Work) -> list[str]:
    return [PYTHON, script("bare_clients.py"), kind, work.url, str(work.streams), str(work.requests)]


def reported(_work: Work, said: str) -> Spread:
    """It prints all of its latencies."""
    return spread(json.loads(said))


def _with(name: str, kind: str) -> Generator:
    return Generator(name, partial(_command, kind), reported)


HTTPTOOLS = _with("bare loop on httptools", "httptools")
AIOHTTP = _with("bare aiohttp", "aiohttp")
SDK = _with("bare SDK on aiohttp", "sdk")
