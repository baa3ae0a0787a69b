"""A sweep: one number of each strategy tried at several values, by tier, case and seed, closer and closer to the knee.

On `sim` the passes are played in parallel processes and nothing of them is kept but their numbers.  Elsewhere they are
runs of their own within the sweep's folder, one after another, each in interleaved rounds: every number once, then
every number again, so that all meet the same hours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal, cast, get_args

import msgspec

from bench import api
from bench.clock import Clock, utc_now
from bench.clock import run as run_loop
from bench.engine.observe import Observer
from bench.engine.run import wait
from bench.engine.stop import Stop, interruptible
from bench.errors import PRECEDENCE, BenchError, Exit, UsageError
from bench.noting import letters
from bench.planning.knee import grid, next_number
from bench.planning.simulate import simulate
from bench.planning.workers import Workers, workers
from bench.preflight import Preflight
from bench.results import folder as folders
from bench.results import sweep as results
from bench.results.format import dollars
from bench.results.health import GRAVE
from bench.results.slo import Slo
from bench.results.summary import Warning
from bench.results.sweep import (
    KINDS,
    SCHEMA_VERSION,
    Outcomes,
    Series,
    Sweep,
    doubts_of,
    outcomes,
    series_of,
    shown_time,
)
from bench.scenario.model import Scenario
from bench.scenario.problems import nearest
from bench.scenario.strategies import Pool, Strategy, TokenBucket

Kind = Literal["semaphore", "pool", "token_bucket"]

ALL_TIERS = ("start", "build", "scale")
"""What `--tier all` stands for: the tiers that the API has today."""

IN_FLIGHT, SHARES = (1, 256), (10, 100)
"""The range that is swept unless another is given: requests in flight or workers, and per cent of the rates."""

LARGEST = 100_000
"""Requests in flight that anybody may ask for."""

SEEDS = 3


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is to be tried of a strategy."""

    kind: Kind
    first: tuple[int, ...]
    """Rising: requests in flight, workers, or per cent of the rates."""
    between: bool
    """Whether numbers between these are tried where the knee is."""


Tell = Callable[[int, int, str], None]
"""Hears how many passes of a stage are done, of how many, and what the stage is about."""


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep that has come to its end, well or not."""

    folder: Path
    sweep: Sweep


# What to try


def numbers(strategies: str, in_flight: str | None = None, share: str | None = None) -> tuple[Numbers, ...]:
    """Read what is to be swept of each strategy, which commas separate.

    `1..256` is a range to find the knee in, `4,8,16` are exactly these.  UsageError when a strategy has no number, or
    when there is nothing to choose between.
    """
    kinds = list(dict.fromkeys(_kind(name) for word in strategies.split(",") if (name := word.strip())))
    if not kinds:
        raise UsageError("--strategy: names none", f"These have a number: {', '.join(KINDS)}.")
    written = {"--in-flight": in_flight, "--share": share}
    for wrong, value in written.items():
        if value is not None and wrong not in map(_flag, kinds):
            flag = _flag(kinds[0])
            raise UsageError(f"{wrong}: {strategies} is swept by {flag}", f"Give {flag} {_example(flag)} instead.")
    return tuple(_numbers_of(kind, _flag(kind), written[_flag(kind)]) for kind in kinds)


def _kind(strategy: str) -> Kind:
    kind = strategy.replace("-", "_")
    for known in get_args(Kind):
        if known == kind:
            return cast("Kind", known)
    raise UsageError(
        f"--strategy: {strategy} has no number to sweep.{nearest(kind, KINDS)}", f"These do: {', '.join(KINDS)}."
    )


def _flag(kind: Kind) -> str:
    return "--share" if kind == "token_bucket" else "--in-flight"


def _numbers_of(kind: Kind, flag: str, written: str | None) -> Numbers:
    first, last = SHARES if flag == "--share" else IN_FLIGHT
    if written is None:
        return Numbers(kind, grid(first, last), between=True)
    low, dots, high = written.partition("..")
    if dots:
        ends = _numbers(flag, [low, high], last)
        if ends[0] >= ends[1]:
            raise UsageError(f"--{flag[2:]} {written}: a range from {ends[0]} to {ends[1]} has nothing to choose from")
        return Numbers(kind, grid(*ends), between=True)
    several = tuple(sorted({*_numbers(flag, written.split(","), last)}))
    if len(several) < 2:
        raise UsageError(f"{flag} {written}: with one number there is nothing to choose", f"Give {_example(flag)}.")
    return Numbers(kind, several, between=False)


def _numbers(flag: str, written: Sequence[str], _last: int) -> tuple[int, ...]:
    """Whole numbers from 1 on; of shares the sign for per cent may stand behind them."""
    most = SHARES[1] if flag == "--share" else LARGEST
    found = []
    for one in written:
        digits = one.strip().removesuffix("%" if flag == "--share" else "").strip()
        if not digits.isascii() or not digits.isdigit() or not 1 <= int(digits) <= most:
            raise UsageError(
                f"{flag}: expected whole numbers from 1 to {most:,}, got `{one.strip()}`",
                f"Give a range or a list: {_example(flag)}.",
            )
        found.append(int(digits))
    return tuple(found)


def _example(flag: str) -> str:
    return "10%..100% or 50%,80%,90%" if flag == "--share" else "1..256 or 8,16,32"


def tiers(written: str | None) -> tuple[str | None, ...]:
    """The tiers that a flag names; None stands for the scenario's own."""
    if written is None:
        return (None,)
    names = [word for one in written.split(",") if (word := one.strip())]
    if not names:
        raise UsageError("--tier: names none", "Give start,build or all.")
    return tuple(dict.fromkeys(tier for name in names for tier in (ALL_TIERS if name == "all" else (name,))))


