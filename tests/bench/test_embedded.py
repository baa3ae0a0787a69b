"""`bench.run` and `bench.arun` in a script, in a notebook, and in a program whose event loop has more to do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import bench
from bench.errors import ScenarioError, TargetError, UsageError
from bench.results.record import read_records

ROOT = Path(__file__).parents[2]

GOOD = """\
version: 1
question: Does it work?
model: claude-sonnet-5
workload: {requests: 4, input_tokens: 100, output_tokens: 20, max_tokens: 50, stream: true}
strategies: [gather, {semaphore: 2}]
mock: {latency: {service_time: 100ms}}
"""

ENDLESS = """\
version: 1
question: Does it end when told so?
model: claude-sonnet-5
target: mock
tier: unlimited
workload: {requests: 100000, input_tokens: 10, output_tokens: 5, max_tokens: 50}
strategies: [{semaphore: 4}, gather]
mock: {latency: {ttft: {median: 500ms, p95: 2s}}}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD)
    Path("endless.yaml").write_text(ENDLESS)


def strategies(finished: bench.Finished) -> list[str]:
    return [one.strategy for one in finished.passes]


def wait_for_a_record() -> None:
    journal = Path("here/records.jsonl")
    while not (journal.exists() and journal.stat().st_size):
        pass


def test_without_html_no_page_is_drawn_and_the_folder_is_what_there_is_to_open() -> None:
    finished = bench.run("good.yaml", quiet=True, html=False)
    assert not (finished.folder / "report.html").exists()
    assert finished.page == finished.folder
    assert bench.report(finished.folder).page == finished.folder / "report.html"


def test_a_script_runs_a_file_and_reads_what_was_found() -> None:
    finished = bench.run("good.yaml", out="here", quiet=True)
    assert finished.folder == Path("here")
    assert (finished.folder / "report.html").is_file()
    assert strategies(finished) == ["gather", "semaphore-2"]
    assert [rows.strategy for rows in finished.columns()] == strategies(finished)
    assert [len(rows.requests) for rows in finished.columns()] == [4, 4]
    assert len(list(finished.records())) == 8
    assert bench.report("here").summary == finished.summary


def test_overrides_are_those_of_the_command_line() -> None:
    finished = bench.run(
        Path("good.yaml"), tier="build", seed=3, repeat=2, strategies=["gather"], max_requests=100, max_time=90,
        settings={"workload.requests": 7, "timeout": "90s", "slo": {"ttft": "2s"}}, quiet=True,
    )  # fmt: skip
    assert (finished.summary.tier, finished.summary.seed) == ("build", 3)
    assert [(one.strategy, one.pass_, one.values["requests"]) for one in finished.passes] == [
        ("gather", 0, 7),
        ("gather", 1, 7),
    ]
    assert finished.folder.parent == Path("runs")


def test_a_scenario_is_taken_as_it_is() -> None:
    scenario = bench.load("good.yaml", settings={"workload.requests": 3}).model_copy(update={"seed": 9})
    finished = bench.run(scenario, quiet=True)
    assert (finished.summary.seed, finished.passes[0].values["requests"]) == (9, 3)
    with pytest.raises(UsageError, match=r"tier: a Scenario is taken as it is") as caught:
        bench.run(scenario, tier="build")
    assert "bench.load" in caught.value.hint
    assert "bench.run(scenario)" in (finished.folder / "report.html").read_text()


def test_what_is_wrong_is_raised_and_nothing_is_left_behind() -> None:
    with pytest.raises(ScenarioError, match="Did you mean start"):
        bench.run("good.yaml", tier="strat")
    with pytest.raises(UsageError, match="needs a budget"):
        bench.run("good.yaml", target="api")

    async def inside() -> None:
        with pytest.raises(TargetError, match="cannot reach"):
            bench.run("good.yaml", target="http://127.0.0.1:9", quiet=True)
        with pytest.raises(TargetError, match="cannot reach"):
            await bench.arun("good.yaml", target="http://127.0.0.1:9", quiet=True)

    asyncio.run(inside())
    assert not list(Path("runs").iterdir())


