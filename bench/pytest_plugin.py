"""pytest: a fixture `claude_bench` that runs a scenario, for tests that assert on what it comes to.

    def test_summaries_fit_the_start_tier(claude_bench):
        run = claude_bench("scenarios/summarise.yaml", strategy="semaphore-10")
        assert run.rate_limited.rate == 0
        assert run.ttft.p(95) < 2.0
        run.check()                                     # the scenario's own thresholds

    @pytest.mark.claude_bench(target="mock", repeat=5)
    def test_over_http(claude_bench): ...

    @pytest.mark.claude_bench_live
    def test_the_real_thing(claude_bench):              # skipped without --claude-bench-live and a cap
        claude_bench("scenarios/nightly.yaml", target="api").check()

Everything heavy is imported when a test first runs a scenario: a suite that does not use the fixture pays nothing.
docs/pytest.md has the rest.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bench.measured import Run
    from bench.scenario.model import Scenario

LIVE = "claude_bench_live"
NEEDS = "needs --claude-bench-live and --claude-bench-max-cost DOLLARS: it spends money"
ALONE = "spends money, so it does not run in several processes at once: leave out -n"
FREE = ("sim", "mock")

_FLAGS = {"target": "target", "tier": "tier", "seed": "seed", "repeat": "repeat", "speed": "speed"}
"""What a test may set, and the scenario's key that it replaces."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, named as those of pytest-benchmark are."""
    group = parser.getgroup("claude-bench")
    group.addoption(
        "--claude-bench-target", metavar="TARGET", help="Where scenarios run that name no target: sim, mock, api, URL."
    )
    group.addoption("--claude-bench-live", action="store_true", help="Run tests that spend money; needs a cap.")
    group.addoption(
        "--claude-bench-max-cost", type=float, metavar="DOLLARS", help="Most that all live tests together may spend."
    )
    group.addoption("--claude-bench-json", type=Path, metavar="PATH", help="Write results as pytest-benchmark does.")
    group.addoption("--claude-bench-storage", type=Path, metavar="FOLDER", help="Keep the folders of runs in here.")
    group.addoption("--claude-bench-save", metavar="NAME", help="Save each run as a baseline, NAME and the test's own.")
    group.addoption("--claude-bench-compare", metavar="NAME", help="Fail where a gate regressed since that baseline.")
    group.addoption(
        "--claude-bench-baselines", type=Path, metavar="FOLDER", default=Path("baselines"), help="Where they are kept."
    )
    group.addoption("--claude-bench-skip", action="store_true", help="Skip tests that run scenarios.")
    group.addoption("--claude-bench-only", action="store_true", help="Run no others.")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and begin to count what is spent."""
    config.addinivalue_line(
        "markers", "claude_bench(target, tier, seed, repeat, speed, strategy, settings): how scenarios of a test run."
    )
    config.addinivalue_line("markers", f"{LIVE}: the test spends money; {NEEDS.partition(':')[0]}.")
    cap = config.getoption("claude_bench_max_cost")
    if cap is not None and cap <= 0:
        raise pytest.UsageError("--claude-bench-max-cost: expected dollars above 0")
    config.pluginmanager.register(_Session(config), "claude_bench_session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what was not asked for, with the reason; under xdist keep real-time runs in one process."""
    skip, only = config.getoption("claude_bench_skip"), config.getoption("claude_bench_only")
    for item in items:
        uses = "claude_bench" in getattr(item, "fixturenames", ())
        if uses and skip:
            item.add_marker(pytest.mark.skip(reason="--claude-bench-skip"))
        if only and not uses:
            item.add_marker(pytest.mark.skip(reason="--claude-bench-only"))
        if item.get_closest_marker(LIVE) and (reason := _not_live(config)):
            item.add_marker(pytest.mark.skip(reason=reason))
        if uses and config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group("claude_bench"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what a test measured along with its report, which also crosses from xdist's workers."""
    report = yield
    report.claude_bench = item.stash.get(_RESULTS, []) if report.when == "teardown" else []  # type: ignore[attr-defined]
    return report


def _not_live(config: pytest.Config) -> str | None:
    """Why no money may be spent; None where it may."""
    if not config.getoption("claude_bench_live") or config.getoption("claude_bench_max_cost") is None:
        return NEEDS
    return ALONE if hasattr(config, "workerinput") else None


_RESULTS = pytest.StashKey[list[dict[str, Any]]]()
"""What the runs of a test came to: for the terminal, and entries for pytest-benchmark's JSON."""


class _Session:
    """What the tests of a session spent and measured."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results: list[dict[str, Any]] = []
        self.spent = 0.0
        """US dollars of live runs."""

    def left(self) -> float:
        """US dollars that live runs may still spend."""
        return float(self._config.getoption("claude_bench_max_cost") or 0.0) - self.spent

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test measured."""
        self._results += getattr(report, "claude_bench", [])

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:  # noqa: ANN401  (pytest has no public type)
        """Say what each run came to."""
        if self._results:
            terminalreporter.section("claude-bench")
            for one in self._results:
                terminalreporter.line(f"{one['test']}  {one['answer']}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Put the times of all runs into pytest-benchmark's own file, beside its benchmarks."""
        output_json["benchmarks"] += self._entries()

    def pytest_sessionfinish(self) -> None:
        """Write the results where they were asked for; workers of xdist leave that to the process that started them."""
        path: Path | None = self._config.getoption("claude_bench_json")
        if path is None or hasattr(self._config, "workerinput"):
            return
        from bench.exporting import benchmark_file

        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(benchmark_file(self._entries()))

    def _entries(self) -> list[dict[str, Any]]:
        return [entry for one in self._results for entry in one["entries"]]


class ClaudeBench:
    """Runs scenarios for one test."""

    def __init__(self, request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> None:
        self._request, self._folders = request, folders
        marker = request.node.get_closest_marker("claude_bench")
        self._told: dict[str, Any] = dict(marker.kwargs) if marker else {}
        session = request.config.pluginmanager.get_plugin("claude_bench_session")
        assert isinstance(session, _Session)
        self._session = session

    def __call__(
        self,
        scenario: str | Path | Scenario,
        *,
        strategy: str | None = None,
        target: str | None = None,
        tier: str | None = None,
        seed: int | None = None,
        repeat: int | None = None,
        speed: float | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Run:
        """Run a scenario: a file (relative to the test's own, or to the root), a shipped one's name, or a Scenario.

        What is left out is that of the marker, then of the command line, then of the scenario.  `strategy` names one
        or more, separated by commas; `settings` replace values by path: {"workload.requests": 50}.
        """
        from bench import api
        from bench.measured import Run

        options = {"strategy": strategy, "target": target, "tier": tier, "seed": seed, "repeat": repeat, "speed": speed}
        given = self._told | {name: value for name, value in options.items() if value is not None}
        given["settings"] = {**self._told.get("settings", {}), **(settings or {})}
        chosen = self._load(scenario, given)
        live = chosen.target not in FREE
        if live:
            chosen = self._capped(chosen)
        try:
            finished = api.run(chosen, out=self._folder(chosen.name))
        except BaseException:
            if live:  # what it spent is not known
                self._session.spent += chosen.budget.max_cost or 0.0
            raise
        if live:
            self._session.spent += _spent(finished.summary.passes, chosen.budget.max_cost or 0.0)
        self._note(finished)
        if finished.summary.exit_code in (130, 143):
            raise KeyboardInterrupt
        run = Run(finished.folder, finished.summary)
        self._hold(run)
        return run

    def _hold(self, run: Run) -> None:
        """Compare with a baseline and save as one, as the command line asks."""
        from bench.finding import save

        config = self._request.config
        folder: Path = config.rootpath / config.getoption("claude_bench_baselines")
        if name := config.getoption("claude_bench_compare"):
            run.no_regression(self._baseline(name), baselines=folder)
        if name := config.getoption("claude_bench_save"):
            folder.mkdir(parents=True, exist_ok=True)
            save(self._baseline(name), [str(run.folder)], baselines=folder)

    def _baseline(self, name: str) -> str:
        """The name of this run's baseline: a test may have several, and each asks a question of its own."""
        place = len(self._request.node.stash[_RESULTS])
        return f"{name}-{_slug(self._request.node.nodeid)}" + (f"-{place}" if place > 1 else "")

    def _load(self, scenario: str | Path | Scenario, given: dict[str, Any]) -> Scenario:
        from bench import api

        if not isinstance(scenario, str | Path):
            if given["settings"] or len(given) > 1:
                raise pytest.UsageError("a Scenario made in Python runs as it is: set its own fields instead")
            return scenario
        strange = given.keys() - {*_FLAGS, "strategy", "settings"}
        if strange:
            raise pytest.UsageError(f"claude_bench: no option {', '.join(sorted(strange))}")
        asked = self._request.config.getoption("claude_bench_target")
        flags = {"target": asked} if asked else {}
        flags |= {_FLAGS[name]: str(value) for name, value in given.items() if name in _FLAGS}
        return api.load(
            str(self._find(scenario)),
            flags=flags,
            settings=[f"{path}={_written(value)}" for path, value in given["settings"].items()],
            strategies=given["strategy"].split(",") if given.get("strategy") else [],
        )

    def _find(self, scenario: str | Path) -> str | Path:
        places = (self._request.path.parent, self._request.config.rootpath)
        return next((place / scenario for place in places if (place / scenario).is_file()), scenario)

    def _capped(self, scenario: Scenario) -> Scenario:
        """A live scenario that spends at most what is left; skipped where nothing may be spent."""
        if reason := _not_live(self._request.config):
            pytest.skip(reason)
        left = self._session.left()
        if left <= 0:
            pytest.skip("--claude-bench-max-cost is used up")
        own = scenario.budget.max_cost
        budget = scenario.budget.model_copy(update={"max_cost": left if own is None else min(own, left)})
        return scenario.model_copy(update={"budget": budget})

    def _folder(self, name: str) -> Path:
        """Where a run goes: kept where it was asked for, else where pytest keeps the last few."""
        storage: Path | None = self._request.config.getoption("claude_bench_storage")
        if storage is None:
            return self._folders.mktemp(name) / "run"
        taken = (storage / f"{_slug(self._request.node.name)}-{number}" for number in range(1, 1_000_000))
        return next(folder for folder in taken if not folder.exists())

    def _note(self, finished: Any) -> None:  # noqa: ANN401  (an api.Finished, which is imported late)
        from reports.export.benchmark import benchmarks

        test = self._request.node.nodeid
        entries = benchmarks(finished.summary, test)
        results = self._request.node.stash.setdefault(_RESULTS, [])
        again = f" (run {len(results) + 1})" if results else ""
        for entry in entries:
            entry["fullname"] += again
        results.append({"test": test + again, "answer": finished.summary.answer, "entries": entries})
        if "benchmark" in self._request.fixturenames:
            self._request.getfixturevalue("benchmark").extra_info["claude_bench"] = {
                entry["name"]: entry["stats"]["median"] for entry in entries
            }


@pytest.fixture
def claude_bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ClaudeBench:
    """Runs a scenario against sim, mock or, when asked for and capped, the Claude API: claude_bench("file.yaml")."""
    return ClaudeBench(request, tmp_path_factory)


def _spent(passes: Any, cap: float) -> float:  # noqa: ANN401
    """What a live run cost; where that is not known, all that it might have."""
    costs = [one.cost.total for one in passes]
    return cap if None in costs else float(sum(costs))


def _slug(name: str) -> str:
    """A name as part of a file's."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name).strip("-")


def _written(value: object) -> str:
    """A value as `--set` reads it: JSON is YAML too, and text is taken as it is."""
    return value if isinstance(value, str) else json.dumps(value)