def load(
    name_or_path: str,
    *,
    tiers: Sequence[str | None] = (None,),
    cases: Sequence[str] = (),
    settings: Sequence[str] = (),
    target: str | None = None,
    seed: int | None = None,
    speed: float | None = None,
    max_cost: float | None = None,
) -> list[Scenario]:
    """The scenario as it is on each tier.  ScenarioError has every problem of it."""
    return [
        api.load(
            name_or_path,
            flags=api.flags(tier=tier, target=target, seed=seed, speed=speed, max_cost=max_cost),
            settings=settings,
            cases=cases,
        )
        for tier in tiers
    ]


@contextmanager
def progress(scenario: Scenario, *, quiet: bool = False) -> Iterator[tuple[Tell, Observer | None]]:
    """What shows on standard error how a sweep goes: the stages of a simulation, or the passes of runs."""
    if quiet:
        yield (lambda _done, _total, _words: None), None
    elif scenario.target == "sim":
        from reports.sweep_live import Stages

        with Stages(sys.stderr) as stages:
            yield stages.tell, None
    else:
        with api.progress() as observer:
            yield (lambda done, _total, words: None if done else api.to_stderr(f"trying {words}")), observer


# The sweep


@dataclass(slots=True)
class _Cell:
    """One tier and case: how it is played, and what was measured so far."""

    scenario: Scenario
    """As it is in this case."""
    case: str | None
    tier: str
    """That of the scenario without regard to cases, by which a run is told from others."""
    asked: Numbers
    alone: bool
    """Whether no other strategy is swept."""
    passes: dict[int, dict[int, Outcomes]] = field(default_factory=dict)
    """By number, then by which of the seeds."""

    @property
    def kind(self) -> Kind:
        """The strategy whose number is tried."""
        return self.asked.kind

    @property
    def plain(self) -> dict[str, Any]:
        """As the results read it."""
        return self.scenario.resolved()

    @property
    def slo(self) -> Slo:
        """What counts as goodput."""
        return msgspec.convert(self.plain["slo"], Slo, strict=False)

    @property
    def own_times(self) -> bool:
        """Whether requests come at times of their own."""
        return results.own_times(self.plain)

    @property
    def label(self) -> str:
        """What progress calls it."""
        where = self.plain["tier"] if self.case is None else self.case
        return where if self.alone else f"{where} ({self.kind})"

    def take(self, number: int, seed: int, found: Outcomes) -> None:
        """Keep what a pass came to."""
        self.passes.setdefault(number, {})[seed] = found

    def series(self) -> tuple[Series, ...]:
        """All requests first, then class by class; none where nothing was measured."""
        passes = {
            (float(number), _name(self.kind, number)): [by_seed[seed] for seed in sorted(by_seed)]
            for number, by_seed in self.passes.items()
        }
        return series_of(
            tier=self.plain["tier"], kind=self.kind, demands=self.slo.demands(), own_times=self.own_times,
            passes=passes, case=self.case, strategy="" if self.alone else self.kind,
        )  # fmt: skip

    def next(self) -> tuple[int, ...]:
        """The number to try next, or none."""
        if not self.asked.between:
            return ()
        found = [number for one in self.series()[:1] if one.points and (number := next_number(one)) is not None]
        return tuple(number for number in found if number not in self.passes)


