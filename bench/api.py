"""What the command line, tests and notebooks call: load a scenario, run it, report on it."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec
import numpy as np

from bench.clock import utc_now
from bench.engine.budget import BudgetGuard
from bench.engine.observe import Observer, Observers
from bench.engine.run import PassEnd, run_passes
from bench.engine.stop import Stop, interruptible
from bench.engine.surroundings import Surroundings
from bench.errors import TargetError, UsageError
from bench.reading import summarize_run, tier_date
from bench.request import RequestSpec
from bench.results import folder as folders
from bench.results.cost import prices_as_of, standard_prices, worst_case
from bench.results.environment import machine, versions
from bench.results.folder import Ending, Journal, PassNote, RunInfo
from bench.results.limits import Pool
from bench.results.record import Attempt, Record, read_records
from bench.results.redact import redact
from bench.results.summarize import overhead
from bench.results.summary import Overhead, Summary
from bench.scenario.load import find, select, shipped
from bench.scenario.load import load as load_file
from bench.scenario.model import Scenario
from bench.scenario.problems import nearest
from bench.targets.target import Target, open_target
from mock_server.rng import Draws
from mock_server.tiers import TIERS, find_tier, limits_for

if TYPE_CHECKING:
    from rich.console import Console

SECRET_NAMES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_ADMIN_KEY")
"""Environment variables whose values never reach a file."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has come to its end, well or not."""

    folder: Path
    summary: Summary


def load(
    name_or_path: str,
    *,
    flags: Mapping[str, str] | None = None,
    settings: Sequence[str] = (),
    strategies: Sequence[str] = (),
) -> Scenario:
    """Read a shipped scenario or a file.

    `settings` replace values, each as on a command line (`workload.requests=500`); `flags` do so by path and win
    (`{"budget.max_cost": "$2"}`); `strategies` keeps only those named.  Raises ScenarioError with every problem.
    """
    changes: dict[str, str] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: expected KEY=VALUE, such as workload.requests=500")
        changes[path.strip()] = value
    scenario = load_file(find(name_or_path), overrides=changes, flags=flags or {})
    return select(scenario, strategies) if strategies else scenario


def run(
    scenario: Scenario,
    *,
    out: Path | None = None,
    observer: Observer | None = None,
    command: Sequence[str] = (),
    say: Callable[[str], None] = lambda words: print(words, file=sys.stderr),
) -> Finished:
    """Run every strategy of a scenario, keep every record, write summary and report.

    `out` is the folder to make (default: a new one under runs/), `command` the command line to note down, `say` hears
    what a person must know at once.  Raises UsageError before anything was sent, TargetError when nobody answers.
    """
    _refuse_unbounded(scenario)
    stop, now = Stop(), utc_now()
    with open_target(scenario) as target:
        folder = _new_folder(scenario, out, now)
        folders.write_info(folder, _info(scenario, folder, now, command), _secrets())
        folders.write_ending(folder, Ending())
        journal = Journal(folder / folders.RECORDS, may_wait=target.virtual)
        with journal, interruptible(stop, say):
            around = _surroundings(scenario, journal.append, observer or Observers(), stop, now.date())
            _run_passes(scenario, target, around, folder)
    return report(folder)


def _run_passes(scenario: Scenario, target: Target, around: Surroundings, folder: Path) -> None:
    """Run all passes and note down how each ended.  Losing the target ends the run; what was measured is kept."""
    notes: list[PassNote] = []
    try:
        for end in run_passes(scenario, target, around):
            notes.append(PassNote(end.strategy, end.number, end.stopped, _overhead(end, folder)))
            _write_ending(folder, notes, around.stop)
    except TargetError as lost:
        if not notes:
            folders.discard(folder)
            raise
        around.stop.request(str(lost), lost.exit_code)
        _write_ending(folder, notes, around.stop)


def _write_ending(folder: Path, notes: Sequence[PassNote], stop: Stop) -> None:
    folders.write_ending(folder, Ending(tuple(notes), stop.reason, int(stop.exit_code)))


def report(folder: Path) -> Finished:
    """Work out summary and HTML report again from the records of a run.  Sends nothing."""
    from reports.html import write

    loaded = folders.load(folder)
    summary = summarize_run(loaded)
    folders.write_summary(folder, summary)
    write(replace(loaded, summary=summary), folder / folders.REPORT)
    return Finished(folder, summary)


def show(finished: Finished, *, json: bool = False, quiet: bool = False) -> None:
    """Print a finished run: the summary as JSON on standard output, or for people."""
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(finished.summary), indent=2) + b"\n")
    elif quiet:
        print(finished.summary.answer)
    else:
        from reports.console import print_summary

        print_summary(finished.summary, finished.folder, _console(sys.stdout))


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Observer]:
    """An observer that shows on standard error how a run goes."""
    if quiet:
        yield Observers()
        return
    from reports.live import Progress

    with Progress(_console(sys.stderr)) as shown:
        yield Observers(shown)


def print_scenarios() -> None:
    """List the shipped scenarios, one question each."""
    from reports.listing import print_scenarios

    print_scenarios([(entry.name, entry.question) for entry in shipped()], _console(sys.stdout))


def print_schema(*, write: bool) -> None:
    """Print the JSON Schema of scenario files, or write it beside the scenarios of this folder."""
    from bench.scenario.schema import schema_text

    if not write:
        sys.stdout.write(schema_text())
        return
    path = Path("scenarios") / "scenario.schema.json"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(schema_text())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    print(path)


