"""`sweep`, `recommend` and `report` of a sweep, through the command line and from Python."""

from __future__ import annotations

import io
import json
import socket
import sys
from pathlib import Path

import msgspec
import pytest

import bench
from bench import api
from bench.cli import call
from bench.engine.stop import Stop
from bench.errors import Exit
from bench.planning.sweep import numbers, sweep, tiers
from bench.results.sweep import SWEEP, read
from bench.targets.mock_process import mock_process
from mock_server.settings import Settings

JOB = """\
version: 1
question: How many at a time?
model: claude-sonnet-5
tier: tier-1
workload: {requests: 90, input_tokens: 300, output_tokens: 60, max_tokens: 100}
strategies: [gather]
retry: {policy: exponential, base: 5s, cap: 30s, jitter: 50%, attempts: 500}
mock: {latency: {ttft: {median: 10s, p95: 14s}, tokens_per_second: 50}}
"""

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("job.yaml").write_text(JOB)
    return "job.yaml"


def swept(*arguments: str, out: str = "swept", processes: int = 1, seeds: int = 1) -> int:
    how = ["--processes", str(processes), "--seeds", str(seeds), "--quiet", "--out", out]
    return call(["sweep", "job.yaml", *how, *arguments])


@pytest.mark.usefixtures("job")
def test_a_sweep_keeps_what_it_measured_and_recommend_and_report_read_it(capsys: Printed) -> None:
    assert swept("--in-flight", "1..32") == Exit.OK
    sentence = capsys.readouterr().out
    assert sentence.startswith("Use ")
    assert {one.name for one in Path("swept").iterdir()} == {"sweep.json", "sweep.html"}
    assert call(["recommend", "swept", "--quiet"]) == Exit.OK
    assert capsys.readouterr().out == sentence
    page = Path("swept/sweep.html").read_text()
    Path("swept/sweep.html").unlink()
    assert call(["report", "swept"]) == Exit.OK
    assert sentence.split(":")[0] in capsys.readouterr().out
    assert Path("swept/sweep.html").read_text() == page


@pytest.mark.usefixtures("job")
def test_a_sweep_on_the_simulation_repeats_in_one_process_or_in_several() -> None:
    assert swept("--in-flight", "4..16", out="one") == Exit.OK
    assert swept("--in-flight", "4..16", out="two", processes=2) == Exit.OK
    assert read(Path("one")).series == read(Path("two")).series


@pytest.mark.usefixtures("job")
def test_json_is_the_sweep_and_the_answers(capsys: Printed) -> None:
    assert swept("--in-flight", "2,8", "--json") == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert [point["at"] for point in found["series"][0]["points"]] == [2, 8]
    assert found["schema_version"] == 1
    assert call(["recommend", "swept", "--json"]) in (Exit.OK, Exit.THRESHOLDS)
    assert json.loads(capsys.readouterr().out)["answers"][0]["judged"][0]["at"] == 2


@pytest.mark.usefixtures("job")
def test_every_tier_has_an_answer_and_a_list_is_tried_as_it_stands(capsys: Printed) -> None:
    assert swept("--in-flight", "16,2,4", "--tier", "start,tier-2", "--html", "also.html") == Exit.OK
    found = read(Path("swept"))
    assert [one.tier for one in found.series if one.of is None] == ["start", "tier-2"]
    assert all([point.at for point in one.points] == [2, 4, 16] for one in found.series)
    assert "on Start" in (said := capsys.readouterr().out)
    assert "on Tier-2" in said
    assert Path("also.html").read_text() == Path("swept/sweep.html").read_text()


@pytest.mark.usefixtures("job")
def test_several_strategies_are_swept_beside_each_other(capsys: Printed) -> None:
    numbers = ["--strategy", "semaphore,token-bucket,semaphore", "--in-flight", "2,8", "--share", "50%,100%"]
    assert swept(*numbers) == Exit.OK
    said = capsys.readouterr().out
    found = read(Path("swept"))
    assert found.kind == "semaphore, token_bucket"
    whole = [one for one in found.series if one.of is None]
    assert [(one.kind, [point.at for point in one.points]) for one in whole] == [
        ("semaphore", [2, 8]),
        ("token_bucket", [50, 100]),
    ]
    assert "of the rates on Tier-1 (token_bucket)" in said
    assert "Of the strategies on Tier-1, " in said
    page = Path("swept/sweep.html").read_text()
    assert "token_bucket on Tier-1" in page
    assert "Of the strategies on Tier-1, " in page


