"""Runs inside a program of yours: a script, a test, a notebook whose event loop already runs.

A run has event loops of its own, since on `sim` time is virtual.  So it never shares the caller's loop: where one runs,
the run goes on in another thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TypedDict, Unpack

from bench import api, comparing
from bench.api import Finished
from bench.engine.stop import Stop, interruptible
from bench.errors import UsageError
from bench.planning import recommend as recommending
from bench.planning import sweep as sweeping
from bench.planning.sweep import Swept
from bench.results.plan import Plan
from bench.results.recommendation import Recommendation
from bench.scenario.model import Scenario


class Overrides(TypedDict, total=False):
    """What may differ from the scenario's file: what the flags of the command line say, under the same names."""

    target: str
    """sim, mock, api, or the URL of a gateway."""
    tier: str
    """Rate limits to assume: a name such as build, or a .json file."""
    seed: int
    repeat: int
    speed: float
    """On mock: scenario seconds a second."""
    max_cost: float
    """Dollars; needed for the API."""
    max_requests: int
    max_time: float
    """Scenario seconds."""
    settings: Mapping[str, object]
    """Any other value by its path, as `--set` takes it: {"workload.requests": 500, "timeout": "90s"}."""
    strategies: Sequence[str]
    """Only these."""
    cases: Sequence[str]
    """Only these."""


def load(scenario: str | PathLike[str], **overrides: Unpack[Overrides]) -> Scenario:
    """Read a shipped scenario by its name, or a file.  ScenarioError has every problem of it."""
    settings = [f"{path}={_written(value)}" for path, value in overrides.get("settings", {}).items()]
    return api.load(
        str(scenario),
        flags=_flags(overrides),
        settings=settings,
        strategies=overrides.get("strategies", ()),
        cases=overrides.get("cases", ()),
    )


def run(
    scenario: Scenario | str | PathLike[str],
    *,
    out: str | PathLike[str] | None = None,
    quiet: bool = False,
    strict: bool = False,
    compare: str | PathLike[str] | None = None,
    across: Sequence[str] = (),
    keep_text: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    html: bool = True,
    **overrides: Unpack[Overrides],
) -> Finished:
    """Run a scenario to its end and return what was found, with the folder that holds records and report.

    `scenario` is a shipped name, a file, or a Scenario, which is taken as it is, without `overrides`.  `out` is the
    folder to make (default: a new one under runs/); `quiet` shows no progress; `strict`, `compare`, `across`,
    `keep_text`, `workers` and `ray` are the flags of that name; without `html` no report.html is drawn.  What was
    found, a failed threshold or a regression too, is never an exception: `summary.exit_code` has what the command would
    return, `summary.reasons` why.  Ctrl-C, or interrupting the cell, stops sending and returns what was measured.
    Raises UsageError before anything was sent, TargetError when nobody answers.
    """
    run = _prepared(
        scenario, overrides, out, quiet=quiet, strict=strict, compare=compare, across=across, keep_text=keep_text,
        workers=workers, ray=ray, html=html,
    )  # fmt: skip
    if not _in_a_loop():
        return run(stop := Stop())
    with interruptible(stop := Stop(), api.to_stderr), ThreadPoolExecutor(1, "claude-bench") as thread:
        return thread.submit(run, stop).result()


async def arun(
    scenario: Scenario | str | PathLike[str],
    *,
    out: str | PathLike[str] | None = None,
    quiet: bool = False,
    strict: bool = False,
    compare: str | PathLike[str] | None = None,
    across: Sequence[str] = (),
    keep_text: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    html: bool = True,
    **overrides: Unpack[Overrides],
) -> Finished:
    """The same, while the caller's event loop goes on.

    Cancelling it gives up what is in flight; records and report of what was measured are there when it returns.
    """
    run = _prepared(
        scenario, overrides, out, quiet=quiet, strict=strict, compare=compare, across=across, keep_text=keep_text,
        workers=workers, ray=ray, html=html,
    )  # fmt: skip
    running = asyncio.ensure_future(asyncio.to_thread(run, stop := Stop()))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.cancel()
        await asyncio.wait({running})
        running.exception()  # looked at, or asyncio would complain that nobody did
        raise


