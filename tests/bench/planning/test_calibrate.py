"""A run of a service nobody knows, fitted and played again: from records on disk to a profile that others take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import pytest
from scipy import stats

import mock_server.engine
from bench import api
from bench.cli import call
from bench.engine.observe import Observers
from bench.errors import Exit
from bench.planning.answers import answers_of
from bench.planning.calibrate import calibrate
from bench.planning.fit import Fit, fit
from bench.planning.simulate import simulate
from bench.results.columns import Columns, Floats
from bench.results.fidelity import Estimate, Fidelity
from bench.results.record import Attempt, Record, Usage, write_records
from bench.scenario.model import Scenario
from mock_server.latency import Pace, draw_pace
from mock_server.profile import read_profile
from mock_server.rng import Draws
from mock_server.settings import Settings

JOB = """\
version: 1
question: How fast are they?
model: claude-haiku-4-5
tier: unlimited
seed: 3
workload:
  requests: 1200
  input_tokens: {lognormal: {median: 1500, p95: 6000}}
  output_tokens: {lognormal: {median: 150, p95: 400}}
  max_tokens: 4000
  stream: true
strategies: [{semaphore: 24}]
"""

PREFILL = 0.08


Draw: TypeAlias = Callable[[np.random.Generator, int], tuple[Floats, Floats]]
"""Times to first token and rates of so many answers."""


class Hidden:
    """A service whose speeds are drawn by scipy, from a generator of its own."""

    def __init__(self, draw: Draw, seed: int = 5) -> None:
        self._drawn = zip(*draw(np.random.default_rng(seed), 20_000), strict=True)

    def __call__(self, _draws: Draws, _family: str, _settings: Settings, tokens: int, _read: int, **_: bool) -> Pace:
        """In place of `latency.draw_pace`."""
        first, rate = next(self._drawn)
        return Pace(float(first) + PREFILL * max(0, tokens - 1_000) / 1_000, float(1 / rate))


def gamma(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    late, quick = rng.multivariate_normal([0, 0], [[1, -0.5], [-0.5, 1]], n).T
    share, other = stats.norm.cdf(late), stats.norm.cdf(quick)
    return np.asarray(stats.gamma(3, scale=0.3).ppf(share)), np.asarray(stats.gamma(20, scale=4).ppf(other))


def bimodal(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    first = np.where(rng.random(n) < 0.7, rng.lognormal(np.log(0.5), 0.1, n), rng.lognormal(np.log(3), 0.15, n))
    return first, rng.lognormal(np.log(np.where(rng.random(n) < 0.6, 90, 40)), 0.06)


def scenario(folder: Path, *settings: str, text: str = JOB) -> Scenario:
    file = folder / "job.yaml"
    file.write_text(text)
    return api.load(str(file), settings=settings)


def recorded(folder: Path, *settings: str, text: str = JOB) -> Path:
    return api.run(scenario(folder, *settings, text=text), out=folder / "run", html=False).folder


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Records a run of a hidden service, which is gone afterwards."""

    def record(folder: Path, draw: Draw, *settings: str) -> Path:
        monkeypatch.setattr(mock_server.engine, "draw_pace", Hidden(draw))
        run = recorded(folder, *settings)
        monkeypatch.setattr(mock_server.engine, "draw_pace", draw_pace)
        return run

    return record


def off(found: Fidelity) -> dict[str, float]:
    return {row.measure: row.difference for row in found.rows if row.difference is not None}


def estimate(found: Fidelity, name: str) -> Estimate:
    return next(one for one in found.estimates if one.name == name)


@pytest.mark.parametrize("draw", [gamma, bimodal])
@pytest.mark.parametrize("load", ["0", "0.6"])
def test_a_hidden_service_is_played_again_within_5_percent(
    tmp_path: Path, hidden: Callable[..., Path], draw: Draw, load: str
) -> None:
    run = hidden(tmp_path, draw, f"mock.latency.load={load}")
    found = calibrate(run, tmp_path / "ours.json")
    within = off(found)
    for measure in ("ttft.p50", "ttft.p95", "latency.p50", "latency.p95", "makespan"):
        assert abs(within[measure]) <= 0.05, (measure, within)
    assert found.simulations == 5
    assert all(curve.distance < 0.05 for curve in found.curves)
    assert [shape.kind for shape in found.shapes if shape.name == "ttft"] == ["table"]


