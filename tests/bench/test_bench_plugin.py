"""The fixture `claude_bench` in other people's suites: each in a fresh folder and a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bench.targets.mock_process import mock_process
from mock_server.settings import Settings

ROOT = Path(__file__).parents[2]

SCENARIO = """\
version: 1
question: Does it work?
model: claude-sonnet-5
tier: build
workload: {requests: 80, input_tokens: 100, output_tokens: 20, max_tokens: 50, stream: true}
strategies: [gather, {semaphore: 10}]
thresholds:
  latency: ["p(95) < 10ms"]
mock: {latency: {service_time: 100ms}}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with a scenario, which tests are written into."""
    (tmp_path / "fast.yaml").write_text(SCENARIO)
    (tmp_path / "streams.yaml").write_text(
        """\
version: 1
question: Who waits?
model: claude-sonnet-5
streams:
  - {name: people, arrivals: {constant: 1/s}, workload: {requests: 9, input_tokens: 9, output_tokens: 9, max_tokens: 9}}
  - {name: job, arrivals: backlog, workload: {requests: 80, input_tokens: 9, output_tokens: 9, max_tokens: 9}}
strategies: [gather]
"""
    )
    return tmp_path


def pytest_in(folder: Path, code: str, *options: str, key: str = "") -> tuple[int, str]:
    """Run tests of this code; the exit code and what was printed."""
    (folder / "test_suite.py").write_text(code)
    installed = "claude_bench" in entry_points(group="pytest11").names
    plugin = [] if installed else ["-p", "bench.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-ra", "-W", "error", "--strict-markers", "-p", "no:cacheprovider"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ANTHROPIC_API_KEY": key, "COLUMNS": "160"}
    done = subprocess.run(
        [*command, *plugin, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_suite_asserts_on_what_a_scenario_comes_to(suite: Path) -> None:
    code, said = pytest_in(
        suite,
        """\
import pytest

def test_one_strategy(claude_bench):
    run = claude_bench("fast.yaml", strategy="gather")
    assert run.makespan.value == pytest.approx(0.1)
    assert run.latency.p(95) < 0.2
    assert run.latency.med == pytest.approx(0.1)
    assert run.rate_limited.rate == 0
    assert run.errors.count == 0
    assert run.cost.per_success < 0.01
    assert run.throughput.per_minute > 1000
    assert (run.folder / "report.html").is_file()

def test_several(claude_bench):
    run = claude_bench("fast.yaml")
    assert run["semaphore-10"].makespan.value > run["gather"].makespan.value

@pytest.mark.claude_bench(strategy="gather", settings={"workload.requests": 7})
def test_marked(claude_bench):
    assert claude_bench("fast.yaml").requests.value == 7
    assert claude_bench("fast.yaml", settings={"workload.requests": 9}).requests.value == 9

def test_streams(claude_bench):
    run = claude_bench("streams.yaml")
    assert run["gather"].stream("people").requests.value == 9
    assert run["gather"].stream("job").response_time.p(50) > 0

def test_repeats(claude_bench):
    run = claude_bench("fast.yaml", strategy="gather", repeat=3, settings={"mock.latency": {}})
    assert "median of 3 runs" in repr(run.makespan.value)
    assert sorted(one.values["makespan"] for one in run.summary.passes)[1] == run.makespan.value

def test_shipped(claude_bench):
    assert claude_bench("summarize-100", strategy="gather").makespan.value == 5
""",
    )
    assert code == 0, said
    assert "6 passed" in said
    assert "test_suite.py::test_one_strategy  gather: 100 ms for 80 requests" in said
    assert "test_suite.py::test_marked (run 2)  gather" in said


def test_an_assertion_that_fails_shows_value_interval_and_samples(suite: Path) -> None:
    code, said = pytest_in(
        suite,
        """\
def test_time(claude_bench):
    run = claude_bench("fast.yaml", strategy="gather")
    assert run.latency.p(95) < 0.01

def test_share(claude_bench):
    assert claude_bench("fast.yaml", strategy="gather").errors.rate > 0.5
""",
    )
    assert code == 1
    assert "assert 100 ms (100 ms .. 100 ms, 80 samples) < 0.01" in said
    assert "assert 0 % (0 % .. 4.58 %, 80 requests) > 0.5" in said


def test_what_was_not_measured_fails_in_words(suite: Path) -> None:
    code, said = pytest_in(
        suite,
        """\
def test_too_few(claude_bench):
    assert claude_bench("fast.yaml", strategy="gather").latency.p(99) < 1

def test_which(claude_bench):
    assert claude_bench("fast.yaml").latency.p(95) < 1

def test_name(claude_bench):
    assert claude_bench("fast.yaml", strategy="gather").latancy.p(95) < 1

