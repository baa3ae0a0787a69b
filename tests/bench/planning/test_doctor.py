"""The doctor finds the limit of machines that have one, and reads a real server's answers; no timing is asserted."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import call
from bench.clock import utc_now
from bench.planning import doctor
from bench.planning.doctor import FULL, LOADS, QUICK, reach, search
from bench.results.ceilings import FILE, fresh_ceilings
from bench.results.diagnosis import Diagnosis, Level, Reach
from bench.results.environment import versions
from bench.scenario.faults import Fault

STREAMS = LOADS[0]
TINY = tuple(replace(load, first=2.0, most=2.0, takes=0.1) for load in LOADS)


@given(st.floats(1, 1e6), st.floats(0, 1), st.sampled_from([FULL.within, QUICK.within]))
def test_the_limit_of_a_machine_that_has_one_is_found_in_few_trials(limit: float, cpu: float, within: float) -> None:
    def measured(offered: float) -> Level:
        over = 0.0 if offered <= limit else 0.5
        return Level(offered, 10, over, over, cpu, 0.0)

    levels = search(measured, STREAMS, within, lambda: False)
    held = max((one.offered for one in levels if one.held), default=0.0)
    failed = min((one.offered for one in levels if not one.held), default=math.inf)
    assert held <= limit
    assert held <= STREAMS.most
    assert failed <= max(held * within, held + 1) or held == STREAMS.most
    assert len(levels) <= 25
    assert len({one.offered for one in levels}) == len(levels)


def test_it_stops_when_the_time_is_over() -> None:
    tried: list[float] = []

    def measured(offered: float) -> Level:
        tried.append(offered)
        return Level(offered, 10, 0.0, 0.0, 0.5, 0.0)

    search(measured, STREAMS, 1.1, lambda: len(tried) >= 3)
    assert len(tried) == 3


@pytest.mark.parametrize("load", TINY, ids=lambda load: load.name)
@pytest.mark.parametrize("client", doctor.CLIENTS)
def test_a_trial_is_a_pass_against_a_real_server(load: doctor.Load, client: Literal["sdk", "wire"]) -> None:
    said: list[str] = []
    found = reach(load, replace(FULL, seconds=0.0), client=client, say=said.append)
    [level] = found.levels
    assert len(said) == 1
    assert level.requests >= 1
    assert level.median is not None  # every request was answered
    assert level.p95 is not None
    assert -0.01 <= level.median <= level.p95
    assert (found.most, found.beyond) == ((level.offered, None) if level.held else (0.0, level.offered))


def test_where_not_all_are_answered_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = doctor._scenario(TINY[1], 2.0)
    mock = sound.mock.model_copy(update={"faults": (Fault(kind="overloaded", rate=1.0),)})
    monkeypatch.setattr(doctor, "_scenario", lambda *_: sound.model_copy(update={"mock": mock}))
    found = reach(TINY[1], replace(FULL, seconds=0.0))
    assert found.most == 0
    assert [(one.median, one.held) for one in found.levels] == [(None, False)]
    assert msgspec.json.decode(msgspec.json.encode(found), type=Reach) == found


def test_the_command_prints_json_and_leaves_it_for_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "LOADS", TINY)
    assert call(["doctor", "--quick", "--json"]) == 0
    printed = capsys.readouterr()
    kept = msgspec.json.decode((tmp_path / "claude-bench" / FILE).read_bytes(), type=Diagnosis)
    assert msgspec.json.decode(printed.out.encode(), type=Diagnosis) == kept
    assert (kept.quick, kept.versions, list(kept.ceilings)) == (True, versions(), ["sdk", "wire"])
    assert len(printed.err.splitlines()) >= 6
    ceiling = fresh_ceilings(utc_now(), tmp_path / "claude-bench")
    assert ceiling == kept.ceilings


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(doctor, "LOADS", TINY)
    assert call(["doctor", "--quick"]) == 0
    printed = capsys.readouterr()
    assert "runs will not know of it" in printed.err
    assert "streams at once" in printed.out


SCENARIO = """\
version: 1
question: Was the client on time?
model: claude-sonnet-5-5
workload: {requests: 80, input_tokens: 50, output_tokens: 5, max_tokens: 10}
strategies: [gather]
tier: unlimited
mock: {latency: {service_time: 50ms}}
"""


def test_a_run_looks_at_itself_and_is_judged_again_from_what_it_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SCENARIO)
    call(["run", "mine.yaml", "--target", "mock", "--out", "run", "-q"])
    passes = Path("run/passes.json")
    ending = json.loads(passes.read_bytes())
    seen = ending["passes"][0]["selfcheck"]
    assert seen["sends"] == 80
    assert 1 <= seen["most_open"] <= 80
    assert seen["seconds"] >= 0.05
    assert seen["lag_median"] <= seen["lag_p99"] <= seen["lag_max"]
    assert "event loop was" in Path("run/report.html").read_text()

    # As on a machine that was too slow, whatever this one is.
    seen.update(moments=500, lag_median=3.0, cpu=0.98)
    ending["passes"][0]["overhead"] = None
    passes.write_text(json.dumps(ending))
    capsys.readouterr()
    assert call(["report", "run"]) == 5
    said = " ".join(capsys.readouterr().out.split())
    assert "! gather: The client was the bottleneck: late at half of all moments by 3.00 s or more" in said
    assert "it used 98 % of its one core" in said
    assert "Not valid" in Path("run/report.html").read_text()


def test_virtual_time_is_never_late_and_looks_at_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SCENARIO)
    assert call(["run", "mine.yaml", "--target", "sim", "--out", "run", "-q"]) == 0
    assert json.loads(Path("run/passes.json").read_bytes())["passes"][0]["selfcheck"] is None
    assert json.loads(Path("run/run.json").read_bytes())["ceilings"] == {}
    assert "event loop was" not in Path("run/report.html").read_text()