def seen_by(scenario: Scenario) -> list[Record]:
    """The records of a simulated run."""
    observer = Keeping()
    simulate(scenario, observer=observer)
    return observer.records


class Keeping(Observers):
    """Keeps the records it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []

    def done(self, record: Record, cost: float | None) -> None:  # noqa: ARG002
        self.records.append(record)


@pytest.mark.parametrize("draw", [pytest.param(gamma, marks=pytest.mark.soak), bimodal])
def test_the_intervals_hold_the_truth_in_at_least_90_of_100_runs(
    tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rate = draw(np.random.default_rng(99), 400_000)
    true = {"load": 0.5, "prefill": PREFILL, "correlation": -0.5 if draw is gamma else 0.0}
    true |= {
        f"{name}.p{p}": np.quantile(of, p / 100) for name, of in (("ttft", first), ("rate", rate)) for p in (50, 95)
    }
    job = scenario(
        tmp_path, "workload.requests=400", "arrivals={poisson: 8/s}", "strategies=[gather]", "mock.latency.load=0.5"
    )
    held = dict.fromkeys(true, 0)
    for trial in range(100):
        monkeypatch.setattr(mock_server.engine, "draw_pace", Hidden(draw, 1_000 + trial))
        records = seen_by(job.model_copy(update={"seed": 1_000 + trial}))
        seen = answers_of([Columns.of(records)], records)["haiku"]
        found = fit(seen.timed, (0.55, 110.0), Draws(trial))
        for name, value in true.items():
            lo, hi = interval(found, name)
            held[name] += lo <= value <= hi
    assert min(held.values()) >= 90, held


def interval(found: Fit, name: str) -> tuple[float, float]:
    name, _, part = name.partition(".")
    one = getattr(found, name)
    at = getattr(one, part) if part else getattr(one, "found", one)
    return at.lo, at.hi


def test_the_profile_speaks_for_itself(tmp_path: Path, hidden: Callable[..., Path]) -> None:
    run = hidden(tmp_path, gamma)
    calibrate(run, tmp_path / "ours.json")
    measured = read_profile(tmp_path / "ours.json")
    assert measured.schema_version == 2
    assert measured.name.startswith("job on sim, ")
    assert set(measured.families) == {"haiku"}
    again = api.run(
        scenario(tmp_path, "mock.latency.profile=ours.json", "mock.seed=4"), out=tmp_path / "again", html=False
    )
    recorded = json.loads((run / "summary.json").read_text())["passes"][0]["distributions"]["ttft"]
    ttft = again.passes[0].distributions["ttft"]
    assert ttft.p50.value == pytest.approx(recorded["p50"]["value"], rel=0.05)


def test_the_same_run_gives_the_same_profile(tmp_path: Path) -> None:
    run = recorded(tmp_path, "workload.requests=200")
    one, two = calibrate(run, tmp_path / "one.json"), calibrate(run, tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    same = {"profile": "", "settings": ""}
    assert msgspec.structs.replace(one, **same) == msgspec.structs.replace(two, **same)


def test_limits_faults_and_what_they_say_of_waiting_come_back(tmp_path: Path) -> None:
    run = recorded(
        tmp_path, "tier=tier-1", "workload.requests=200", "workload.input_tokens=200", "strategies=[{semaphore: 4}]",
        "mock.burst=12s",
        "mock.faults={overloaded: {rate: 5%, retry_after: 3s}, cut: 4%}", "retry={policy: retry_after, attempts: 500}",
    )  # fmt: skip
    found = calibrate(run, tmp_path / "ours.json")
    assert found.burst is not None
    assert found.burst.lo - 1e-9 <= 12 <= found.burst.hi
    assert found.burst.seconds == pytest.approx(12, abs=0.3)
    shares = {one.fault: one for one in found.failures if one.fault}
    assert shares["overloaded"].share == pytest.approx(0.05, abs=0.02)
    assert shares["overloaded"].retry_after == 3
    assert shares["cut"].share == pytest.approx(0.04, abs=0.03)
    assert abs(off(found)["rate_limited"]) < 0.15
    assert abs(off(found)["makespan"]) < 0.02
    beside = read_profile(tmp_path / "ours.json").beside
    assert beside.burst == pytest.approx(12, abs=0.3)
    assert set(beside.faults) == {"overloaded", "cut"}
    # What it says to set can be set.
    text = JOB + found.settings
    assert scenario(tmp_path, text=text).mock.burst == pytest.approx(12, abs=0.3)


def test_thinking_that_is_not_shown_is_told_from_the_time_to_first_token(
    tmp_path: Path, hidden: Callable[..., Path]
) -> None:
    run = hidden(tmp_path, gamma, "model=claude-sonnet-5", "workload.requests=800")
    found = calibrate(run, tmp_path / "ours.json")
    assert "began with thinking" in " ".join(found.notes)
    assert estimate(found, "ttft.p50").value == pytest.approx(stats.gamma(3, scale=0.3).median(), rel=0.1)
    assert estimate(found, "rate.p50").value == pytest.approx(80, rel=0.05)
    within = off(found)
    assert max(abs(within[one]) for one in ("ttft.p50", "ttft.p95", "latency.p50", "latency.p95")) <= 0.06


def test_answers_that_are_longer_than_expected_are_so_again(tmp_path: Path) -> None:
    found = calibrate(
        recorded(tmp_path, "mock.output_factor=1.4", "workload.requests=300"), tmp_path / "ours.json"
    )  # fmt: skip
    assert estimate(found, "length.p50").value == pytest.approx(1.4, abs=0.02)
    assert abs(off(found)["latency.p50"]) < 0.05


def test_without_streaming_whole_times_are_reproduced(tmp_path: Path, hidden: Callable[..., Path]) -> None:
    run = hidden(tmp_path, gamma, "workload.stream=false", "workload.output_tokens=150", "workload.input_tokens=800")
    found = calibrate(run, tmp_path / "ours.json")
    within = off(found)
    assert "ttft.p50" not in within
    assert abs(within["latency.p50"]) < 0.05
    assert abs(within["latency.p95"]) < 0.05
    assert "were not streamed" in " ".join(found.notes)


def test_families_with_too_few_answers_keep_their_presets(tmp_path: Path) -> None:
    text = JOB.replace("model: claude-haiku-4-5", "model: claude-haiku-4-5\narrivals: {backlog: 400}").partition(
        "workload:"
    )[0]
    text += """\