def serve(
    *,
    host: str,
    port: int,
    speed: float,
    tier: str | None = None,
    settings: str | None = None,
    keys: str | None = None,
    faults: Sequence[str] = (),
    profile: str | None = None,
) -> None:
    """Run the mock server until it is interrupted.  `settings`, `keys` and `profile` are files."""
    from mock_server.faults import KINDS
    from mock_server.serving import assemble, read_settings, serve

    if tier and not tier.endswith(".json"):
        _refuse_unknown("--tier", "tier", tier, TIERS)
    for fault in faults:
        _refuse_unknown("--fault", "fault", fault.partition("=")[0], KINDS)
    try:
        assembled = assemble(read_settings(settings), tier=tier, keys=keys, faults=faults, profile=profile)
    except ValueError as error:
        raise UsageError(str(error), "See docs/mock-server.md for what it can be told.") from None
    try:
        serve(assembled, host, port, speed)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            f"cannot listen on {host}:{port}: {why}", "Choose another --port; 0 takes a free one."
        ) from error


def _refuse_unknown(flag: str, kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UsageError(f"{flag}: no {kind} `{name}`.{nearest(name, known)}", f"There are {', '.join(known)}.")


def save_traceback() -> Path:
    """Keep the traceback of the exception being handled, without keys, in a file of its own."""
    with tempfile.NamedTemporaryFile("w", prefix="claude-bench-", suffix=".txt", delete=False) as file:
        file.write(str(redact(traceback.format_exc(), _secrets())))
    return Path(file.name)


def _refuse_unbounded(scenario: Scenario) -> None:
    """Refuse to spend money without a bound, or with one that cannot be kept."""
    unbounded = scenario.budget.max_cost is None and scenario.budget.max_requests is None
    if unbounded and any(strategy.hedge is not None for strategy in scenario.strategies):
        raise UsageError(
            "a hedge sends some requests twice, so it needs a budget",
            "Add --max-cost 2 (dollars) or --max-requests 5000, or a budget to the scenario.",
        )
    if scenario.target == "api" and scenario.budget.max_cost is None:
        raise UsageError(
            "the API costs money: a run against it needs a budget",
            "Add --max-cost 2 (dollars), or budget: {max_cost: $2} to the scenario.",
        )
    unpriced = [model for model in sorted(scenario.models) if standard_prices(model, utc_now().date()) is None]
    if scenario.budget.max_cost is not None and unpriced:
        raise UsageError(
            f"the price of {unpriced[0]} is not known, so no budget can be kept",
            "Check the model's name, or upgrade genai-prices.",
        )


def _new_folder(scenario: Scenario, out: Path | None, now: datetime) -> Path:
    if out is not None:
        return folders.create_at(out)
    draws = Draws(os.getpid(), int(now.timestamp() * 1e6))
    letters = "".join(chr(ord("a") + draws.integer(0, 25)) for _ in range(4))
    return folders.create(Path("runs"), scenario.name, scenario.target, now, letters)


def _info(scenario: Scenario, folder: Path, now: datetime, command: Sequence[str]) -> RunInfo:
    resolved = scenario.resolved()
    return RunInfo(
        id=folder.name,
        started_at=folders.rfc3339(now),
        command=("claude-bench", *command),
        scenario=resolved,
        scenario_hash=sha256(msgspec.json.encode(resolved, order="sorted")).hexdigest()[:16],
        versions=versions(),
        machine=machine(),
        seed=scenario.seed,
        target=scenario.target,
        tier=resolved["tier"],
        tier_as_of=tier_date(scenario.tier),
        limits=limits_for(scenario.tier, scenario.model)._asdict(),
        pools=_pools(scenario) if len(scenario.models) > 1 else (),
        prices_as_of=prices_as_of(),
    )


def _pools(scenario: Scenario) -> tuple[Pool, ...]:
    """The models that are asked, by the limits they share."""
    tier = find_tier(scenario.tier)
    by_pool: dict[str, list[str]] = {}
    for model in sorted(scenario.models):
        by_pool.setdefault(tier.pool(model), []).append(model)
    return tuple(Pool(tuple(models), tier.limits_of(models[0])._asdict()) for models in by_pool.values())


def _surroundings(
    scenario: Scenario, journal: Callable[[Record], None], observer: Observer, stop: Stop, day: date
) -> Surroundings:
    budget = scenario.budget
    return Surroundings(
        journal=journal,
        observer=observer,
        budget=BudgetGuard(budget.max_cost, budget.max_requests, budget.max_time),
        stop=stop,
        cost=lambda model, attempt: _cost(model, attempt, day),
        worst_case=(lambda spec: _worst(spec, day)) if budget.max_cost is not None else (lambda _spec: 0.0),
    )


def _cost(model: str, attempt: Attempt, day: date) -> float | None:
    """Dollars of one attempt.  A refusal is free; what was cut off may have been billed, and nobody says."""
    prices = standard_prices(model, day)
    if prices is None:
        return None
    if attempt.usage is not None:
        return prices.of(attempt.usage)
    return 0.0 if attempt.status is not None and attempt.status >= 400 else None


def _worst(spec: RequestSpec, day: date) -> float:
    worst = worst_case(spec.params["model"], spec.input_tokens, spec.params["max_tokens"], day)
    return 0.0 if worst is None else worst


def _overhead(end: PassEnd, folder: Path) -> Overhead | None:
    """What the client added, where the server says how long each request took."""
    if not end.server_latencies:
        return None
    recorded, served = [], []
    for record in read_records(folder / folders.RECORDS):
        last = record.attempts[-1]
        mine = (record.strategy, record.pass_) == (end.strategy, end.number)
        if mine and last.ok and last.request_id in end.server_latencies:
            recorded.append(record.latency)
            served.append(end.server_latencies[last.request_id])
    return overhead(np.array(recorded), np.array(served))


def _secrets() -> list[str]:
    return [value for name in SECRET_NAMES if (value := os.environ.get(name))]


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream)