Wanted = Sequence[tuple[_Cell, tuple[int, ...]]]
Found = tuple[_Cell, int, int, Outcomes]
"""Of a pass: whose it is, its number, which seed, and what it came to."""

Measure = Callable[[Wanted], Iterator[Found]]
"""Makes the passes of a stage."""


def sweep(
    scenarios: Sequence[Scenario],
    asked: Sequence[Numbers],
    *,
    seeds: int = SEEDS,
    out: Path | None = None,
    command: Sequence[str] = (),
    tell: Tell = lambda _done, _total, _words: None,
    observer: Observer | None = None,
    processes: int | None = None,
    ray: str | None = None,
    stop: Stop | None = None,
    say: Callable[[str], None] = api.to_stderr,
) -> Swept:
    """Try the numbers on each scenario (one a tier), and where the knee is those between; keep all in one folder.

    `tell` hears of each pass that is simulated, `observer` those of the passes that are run.  A `stop`, or Ctrl-C, ends
    it early and what was measured stays.  The budget of the scenario is that of the whole sweep.  UsageError before
    anything was sent, TargetError when nobody answers.
    """
    first, stop, now = scenarios[0], stop or Stop(), utc_now()
    if first.target != "sim":
        api.refuse_unbounded(first)
    folder = _new_folder(first, out)
    cells = [
        _Cell(variant, case, scenario.tier, one, alone=len(asked) == 1)
        for scenario in scenarios for case, variant in scenario.variants for one in asked
    ]  # fmt: skip
    doubts: list[Warning] = []
    how = (
        _simulating(seeds, tell, processes, ray, stop, say)
        if first.target == "sim"
        else _running(scenarios, seeds, folder, command, tell, observer, stop, say, doubts)
    )
    try:
        with how as measure:
            _try_all(cells, measure, stop)
    except BenchError as problem:
        if not any(cell.passes for cell in cells):
            folders.discard(folder)
            raise
        stop.request(str(problem), problem.exit_code)
    costs = [one[None].cost for cell in cells for by_seed in cell.passes.values() for one in by_seed.values()]
    known = [cost for cost in costs if cost is not None]
    found = Sweep(
        schema_version=SCHEMA_VERSION,
        name=first.name,
        question=first.question,
        model=", ".join(sorted(first.models)),
        target=first.target,
        kind=", ".join(one.kind for one in asked),
        started_at=folders.rfc3339(now),
        seeds=tuple(range(first.seed, first.seed + seeds)),
        series=tuple(one for cell in cells for one in cell.series()),
        command=("claude-bench", *command),
        cost=sum(known) if len(known) == len(costs) else None,
        stopped=stop.reason,
        exit_code=int(min(stop.exit_code, _trusted(doubts), key=PRECEDENCE.index)),
        warnings=tuple(doubts),
    )
    results.write(folder, found)
    return Swept(folder, found)


def _trusted(doubts: Sequence[Warning]) -> Exit:
    return Exit.NOT_VALID if any(one.code in GRAVE for one in doubts) else Exit.OK


