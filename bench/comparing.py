"""Comparisons as they are asked for on a command line: find both sides, refuse what cannot be compared, compare."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench.clock import utc_now
from bench.engine.observe import Observer
from bench.errors import UsageError
from bench.finding import BASELINES, find, refuse_differences, saved
from bench.noting import info_of
from bench.results.baseline import Runs, of_plan, of_run
from bench.results.calibration import Calibration, calibrate
from bench.results.changes import MIN_EFFECT, Pair
from bench.results.comparison import Comparison, Terms, compare
from bench.results.folder import load_summary
from bench.results.measures import Measure, parse_gate
from bench.scenario.load import shipped
from bench.scenario.model import Scenario
from bench.scenario.problems import nearest
from bench.scenario.units import SHARE

if TYPE_CHECKING:
    from rich.console import Console


def compare_sides(
    base: str,
    new: str,
    *,
    gate: Sequence[str] = (),
    min_effect: str | None = None,
    across: Sequence[str] = (),
    strategies: Sequence[str] = (),
    strict: bool = False,
    baselines: Path = BASELINES,
) -> Comparison:
    """Hold two sides against each other, each a run folder, a folder or glob of runs, a report or a baseline.

    `side@strategy` takes one strategy of a side, so that two may be compared that are not called the same.  The gate
    and the minimum effect are the scenario's unless they are given.  UsageError when the two answer different
    questions in more than what is named in `across`, or have nothing in common.
    """
    sides = mine, theirs = find(base, baselines), find(new, baselines)
    settings, pairs = _agreed((base, new), mine, theirs, across, strategies)
    terms = Terms(_gate(sides, gate), _min_effect(sides, min_effect), strict, tuple(across))
    return compare(mine, theirs, pairs, terms, labels=(base, new), settings=settings)


def against(
    base: str,
    *,
    scenario: Scenario | None = None,
    across: Sequence[str] = (),
    strict: bool = False,
    baselines: Path = BASELINES,
) -> Callable[[Path], Comparison | None]:
    """How the run in a folder is held against `base`, which is read now: a glob does not catch what is yet to be run.

    With the `scenario` that is to be run, what could not be compared is refused at once, before anything is sent, as
    `compare_sides` refuses it.  Nothing is found of a run that was stopped before it had recorded anything.
    """
    mine = find(base, baselines)
    if scenario is not None:
        _agreed((base, "this run"), mine, _planned(scenario), across)

    def held(folder: Path) -> Comparison | None:
        theirs = of_run(*load_summary(folder))
        if not theirs.strategies:
            return None
        settings, pairs = _agreed((base, str(folder)), mine, theirs, across)
        terms = Terms(_gate((mine, theirs), ()), _min_effect((mine, theirs), None), strict, tuple(across))
        return compare(mine, theirs, pairs, terms, labels=(base, str(folder)), settings=settings)

    return held


def _planned(scenario: Scenario) -> Runs:
    passes = [
        (case, strategy.name, number)
        for number in range(scenario.repeat)
        for case, variant in scenario.variants
        for strategy in variant.strategies
    ]
    return of_plan(info_of(scenario, "", utc_now()), passes)


def calibrate_named(
    named: str,
    *,
    gate: Sequence[str] = (),
    min_effect: str | None = None,
    baselines: Path = BASELINES,
    repeat: int = 10,
    target: str | None = None,
    observer: Observer | None = None,
    command: Sequence[str] = (),
    say: Callable[[str], None],
) -> Calibration:
    """Hold runs against themselves, every second one against the others.  UsageError with fewer than four.

    A scenario, shipped or a file, is run first, `repeat` times on `target`; `say` hears where to.
    """
    if _is_scenario(named, baselines):
        folder = _run(named, repeat, target, observer, command, say)
        return _calibrate(folder, find(folder, baselines), gate, min_effect)
    return _calibrate(named, find(named, baselines), gate, min_effect)


def _calibrate(label: str, runs: Runs, gate: Sequence[str], min_effect: str | None) -> Calibration:
    return calibrate(runs, _gate([runs], gate), _min_effect([runs], min_effect), label=label)


def _is_scenario(named: str, baselines: Path) -> bool:
    shipped_one = not Path(named).exists() and named in {one.name for one in shipped()}
    return Path(named).suffix in (".yaml", ".yml") or (shipped_one and not (baselines / f"{named}.json").exists())


def _run(
    named: str,
    repeat: int,
    target: str | None,
    observer: Observer | None,
    command: Sequence[str],
    say: Callable[[str], None],
) -> str:
    """Run a scenario `repeat` times; the folder of the run."""
    from bench import api

    flags = {"repeat": str(repeat)} | ({"target": target} if target else {})
    finished = api.run(api.load(named, flags=flags), observer=observer, command=command)
    say(f"The runs are in {finished.folder}.")
    return str(finished.folder)


def two_sides(named: Sequence[str]) -> tuple[str, str]:
    """Base and new, out of what stands on the command line."""
    match named:
        case (base, new):
            return base, new
        case () | (_,):
            raise UsageError("compare needs two sides: BASE and NEW", "Or hold one against itself: --calibrate.")
    raise UsageError(
        f"compare takes two sides, not {len(named)}",
        "Quote globs, or the shell unfolds them: claude-bench compare 'runs/*-main-*' 'runs/*-mine-*'",
    )


def one_side(named: Sequence[str]) -> str:
    """What is to be calibrated, out of what stands on the command line."""
    if len(named) != 1:
        raise UsageError(
            f"--calibrate takes one thing, not {len(named)}", "Give runs (a glob in quotes), or a scenario to run."
        )
    return named[0]


def show(found: Comparison, *, json: bool = False, quiet: bool = False) -> None:
    """Print a comparison: as JSON on standard output, or for people."""
    from reports.changes import headline
    from reports.comparison import print_comparison

    if json:
        _print_json(found)
    elif quiet:
        print("  ".join(headline(found)))
    else:
        print_comparison(found, _console())


def show_calibration(found: Calibration, *, json: bool = False) -> None:
    """Print a calibration: as JSON on standard output, or for people."""
    from reports.calibration import print_calibration

    if json:
        _print_json(found)
    else:
        print_calibration(found, _console())


def write_page(found: Comparison, path: Path) -> None:
    """Write a comparison as one HTML file.  UsageError when it cannot be written."""
    from reports.comparison_page import render

    try:
        path.write_text(render(found), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "Name another file with --html.") from error


def print_baselines(baselines: Path) -> None:
    """List the baselines of a folder."""
    from reports.baselines import print_baselines as print_them

    print_them(saved(baselines), baselines, _console())


def print_baseline(name: str, baselines: Path) -> None:
    """Show one baseline.  UsageError when there is none of that name."""
    from reports.baselines import print_baseline as print_it

    print_it(name, find(name, baselines), _console())


def _print_json(found: Comparison | Calibration) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, emoji=False)  # brackets and colons in names are theirs


# By what it is judged


def _gate(sides: Sequence[Runs], written: Sequence[str]) -> tuple[Measure, ...]:
    """The gate as it was given, or that of the newer scenario that has one.  UsageError names every fault."""
    measures, problems = [], []
    for name in written or _own(sides).get("metrics", ()):
        try:
            measures.append(parse_gate(name))
        except ValueError as problem:
            problems.append(f"--gate: {problem}")
    if problems:
        raise UsageError("\n".join(problems))
    return tuple(dict.fromkeys(measures))


def _min_effect(sides: Sequence[Runs], written: str | None) -> float:
    """The minimum effect as it was given, or the scenario's, or the usual one."""
    if written is None:
        return float(_own(sides).get("min_effect", MIN_EFFECT))
    try:
        return SHARE.parse(written)
    except ValueError as problem:
        raise UsageError(f"--min-effect: {problem}") from None


