"""`compare` and `baseline` as a person uses them: what they find, refuse, print, return and leave behind."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import bench
from bench.cli import call

SCENARIO = """\
version: 1
question: Did it become slower?
model: claude-sonnet-5
workload: {requests: 80, input_tokens: 500, output_tokens: {lognormal: {median: 100, p95: 200}}, max_tokens: 300}
strategies: [gather, {semaphore: 10}]
gate: [makespan, latency.p95]
mock: {latency: {ttft: {median: 600ms, p95: 1.4s}, tokens_per_second: 50}}
"""
SLOWER = ["--set", "mock.latency.tokens_per_second=30"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs on sim: two that are equal, a slower one, one of another question, and five seeds of each."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "s.yaml").write_text(SCENARIO)
    (folder / "other.yaml").write_text(SCENARIO.replace("requests: 80", "requests: 90"))
    made = {
        "one": [],
        "same": [],
        "slower": SLOWER,
        "later-seed": ["--seed", "50"],
        "five": ["--repeat", "5", "--interleave"],
        "five-slower": ["--repeat", "5", *SLOWER],
        "gather": ["--strategy", "gather"],
        "semaphore": ["--strategy", "semaphore-10"],
    }
    for name, flags in made.items():
        assert call(["run", str(folder / "s.yaml"), "-q", "-o", str(folder / name), *flags]) == 0
    assert call(["run", str(folder / "other.yaml"), "-q", "-o", str(folder / "other")]) == 0
    return folder


@pytest.fixture(autouse=True)
def _there(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, in which the runs seem to lie."""
    monkeypatch.chdir(tmp_path)
    for path in runs.iterdir():
        Path(path.name).symlink_to(path)


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
    """The exit code, and the changes by strategy and measure."""
    capsys.readouterr()
    code = call(["compare", *arguments, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == code
    return code, {f"{one['strategy']}: {one['measure']}": one for one in found["changes"]}


def test_a_run_is_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "one", "same"]) == 0
    assert capsys.readouterr().out.startswith("IDENTICAL  in every number of 2 strategies, 1 seed")


def test_a_regression_has_an_exit_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "one", "slower", "--across", "mock"]) == 3
    assert capsys.readouterr().out.startswith("REGRESSED  ")


def test_what_became_quicker_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "slower", "one", "--across", "mock", "--strict", "-q"]) == 0
    assert capsys.readouterr().out.startswith("IMPROVED  ")


def test_a_gate_on_the_command_line_replaces_that_of_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    code, changes = compared(capsys, "one", "slower", "--across", "mock", "--gate", "cost.per_success")
    assert code == 0
    assert [name for name, one in changes.items() if one.get("gate")] == [
        "gather: cost_per_success",
        "semaphore-10: cost_per_success",
    ]


def test_the_minimum_effect_decides(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["one", "slower", "--across", "mock", "--gate", "latency.p95", "--min-effect"]
    assert compared(capsys, *arguments, "10%")[0] == 3
    assert compared(capsys, *arguments, "100%")[0] == 0


def test_only_the_strategies_named_count(capsys: pytest.CaptureFixture[str]) -> None:
    _, changes = compared(capsys, "one", "same", "--strategy", "gather")
    assert {one["strategy"] for one in changes.values()} == {"gather"}


def test_two_strategies_of_one_run_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    code, changes = compared(capsys, "five@gather", "five@semaphore-10")
    assert code == 3
    one = changes["gather -> semaphore-10: makespan"]
    assert (one["method"], one["base_runs"]) == ("exact", 5)
    _, changes = compared(capsys, "five@gather", "five@semaphore-10", "--across", "seed")
    assert changes["gather -> semaphore-10: makespan"]["method"] == "paired"


def test_seeds_may_be_taken_as_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code, changes = compared(capsys, "five", "five-slower", "--across", "mock,seed")
    assert code == 3
    assert changes["gather: latency.p95"]["method"] == "welch"


def test_a_report_that_someone_sent_can_be_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "one/report.html", "same/report.html", "--gate", "makespan"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("IDENTICAL")
    assert "base is a report" in printed


def test_a_glob_a_folder_and_a_baseline_are_the_runs_they_hold(capsys: pytest.CaptureFixture[str]) -> None:
    Path("some").mkdir()
    for name in ("one", "later-seed"):
        Path("some", name).symlink_to(Path(name).resolve())
    assert call(["baseline", "save", "main", "one", "later-seed"]) == 0
    assert capsys.readouterr().out == "baselines/main.json\n"
    found = [compared(capsys, base, "some")[1] for base in ("some/*", "some", "main", "baselines/main.json")]
    assert found[0] == found[1] == found[2] == found[3]
    assert found[0]["gather: makespan"]["base_runs"] == 2


def test_a_page_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "one", "slower", "--across", "mock", "--html", "out.html", "-q"]) == 3
    embedded = re.search(
        r'<script type="application/json" id="comparison">(.*?)</script>', Path("out.html").read_text()
    )
    assert embedded is not None
    assert json.loads(embedded[1])["exit_code"] == 3