streams:
  - {name: many, share: 90%, workload: {input_tokens: 500, output_tokens: 50, max_tokens: 90, stream: true}}
  - name: few
    share: 10%
    model: claude-opus-4-5
    workload: {input_tokens: 500, output_tokens: 50, max_tokens: 90, stream: true}
strategies: [{semaphore: 24}]
"""
    found = calibrate(recorded(tmp_path, text=text), tmp_path / "ours.json")
    assert set(read_profile(tmp_path / "ours.json").families) == {"haiku"}
    assert any(note.startswith("opus: ") and "72 are needed" in note for note in found.notes)


def test_cases_and_repeats_are_held_against_themselves(tmp_path: Path) -> None:
    text = JOB.replace("requests: 1200", "requests: 120") + "repeat: 2\ncases: {start: {tier: start}, free: {}}\n"
    found = calibrate(recorded(tmp_path, text=text), tmp_path / "ours.json")
    rows = {row.strategy: row for row in found.rows if row.measure == "ttft.p50"}
    assert set(rows) == {"start/semaphore-24", "free/semaphore-24"}
    assert {row.n for row in rows.values()} == {240}


def test_a_run_whose_scenario_is_gone_is_fitted_but_not_played_again(tmp_path: Path) -> None:
    run = recorded(tmp_path, "workload.requests=100")
    scenario(tmp_path, text=JOB.replace("median: 150", "median: 151"))
    found = calibrate(run, tmp_path / "ours.json")
    assert (found.simulations, found.rows, found.farthest) == (0, (), None)
    assert "is not what it was" in " ".join(found.notes)
    assert (tmp_path / "ours.json").exists()


def test_batches_beside_live_requests_are_left_out(tmp_path: Path) -> None:
    text = JOB.replace("requests: 1200", "requests: 120").replace("24}]", "24}, batch]")
    found = calibrate(recorded(tmp_path, text=text), tmp_path / "ours.json")
    assert {row.strategy for row in found.rows} == {"semaphore-24"}
    assert all(one.n == 120 for one in found.shapes)


# Bad input


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command line that is refused says."""

    def refused(*arguments: str) -> str:
        capsys.readouterr()
        assert call(list(arguments)) == Exit.USAGE
        out, err = capsys.readouterr()
        assert not out
        assert "Traceback" not in err
        return err

    return refused