@pytest.mark.usefixtures("job")
def test_several_strategies_on_a_server_take_turns_in_the_same_rounds() -> None:
    fast = ["--target", "mock", "--speed", "100", "--set", "workload.requests=12", "--tier", "start"]
    kinds = ["--strategy", "semaphore,pool", "--in-flight", "4,8", "--seeds", "2"]
    assert call(["sweep", "job.yaml", *fast, *kinds, "--quiet", "--out", "swept"]) == Exit.OK
    [run] = [one for one in Path("swept").iterdir() if one.is_dir()]
    order = ["semaphore-4", "semaphore-8", "pool-4", "pool-8"]
    assert [one.strategy for one in bench.report(run).passes] == [*order, *order]
    assert {one.kind: len(one.points) for one in read(Path("swept")).series if one.of is None} == {
        "semaphore": 2,
        "pool": 2,
    }


@pytest.mark.usefixtures("job")
def test_what_its_runs_warn_of_is_said_of_the_sweep_and_of_what_is_recommended(capsys: Printed) -> None:
    """Here the server has the limits of another tier than the sweep was told."""
    with mock_process(Settings(tier="build"), 100.0) as server:
        at = ["--target", server.url, "--tier", "start", "--max-cost", "9"]
        job = ["--set", "workload.requests=12", "--set", "pause=0s"]
        arguments = [*at, *job, "--in-flight", "4,8", "--seeds", "1", "--out", "swept"]
        assert call(["sweep", "job.yaml", *arguments]) == Exit.OK
    told = "The responses name a limit of 5,000 requests a minute; the tier has"
    assert told in " ".join(capsys.readouterr().out.split())
    assert told in Path("swept/sweep.html").read_text()
    call(["recommend", "swept", "--quiet"])
    printed = capsys.readouterr()
    assert told not in printed.out
    assert told in printed.err
    assert call(["recommend", str(Path("swept/run-1"))]) in (Exit.OK, Exit.THRESHOLDS)
    assert told in " ".join(capsys.readouterr().out.split())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("answer", "flags", "code", "asked"),
    [("n\n", [], Exit.INTERRUPTED, True), ("y\n", [], Exit.USAGE, True), ("", ["--yes"], Exit.USAGE, False)],
)
def test_before_a_sweep_of_the_api_its_plan_is_shown_and_asked_about(
    answer: str, flags: list[str], code: int, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says yes gets as far as the missing key.  90 requests of $0.0012, at three numbers, by two seeds."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    paid = ["--target", "api", "--max-cost", "5", "--in-flight", "4..16", "--seeds", "2", *flags]
    assert call(["sweep", "job.yaml", *paid, "--out", "swept"]) == code
    said = " ".join(screen.getvalue().split())
    assert "All of it, each 2 times: $0.648 expected" in said
    assert "Numbers between these are tried after them, one at a time, where the knee is, for $5.00 in all" in said
    assert ("Send it? [y/N]" in said) == asked
    assert ("nothing was sent" in said) == (code == Exit.INTERRUPTED)
    assert not Path("swept").exists()


@pytest.mark.usefixtures("job")
def test_token_bucket_is_swept_by_its_share_and_pool_by_its_workers() -> None:
    assert swept("--strategy", "token_bucket", "--share", "40%,80%", out="paced") == Exit.OK
    [paced, *_] = read(Path("paced")).series
    assert [(point.at, point.strategy) for point in paced.points] == [
        (40, "token-bucket-share-40"),
        (80, "token-bucket-share-80"),
    ]
    assert paced.points[0].goodput.value < paced.points[1].goodput.value
    assert swept("--strategy", "pool", "--in-flight", "2,4", out="pool") == Exit.OK
    assert [point.strategy for point in read(Path("pool")).series[0].points] == ["pool-2", "pool-4"]


@pytest.mark.usefixtures("job")
def test_where_none_qualifies_recommend_exits_with_99_and_says_which_comes_closest(capsys: Printed) -> None:
    assert swept("--in-flight", "1,2", "--set", "slo.latency=1s") == Exit.OK
    capsys.readouterr()
    assert call(["recommend", "swept"]) == Exit.THRESHOLDS
    said = capsys.readouterr().out
    assert "No number from 1 to 2 in flight qualifies on Tier-1" in said
    assert "allow" in said


@pytest.mark.usefixtures("job")
def test_what_cannot_be_told_exits_with_4(capsys: Printed) -> None:
    assert swept("--in-flight", "1,2", "--set", "slo.latency=20s", "--set", "workload.requests=40") == Exit.OK
    assert call(["recommend", "swept"]) == Exit.INCONCLUSIVE
    assert "A p95 needs 72 answers a pass" in capsys.readouterr().out


STREAMS = """
arrivals: {backlog: 120}
streams:
  - {name: chat, share: 50%, workload: {input_tokens: 100, output_tokens: 20, max_tokens: 50}}
  - {name: batch, share: 50%, workload: {input_tokens: 900, output_tokens: 300, max_tokens: 500}}
"""


@pytest.mark.usefixtures("job")
def test_each_class_of_requests_has_its_own_answer(capsys: Printed) -> None:
    lengths = "workload.output_tokens={uniform: [20, 300]}"
    assert swept("--in-flight", "2,4", "--tier", "start", "--set", lengths, "--set", "workload.max_tokens=400") == 0
    found = read(Path("swept"))
    assert [one.of for one in found.series] == [None, "short", "medium", "long"]
    short, long = (one.points[-1].p95["latency"] for one in (found.series[1], found.series[3]))
    assert short is None or long is None or short.value < long.value
    assert "for short answers" in capsys.readouterr().out

    [workload] = [line for line in JOB.splitlines() if line.startswith("workload")]
    Path("job.yaml").write_text(JOB.replace(workload, STREAMS))
    assert swept("--in-flight", "2,4", "--tier", "start", out="streams") == Exit.OK
    assert [one.of for one in read(Path("streams")).series] == [None, "chat", "batch"]


@pytest.mark.usefixtures("job")
def test_a_run_with_several_numbers_is_recommended_from_case_by_case(capsys: Printed) -> None:
    cases = "cases={small: {}, large: {workload.input_tokens: 2000}}"
    strategies = "strategies=[{semaphore: [2, 4, 8]}, gather, {pool: {workers: 3}}]"
    flags = ["--tier", "start", "--set", cases, "--set", strategies, "--out", "run", "--quiet"]
    assert call(["run", "job.yaml", *flags]) == Exit.OK
    capsys.readouterr()
    assert call(["recommend", "run"]) == Exit.OK
    said = capsys.readouterr().out
    assert "Use 8 in flight on Start (case small)" in said.replace("\n  ", " ")
    assert "(case large)" in said
    page = Path("run/report.html").read_text()
    assert page.count('<figure id="sweep-') == 2
    assert "Use 8 in flight on Start (case small): " in page


REFUSED = [
    (["--in-flight", "5"], "with one number there is nothing to choose"),
    (["--in-flight", "0..4"], "from 1 to 100,000, got `0`"),
    (["--in-flight", "8..8"], "has nothing to choose from"),
    (["--in-flight", "9..3"], "has nothing to choose from"),
    (["--in-flight", ""], "got ``"),
    (["--in-flight", "a,b"], "got `a`"),
    (["--in-flight", "1..1000000"], "got `1000000`"),
    (["--strategy", "gather"], "gather has no number to sweep"),
    (["--strategy", "semafor"], "Did you mean semaphore?"),
    (["--share", "50%..90%"], "semaphore is swept by --in-flight"),
    (["--strategy", "token_bucket", "--in-flight", "4,8"], "token_bucket is swept by --share"),
    (["--strategy", "token_bucket", "--share", "50%..200%"], "from 1 to 100, got `200%`"),
    (["--strategy", ","], "--strategy: names none"),
    (["--strategy", "semaphore,gather"], "gather has no number to sweep"),
    (["--strategy", "semaphore,pool", "--share", "50%..90%"], "semaphore,pool is swept by --in-flight"),
    (["--tier", "strat"], "Did you mean start?"),
    (["--tier", ","], "--tier: names none"),
    (["--target", "api"], "the API costs money"),
]


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(("flags", "said"), REFUSED, ids=[" ".join(flags) for flags, _ in REFUSED])
def test_what_cannot_be_swept_is_refused_before_anything_is_sent(flags: list[str], said: str, capsys: Printed) -> None:
    assert swept(*flags) == Exit.USAGE
    assert said in capsys.readouterr().err
    assert not Path("swept").exists()


@pytest.mark.usefixtures("job")
def test_what_holds_nothing_to_choose_between_is_refused_with_the_reason(capsys: Printed) -> None:
    def refused(folder: str) -> str:
        capsys.readouterr()
        assert call(["recommend", folder]) == Exit.USAGE
        return capsys.readouterr().err

    assert "there is no folder nowhere" in refused("nowhere")
    Path("empty").mkdir()
    assert "empty is neither a run nor a sweep" in refused("empty")
    assert call(["run", "job.yaml", "--out", "one", "--quiet"]) in (Exit.OK, Exit.NOT_VALID)
    assert "one has no strategy at two numbers or more (gather)" in refused("one")
    batched = ["--set", "strategies=[{batch: {size: [10, 50]}}]", "--out", "batches", "--quiet"]
    assert call(["run", "job.yaml", *batched]) == Exit.OK
    assert "went through message batches" in refused("batches")
    stopped = ["--set", "strategies=[{semaphore: [1, 2]}]", "--max-requests", "5", "--out", "stopped", "--quiet"]
    assert call(["run", "job.yaml", *stopped]) == Exit.BUDGET
    assert "fewer than two numbers with a pass that came to its end" in refused("stopped")


@pytest.mark.usefixtures("job")
def test_a_sweep_of_another_version_or_damaged_is_refused(capsys: Printed) -> None:
    assert swept("--in-flight", "1,2") == Exit.OK
    path = Path("swept") / SWEEP
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 9'))
    for command in ("recommend", "report"):
        capsys.readouterr()
        assert call([command, "swept"]) == Exit.USAGE
        assert "has schema version 9; this claude-bench reads 1" in capsys.readouterr().err
    path.write_text("{}")
    assert call(["recommend", "swept"]) == Exit.USAGE
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.usefixtures("job")
def test_an_interrupt_keeps_what_was_measured() -> None:
    stop, scenario = Stop(), api.load("job.yaml")

    def interrupt(done: int, _total: int, _words: str) -> None:
        if done == 3:
            stop.interrupt()

    found = sweep(
        [scenario], numbers("semaphore", "1,2,4,8"), seeds=1, out=Path("swept"), processes=2, tell=interrupt, stop=stop
    ).sweep
    assert (found.exit_code, found.stopped) == (Exit.INTERRUPTED, "interrupted")
    assert 3 <= len(found.series[0].points) <= 4
    assert read(Path("swept")) == found


@pytest.mark.usefixtures("job")
def test_an_interrupt_before_anything_was_measured_is_told_as_that(capsys: Printed) -> None:
    stop = Stop()
    sweep(
        [api.load("job.yaml")],
        numbers("semaphore", "1,2"),
        seeds=1,
        out=Path("swept"),
        processes=1,
        tell=lambda *_: stop.interrupt(),
        stop=stop,
    )
    assert call(["report", "swept"]) == Exit.INTERRUPTED
    assert "Too little was measured" in capsys.readouterr().out
    assert call(["recommend", "swept"]) == Exit.USAGE
    assert "0 numbers measured (it was ended early: interrupted)" in capsys.readouterr().err


@pytest.mark.usefixtures("job")
def test_on_a_server_it_runs_in_rounds_and_keeps_the_runs(capsys: Printed) -> None:
    fast = ["--target", "mock", "--speed", "100", "--set", "workload.requests=12", "--tier", "start"]
    arguments = [*fast, "--in-flight", "4,8", "--seeds", "2"]
    assert call(["sweep", "job.yaml", *arguments, "--quiet", "--out", "swept"]) == Exit.OK
    [run] = [one for one in Path("swept").iterdir() if one.is_dir()]
    order = [(one.strategy, one.pass_) for one in bench.report(run).passes]
    assert order == [("semaphore-4", 0), ("semaphore-8", 0), ("semaphore-4", 1), ("semaphore-8", 1)]
    [series, *_] = read(Path("swept")).series
    assert [(point.at, point.passes, point.succeeded) for point in series.points] == [(4, 2, 24), (8, 2, 24)]
    assert "in flight on Start" in capsys.readouterr().out


@pytest.mark.usefixtures("job")
def test_the_budget_is_that_of_the_whole_sweep(capsys: Printed) -> None:
    """A pass costs 90 x $0.0018; what is left after the first stage does not pay for a second."""
    fast = ["--target", "mock", "--speed", "200", "--tier", "start", "--set", "mock.latency={service_time: 2s}"]
    arguments = [*fast, "--in-flight", "4..64", "--seeds", "1", "--max-cost", "0.3"]
    assert call(["sweep", "job.yaml", *arguments, "--quiet", "--out", "swept"]) == Exit.BUDGET
    found = read(Path("swept"))
    assert found.stopped is not None
    assert "budget" in found.stopped
    spent = [bench.report(one).passes for one in Path("swept").iterdir() if one.is_dir()]
    assert sum(one.cost.total or 0 for passes in spent for one in passes) <= 0.3
    capsys.readouterr()


@pytest.mark.usefixtures("job")
def test_a_target_that_nobody_answers_at_leaves_nothing_behind(capsys: Printed) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    arguments = ["--target", url, "--in-flight", "1,2", "--max-cost", "1", "--quiet", "--out", "swept"]
    assert call(["sweep", "job.yaml", *arguments]) == Exit.TARGET
    assert not Path("swept").exists()
    assert url in capsys.readouterr().err


def test_tiers_are_named_once_each_and_all_are_those_of_today() -> None:
    assert tiers(None) == (None,)
    assert tiers("all") == ("start", "build", "scale")
    assert tiers("tier-1, all,start") == ("tier-1", "start", "build", "scale")


@pytest.mark.usefixtures("job")
def test_programs_sweep_and_recommend_too() -> None:
    found = bench.sweep("job.yaml", tiers=["start"], in_flight="2,4", seeds=1, processes=1, out="swept", quiet=True)
    advised = bench.recommend(found.folder)
    assert advised.answers[0].at == 4
    assert msgspec.json.decode(msgspec.json.encode(advised))["answers"][0]["at"] == 4
