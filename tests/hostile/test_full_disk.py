"""A disk that takes no more: every command that writes says so in words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fuzz
import pytest

from bench.errors import Exit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limit to the size of files")

REPOSITORY = Path(__file__).parents[2]
COMMANDS = [
    ["run", "job.yaml", "--out=done"],
    ["report", "run"],
    ["report", "swept"],
    ["sweep", "job.yaml", "--in-flight=1,2", "--seeds=1", "--processes=1", "--out=new"],
    ["compare", "run", "run", "--html=compared.html"],
    ["export", "run", "--to=csv", "--out=run.csv"],
    ["baseline", "save", "main", "run"],
    ["calibrate", "longer"],
    ["plan", "job.yaml", "--closed-form", "--html=plan.html"],
    ["schema", "--write"],
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    fuzz.prepare(folder)
    shutil.move(folder / "live", folder / "run")
    return folder


def _no_file_grows() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_is_said_in_words(arguments: list[str], prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "here")
    command = [sys.executable, "-m", "bench", *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path / "here", env=env, preexec_fn=_no_file_grows, capture_output=True, text=True
    )
    assert done.returncode in (Exit.USAGE, Exit.NOT_VALID), done.stderr
    assert "cannot write" in done.stderr
    assert "File too large" in done.stderr
    assert "a bug" not in done.stderr
    assert "contradicts" not in done.stderr
