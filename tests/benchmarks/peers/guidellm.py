"""GuideLLM: up to ten processes around httpx; knows no Messages API, so the work is OpenAI's chat completions."""

from __future__ import annotations

import json

from benchmarks.peers.generator import Generator, Work, environment
from benchmarks.peers.tokenizer import write_tokenizer
from benchmarks.trial import Spread

NAME = "GuideLLM"


def _prepare(work: Work) -> None:
    write_tokenizer(work.folder / "tokenizer")


def _command(work: Work) -> list[str]:
    options = {
        "--backend": f"kind=openai_http,target={work.url},model=m",
        "--profile": f"kind=concurrent,streams={work.streams}",
        "--constraint": f"kind=max_requests,count={work.requests}",
        "--tokenizer": f"kind=hf_auto,model={work.folder / 'tokenizer'}",
        "--data": "kind=synthetic_text,prompt_tokens=220,output_tokens=20",
        "--output": "kind=json,path=out.json",
    }
    program = environment(NAME) / "bin" / "guidellm"
    return [str(program), "run", "--disable-console", *(text for option in options.items() for text in option)]


def reported(work: Work, _said: str) -> Spread:
    """From its report, in seconds."""
    (one,) = json.loads((work.folder / "out.json").read_text())["benchmarks"]
    percentiles = one["metrics"]["request_latency"]["successful"]["percentiles"]
    return Spread(percentiles["p50"], percentiles["p99"])


GUIDELLM = Generator(NAME, _command, reported, _prepare, packages=("guidellm==0.8.1", "torch==2.13.0"))
