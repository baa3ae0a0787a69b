"""What a run leaves for the CI it runs in, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import JUnitXml

from bench.cli import call

SCENARIO = """\
version: 1
question: Does it work?
model: claude-sonnet-5
workload: {requests: 80, input_tokens: 100, output_tokens: 20, max_tokens: 50, stream: true}
strategies: [gather]
thresholds:
  latency:
    - "p(95) < 1s"
    - "p(95) < 10ms"
mock: {latency: {service_time: 100ms}}
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a scenario, and the shell in a folder of it."""
    (tmp_path / "load").mkdir()
    (tmp_path / "load" / "fast.yaml").write_text(SCENARIO)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path / "load")
    return tmp_path


def test_outside_of_ci_nothing_is_written(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "fast.yaml", "-o", "run", "-q"]) == 99
    assert "::error" not in capsys.readouterr().err
    assert sorted(path.name for path in Path("run").iterdir()) == [
        "passes.json", "records.jsonl", "report.html", "run.json", "summary.json",
    ]  # fmt: skip


def test_github_shows_a_failed_threshold_at_its_line(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert call(["run", "fast.yaml", "-o", "run", "--json"]) == 99
    said = capsys.readouterr()
    assert said.out.startswith("{"), "annotations must not get into what --json prints"
    [command] = [line for line in said.err.splitlines() if line.startswith("::")]
    assert command.startswith("::error file=load/fast.yaml,line=9,title=latency::gather: latency p(95) < 10ms: 100 ms")


def test_github_gets_a_job_summary_after_what_is_there(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = repository / "summary.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert call(["run", "fast.yaml", "-q"]) == 99
    assert page.read_text().startswith("before\n### FAILED: fast\n")


def test_what_cannot_be_written_changes_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(repository))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert call(["run", "fast.yaml", "-q"]) == 99
    said = capsys.readouterr().err
    assert "GITHUB_STEP_SUMMARY: cannot write" in said
    assert "::error file=load/fast.yaml" in said


def test_github_shows_each_problem_of_a_scenario_at_its_line(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    Path("fast.yaml").write_text(SCENARIO.replace("model:", "modle:").replace("10ms", "10"))
    assert call(["run", "fast.yaml"]) == 2
    commands = [line for line in capsys.readouterr().err.splitlines() if line.startswith("::error")]
    assert any(
        one.startswith("::error file=load/fast.yaml,line=3,title=scenario::modle: unknown key") for one in commands
    )
    assert any("line=9" in one and "10" in one for one in commands)


def test_a_scenario_outside_of_the_repository_is_not_pointed_at(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    thresholds = '--set=thresholds={throughput: ["per_minute < 1/min"]}'
    assert call(["run", "summarize-100", "--strategy", "gather", "-q", thresholds]) == 99
    [command] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("::")]
    assert command.startswith("::error title=throughput::")


def test_gitlab_finds_its_reports_in_the_run_s_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    assert call(["run", "fast.yaml", "-q", "-o", "run"]) == 99
    assert JUnitXml.fromfile("run/junit.xml").failures == 1
    assert "\nbench_requests{" in Path("run/metrics.txt").read_text()


POOL = """\
version: 1
question: How fast?
model: claude-sonnet-5
workload: {requests: 80, input_tokens: 100, output_tokens: 20, max_tokens: 50}
strategies: [{semaphore: 10, name: pool}]
gate: [makespan]
mock: {latency: {service_time: 100ms}}
"""


def test_a_comparison_is_told_to_github_and_as_junit(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("pool.yaml").write_text(POOL)
    assert call(["run", "pool.yaml", "-q", "-o", "base"]) == 0
    Path("pool.yaml").write_text(POOL.replace("semaphore: 10", "semaphore: 5"))
    assert call(["run", "pool.yaml", "-q", "-o", "new"]) == 0
    page = repository / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert call(["compare", "base", "new", "--across", "strategies", "--junit", "gates.xml", "--json"]) == 3
    said = capsys.readouterr()
    [command] = [line for line in said.err.splitlines() if line.startswith("::")]
    assert command.startswith("::error title=makespan::pool: makespan regressed: 800 ms -> 1.60 s, +100.0 %25")
    text = page.read_text()
    assert text.startswith("### REGRESSED: pool\n")
    assert "| gate | **regressed** |" in text
    report = JUnitXml.fromfile("gates.xml")
    assert (report.tests, report.failures) == (1, 1)
    assert call(["compare", "base", "base", "--junit", "gates.xml", "-q"]) == 0
    report = JUnitXml.fromfile("gates.xml")
    assert (report.tests, report.failures) == (1, 0)