NONSENSE: dict[str, tuple[list[str], str]] = {
    "one side": (["one"], "compare needs two sides"),
    "no side": ([], "compare needs two sides"),
    "a glob that the shell unfolded": (["one", "same", "slower"], "Quote globs"),
    "not there": (["nowhere", "one"], "there is no run, report or baseline `nowhere`"),
    "not a run": (["one", "empty"], "is not a run"),
    "not a report": (["one", "broken.html"], "is not a report of claude-bench"),
    "not a baseline": (["one", "one/summary.json"], "is not a baseline"),
    "a glob of nothing": (["one", "none-*"], "nothing that matches none-* is a run"),
    "killed": (["one", "killed"], "claude-bench report killed makes one"),
    "of another version": (["one", "newer"], "schema version 9"),
    "a report of another version": (["one", "newer.html"], "schema version 9"),
    "another question": (["one", "other"], "workload.requests: 80 -> 90"),
    "another question, named in part": (["one", "slower", "--across", "workload"], "mock.latency.tokens_per_second"),
    "other targets": (["one", "on-mock"], "target: sim -> mock"),
    "several questions on one side": (["o*[er]", "same"], "ask different questions"),
    "no strategy in common": (["gather", "semaphore"], "no strategy in common"),
    "no such strategy": (["one@gathr", "one"], "Did you mean gather?"),
    "no such strategy in both": (["one", "gather", "--strategy", "semaphore-10"], "no strategy `semaphore-10` in both"),
    "no seed in common": (["one", "later-seed"], "no seed in common: base has 0, new has 50"),
    "across nothing": (["one", "same", "--across", "modell"], "Did you mean model?"),
    "gate on nothing": (["one", "same", "--gate", "makespn,ttft"], "Did you mean makespan?"),
    "gate on a rate": (["one", "same", "--gate", "errors.rate"], "cannot gate"),
    "an effect without unit": (["one", "same", "--min-effect", "10"], "expected a percentage"),
    "a page in no folder": (["one", "same", "--html", "no/where.html"], "cannot write no/where.html"),
    "calibrate two": (["one", "same", "--calibrate"], "--calibrate takes one thing"),
    "calibrate too few": (["one", "--calibrate"], "needs at least 4"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_explained(case: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    Path("broken.html").write_text("<html></html>")
    for name, change in (("killed", None), ("newer", ('"schema_version": 1', '"schema_version": 9'))):
        Path(name).mkdir()
        for file in ("run.json", "records.jsonl", "summary.json"):
            if change or file != "summary.json":
                Path(name, file).write_text(Path("one", file).read_text().replace(*(change or ("", ""))))
    report = Path("one/report.html").read_text()
    Path("newer.html").write_text(
        report.replace('id="summary">{"schema_version":1', 'id="summary">{"schema_version":9')
    )
    Path("on-mock").mkdir()
    for file in ("run.json", "records.jsonl", "summary.json"):
        Path("on-mock", file).write_text(Path("one", file).read_text().replace('"target": "sim"', '"target": "mock"'))
    arguments, words = NONSENSE[case]
    assert call(["compare", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_what_was_not_measured_is_not_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "one", "same", "--gate", "ttft.p95"]) == 5  # nothing was streamed
    assert capsys.readouterr().out.startswith("NOT VALID  gather: TTFT p95: there is no value to compare")


# Calibration


def test_runs_are_calibrated_against_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "--calibrate", "five", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["unit"]) == (5, "repeat")
    assert {one["strategy"] for one in found["noise"]} == {"gather", "semaphore-10"}


def test_a_scenario_is_run_to_be_calibrated(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "--calibrate", "s.yaml", "--repeat", "4", "-q"]) == 0
    printed = capsys.readouterr()
    assert "The runs are in runs/" in printed.err
    assert "4 repeats of s" in printed.out


# At the end of a run


def reasons(folder: str) -> list[str]:
    found: list[str] = json.loads(Path(folder, "summary.json").read_text())["reasons"]
    return found


def test_a_run_is_compared_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    slower = ["run", "s.yaml", "--compare", "one", "--across", "mock", *SLOWER]
    assert call([*slower, "-o", "new"]) == 3
    assert "\nREGRESSED  gather: wall clock is 60 % slower" in capsys.readouterr().out
    assert reasons("new")[0] == "compared with one: gather: makespan regressed"
    page = Path("new/report.html").read_text()
    assert "Compared with one" in page
    assert '<a href="#comparison">Comparison</a>' in page
    assert call([*slower, "-o", "again", "-q", "--exit-zero"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_run_that_is_what_it_was_passes() -> None:
    assert call(["run", "s.yaml", "-q", "-o", "new", "--compare", "one"]) == 0
    assert reasons("new") == []
    assert "Passed." in Path("new/report.html").read_text()


def test_a_report_is_compared_and_forgets_it_when_made_again(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("slower", "copy")
    assert call(["report", "copy", "-q", "--compare", "one", "--across", "mock"]) == 3
    assert capsys.readouterr().out.splitlines()[1].startswith("REGRESSED  ")
    assert call(["report", "copy", "-q"]) == 0
    assert reasons("copy") == []
    assert "Compared with" not in Path("copy/report.html").read_text()


def test_a_failed_threshold_comes_before_a_regression_and_both_are_told() -> None:
    Path("t.yaml").write_text(SCENARIO + 'thresholds: {latency: ["p(50) < 1ms"]}\n')
    flags = ["--compare", "one", "--across", "mock", "--strategy", "gather", *SLOWER]
    assert call(["run", "t.yaml", "-q", "-o", "new", *flags]) == 99
    assert [reason.partition(":")[0] for reason in reasons("new")] == ["gather", *["compared with one"] * 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["s.yaml", "--compare", "nowhere"], "there is no run"),
        (["s.yaml", "--compare", "one", *SLOWER], "one and this run ask different questions"),
        (["s.yaml", "--compare", "one", "--seed", "9"], "no seed in common"),
        (["s.yaml", "--compare", "gather", "--strategy", "semaphore-10"], "no strategy in common"),
        (["s.yaml", "--compare", "one", "--across", "colour"], "no part `colour` of a question"),
    ],
)
def test_what_cannot_be_compared_is_not_even_run(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", *arguments, "-o", "new"]) == 2
    assert words in capsys.readouterr().err
    assert not Path("new").exists()


def test_a_glob_does_not_catch_the_run_itself() -> None:
    for name in ("r1", "r2"):
        assert call(["run", "s.yaml", "-q", "-o", f"runs/{name}", "--seed", "3"]) == 0
    finished = bench.run("s.yaml", out="runs/r3", seed=3, compare="runs/r*", quiet=True)
    assert finished.comparison is not None
    assert finished.comparison.base.ids == ("r1", "r2")


def test_python_is_told_of_a_regression_and_gets_no_exception() -> None:
    changed = {"mock.latency.tokens_per_second": 30}
    finished = bench.run("s.yaml", settings=changed, compare="one", across=["mock"], out="new", quiet=True)
    assert finished.summary.exit_code == 3
    assert finished.comparison is not None
    assert finished.comparison.gated[0].verdict == "regressed"


def test_exit_zero_leaves_the_verdict_to_whoever_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["compare", "one", "slower", "--across", "mock", "-q", "--exit-zero"]) == 0
    assert capsys.readouterr().out.startswith("REGRESSED  ")


# Baselines


def test_a_baseline_is_shown_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["baseline", "list"]) == 0
    assert "No baselines in baselines" in capsys.readouterr().out
    assert call(["baseline", "save", "main", "five"]) == 0
    assert call(["baseline", "list"]) == 0
    assert re.search(r"main +s +sim +1 ", capsys.readouterr().out)
    assert call(["baseline", "show", "main"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("main  1 run of s\n")
    assert "gate: makespan, latency.p95" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_baseline_is_small_and_holds_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(["baseline", "save", "main", "one"]) == 0
    written = Path("baselines/main.json").read_text()
    assert len(written) < 10_000
    assert json.loads(written)["schema_version"] == 1


def test_a_baseline_is_replaced_or_added_to() -> None:
    def ids() -> list[str]:
        return [run["id"] for run in json.loads(Path("baselines/main.json").read_text())["runs"]]

    assert call(["baseline", "save", "main", "one"]) == 0
    assert call(["baseline", "save", "main", "same"]) == 0
    assert ids() == ["same"]
    assert call(["baseline", "save", "main", "later-seed", "same", "--add"]) == 0
    assert sorted(ids()) == ["later-seed", "same"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["save", "main", "one", "other"], "ask different questions"),
        (["save", "../main", "one"], "cannot be the name of a baseline"),
        (["save", "main"], "name at least one run"),
        (["save", "main", "nowhere"], "there is no run"),
        (["show", "mian"], "Did you mean main?"),
    ],
)
def test_what_cannot_be_a_baseline_is_explained(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["baseline", "save", "main", "one"]) == 0
    assert call(["baseline", *arguments]) == 2
    assert words in capsys.readouterr().err
