"""What a pass holds in memory does not grow with the number of its requests."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import pytest

from bench import api
from bench.clock import utc_now
from bench.engine.observe import Observers
from bench.engine.run import run_passes
from bench.engine.stop import Stop
from bench.results.batches import BatchLog
from bench.results.folder import Journal
from bench.spending import surroundings
from bench.targets.target import open_targets

POOL = """\
version: 1
question: Does it hold?
model: claude-sonnet-5
tier: scale
workload: {{requests: {requests}, {prompts}, output_tokens: 30, max_tokens: 60}}
strategies: [{strategy}]
mock: {{latency: {{service_time: 1s}}}}
"""


def peak(folder: Path, requests: int, strategy: str, prompts: str) -> int:
    """Bytes that Python holds at most while a pass goes on."""
    file = folder / "made.yaml"
    file.write_text(POOL.format(requests=requests, strategy=strategy, prompts=prompts))
    scenario = api.load(str(file))
    gc.collect()
    gc.freeze()  # what other tests have left would decide how often garbage is collected here
    with open_targets(scenario) as targets, Journal(folder / f"{requests}.jsonl", may_wait=True) as journal:
        around = surroundings(scenario, journal.append, BatchLog(folder, "t"), Observers(), Stop(), utc_now().date())
        tracemalloc.start()
        try:
            assert all(end.stopped is None for end in run_passes(scenario, targets, around))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("strategy", "prompts"),
    [("{pool: {workers: 20, queue: 50}}", "dataset: p.jsonl"), ("{semaphore: 20}", "input_tokens: 100")],
)
def test_seven_times_the_requests_need_no_more_memory(tmp_path: Path, strategy: str, prompts: str) -> None:
    if "dataset" in prompts:
        rows = ('{"prompt": "%s"}\n' % (f"{n} " * 100) for n in range(35_000))
        (tmp_path / "p.jsonl").write_text("".join(rows))
    peak(tmp_path, 100, strategy, prompts)  # what is loaded once
    few, many = (peak(tmp_path, requests, strategy, prompts) for requests in (5_000, 35_000))
    # A table of bounded size that is moved meanwhile takes 300 kB, a number kept of each request 700 kB and more.
    assert many - few < 600_000, f"{(many - few) / 30_000:.0f} bytes a request"
