"""What a machine can time, on a terminal, for 80 columns."""

from __future__ import annotations

from textwrap import fill

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.diagnosis import STREAM_EVENTS, TOLERANCE, Diagnosis, Reach
from bench.results.format import DASH, number, share

_LEGEND = (
    "timed: response times at most 5 % too long, at the median and at the p95 · "
    f"a stream has {STREAM_EVENTS} events a second"
)

_QUIET = 0.5
"""Processes to a core up to which a machine is said to be quiet."""


def print_diagnosis(found: Diagnosis, console: Console) -> None:
    """Print what it can time, on what that stands, and what it was measured with."""
    console.print(Text(fill(answer(found), console.width), style="bold"))
    console.print()
    console.print(_table(found))
    console.print(Text(fill(_LEGEND, console.width), style="dim"))
    for note in notes(found):
        console.print(Text(fill(f"! {note}", console.width, initial_indent="\n", subsequent_indent="  ")))
    console.print()
    for name, value in _facts(found):
        console.print(Text(fill(f"{name:<12}{value}", console.width, subsequent_indent=" " * 12)))


def answer(found: Diagnosis) -> str:
    """What this machine can time."""
    if not (found.sdk.streams.most and found.sdk.requests.most):
        return "This machine could not time the least that was tried: something else takes its processor."
    sdk, wire = found.sdk, found.wire
    return (
        f"Within {share(TOLERANCE)} this machine times {_most(sdk.streams)} streams at once with the official SDK and "
        f"{_most(wire.streams)} with client: wire; {_most(sdk.requests)} and {_most(wire.requests)} requests a second; "
        f"{_most(sdk.events)} and {_most(wire.events)} events a second."
    )


def notes(found: Diagnosis) -> list[str]:
    """What a reader must know before relying on it."""
    told = []
    if found.load is not None and found.load > _QUIET * found.machine.cores:
        told.append(
            f"{number(found.load)} processes wanted one of the {found.machine.cores} cores in the minute before: what "
            "was found is what they left. Run it again when nothing else runs."
        )
    if found.machine.cores == 1:
        told.append(
            "The server shares the only core with the client: of another machine's answers this one times more."
        )
    if found.quick:
        told.append("Measured quickly: the limit lies anywhere between the two columns.")
    return told


def _most(reach: Reach) -> str:
    return number(reach.most) if reach.beyond is not None else f"at least {number(reach.most)}"


def _table(found: Diagnosis) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("load", no_wrap=True, vertical="bottom")
    table.add_column("client", no_wrap=True, vertical="bottom")
    for heading in ("timed", "not\ntimed", "too long\nmedian", "too long\np95", "core\nused", "trials"):
        table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    for name, client, reach in _named(found):
        best = next((one for one in reversed(reach.levels) if one.held), None)
        beyond = DASH if reach.beyond is None else number(reach.beyond)
        shares = (None, None, None) if best is None else (best.median, best.p95, best.cpu)
        cells = (DASH if one is None else share(max(0.0, one)) for one in shares)
        table.add_row(name, client, number(reach.most), beyond, *cells, number(len(reach.levels)))
    return table


def _named(found: Diagnosis) -> list[tuple[str, str, Reach]]:
    return [
        ("streams at once", "sdk", found.sdk.streams),
        ("", "wire", found.wire.streams),
        ("requests a second", "sdk", found.sdk.requests),
        ("", "wire", found.wire.requests),
        ("events a second", "sdk", found.sdk.events),
        ("", "wire", found.wire.events),
    ]


def _facts(found: Diagnosis) -> list[tuple[str, str]]:
    packages = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return [
        ("machine", f"{found.machine.platform}, {found.machine.cpu}, {found.machine.cores} cores"),
        ("clock", f"{found.clock_resolution * 1e9:,.0f} ns"),
        ("open files", "no limit known" if found.open_files is None else f"{found.open_files:,} at most"),
        ("event loop", found.event_loop),
        ("versions", packages),
    ]
