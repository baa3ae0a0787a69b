"""Every exit code: the code, the words, and what summary.json says; each code once by the installed command itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench.cli import call
from bench.errors import Exit
from bench.results.record import read_records

SCENARIO = """\
version: 1
question: How does it end?
model: claude-sonnet-5
workload: {requests: 100, input_tokens: 100, output_tokens: 20, max_tokens: 50, stream: true}
retry: none
strategies: [gather]
gate: [makespan]
mock: {latency: {service_time: 100ms}}
"""


def environment(*first: Path) -> dict[str, str]:
    """That of the tests, in which the command is found.  `first` are folders to import from before any other."""
    paths = [*map(str, first), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def installed(*arguments: str) -> list[str]:
    """The command line as a shell finds it, beside the interpreter that the tests run in."""
    return [str(Path(sys.executable).with_name("claude-bench")), *arguments]


def bench(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(installed(*arguments), capture_output=True, text=True, env=env or environment())


def summary() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("here/summary.json").read_text())
    return found


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    Path("job.yaml").write_text(SCENARIO)


def thresholds(written: str) -> str:
    return f"--set=thresholds={written}"


P99 = thresholds('{latency: ["p(99) < 1s"]}')
BROKEN = thresholds('{latency: ["p(95) < 10ms"]}')
FINDINGS: dict[str, tuple[list[str], Exit, str]] = {
    "all is well": ([], Exit.OK, ""),
    "a threshold holds": ([thresholds('{latency: ["p(95) < 1s"]}')], Exit.OK, ""),
    "a threshold cannot be told": ([P99], Exit.OK, ""),
    "it cannot, and strictly": (["--strict", P99], Exit.INCONCLUSIVE, "inconclusive, p99 needs 368 samples"),
    "few samples": (["--set=workload.requests=20"], Exit.OK, ""),
    "few samples, strictly": (["--strict", "--set=workload.requests=20"], Exit.NOT_VALID, "a p95 needs 72"),
    "nothing measured": (["--set=mock.faults={overloaded: 100%}"], Exit.NOT_VALID, "no request succeeded"),
    "budget": (["--max-requests", "90"], Exit.BUDGET, "90 requests"),
    "a threshold fails": ([BROKEN], Exit.THRESHOLDS, "latency p(95) < 10ms: failed"),
    "no samples": ([thresholds('{ttft_warm: ["p(95) < 1s"]}')], Exit.THRESHOLDS, "ttft_warm p(95) < 1s: no samples"),
    "a threshold aborts": (
        [
            "--set=arrivals={constant: 10/s}",
            thresholds('{latency: [{condition: "avg < 10ms", abort: true, delay: 2s}]}'),
        ],
        Exit.THRESHOLDS,
        "latency avg < 10ms failed after 2.00 s",
    ),
    "the most basic wins": (["--max-requests", "90", BROKEN, "--strict"], Exit.BUDGET, "latency p(95) < 10ms: failed"),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_what_a_run_finds(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags, code, words = FINDINGS[case]
    assert call(["run", "job.yaml", "-o", "here", *flags]) == code
    assert summary()["exit_code"] == code
    assert words in "\n".join(summary()["reasons"])
    assert bool(summary()["reasons"]) is bool(code)
    assert capsys.readouterr().out.splitlines()[-1] == "here/report.html"


@pytest.mark.parametrize("case", {code: case for case, (_, code, _) in FINDINGS.items()}.values())
def test_the_installed_command_returns_each_code_of_a_run(case: str) -> None:
    flags, code, _ = FINDINGS[case]
    done = bench("run", "job.yaml", "-o", "here", *flags)
    assert done.returncode == code == summary()["exit_code"], done.stderr
    assert done.stdout.splitlines()[-1] == "here/report.html"


def test_a_report_that_is_rebuilt_is_as_strict_as_the_run() -> None:
    assert call(["run", "job.yaml", "-o", "here", "--strict", P99]) == Exit.INCONCLUSIVE
    before = summary()
    Path("here/summary.json").unlink()
    assert call(["report", "here"]) == Exit.INCONCLUSIVE
    assert summary() == before


@pytest.mark.parametrize("case", ["a threshold fails", "budget", "nothing measured", "it cannot, and strictly"])
def test_exit_zero_leaves_code_and_reasons_to_the_file(case: str) -> None:
    flags, code, words = FINDINGS[case]
    assert call(["run", "job.yaml", "-o", "here", "--exit-zero", *flags]) == 0
    assert summary()["exit_code"] == code
    assert words in "\n".join(summary()["reasons"])


NOTHING_SENT: dict[str, tuple[list[str], Exit, str]] = {
    "unknown flag": (["--tarjet", "sim"], Exit.USAGE, "Did you mean --target?"),
    "unknown key": (["--set=workload.request=5"], Exit.USAGE, "Did you mean requests?"),
    "unknown tag": ([thresholds('{"ttft{strategy:gathr}": ["med < 1s"]}')], Exit.USAGE, "Did you mean gather?"),
    "the API without a budget": (["--target", "api"], Exit.USAGE, "--max-cost"),
    "nobody answers": (["--target", "http://127.0.0.1:9"], Exit.TARGET, "cannot reach http://127.0.0.1:9"),
}


@pytest.mark.parametrize("flags", [[], ["--exit-zero"]], ids=["plain", "exit-zero"])
@pytest.mark.parametrize("case", NOTHING_SENT)
def test_what_keeps_a_run_from_starting_leaves_nothing_and_is_never_0(
    case: str, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, words = NOTHING_SENT[case]
    assert call(["run", "job.yaml", *flags, *arguments]) == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


@pytest.mark.parametrize("case", {code: case for case, (_, code, _) in NOTHING_SENT.items()}.values())
def test_the_installed_command_says_why_it_did_not_start(case: str) -> None:
    arguments, code, words = NOTHING_SENT[case]
    done = bench("run", "job.yaml", *arguments)
    assert done.returncode == code
    assert words in done.stderr


def test_a_bug_is_1_and_its_traceback_is_kept(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import bench.api\nbench.api.load = lambda *_, **__: 1 / 0\n")
    done = bench("run", "job.yaml", env={**environment(tmp_path), "TMPDIR": str(tmp_path)})
    assert done.returncode == Exit.BUG
    assert "a bug in claude-bench" in done.stderr
    [kept] = tmp_path.glob("claude-bench-*.txt")
    assert str(kept) in done.stderr
    assert "ZeroDivisionError" in kept.read_text()


def test_a_regression_is_3() -> None:
    assert call(["run", "job.yaml", "-o", "base"]) == Exit.OK
    assert call(["run", "job.yaml", "-o", "new", "--set=mock.latency.service_time=200ms"]) == Exit.OK
    done = bench("compare", "base", "new", "--across", "mock")
    assert done.returncode == Exit.REGRESSED
    assert done.stdout.startswith("REGRESSED")
    assert call(["compare", "base", "nowhere"]) == Exit.USAGE
    assert call(["compare", "base", "new", "--across", "mock", "--gate", "ttft_warm.p95"]) == Exit.NOT_VALID


def test_a_reader_that_closes_early_does_not_change_the_exit_code() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        installed("run", "job.yaml", BROKEN),
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    os.close(writes)
    assert done.returncode == Exit.THRESHOLDS, done.stderr
    assert "bug" not in done.stderr


INTERRUPTED = """\
version: 1
question: What is left after Ctrl-C?
model: claude-sonnet-5
target: mock
tier: unlimited
workload: {requests: 100000, input_tokens: 10, output_tokens: 5, max_tokens: 50}
strategies: [{semaphore: 4}, gather]
mock: {latency: {ttft: {median: 300ms, p95: 1s}}}
"""
"""Times to answer differ, so that some requests are in flight whenever the first record is written."""


@pytest.mark.parametrize(
    ("signals", "exit_code", "flags"),
    [
        ([signal.SIGINT], Exit.INTERRUPTED, []),
        ([signal.SIGINT, signal.SIGINT], Exit.INTERRUPTED, ["--exit-zero"]),
        ([signal.SIGTERM], Exit.TERMINATED, []),
    ],
)
def test_a_signal_ends_the_run_and_keeps_what_was_measured(
    signals: list[signal.Signals], exit_code: Exit, flags: list[str]
) -> None:
    Path("long.yaml").write_text(INTERRUPTED)
    command = installed("run", "long.yaml", "-o", "here", *flags)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        journal = Path("here/records.jsonl")
        while process.poll() is None and not (journal.exists() and journal.stat().st_size):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)  # and leave it the processor
        assert process.stderr is not None
        for number in signals:
            process.send_signal(number)
            while "in flight" not in process.stderr.readline():
                pass
        out, _ = process.communicate()
    assert process.returncode == exit_code
    assert out.splitlines()[-1] == "here/report.html"
    records = list(read_records(journal))
    assert summary()["exit_code"] == exit_code
    assert summary()["reasons"][0] == "interrupted"
    assert summary()["passes"][0]["stopped"] == "interrupted"
    assert {record.strategy for record in records} == {"semaphore-4"}
    assert sorted(record.seq for record in records) == list(range(len(records)))
    cut = [record for record in records if record.attempts[-1].cause == "cancelled"]
    assert not cut if len(signals) == 1 else 1 <= len(cut) <= 4
