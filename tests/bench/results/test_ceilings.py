"""What the doctor found is believed on the same machine, with the same versions, for 30 days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bench.results.ceilings import FILE, cache_folder, fresh_ceilings, keep
from bench.results.diagnosis import Diagnosis, Level, Reach, Reaches
from bench.results.environment import machine, versions

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FOUND = Diagnosis(
    measured_at="2026-11-20T11:00:00Z",
    versions=versions(),
    machine=machine(),
    event_loop="uvloop Loop",
    clock_resolution=1e-9,
    open_files=20_000,
    load=0.1,
    quick=False,
    sdk=Reaches(
        streams=Reach(531, 583, (Level(531, 531, 0.003, 0.03, 0.4, 0.0), Level(583, 583, 0.03, 0.06, 0.42, 0.0))),
        requests=Reach(1028, 1106, ()),
        events=Reach(100_000, None, ()),
    ),
    wire=Reaches(streams=Reach(2400, 2600, ()), requests=Reach(3000, None, ()), events=Reach(100_000, None, ())),
)


def test_a_run_knows_what_the_doctor_found(tmp_path: Path) -> None:
    path = keep(FOUND, tmp_path / "claude-bench")
    assert [*path.parent.iterdir()] == [path]
    found = fresh_ceilings(NOW, path.parent)
    assert found == FOUND.ceilings
    assert (found["sdk"].streams, found["sdk"].requests, found["sdk"].events) == (531, 1028, 100_000)
    assert (found["wire"].streams, found["wire"].requests, found["wire"].events) == (2400, 3000, 100_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"versions": {**versions(), "anthropic": "0.1"}},
        {"machine": msgspec.structs.replace(machine(), cores=999)},
        {"schema_version": 99},
        {"measured_at": "2026-10-20T11:00:00Z"},
        {"measured_at": "2026-11-21T11:00:00Z"},
        {"measured_at": "yesterday"},
        {"measured_at": "2026-11-20T11:00:00"},
    ],
)
def test_of_another_machine_another_version_or_too_long_ago_it_says_nothing(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    keep(msgspec.structs.replace(FOUND, **changes), tmp_path)
    assert fresh_ceilings(NOW, tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"measured_at": 1}', b"\xff"])
def test_a_file_that_is_something_else_is_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert fresh_ceilings(NOW, tmp_path) == {}
    assert fresh_ceilings(NOW, tmp_path / "none") == {}


def test_it_is_fresh_for_thirty_days(tmp_path: Path) -> None:
    keep(FOUND, tmp_path)
    measured = NOW - timedelta(hours=1)
    assert fresh_ceilings(measured + timedelta(days=30), tmp_path) != {}
    assert fresh_ceilings(measured + timedelta(days=30, seconds=1), tmp_path) == {}


def test_where_the_system_keeps_what_can_be_had_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder({"XDG_CACHE_HOME": "/cache"}, "linux") == Path("/cache/claude-bench")
    assert cache_folder({}, "linux") == Path("/home/me/.cache/claude-bench")
    assert cache_folder({}, "darwin") == Path("/home/me/Library/Caches/claude-bench")
    assert cache_folder({"LOCALAPPDATA": "/local"}, "win32") == Path("/local/claude-bench")
