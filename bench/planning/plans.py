"""Plans as flags ask for them and as people see them; and what is asked before money is spent."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from rich.console import Console

from bench.errors import UsageError
from bench.planning.plan import plan
from bench.planning.tiers import tiers_of
from bench.results.plan import Plan
from bench.scenario.model import Scenario
from bench.scenario.units import DURATION, RATE, Unit


def planned(
    scenario: Scenario,
    *,
    tier: str | None = None,
    deadline: str | None = None,
    volume: str | None = None,
    simulated: bool = True,
    count_tokens: bool = False,
    quiet: bool = False,
) -> Plan:
    """The plan that flags ask for.  UsageError for what cannot be read or is not known.

    With `count_tokens` a sample of the prompts is sent to the API's free counting endpoint, and nothing else.
    """
    from reports.plan import planning

    tiers = tiers_of(tier, scenario)
    seconds, rate = _read("--deadline", deadline, DURATION), _read("--volume", volume, RATE)
    console = Console(file=sys.stderr, force_terminal=sys.stderr.isatty(), quiet=quiet)
    counts: list[str] = []
    if count_tokens:
        from bench.planning.counting import with_counts

        scenario, *counts = with_counts(scenario)
    with planning(console) as told:
        found = plan(scenario, tiers=tiers, deadline=seconds, volume=rate, simulated=simulated, told=told)
    return msgspec.structs.replace(found, notes=(*found.notes, *(f"{words}." for words in counts)))


def _read(flag: str, written: str | None, unit: Unit) -> float | None:
    if written is None:
        return None
    try:
        value = unit.parse(written)
    except ValueError as problem:
        raise UsageError(f"{flag}: {problem}") from None
    if value <= 0:
        raise UsageError(f"{flag}: expected more than nothing, got {written}")
    return value


def show(found: Plan, *, json: bool = False, quiet: bool = False) -> None:
    """Print a plan: as JSON on standard output, or for people."""
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    elif quiet:
        print("\n".join(filter(None, (found.verdict, *found.answer))))
    else:
        from reports.plan import print_plan

        print_plan(found, Console(file=sys.stdout, force_jupyter=False))


def write_page(found: Plan, path: Path) -> None:
    """Write the plan as an HTML page.  UsageError where it cannot be written."""
    from reports import plan_page

    try:
        plan_page.write(found, path)
    except OSError as problem:
        raise UsageError(f"cannot write {path}: {problem.strerror}") from problem


def show_before_sending(scenario: Scenario) -> None:
    """Print on standard error what a run comes to on its own tier, by arithmetic alone, which takes no time."""
    from reports.plan import print_preflight

    found = plan(scenario, tiers=(), simulated=False)
    print_preflight(found, Console(file=sys.stderr, force_terminal=sys.stderr.isatty()))


def is_agreed(question: str, *, yes: bool) -> bool:
    """Whether to go on: asked on a terminal, unless the flag says so; elsewhere the budget is what bounds it."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
