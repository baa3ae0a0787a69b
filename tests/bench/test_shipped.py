"""Every scenario that comes with claude-bench, run whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import api
from bench.scenario.load import shipped
from bench.scenario.model import Scenario

NAMES = [entry.name for entry in shipped()]

SMALLER: dict[str, list[str]] = {
    "adaptive-or-fixed": [
        "cases.start.workload.requests=200",
        "cases.build.workload.requests=200",
        "cases.scale.workload.requests=300",
    ],
    "agents-growing-context": ["workload.conversations.count=6"],
    "batch-or-live": ["workload.requests=2000"],
    "chat-users": ["workload.duration=2m"],
    "chat-with-history": ["workload.conversations.count=60"],
    "hedge-or-wait": ["workload.requests=800"],
    "interactive-and-background": ["streams[0].workload.duration=1m", "streams[1].workload.requests=300"],
    "one-million": ["workload.requests=10000"],
    "output-classes": [
        "cases.short.workload.requests=400",
        "cases.medium.workload.requests=400",
        "cases.long.workload.requests=150",
        "cases.thinking.workload.requests=150",
    ],
    "replay-conversation": ["arrivals.trace.window=2m"],
    "retry-storm": ["workload.duration=2m"],
    "thundering-herd": ["workload.requests=800"],
}
"""What is run less of, to take no more than a few seconds; the others are run as they are."""

ON_MOCK: dict[str, tuple[float, list[str]]] = {
    "summarize-100": (50.0, ["strategies=[gather, {semaphore: [5, 10]}]"]),
    "classify-500": (50.0, ["strategies=[{semaphore: [10, 30]}]"]),
    "replay-conversation": (20.0, ["arrivals.trace.window=30s"]),
}
"""Those that also make sense over real HTTP: how many times faster than life, and what is run less of.  No limit may be
near: with real time, how often it is met is a matter of milliseconds."""


def test_those_that_are_named_here_exist() -> None:
    assert {*SMALLER, *ON_MOCK} <= {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_it_repeats_byte_for_byte_on_the_simulation(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records, summary, report, and what was asked; at the same second, in folders of the same name."""
    monkeypatch.setattr(api, "utc_now", lambda: datetime(2026, 11, 20, 10, 41, tzinfo=UTC))
    scenario = api.load(name, flags={"target": "sim"}, settings=SMALLER.get(name, ()))
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        finished = api.run(scenario, out=tmp_path / place / "run")
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / n / "run").iterdir()} for n in ("one", "two"))
    own = ["batches.jsonl"] if any(strategy.batch for strategy in scenario.strategies) else []
    assert sorted(one) == [*own, "passes.json", "records.jsonl", "report.html", "run.json", "summary.json"]
    assert one == two
    assert {one.of_pass for one in finished.passes} == passes_of(scenario)
    assert all(one.values["succeeded"] for one in finished.passes)
    assert not [one for each in finished.passes for one in each.warnings if one.code == "other_limit"]


@pytest.mark.parametrize("name", ON_MOCK)
def test_over_http_it_counts_what_the_simulation_counts(name: str, tmp_path: Path) -> None:
    speed, settings = ON_MOCK[name]
    targets = {"sim": settings, "mock": [*settings, f"speed={speed:g}"]}
    counted = []
    for target, changes in targets.items():
        finished = api.run(
            api.load(name, flags={"target": target}, settings=changes), out=tmp_path / target, html=False
        )
        counted.append(
            {
                one.of_pass: {
                    metric: one.values[metric] for metric in ("requests", "succeeded", "rate_limited", "cost")
                }
                for one in finished.passes
            }
        )
    simulated, mocked = counted
    assert simulated.keys() == mocked.keys()
    for one, values in simulated.items():
        assert mocked[one] == pytest.approx(values), one


def passes_of(scenario: Scenario) -> set[tuple[str | None, str, int]]:
    return {
        (case, strategy.name, number)
        for case, variant in scenario.variants
        for strategy in variant.strategies
        for number in range(scenario.repeat)
    }
