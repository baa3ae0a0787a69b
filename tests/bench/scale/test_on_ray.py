"""Runs on a real Ray cluster of two nodes: workers with machines of their own, lost ones, and what is left of a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from bench import api
from bench.errors import UsageError
from bench.results import folder as folders
from bench.results.record import Record, read_records
from bench.scenario.model import Scenario
from bench.targets.mock_process import mock_process
from mock_server.settings import Settings

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

ray = pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: nothing that several processes do together is tested")

SCENARIO = """
version: 1
question: What do two machines come to?
model: claude-sonnet-5
tier: unlimited
client: wire
workload: {requests: 150, input_tokens: 100, output_tokens: 50, max_tokens: 100}
strategies: [{semaphore: 10}]
mock: {latency: {service_time: 300ms}}
"""

MARK = "CLAUDE_BENCH_TEST_CLUSTER"


NOTICED_SOON = {"_system_config": {"health_check_period_ms": 500, "health_check_failure_threshold": 6}}
"""A machine that is gone counts as gone after three seconds, not fifteen."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ[MARK] = uuid.uuid4().hex
    both = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **NOTICED_SOON})
    both.add_node(num_cpus=1)
    yield both
    ray.shutdown()
    both.shutdown()  # type: ignore[no-untyped-call]
    del os.environ[MARK]


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Scenario]:
    path = tmp_path / "asked.yaml"
    path.write_text(SCENARIO)
    return lambda target, **settings: api.load(
        str(path), flags={"target": target}, settings=[f"{key}={value}" for key, value in settings.items()]
    )