def first_stage(scenario: Scenario, asked: Sequence[Numbers], seeds: int) -> Scenario:
    """What is run first of a scenario: every number that was asked for, once a seed."""
    cells = [
        _Cell(variant, case, scenario.tier, one, alone=True) for case, variant in scenario.variants for one in asked
    ]
    return _run_of(scenario, [(cell, cell.asked.first) for cell in cells], seeds, 0.0)


def later_stages(scenario: Scenario, asked: Sequence[Numbers]) -> str:
    """What may follow the first stage, in words; empty where nothing does."""
    if not any(one.between for one in asked):
        return ""
    most = scenario.budget.max_cost
    bound = "" if most is None else f", for {dollars(most)} in all at most"
    return f"Numbers between these are tried after them, one at a time, where the knee is{bound}."


def _try_all(cells: Sequence[_Cell], measure: Measure, stop: Stop) -> None:
    """Stage after stage: in each cell the numbers that were asked for, then one at a time those between."""
    wanted: Wanted = [(cell, cell.asked.first) for cell in cells]
    while wanted and stop.reason is None:
        for cell, number, seed, found in measure(wanted):
            cell.take(number, seed, found)
        wanted = [(cell, more) for cell in cells if (more := cell.next())]


def _new_folder(scenario: Scenario, out: Path | None) -> Path:
    if out is not None:
        return folders.create_at(out)
    now = utc_now()
    return folders.create(Path("runs"), f"{scenario.name}-sweep", scenario.target, now, letters(now, 4))


# How the passes are made


@contextmanager
def _simulating(
    seeds: int, tell: Tell, processes: int | None, ray: str | None, stop: Stop, say: Callable[[str], None]
) -> Iterator[Measure]:
    """In parallel processes, which a sweep keeps to its end."""
    stop.meaning = "finishing the simulations under way"
    with interruptible(stop, say), workers(processes, ray) as pool:
        yield lambda wanted: _simulated(wanted, seeds, pool, tell, stop)


def _simulated(wanted: Wanted, seeds: int, pool: Workers, tell: Tell, stop: Stop) -> Iterator[Found]:
    words = _words(wanted)
    total = seeds * sum(len(tried) for _, tried in wanted)
    tell(0, total, words)
    trials = {
        pool.submit(_play, _trial(cell, number, seed), cell.slo, shown_time(own_times=cell.own_times), stop):
        (cell, number, seed)
        for cell, tried in wanted for number in tried for seed in range(seeds)
    }  # fmt: skip
    try:
        for done, future in enumerate(as_completed(trials), 1):
            if (found := future.result()) is not None:
                yield *trials[future], found
            tell(done, total, words)
            if stop.reason is not None:
                return
    finally:
        for future in trials:
            future.cancel()


def _trial(cell: _Cell, number: int, seed: int) -> Scenario:
    """One number, once, with one seed."""
    changes = {"strategies": (_strategy(cell, number),), "seed": cell.scenario.seed + seed}
    return cell.scenario.model_copy(update={**changes, "repeat": 1, "thresholds": (), "cases": ()})


def _play(scenario: Scenario, slo: Slo, time: str, stop: Stop) -> Outcomes | None:
    """What a pass comes to; None when it was stopped.  In another process, nobody stops it."""
    found = simulate(scenario, stop=stop)
    [summary], columns = found.summary.passes or (None,), found.columns
    if summary is None or summary.stopped is not None:
        return None
    return outcomes(columns[0], slo, time, summary.limits, utc_now().date())