def test_too_few_requests_says_how_many_are_needed(tmp_path: Path, said: Callable[..., str]) -> None:
    run = recorded(tmp_path, "workload.requests=71")
    words = said("calibrate", str(run))
    assert "too few answers to fit to: 71 of haiku, and 72 of one family are needed" in words
    assert not (run / "profile.json").exists()
    recorded(tmp_path / "run", "workload.requests=72")
    assert call(["calibrate", str(tmp_path / "run" / "run"), "--quiet"]) == Exit.OK


def test_batches_alone_are_refused(tmp_path: Path, said: Callable[..., str]) -> None:
    run = recorded(tmp_path, text=JOB.replace("[{semaphore: 24}]", "[batch]").replace("  stream: true\n", ""))
    words = said("calibrate", str(run))
    assert "went through message batches only" in words
    assert "--strategy" in words


def test_a_run_in_which_nothing_succeeded_is_refused(tmp_path: Path, said: Callable[..., str]) -> None:
    run = recorded(tmp_path, "mock.faults={overloaded: 100%}", "workload.requests=80", "retry=none")
    words = said("calibrate", str(run))
    assert "nothing succeeded" in words
    assert "80 attempts failed, most with overloaded" in words


def test_what_is_no_run_or_an_empty_one_is_refused(tmp_path: Path, said: Callable[..., str]) -> None:
    assert "there is no folder" in said("calibrate", str(tmp_path / "nowhere"))
    assert "is not a run" in said("calibrate", str(tmp_path))
    run = recorded(tmp_path, "workload.requests=5")
    (run / "records.jsonl").write_bytes(b"")
    assert "has no requests" in said("calibrate", str(run))


def test_a_profile_that_cannot_be_written_is_said(tmp_path: Path, said: Callable[..., str]) -> None:
    run = recorded(tmp_path, "workload.requests=80")
    assert "cannot write" in said("calibrate", str(run), "--out", str(tmp_path / "no" / "where.json"))
    assert "cannot write" in said("calibrate", str(run), "--html", str(tmp_path / "no" / "where.html"))


def test_a_profile_of_another_version_is_refused_wherever_it_is_used(tmp_path: Path, said: Callable[..., str]) -> None:
    (tmp_path / "ours.json").write_text('{"schema_version": 3, "families": {}, "news": true}')
    (tmp_path / "job.yaml").write_text(JOB + "mock:\n  latency:\n    profile: ours.json\n")
    words = said("run", str(tmp_path / "job.yaml"))
    assert "job.yaml:15:5  mock.latency.profile" in words
    assert "ours.json: this profile has schema version 3, and versions 1 to 2 are read here" in words
    assert "schema version 3" in said("serve", "--profile", str(tmp_path / "ours.json"))


def test_a_damaged_answer_that_took_no_time_does_no_harm(tmp_path: Path) -> None:
    run = recorded(tmp_path, "workload.requests=100")
    usage = Usage(input_tokens=10, output_tokens=10)
    still = Attempt(0.0, 0.0, 200, headers=0.0, first_token=0.0, first_text=0.0, last_token=0.0, usage=usage)
    rows = [*api.Finished(run, api.report(run).summary).records()]
    write_records(run / "records.jsonl", [*rows, Record("semaphore-24", 100, "claude-haiku-4-5", 0.0, (still,))])
    assert calibrate(run, tmp_path / "ours.json").estimates


def test_what_is_found_is_printed_as_json_too(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    run = recorded(tmp_path, "workload.requests=100")
    capsysbinary.readouterr()
    assert call(["calibrate", str(run), "--json"]) == Exit.OK
    found = msgspec.json.decode(capsysbinary.readouterr().out, type=Fidelity)
    assert found.run == "run"
    assert (run / "profile.json").exists()
    assert "<svg" in (run / "fidelity.html").read_text()


def test_an_unreadable_scenario_is_no_reason_to_fail(tmp_path: Path) -> None:
    run = recorded(tmp_path, "workload.requests=100")
    (tmp_path / "job.yaml").unlink()
    assert calibrate(run, tmp_path / "ours.json").simulations == 0


def test_a_run_made_in_python_is_fitted(tmp_path: Path) -> None:
    made = scenario(tmp_path, "workload.requests=100").model_copy()
    made._recipe = None
    run = api.run(made, out=tmp_path / "run", html=False).folder
    found = calibrate(run, tmp_path / "ours.json")
    assert found.simulations == 0
    assert "does not say which scenario file" in " ".join(found.notes)