def _workers() -> list[int]:
    """The processes of this cluster that send."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
            ours = os.environ[MARK].encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::Hand.work") and ours:
            found.append(int(process.name))
    return found


def _records(folder: Path) -> list[Record]:
    return list(read_records(folder / folders.RECORDS))


def _notes(folder: Path, number: int = 0) -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = json.loads((folder / folders.PASSES).read_text())["passes"][number]["workers"]
    return notes


def _served(url: str) -> int:
    """How many messages were asked for, as the server itself has counted."""
    rows = map(json.loads, urlopen(f"{url}/_mock/truth", timeout=30).read().splitlines())
    return sum(row.get("endpoint", "messages") == "messages" for row in rows)


def _recorded(folder: Path) -> int:
    """How many requests the workers of this machine have recorded."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("workers/*/records.jsonl"))


def _until(happens: Callable[[], object], within: float = 120.0) -> None:
    end = time.monotonic() + within
    while not happens():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


def _when(folder: Path, recorded: int, act: Callable[[], object]) -> threading.Thread:
    """Do something as soon as the workers have recorded so many requests."""

    def watch() -> None:
        _until(lambda: _recorded(folder) >= recorded)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def _kill_one() -> None:
    os.kill(_workers()[0], signal.SIGKILL)


def test_two_machines_make_one_run(cluster: Cluster, scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    finished = api.run(scenario("mock"), out=tmp_path / "run", ray=cluster.address, say=lambda _: None)
    records = _records(finished.folder)
    assert [record.seq for record in records] == list(range(150)), "by intended time, then by number"
    assert all(record.ok for record in records)
    assert not (finished.folder / "workers").exists()
    notes = _notes(finished.folder)
    assert [note["requests"] for note in notes] == [75, 75]
    assert sorted(note["machine"] for note in notes) == [0, 1]
    assert all(abs(note["offset"]) <= note["offset_error"] + 1e-3 for note in notes), "the nodes are one machine"
    assert finished.passes[0].overhead is not None, "the server's own times are found for what all have sent"
    assert "2 workers on 2 machines" in (finished.folder / folders.REPORT).read_text()


def test_a_simulation_is_the_same_to_the_byte(
    cluster: Cluster, scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    asked = scenario("sim", repeat=3, **{"mock.latency.service_time": "null", "tier": "tier-1"})
    alone = api.run(asked, out=tmp_path / "alone", say=lambda _: None, html=False)
    shared = api.run(asked, out=tmp_path / "shared", ray=cluster.address, say=lambda _: None, html=False)
    files = [one.folder / folders.RECORDS for one in (alone, shared)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert alone.passes == shared.passes


def test_what_a_lost_worker_had_not_done_is_done_by_another(
    cluster: Cluster, scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    killing = _when(tmp_path / "run", 40, _kill_one)
    finished = api.run(scenario("mock", repeat=2), out=tmp_path / "run", ray=cluster.address, say=lambda _: None)
    killing.join()
    records = _records(finished.folder)
    assert Counter((record.pass_, record.seq) for record in records) == Counter(
        (number, seq) for number in range(2) for seq in range(150)
    )
    assert all(record.ok for record in records)
    assert [sorted(note["lost"] for note in _notes(finished.folder, number)) for number in range(2)] == [[0, 1], [0, 0]]
    assert [note["requests"] for note in _notes(finished.folder)] == [75, 75]
    assert "was lost" in (finished.folder / folders.REPORT).read_text()


def test_nothing_that_may_have_been_billed_is_sent_twice(
    cluster: Cluster, scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    with mock_process(Settings(tier="unlimited", service_time=0.3), 1.0) as server:
        killing = _when(tmp_path / "run", 40, _kill_one)
        asked = scenario(server.url, **{"budget.max_cost": "$2"})
        finished = api.run(asked, out=tmp_path / "run", ray=cluster.address, say=lambda _: None, html=False)
        killing.join()
        served = _served(server.url)
    records = _records(finished.folder)
    assert Counter(record.seq for record in records) == Counter(range(150))
    killed = [record for record in records if record.attempts[-1].cause == "killed"]
    assert 0 < len(killed) <= 10
    assert all(record.attempts[-1].at_most for record in killed), "what it may have cost is known"
    assert served <= 150, "no request has reached the server twice"
    assert served >= 150 - len(killed)
    assert sum(note["unknown"] for note in _notes(finished.folder)) == len(killed)


def test_a_budget_is_one_for_all(cluster: Cluster, scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    asked = scenario("mock", repeat=2, **{"budget.max_requests": 200})
    finished = api.run(asked, out=tmp_path / "run", ray=cluster.address, say=lambda _: None, html=False)
    assert len(_records(finished.folder)) == 200
    assert finished.summary.exit_code == 6


def test_a_run_whose_leader_is_killed_goes_on(
    cluster: Cluster, scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    """The workers of this machine have written down what they did; those elsewhere may know more than the folder."""
    folder = tmp_path / "run"
    with mock_process(Settings(tier="unlimited", service_time=0.3), 1.0) as server:
        command = [
            sys.executable,
            "-m",
            "bench",
            "run",
            str(tmp_path / "asked.yaml"),
            "--target",
            server.url,
            "--workers",
            "2",
        ]
        with subprocess.Popen([*command, "--out", str(folder), "-q"]) as leader:
            _until(lambda: _recorded(folder) >= 40)
            leader.kill()
        assert sum(len(one.requests) for one in folders.load(folder).passes) >= 40, "it can be read as it is"
        finished = api.resume(folder, say=lambda _: None)
        served = _served(server.url)
    records = _records(folder)
    assert Counter(record.seq for record in records) == Counter(range(150))
    again = [record for record in records if len(record.attempts) > 1]
    assert len(again) <= 10
    assert served <= 150 + len(again)
    assert not (folder / "workers").exists()
    assert finished.summary.exit_code == 0


def test_more_workers_than_processors_are_refused(cluster: Cluster, scenario: Callable[..., Scenario]) -> None:
    with pytest.raises(UsageError, match="3 workers want a processor each, and the cluster has 2"):
        api.run(scenario("mock"), ray=cluster.address, workers=3, html=False)


def test_what_cannot_be_divided_is_refused(cluster: Cluster) -> None:
    with pytest.raises(UsageError, match="warms the cache"):
        api.run(api.load("caching-warm-up", flags={"target": "mock"}), ray=cluster.address, html=False)


@pytest.mark.soak
def test_a_machine_that_is_gone_is_done_without_where_it_costs_nothing(
    cluster: Cluster, scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    third = cluster.add_node(num_cpus=1)
    leaving = _when(tmp_path / "run", 60, lambda: cluster.remove_node(third, allow_graceful=False))
    finished = api.run(
        scenario("mock"), out=tmp_path / "run", ray=cluster.address, workers=3, say=lambda _: None, html=False
    )
    leaving.join()
    assert Counter(record.seq for record in _records(finished.folder)) == Counter(range(150))
    assert all(record.ok for record in _records(finished.folder))
    assert sum(note["lost"] for note in _notes(finished.folder)) == 1


@pytest.mark.soak
def test_a_machine_that_is_gone_ends_a_run_that_costs_money(
    cluster: Cluster, scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    third = cluster.add_node(num_cpus=1)
    with mock_process(Settings(tier="unlimited", service_time=0.3), 1.0) as server:
        leaving = _when(tmp_path / "run", 60, lambda: cluster.remove_node(third, allow_graceful=False))
        asked = scenario(server.url, **{"budget.max_cost": "$2"})
        finished = api.run(asked, out=tmp_path / "run", ray=cluster.address, workers=3, say=lambda _: None, html=False)
        leaving.join()
        served = _served(server.url)
    records = _records(finished.folder)
    assert 60 <= len(records) < 150, "what the machine had told is kept"
    assert max(Counter(record.seq for record in records).values()) == 1
    assert served <= 150
    assert finished.summary.exit_code == 5
    assert "gone" in (finished.passes[0].stopped or "")
