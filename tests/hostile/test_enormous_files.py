"""Files larger than memory, of every kind that is read: refused in words, or streamed.

They have holes, so they take no room on the disk; the process that reads them has an address space of two gigabytes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import fuzz
import pytest

from bench.errors import Exit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bounds the memory of a process")

SIZE = 10 * 2**30
ROOM = 2 * 2**30
REPOSITORY = Path(__file__).parents[2]

JOB = ["run", "job.yaml", "--quiet", "--out=done"]
OF_DATASET, OF_TRACE = fuzz.OF_DATASET, fuzz.OF_TRACE
ROWS = "workload: {input_tokens: trace, output_tokens: trace, max_tokens: 50}"
FILES: dict[str, tuple[str, list[str], tuple[str, ...]]] = {
    "scenario": ("job.yaml", JOB, ()),
    "dataset": ("rows.jsonl", JOB, (OF_DATASET % "jsonl",)),
    "dataset as csv": ("rows.csv", JOB, (OF_DATASET % "csv",)),
    "trace": ("rows.csv", JOB, (OF_TRACE % "csv", ROWS)),
    "trace as lines": ("rows.jsonl", JOB, (OF_TRACE % "jsonl", ROWS)),
    "spans": ("rows.json", JOB, (OF_TRACE % "json", ROWS)),
    "tier": ("tier.json", [*JOB, "--tier=tier.json"], ()),
    "profile": ("profile.json", JOB, ("mock: {latency: {profile: profile.json}}",)),
    "keys": ("keys.json", ["serve", "--keys=keys.json", "--host=203.0.113.1"], ()),
    "settings": ("settings.json", ["serve", "--settings=settings.json", "--host=203.0.113.1"], ()),
    "profile of the server": ("profile.json", ["serve", "--profile=profile.json", "--host=203.0.113.1"], ()),
    **{f"run: {name}": (f"run/{name}", ["report", "run"], ()) for name in ("run.json", "records.jsonl", "passes.json")},
    **{f"run: {name}": (f"run/{name}", ["report", "run"], ()) for name in ("batches.jsonl", "sends.jsonl")},
    "run: texts.jsonl": ("run/texts.jsonl", ["report", "run", "--show-text"], ()),
    "run: summary.json": ("run/summary.json", ["compare", "run", "run"], ()),
    "sweep": ("swept/sweep.json", ["recommend", "swept"], ()),
    "baseline": ("baselines/kept.json", ["baseline", "show", "kept"], ()),
    "report": ("page.html", ["compare", "page.html", "run"], ()),
}
"""The file, the command that reads it, and what the scenario says of it."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    fuzz.prepare(folder)
    return folder


@pytest.mark.parametrize("kind", FILES)
def test_is_refused_in_words_and_in_bounded_memory(kind: str, prepared: Path, tmp_path: Path) -> None:
    name, arguments, lines = FILES[kind]
    for folder in ("live", "swept", "baselines"):
        (copy := tmp_path / folder.replace("live", "run")).mkdir()
        for file in (prepared / folder).iterdir():
            if file.is_file():
                (copy / file.name).write_bytes(file.read_bytes())
    (tmp_path / "job.yaml").write_text(fuzz.with_lines(*lines))
    with (tmp_path / name).open("wb") as enormous:
        enormous.truncate(SIZE)
    code, said = bounded(tmp_path, arguments)
    assert code == Exit.USAGE, said
    assert re.search("(larg|long|mor)er? than", said), said
    assert not (tmp_path / "done").exists()


def test_the_doctors_file_is_left_alone(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(fuzz.SMALL)
    (cache := tmp_path / "cache" / "claude-bench").mkdir(parents=True)
    with (cache / "doctor.json").open("wb") as enormous:
        enormous.truncate(SIZE)
    code, said = bounded(tmp_path, fuzz.PLAYED)
    assert code in (Exit.OK, Exit.NOT_VALID), said


@pytest.mark.soak
def test_ten_gigabytes_of_prompts_are_streamed(tmp_path: Path) -> None:
    row = b'{"prompt": "' + b"word " * 50_000 + b'"}\n'
    rows = SIZE // len(row) + 1
    with (tmp_path / "rows.jsonl").open("wb") as file:
        for _ in range(rows):
            file.write(row)
    asked = OF_DATASET.replace("requests: 6", f"requests: {rows}") % "jsonl"
    pool = "strategies: [{pool: {workers: 20, queue: 50}}]"
    (tmp_path / "job.yaml").write_text(fuzz.with_lines(asked, pool, "tier: unlimited", "mock: {}"))
    try:
        code, said = bounded(tmp_path, JOB)
        assert code == Exit.OK, said
        size, lines = (tmp_path / "rows.jsonl").stat().st_size, (tmp_path / "done" / "records.jsonl").read_bytes()
        print(f"\n{size / 2**30:.1f} GiB of prompts, {rows:,} requests in {ROOM / 2**30:.0f} GiB of room")
        assert lines.count(b"\n") == rows
    finally:
        (tmp_path / "rows.jsonl").unlink()


def bounded(folder: Path, arguments: list[str]) -> tuple[int, str]:
    """The exit code of `claude-bench`, with little memory, and what it said."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(folder / "cache")}
    env |= {"OPENBLAS_NUM_THREADS": "1"}  # each thread of it takes address space of its own
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({ROOM}, {ROOM}))"
    command = [sys.executable, "-c", f"{limit}; from bench.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    return done.returncode, done.stderr
