"""`claude-bench export` as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "run"
    assert call(["run", "summarize-100", "--strategy", "gather", "-q", "-o", str(folder)]) == 0
    return folder


def test_it_goes_to_standard_output(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert call(["export", str(folder), "--to", "bmf"]) == 0
    said = capfdbinary.readouterr()
    assert said.err == b""
    assert "summarize-100 / gather" in json.loads(said.out)


def test_or_into_a_file(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["export", str(folder), "--to", "csv", "--rows", "attempts", "-o", str(tmp_path / "a.csv")]) == 0
    assert capsys.readouterr().out == ""
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 101


WRONG = {
    ("--to", "junti"): "no format `junti`. Did you mean junit?",
    ("--to", "junit", "--rows", "requests"): "junit has no rows to choose from",
    ("--to", "csv", "--rows", "request"): "no `request`. Did you mean requests?",
    ("--to", "csv", "-o", "no/such/folder/x.csv"): "cannot write no/such/folder/x.csv: No such file or directory",
}


@pytest.mark.parametrize("flags", WRONG)
def test_what_is_wrong_is_said(folder: Path, flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["export", str(folder), *flags]) == 2
    assert WRONG[flags] in capsys.readouterr().err


def test_a_killed_run_can_be_exported(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("run.json", "records.jsonl"):
        (killed / name).write_bytes((folder / name).read_bytes())
    assert call(["export", str(killed), "--to", "junit"]) == 0
    assert "the run was ended before this pass was" in capsys.readouterr().out


def test_a_reader_that_closes_early_is_no_error(folder: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "-m", "bench", "export", str(folder), "--to", "csv"],
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_its_extra_parquet_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert call(["export", str(folder), "--to", "parquet", "-o", str(tmp_path / "x.parquet")]) == 2
    assert not (tmp_path / "x.parquet").exists()
    assert "pip install 'claude-bench[pyarrow]'" in capsys.readouterr().err
