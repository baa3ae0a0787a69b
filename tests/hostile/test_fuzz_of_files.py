"""A little of the fuzzer on every run, and every seed by which it has found something.

`python tests/hostile/fuzz.py 10` goes on for ten minutes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import fuzz
import pytest

from bench.cli import call
from bench.errors import Exit, ScenarioError
from bench.scenario.load import load

DEEP = '{"a":' * 100_000


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    fuzz.prepare(folder)
    return folder


@pytest.mark.parametrize("seed", range(60))
def test_words_and_never_a_traceback(prepared: Path, tmp_path: Path, seed: int) -> None:
    assert fuzz.tried(seed, prepared, tmp_path / "tried") == []


# What it has found, in few words


@pytest.mark.parametrize(
    "line", ["workload:", "workload: {requests: 2, input_tokens: , output_tokens: 5, max_tokens: 9}"]
)
def test_a_key_with_nothing_behind_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "job.yaml"
    kept = [one for one in fuzz.SMALL.splitlines() if not one.startswith("workload")]
    path.write_text("\n".join([*kept, line, ""]))
    with pytest.raises(ScenarioError, match="workload"):
        load(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("texts.jsonl", '{"strategy": 7}\n'),
        ("texts.jsonl", "}\n"),
        *((name, DEEP + "\n") for name in ("texts.jsonl", "records.jsonl", "batches.jsonl", "sends.jsonl")),
        *((name, DEEP) for name in ("run.json", "summary.json", "passes.json")),
        ("batches.jsonl", '{"event":"collected","strategy":"batch","pass":0,"number":7,"at":1.0}\n'),
    ],
)
def test_a_run_folder_with_a_strange_file(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    for file in (prepared / "live").iterdir():
        Path("run", file.name).write_bytes(file.read_bytes())
    Path("run", name).write_text(content)
    assert call(["report", "run", "--show-text"]) == Exit.USAGE


@pytest.mark.parametrize(
    "arguments",
    [["explain", "deep.json"], ["run", "summarize-100", "--tier=deep.json"], ["baseline", "show", "deep"]],
)
def test_nested_too_deeply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("baselines").mkdir()
    for path in (Path("deep.json"), Path("baselines/deep.json")):
        path.write_text(DEEP)
    assert call(arguments) == Exit.USAGE


@pytest.mark.parametrize("code", [1, 7_000, -1])
@pytest.mark.parametrize(("folder", "name"), [("swept", "sweep.json"), ("live", "passes.json")])
def test_an_exit_code_that_no_run_has(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str, code: int
) -> None:
    """Found by seed 1000000 and those after it: a damaged sweep made any exit code."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(prepared / folder, "run")
    written = json.loads(Path("run", name).read_bytes())
    Path("run", name).write_text(json.dumps({**written, "stopped": "somebody said so", "exit_code": code}))
    assert call(["report", "run", "--quiet"]) == Exit.USAGE


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["report", "swept", "--quiet"], ["swept/sweep.html"]),
        (["calibrate", "longer", "--quiet"], ["longer/profile.json", "longer/fidelity.html"]),
    ],
)
def test_no_page_is_written_through_a_link(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], names: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(prepared / arguments[1], arguments[1])
    shutil.copy(prepared / "job.yaml", "job.yaml")
    Path("mine").write_text("precious")
    for name in names:
        Path(name).unlink(missing_ok=True)
        Path(name).symlink_to(Path("mine").absolute())
    assert call(arguments) == Exit.OK
    assert Path("mine").read_text() == "precious"
    assert not any(Path(name).is_symlink() for name in names)


def test_a_report_is_not_written_through_a_link(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    for file in (prepared / "live").iterdir():
        Path("run", file.name).write_bytes(file.read_bytes())
    Path("mine").write_text("precious")
    for name in ("report.html", "report.html.part", "summary.json", "summary.json.part"):
        Path("run", name).unlink(missing_ok=True)
        Path("run", name).symlink_to(Path("mine").absolute())
    Path("run/summary.json").unlink()
    assert call(["report", "run", "--quiet"]) == Exit.OK
    assert Path("mine").read_text() == "precious"