def test_word(claude_bench):
    assert claude_bench("fast.yaml", strategy="gather").errors.p(95) < 1

def test_file(claude_bench):
    claude_bench("fats.yaml")
""",
    )
    assert code == 1
    assert "gather: latency p(99): inconclusive, p99 needs 368 samples, there are 80" in said
    assert "the run has several strategies (gather, semaphore-10): ask for one, run['gather']" in said
    assert "no metric 'latancy'" in said
    assert "errors has no 'p(95)'; expected rate or count" in said
    assert "no scenario `fats.yaml`" in said


def test_check_holds_a_run_against_its_own_thresholds(suite: Path) -> None:
    code, said = pytest_in(
        suite,
        """\
def test_breaks(claude_bench):
    claude_bench("fast.yaml", strategy="gather").check()

def test_holds(claude_bench):
    claude_bench("fast.yaml", settings={"thresholds": {"latency": ["p(95) < 1s"]}}).check()
""",
    )
    assert code == 1
    assert "1 failed, 1 passed" in said
    assert "gather: latency p(95) < 10ms: 100 ms (100 ms .. 100 ms, 80 samples)" in said


def test_results_are_written_as_pytest_benchmark_writes_them(suite: Path) -> None:
    test = 'def test_it(claude_bench):\n    claude_bench("fast.yaml")\n'
    for name in ("before", "after"):
        code, said = pytest_in(suite, test, "--claude-bench-json", f"{name}.json", "-p", "no:benchmark")
        assert code == 0, said
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "before.json", "after.json", "--between=median"]
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True, check=True)
    assert "gather wall clock" in done.stdout
    found = json.loads((suite / "before.json").read_text())
    assert found["benchmarks"][0]["fullname"] == "test_suite.py::test_it::gather wall clock"
    assert found["machine_info"]["cpu"]["count"] > 0


def test_a_run_is_the_body_of_a_benchmark_and_its_results_stand_in_the_same_file(suite: Path) -> None:
    code, said = pytest_in(
        suite,
        """\
def test_speed(benchmark, claude_bench):
    run = benchmark.pedantic(claude_bench, args=["fast.yaml"], kwargs={"strategy": "gather"}, rounds=2)
    assert run.latency.p(95) < 1
""",
        "--benchmark-json=all.json",
    )
    assert code == 0, said
    found = json.loads((suite / "all.json").read_text())["benchmarks"]
    theirs, *ours = found
    assert theirs["stats"]["rounds"] == 2
    assert theirs["extra_info"]["claude_bench"]["gather wall clock"] == pytest.approx(0.1)
    names = [one["fullname"] for one in ours]
    assert "test_suite.py::test_speed::gather wall clock" in names
    assert "test_suite.py::test_speed::gather wall clock (run 2)" in names
    listed = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", "all.json", "-k", "wall"],
        cwd=suite, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "gather wall clock" in listed


LIVE = """\
import os
import pytest

URL = os.environ.get("MOCK_URL", "http://127.0.0.1:9")

@pytest.mark.claude_bench_live
def test_marked(claude_bench):
    run = claude_bench("fast.yaml", strategy="gather", target="{url}")
    assert run.summary.passes[0].values["cost"] > 0

def test_not_marked(claude_bench):
    claude_bench("fast.yaml", strategy="gather", target="{url}")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with mock_process(Settings(tier="unlimited", service_time=0.01), 1.0) as running:
        yield running.url


@pytest.mark.parametrize("options", [[], ["--claude-bench-live"], ["--claude-bench-max-cost", "5"]])
def test_no_money_is_spent_unless_it_is_asked_for_and_capped(suite: Path, server: str, options: list[str]) -> None:
    code, said = pytest_in(suite, LIVE.replace("{url}", server), *options, key="any")
    assert code == 0, said
    assert "2 skipped" in said
    assert "needs --claude-bench-live and --claude-bench-max-cost DOLLARS: it spends money" in said


def test_live_tests_share_one_cap(suite: Path, server: str) -> None:
    """80 requests of 100 and 20 tokens cost about a cent; the second test has what the first left."""
    live = ["--claude-bench-live", "--claude-bench-max-cost"]
    code, said = pytest_in(suite, LIVE.replace("{url}", server), *live, "5", key="any")
    assert code == 0, said
    assert "2 passed" in said
    tight = LIVE.replace("{url}", server).replace('["cost"] > 0', '["requests"] < 80')
    code, said = pytest_in(suite, tight, *live, "0.002", "--claude-bench-json", "spent.json", key="any")
    assert code == 0, said
    spent = {
        one["fullname"].split("::")[1]: sum(one["extra_info"]["cost"])
        for one in json.loads((suite / "spent.json").read_text())["benchmarks"]
    }
    assert 0 < sum(spent.values()) <= 0.002
    code, said = pytest_in(suite, LIVE.replace("{url}", server), *live, "0", key="any")
    assert code == 4
    assert "expected dollars above 0" in said