def test_a_notebook_cell_may_call_run_although_a_loop_runs() -> None:
    async def cell() -> bench.Finished:
        return bench.run("good.yaml", quiet=True)

    assert asyncio.run(cell()).summary == bench.run("good.yaml", quiet=True).summary


@pytest.mark.parametrize("target", ["sim", "mock"])
def test_arun_leaves_the_loop_to_others_and_goes_beside_another_run(target: str) -> None:
    async def main() -> tuple[list[bench.Finished], int]:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        beside = asyncio.create_task(other())
        both = await asyncio.gather(*(bench.arun("good.yaml", target=target, seed=n, quiet=True) for n in (1, 2)))
        beside.cancel()
        return both, turns

    both, turns = asyncio.run(main())
    assert [finished.summary.seed for finished in both] == [1, 2]
    assert both[0].folder != both[1].folder
    assert all(one.values["succeeded"] == 4 for finished in both for one in finished.passes)
    assert turns > 10
    if target == "sim":
        for finished, seed in zip(both, (1, 2), strict=True):
            alone = bench.run("good.yaml", seed=seed, quiet=True)
            for file in ("records.jsonl", "summary.json"):
                assert (finished.folder / file).read_bytes() == (alone.folder / file).read_bytes()


def test_cancelling_arun_ends_the_run_and_keeps_its_records() -> None:
    async def main() -> None:
        running = asyncio.create_task(bench.arun("endless.yaml", out="here", quiet=True))
        await asyncio.to_thread(wait_for_a_record)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert "report.html" in os.listdir("here"), "it has ended when the cancellation is passed on"

    asyncio.run(main())
    finished = bench.report("here")
    assert finished.summary.exit_code == 130
    assert finished.summary.reasons == ("cancelled",)
    assert strategies(finished) == ["semaphore-4"]
    records = list(finished.records())
    assert sorted(record.seq for record in records) == list(range(len(records)))
    assert 1 <= sum(record.attempts[-1].cause == "cancelled" for record in records) <= 4


def test_cancelled_before_anything_was_sent_it_leaves_a_readable_folder() -> None:
    async def main() -> None:
        running = asyncio.create_task(bench.arun("endless.yaml", out="here", quiet=True))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    if Path("here").exists():
        assert bench.report("here").summary.exit_code == 130


def test_ctrl_c_in_a_cell_stops_the_run_and_returns_what_was_measured() -> None:
    program = """\
import asyncio, bench
async def cell():
    return bench.run("endless.yaml", out="here", quiet=True)
finished = asyncio.run(cell())
print(finished.summary.exit_code, len(list(finished.records())))
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        wait_for_a_record()
        process.send_signal(signal.SIGINT)
        out, said = process.communicate()
    assert process.returncode == 0, said
    code, count = map(int, out.split())
    assert (code, count) == (130, len(list(read_records(Path("here/records.jsonl")))))
    assert "finishing what is in flight" in said


def test_a_notebook_shows_the_answer_and_the_strategies_as_text() -> None:
    Path("odd.yaml").write_text(
        GOOD.replace("Does it work?", "<script>?") + "cases: {start: {}, build: {tier: build}}\n"
    )
    finished = bench.run("odd.yaml", quiet=True)
    shown = finished._repr_html_()
    assert "start/gather" in shown
    assert "build/semaphore-2" in shown
    assert shown.count("<tr>") == 5
    assert f'href="{finished.folder}/report.html"' in shown
    assert "<script>" not in shown
    assert repr(finished).startswith(f"<run {finished.folder}: start: gather finishes first")


def test_progress_leaves_standard_output_alone_and_is_no_live_area_in_a_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a Jupyter kernel sets it
    bench.run("good.yaml")
    said = capsys.readouterr()
    assert said.out == ""
    assert "\x1b[1A" not in said.err


def test_importing_bench_is_quick_and_its_names_are_there() -> None:
    code = "import sys, bench; print(len([m for m in sys.modules if m.startswith(('bench.', 'numpy', 'pydantic'))]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "0\n"
    assert set(bench.__all__) <= set(dir(bench))
    assert all(getattr(bench, name) is not None for name in bench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        bench.runn  # type: ignore[attr-defined]  # noqa: B018