def sweep(
    scenario: str | PathLike[str],
    *,
    tiers: Sequence[str] = (),
    strategy: str = "semaphore",
    in_flight: str | None = None,
    share: str | None = None,
    seeds: int = 3,
    processes: int | None = None,
    out: str | PathLike[str] | None = None,
    quiet: bool = False,
    **overrides: Unpack[Overrides],
) -> Swept:
    """Try one number of a strategy at several values, closer and closer to the knee, on each of the `tiers`.

    `in_flight` (of semaphore and pool) and `share` (of token_bucket) are as on the command line: "1..256" is a range to
    find the knee in, "8,16,32" are exactly these.  Raises UsageError before anything was sent.
    """
    asked = sweeping.numbers(strategy, in_flight, share)
    stop, scenarios = Stop(), [load(scenario, **each) for each in _by_tier(overrides, tiers)]

    def swept() -> Swept:
        with sweeping.progress(scenarios[0], quiet=quiet) as (tell, observer):
            folder = None if out is None else Path(out)
            found = sweeping.sweep(
                scenarios, asked, seeds=seeds, out=folder, tell=tell, observer=observer, processes=processes, stop=stop
            )
        recommending.write_pages(found.sweep, found.folder)
        return found

    if not _in_a_loop():
        return swept()
    with interruptible(stop, api.to_stderr), ThreadPoolExecutor(1, "claude-bench") as thread:
        return thread.submit(swept).result()


def recommend(folder: str | PathLike[str]) -> Recommendation:
    """Which number to use, from the folder of a sweep or of a run with one strategy at several numbers.

    Raises UsageError where there is nothing to choose between.
    """
    return recommending.recommend(Path(folder))[0]


def plan(
    scenario: Scenario | str | PathLike[str],
    *,
    tiers: str | None = None,
    deadline: str | None = None,
    volume: str | None = None,
    simulated: bool = True,
    quiet: bool = False,
    **overrides: Unpack[Overrides],
) -> Plan:
    """What a scenario comes to on each tier with each strategy, before anything is sent.

    `tiers` as `--tier` takes them ("all", "start,build"), `deadline` such as "2h", `volume` such as "50000/day".
    Without `simulated`, arithmetic alone; `quiet` shows no progress.  Raises UsageError for what is not known.
    """
    from bench.planning.plans import planned

    asked = partial(
        planned,
        _loaded(scenario, overrides),
        tier=tiers,
        deadline=deadline,
        volume=volume,
        simulated=simulated,
        quiet=quiet,
    )
    if not _in_a_loop():
        return asked()
    with ThreadPoolExecutor(1, "claude-bench") as thread:
        return thread.submit(asked).result()


def _prepared(
    scenario: Scenario | str | PathLike[str],
    overrides: Overrides,
    out: str | PathLike[str] | None,
    *,
    quiet: bool,
    strict: bool,
    compare: str | PathLike[str] | None,
    across: Sequence[str],
    keep_text: bool,
    workers: int | None,
    ray: str | None,
    html: bool,
) -> Callable[[Stop], Finished]:
    """A run of which all that can be refused has been looked at."""
    loaded = _loaded(scenario, overrides)
    against = (
        None if compare is None else comparing.against(str(compare), scenario=loaded, across=across, strict=strict)
    )

    def run(stop: Stop) -> Finished:
        if loaded.target == "api" and not quiet:
            from bench.planning.plans import show_before_sending

            api.refuse_unbounded(loaded)
            api.refuse_undivided(loaded, workers, ray, keep_text=keep_text)
            show_before_sending(loaded)
        with api.progress(quiet=quiet) as observer:
            return api.run(
                loaded,
                out=None if out is None else Path(out),
                observer=observer,
                stop=stop,
                strict=strict,
                against=against,
                keep_text=keep_text,
                workers=workers,
                ray=ray,
                html=html,
            )

    return run


def _loaded(scenario: Scenario | str | PathLike[str], overrides: Overrides) -> Scenario:
    if not isinstance(scenario, Scenario):
        return load(scenario, **overrides)
    if overrides:
        raise UsageError(
            f"{', '.join(overrides)}: a Scenario is taken as it is",
            "Give overrides to bench.load, or change it with scenario.model_copy(update={...}).",
        )
    return scenario


def _by_tier(overrides: Overrides, tiers: Sequence[str]) -> Iterator[Overrides]:
    """The overrides with each of the tiers in turn; as they are where there are none."""
    for tier in tiers:
        each = overrides.copy()
        each["tier"] = tier
        yield each
    if not tiers:
        yield overrides


def _flags(overrides: Overrides) -> dict[str, str]:
    max_time = overrides.get("max_time")
    return api.flags(
        target=overrides.get("target"),
        tier=overrides.get("tier"),
        seed=overrides.get("seed"),
        repeat=overrides.get("repeat"),
        speed=overrides.get("speed"),
        max_cost=overrides.get("max_cost"),
        max_requests=overrides.get("max_requests"),
        max_time=None if max_time is None else f"{max_time:f}s",
    )


def _written(value: object) -> str:
    """A value as a scenario file has it; text stands for itself."""
    return value if isinstance(value, str) else json.dumps(value)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