def test_the_command_line_says_where_to_run_and_what_to_keep(suite: Path) -> None:
    test = (
        'def test_it(claude_bench):\n    assert claude_bench("fast.yaml", strategy="gather").summary.target == "mock"\n'
    )
    code, said = pytest_in(suite, test, "--claude-bench-target", "mock", "--claude-bench-storage", "kept")
    assert code == 0, said
    assert [path.name for path in (suite / "kept").iterdir()] == ["test-it-1"]


POOL = """\
version: 1
question: How fast?
model: claude-sonnet-5
workload: {requests: 80, input_tokens: 100, output_tokens: 20, max_tokens: 50}
strategies: [{semaphore: 10, name: pool}]
gate: [makespan]
mock: {latency: {service_time: 100ms}}
"""


def test_a_regression_since_a_baseline_fails(suite: Path) -> None:
    (suite / "pool.yaml").write_text(POOL)
    test = 'def test_pool(claude_bench):\n    claude_bench("pool.yaml")\n'
    code, said = pytest_in(suite, test, "--claude-bench-save", "main")
    assert code == 0, said
    [baseline] = (suite / "baselines").iterdir()
    assert baseline.name == "main-test-suite-py--test-pool.json"
    assert pytest_in(suite, test, "--claude-bench-compare", "main")[0] == 0
    faster, places = re.subn(r'"makespan": [0-9.]+', '"makespan": 0.4', baseline.read_text())
    assert places == 1
    baseline.write_text(faster)
    code, said = pytest_in(suite, test, "--claude-bench-compare", "main")
    assert code == 1
    assert "pool: makespan regressed: 400 ms -> 800 ms, +100.0 %" in said
    explicit = f'def test_pool(claude_bench):\n    claude_bench("pool.yaml").no_regression("{baseline.stem}")\n'
    code, said = pytest_in(suite, explicit)
    assert code == 1
    assert "REGRESSED" in said
    code, said = pytest_in(suite, test, "--claude-bench-compare", "mian")
    assert code == 1
    assert "there is no run, report or baseline `mian-test-suite-py--test-pool`. Did you mean main-" in said


def test_skip_and_only(suite: Path) -> None:
    test = 'def test_it(claude_bench):\n    claude_bench("fast.yaml")\n\ndef test_other():\n    pass\n'
    for option, reason in (
        ("--claude-bench-skip", "--claude-bench-skip"),
        ("--claude-bench-only", "--claude-bench-only"),
    ):
        code, said = pytest_in(suite, test, option)
        assert code == 0, said
        assert "1 passed, 1 skipped" in said
        assert reason in said


def test_xdist_s_workers_send_their_results_home(suite: Path) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    test = "".join(
        f'def test_{n}(claude_bench):\n    claude_bench("fast.yaml", strategy="gather")\n\n' for n in range(3)
    )
    code, said = pytest_in(suite, test, "-n", "2", "--dist", "loadgroup", "--claude-bench-json", "all.json")
    assert code == 0, said
    names = {one["fullname"].split("@")[0] for one in json.loads((suite / "all.json").read_text())["benchmarks"]}
    assert {name.split("::")[1] for name in names} == {"test_0", "test_1", "test_2"}
    assert said.count("gather: 100 ms for 80 requests") == 3


def test_live_tests_do_not_run_in_several_processes(suite: Path, server: str) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    options = ["-n", "2", "--claude-bench-live", "--claude-bench-max-cost", "5"]
    code, said = pytest_in(suite, LIVE.replace("{url}", server), *options, key="any")
    assert code == 0, said
    assert "2 skipped" in said
    assert "leave out -n" in said


def test_a_suite_that_does_not_use_it_pays_nothing(suite: Path) -> None:
    code, said = pytest_in(
        suite,
        """\
import sys

def test_nothing_is_loaded():
    heavy = {"numpy", "pydantic", "msgspec", "anthropic", "bench.api", "bench.measured", "matplotlib", "rich"}
    assert not heavy & set(sys.modules)
""",
        *("-p", "no:benchmark", "-p", "no:respx"),
    )
    assert code == 0, said


def test_options_and_fixture_say_what_they_are(suite: Path) -> None:
    _, said = pytest_in(suite, "def test_any(): pass\n", "--fixtures")
    assert "Runs a scenario against sim, mock or" in said
    _, said = pytest_in(suite, "def test_any(): pass\n", "--markers")
    assert "@pytest.mark.claude_bench_live" in said
