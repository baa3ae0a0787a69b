"""What a load generator says of its run is read right, and the server that it is held against keeps the truth."""

from __future__ import annotations

import json
import math
from pathlib import Path

import anthropic
import pytest

from benchmarks.peers import bare, ours
from benchmarks.peers.aiperf import AIPERF
from benchmarks.peers.generator import Generator, Measured, Work, measure, per_cpu_second
from benchmarks.peers.guidellm import GUIDELLM
from benchmarks.peers.inference_perf import INFERENCE_PERF
from benchmarks.peers.llmeter import LLMETER
from benchmarks.peers.tokenizer import write_tokenizer
from benchmarks.trial import Spread, Trial, truth_server

RECORDED = Path(__file__).parent / "recorded"
"""Parts of what each wrote, after a run of 50 requests with 10 streams open on a busy machine."""


@pytest.mark.parametrize(
    ("generator", "reported"),
    [
        (AIPERF, Spread(0.8437679145, 1.28412550978)),
        (GUIDELLM, Spread(0.23550033569335938, 0.28334784507751465)),
        (INFERENCE_PERF, Spread(0.20192747999999483, 0.2135638675498467)),
        (LLMETER, Spread(0.2083355084998857, 0.297917868840027)),
    ],
    ids=lambda value: value.name if isinstance(value, Generator) else "",
)
def test_what_a_peer_reports(generator: Generator, reported: Spread) -> None:
    work = Work("http://any", 10, 50, RECORDED / generator.name.lower())
    assert generator.reported(work, "") == pytest.approx(reported)


@pytest.mark.parametrize("generator", [ours.WIRE, bare.HTTPTOOLS], ids=lambda one: one.name)
def test_a_run_beside_the_exact_server(generator: Generator, tmp_path: Path) -> None:
    with truth_server() as url:
        one, two = (measure(generator, Work(url, 5, requests, tmp_path / f"{requests}")) for requests in (5, 20))
    assert (one.trial.requests, two.trial.requests) == (5, 20)
    assert two.trial.truth.p50 >= 0.2
    assert two.reported.p50 >= two.trial.truth.p50, "nobody can have it before it was sent"
    assert two.trial.first_request > 0
    assert two.trial.cpu > 0


def test_the_exact_server_speaks_both_dialects() -> None:
    import httpx2

    with truth_server() as url:
        client = anthropic.Anthropic(api_key="any", base_url=url, max_retries=0)
        with client.messages.stream(model="m", max_tokens=96, messages=[{"role": "user", "content": "Go."}]) as stream:
            assert len(list(stream.text_stream)) == 20
            assert stream.get_final_message().usage.output_tokens == 20
        answer = httpx2.post(f"{url}/v1/chat/completions", json={"stream": True}).text
        truth = httpx2.get(f"{url}/truth").json()
    *chunks, done = [line.removeprefix("data: ") for line in answer.splitlines() if line]
    said = [choice["delta"].get("content") for chunk in map(json.loads, chunks) for choice in chunk["choices"]]
    assert said == ["word "] * 20 + [None]
    assert done == "[DONE]"
    assert len(truth) == 2


def test_start_and_end_are_not_counted() -> None:
    def measured(requests: int, cpu: float) -> Measured:
        return Measured(Trial("", 0.0, cpu, 0.0, requests, Spread(0.2, 0.25)), Spread(0.21, 0.3))

    assert per_cpu_second(measured(200, 3.0), measured(1_200, 5.0)) == 500
    assert measured(200, 3.0).over == pytest.approx((0.05, 0.2))


def test_too_few_for_a_percentile_is_no_number(tmp_path: Path) -> None:
    latency = {"p50": {"value": 0.2}, "p99": {"value": None}}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"passes": [{"distributions": {"latency": latency}}]}))
    p50, p99 = ours.reported(Work("", 1, 1, tmp_path), "")
    assert p50 == 0.2
    assert math.isnan(p99)


def test_a_tokenizer_has_a_token_for_each_byte(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer")
    vocabulary = json.loads((tmp_path / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    assert sorted(vocabulary.values()) == list(range(256))
    assert vocabulary["a"] == ord("a")
