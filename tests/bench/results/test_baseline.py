"""Baselines as files, and whether two questions are one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from run_values import ASKED, runs

from bench.errors import UsageError
from bench.results.baseline import differences, read, together, write


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    saved = runs({"makespan": [1.0, 0.1 + 0.2], "ttft.p95": [1e-9, 3.0]}, starts=["2026", "2027"], stopped=[1])
    write(tmp_path / "new" / "main.json", saved)
    assert read(tmp_path / "new" / "main.json") == saved


def test_the_version_stands_first_in_the_file(tmp_path: Path) -> None:
    write(tmp_path / "main.json", runs({"cost": [1.0]}))
    assert (tmp_path / "main.json").read_text().splitlines()[1] == ' "schema_version": 1,'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not a baseline"),
        ("[]", "is not a baseline"),
        ('{"name": "x"}', "is not a baseline"),
        ('{"schema_version": 1, "name": "x"}', "is not a baseline"),
        ('{"schema_version": 2}', "has schema version 2; this claude-bench reads 1"),
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UsageError, match=said):
        read(tmp_path / "x.json")


def test_a_baseline_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        write(tmp_path / "taken" / "x.json", runs({"cost": [1.0]}))


BASE = runs({"cost": [1.0]})


def asking(**changes: object) -> list[tuple[str, object, object]]:
    return list(differences(BASE, msgspec.structs.replace(BASE, asked={**ASKED, **changes})))


def test_differences_are_named_by_their_path() -> None:
    assert asking() == []
    assert asking(model="claude-opus-5") == [("model", "claude-sonnet-5", "claude-opus-5")]
    assert asking(tier={"name": "start", "requests": 50}) == [("tier.requests", 1000, 50)]
    assert asking(timeout=5.0) == [("timeout", None, 5.0)]
    assert asking(strategies={"pool": {"name": "pool", "limit": 9}}) == [("strategies.pool.limit", 8, 9)]


def test_strategies_count_where_both_have_them() -> None:
    assert asking(strategies={"other": {"name": "other", "limit": 9}}) == []


def test_of_a_report_only_what_it_tells_counts() -> None:
    report = msgspec.structs.replace(BASE, asked={"model": "m", "tier": {"name": "start"}}, partly=True)
    assert list(differences(BASE, report)) == [("model", "claude-sonnet-5", "m")]
    assert list(differences(report, BASE)) == [("model", "m", "claude-sonnet-5")]


def test_runs_are_put_together_in_the_order_they_began() -> None:
    late, early = runs({"cost": [1.0]}, starts=["2026-11-21"]), runs({"cost": [2.0]}, starts=["2026-11-20"])
    report = msgspec.structs.replace(runs({"cost": [3.0]}), asked={"model": "m"}, partly=True)
    whole = together([late, report, early])
    assert [run.passes[0].values["cost"] for run in whole.runs] == [3.0, 2.0, 1.0]
    assert (whole.asked, whole.partly) == (ASKED, False)