def _own(sides: Sequence[Runs]) -> Mapping[str, Any]:
    return next((side.gate for side in reversed(sides) if side.gate), {})


# What may be compared


def _agreed(
    labels: tuple[str, str], base: Runs, new: Runs, across: Sequence[str], strategies: Sequence[str] = ()
) -> tuple[list[str], list[Pair]]:
    """Where two questions differ, as they may, and the strategies to compare.  UsageError when they cannot be."""
    _refuse_unknown_parts((base, new), across)
    settings = refuse_differences(" and ".join(labels), base, new, across)
    pairs = _pairs(base, new, strategies)
    if base.exact and new.exact and "seed" not in across:
        _refuse_other_seeds(base, new, pairs)
    return settings, pairs


def _refuse_unknown_parts(sides: Sequence[Runs], across: Sequence[str]) -> None:
    known = ["seed", *dict.fromkeys(key for side in sides for key in side.asked)]
    for part in across:
        if part.partition(".")[0] not in known:
            hint = f"There are {', '.join(known)}."
            raise UsageError(f"--across: no part `{part}` of a question.{nearest(part, known)}", hint)


def _pairs(base: Runs, new: Runs, strategies: Sequence[str]) -> list[Pair]:
    """The strategies that both have; or one of each, whatever they are called, where one of each was chosen."""
    if len(base.strategies) == len(new.strategies) == 1 and base.chosen and new.chosen:
        return [(base.strategies[0], new.strategies[0])]
    both = [name for name in base.strategies if name in new.strategies]
    if not both:
        raise UsageError(
            f"no strategy in common: base has {', '.join(base.strategies) or 'none'}; "
            f"new has {', '.join(new.strategies) or 'none'}",
            "To compare two that are called differently, choose one of each: BASE@gather NEW@semaphore-10.",
        )
    for name in strategies:
        if name not in both:
            raise UsageError(
                f"--strategy: no strategy `{name}` in both.{nearest(name, both)}", f"Both have {', '.join(both)}."
            )
    return [(name, name) for name in both if not strategies or name in strategies]


def _refuse_other_seeds(base: Runs, new: Runs, pairs: Sequence[Pair]) -> None:
    mine, theirs = (
        {one.seed for run in side.runs for one in run.passes if one.name in {pair[place] for pair in pairs}}
        for place, side in enumerate((base, new))
    )
    if not mine & theirs:
        raise UsageError(
            f"no seed in common: base has {_listed(mine)}, new has {_listed(theirs)}",
            "On sim equal seeds are compared, exactly.  Run with the same --seed, or take each seed as a run of its "
            "own: --across seed",
        )


def _listed(seeds: set[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))