@contextmanager
def _running(
    scenarios: Sequence[Scenario], seeds: int, folder: Path, command: Sequence[str], tell: Tell,
    observer: Observer | None, stop: Stop, say: Callable[[str], None], doubts: list[Warning],
) -> Iterator[Measure]:  # fmt: skip
    """On a server, one pass after another.  What one run spends, the next cannot.  `doubts` takes what they warn of."""
    spent, places = 0.0, count(1)
    checked = None

    def measure(wanted: Wanted) -> Iterator[Found]:
        nonlocal spent, checked
        tell(0, seeds * sum(len(tried) for _, tried in wanted), _words(wanted))
        for scenario in scenarios:
            mine = [(cell, tried) for cell, tried in wanted if cell.tier == scenario.tier]
            if not mine or stop.reason is not None:
                continue
            if (place := next(places)) > 1 and scenario.target not in ("sim", "mock"):
                run_loop(wait(Clock(), scenario.pause, stop), virtual=False)
            chosen = _run_of(scenario, mine, seeds, spent)
            finished = api.run(
                chosen, out=folder / f"run-{place}", observer=observer, command=command, stop=stop, checked=checked,
                say=say,
            )  # fmt: skip
            checked = Preflight()  # once is enough
            spent += finished.spent or 0.0
            doubts.extend(doubts_of(finished.passes))
            yield from _found(finished, mine)

    with interruptible(stop, say):
        yield measure


def _run_of(scenario: Scenario, wanted: Wanted, seeds: int, spent: float) -> Scenario:
    """A run of the numbers that each case is to try, with what is left of the budget."""
    strategies: dict[str | None, tuple[Strategy, ...]] = {}
    for cell, tried in wanted:
        more = tuple(_strategy(cell, number) for number in tried)
        strategies[cell.case] = (*strategies.get(cell.case, ()), *more)
    cases = tuple(
        case.model_copy(update={"scenario": case.scenario.model_copy(update={"strategies": strategies[case.name]})})
        for case in scenario.cases
        if case.name in strategies
    )
    most = scenario.budget.max_cost
    budget = scenario.budget.model_copy(update={"max_cost": None if most is None else max(0.0, most - spent)})
    every = {one.name: one for each in strategies.values() for one in each}
    changes = {"strategies": tuple(every.values()), "cases": cases, "budget": budget, "repeat": seeds, "thresholds": ()}
    chosen = scenario.model_copy(update=changes)
    chosen._recipe = None  # the file does not say which numbers these are
    return chosen


def _found(finished: api.Finished, wanted: Wanted) -> Iterator[Found]:
    """The passes of a run that came to their end."""
    rows = {one.of_pass: one for one in finished.columns()}
    day = utc_now().date()
    for cell, tried in wanted:
        numbers_by_name = {_name(cell.kind, number): number for number in tried}
        for one in finished.passes:
            if one.strategy not in numbers_by_name:
                continue
            if one.case == cell.case and one.stopped is None and one.of_pass in rows:
                time = shown_time(own_times=cell.own_times)
                found = outcomes(rows[one.of_pass], cell.slo, time, one.limits, day)
                yield cell, numbers_by_name[one.strategy], one.pass_, found


def _strategy(cell: _Cell, number: int) -> Strategy:
    """The scenario's first strategy of the kind, or a plain one, with another number."""
    scenario, kind = cell.scenario, cell.kind
    take = None if scenario.fan_out is None else scenario.fan_out.take
    plain = Strategy(name=kind, kind=kind, retry=scenario.retry, take=take)
    base = next((one for one in scenario.strategies if one.kind == kind), plain)
    changes: dict[str, object] = {"name": _name(kind, number)}
    match kind:
        case "semaphore":
            changes["limit"] = number
        case "pool":
            changes["pool"] = Pool(workers=number, queue=base.pool.queue if base.pool else max(100, number))
        case "token_bucket":
            changes["pacer"] = (base.pacer or TokenBucket()).model_copy(update={"share": number / 100})
    return base.model_copy(update=changes)


def _name(kind: Kind, number: int) -> str:
    return f"token-bucket-share-{number}" if kind == "token_bucket" else f"{kind}-{number}"


def _words(wanted: Wanted) -> str:
    """What a stage tries: `1, 2, 4 on start, build`."""
    by_numbers: dict[tuple[int, ...], list[str]] = {}
    for cell, tried in wanted:
        by_numbers.setdefault(tried, []).append(cell.label)
    return "; ".join(f"{', '.join(map(str, tried))} on {', '.join(cells)}" for tried, cells in by_numbers.items())
