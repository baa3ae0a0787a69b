from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from result_rows import QUESTION, backlog, summary_of

from bench.errors import UsageError
from bench.results.environment import machine, versions
from bench.results.folder import (
    RECORDS,
    RUN,
    SUMMARY,
    Journal,
    RunInfo,
    create,
    load,
    rfc3339,
    write_info,
    write_summary,
)
from bench.results.record import to_line
from bench.results.summarize import summarize

NOW = datetime(2026, 11, 20, 10, 41, 7, tzinfo=UTC)
KEY = "sk-ant-api03-abc_DEF-123"


def _info(**changes: object) -> RunInfo:
    info = RunInfo(
        id="20261120-1041-summarize-100-sim-kqvd",
        started_at=rfc3339(NOW),
        command=("claude-bench", "run", "summarize-100"),
        scenario={"name": "summarize-100", "target": "sim"},
        scenario_hash="abc",
        versions=versions(),
        machine=machine(),
        seed=7,
        target="sim",
        tier="start",
    )
    return msgspec.structs.replace(info, **changes)


def _run(tmp_path: Path) -> Path:
    """A complete run folder of two passes."""
    folder = create(tmp_path, "summarize-100", "sim", NOW, "kqvd")
    write_info(folder, _info())
    rows = [backlog(3, 1, 1), backlog(2, 1, 1, "gather")]
    with Journal(folder / RECORDS) as journal:
        for row in (*rows[0], *rows[1]):
            journal.append(row)
    write_summary(folder, summarize(QUESTION, [summary_of(one) for one in rows]))
    return folder


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("summarize-100", "sim", "20261120-1041-summarize-100-sim-kqvd"),
        ("My job, v2", "api", "20261120-1041-my-job-v2-api-kqvd"),
        ("job", "https://user:secret@gateway.example:8443/v1?key=1", "20261120-1041-job-gateway-example-8443-v1-kqvd"),
        ("../..", "mock", "20261120-1041-mock-kqvd"),
    ],
)
def test_a_folder_is_named_for_when_what_and_where(tmp_path: Path, name: str, target: str, expected: str) -> None:
    folder = create(tmp_path / "runs", name, target, NOW, "kqvd")
    assert (folder.name, folder.parent, folder.is_dir()) == (expected, tmp_path / "runs", True)


def test_a_folder_is_never_used_twice(tmp_path: Path) -> None:
    create(tmp_path, "job", "sim", NOW, "kqvd")
    with pytest.raises(UsageError, match=r"cannot create .*: File exists"):
        create(tmp_path, "job", "sim", NOW, "kqvd")


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    run = load(_run(tmp_path))
    assert run.info == _info()
    assert run.summary is not None
    assert [one.strategy for one in run.summary.passes] == ["pool", "gather"]
    assert [(one.strategy, len(one.requests)) for one in run.passes] == [("pool", 3), ("gather", 2)]
    assert run.torn == 0


def test_the_files_are_for_people_too(tmp_path: Path) -> None:
    folder = _run(tmp_path)
    for name in (RUN, SUMMARY):
        content = (folder / name).read_text()
        assert json.loads(content)["schema_version"] == 1
        assert content.startswith('{\n  "')


def test_each_record_is_readable_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    first, second = backlog(2, 1, 1)
    with Journal(tmp_path / RECORDS) as journal:
        journal.append(first)
        assert (tmp_path / RECORDS).read_bytes() == to_line(first)
        journal.append(second)
    assert (tmp_path / RECORDS).read_bytes() == to_line(first) + to_line(second)


def test_a_journal_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / RECORDS).touch()
    with pytest.raises(FileExistsError):
        Journal(tmp_path / RECORDS)


def test_a_killed_run_is_readable(tmp_path: Path) -> None:
    folder = _run(tmp_path)
    (folder / SUMMARY).unlink()
    with (folder / RECORDS).open("ab") as file:
        file.write(b'{"strategy":"gather","seq":2,"mod')
    run = load(folder)
    assert run.summary is None
    assert [len(one.requests) for one in run.passes] == [3, 2]
    assert run.torn == 1


def test_a_run_without_a_record_is_readable(tmp_path: Path) -> None:
    write_info(tmp_path, _info())
    (tmp_path / RECORDS).touch()
    assert (load(tmp_path).passes, load(tmp_path).torn) == ([], 0)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("missing", [RUN, RECORDS])
def test_a_folder_that_is_not_a_run_is_named(tmp_path: Path, missing: str) -> None:
    folder = _run(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(UsageError, match=r"is not a run: it has no run\.json or no records\.jsonl"):
        load(folder)


@pytest.mark.parametrize(
    ("version", "message"),
    [(2, "schema version 2; this claude-bench reads 1. Use a newer one"), (0, "Use an older one")],
)
@pytest.mark.parametrize(
    ("file", "field"), [(RUN, "schema_version"), (RUN, "records_schema_version"), (SUMMARY, "schema_version")]
)
def test_another_schema_version_is_refused(tmp_path: Path, file: str, field: str, version: int, message: str) -> None:
    folder = _run(tmp_path)
    content = json.loads((folder / file).read_text()) | {field: version}
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(UsageError, match=message):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"schema_version": 1}', b'{"schema_version": "\xff"}'])
@pytest.mark.parametrize("file", [RUN, SUMMARY])
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: bytes) -> None:
    folder = _run(tmp_path)
    (folder / file).write_bytes(content)
    with pytest.raises(UsageError, match=rf"{file} is damaged"):
        load(folder)


def test_no_key_is_ever_written(tmp_path: Path) -> None:
    info = _info(
        command=(
            "claude-bench",
            "run",
            "job",
            f"--set=mock.key={KEY}",
            "--target=https://user:pass-word@gateway.example/v1?api_key=query-key#part",
            "Authorization: Bearer token-one",
            "ANTHROPIC_API_KEY=plain-key",
            "own-key-123",
        ),
        target="https://user:pass-word@gateway.example/v1?api_key=query-key",
        scenario={
            "name": "job",
            "target": "https://user:pass-word@gateway.example/v1",
            "workload": {"system": f"use {KEY}", "max_tokens": 400, "headers": [{"x": "x-api-key: plain-key"}]},
        },
    )
    write_info(tmp_path, info, secrets=("own-key-123", ""))
    content = (tmp_path / RUN).read_text()
    for secret in (KEY, "pass-word", "query-key", "token-one", "plain-key", "own-key-123"):
        assert secret not in content
    written = json.loads(content)
    assert written["target"] == "https://gateway.example/v1"
    assert written["command"][:3] == ["claude-bench", "run", "job"]
    assert written["scenario"]["workload"]["max_tokens"] == 400


def test_the_machine_has_no_name() -> None:
    described = msgspec.json.encode(machine()).decode()
    assert socket.gethostname() not in described
    assert machine().cores >= 1


def test_versions_name_what_can_change_a_result() -> None:
    assert {"python", "claude-bench", "anthropic", "httpx2", "numpy"} <= versions().keys()


def test_moments_in_files_are_utc() -> None:
    east = datetime(2026, 11, 20, 12, 41, 7, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(east) == "2026-11-20T10:41:07Z"
