"""What can this machine time?  Raises the load on a local server of known delay until the client's times are off.

Every trial is a pass as any run makes it: the engine's dispatcher, one of the clients, HTTP, the mock server in a
process of its own.  Requests come at even intervals, so that a client that is late to send is seen, too: what is held
against the server's own latency is the response time, from the moment a request was meant to go.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from bench.clock import event_loop, monotonic, resolution, utc_now
from bench.engine.budget import BudgetGuard
from bench.engine.observe import Observers
from bench.engine.run import PassEnd, run_passes
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.results.ceilings import cache_folder, keep
from bench.results.diagnosis import STREAM_EVENTS, TOLERANCE, Diagnosis, Level, Reach, Reaches
from bench.results.environment import load_average, machine, open_files, versions
from bench.results.folder import rfc3339
from bench.results.format import number, share
from bench.results.record import Record
from bench.scenario.arrivals import Constant
from bench.scenario.model import Fixed, Latency, Mock, Retry, Scenario, Strategy, Workload
from bench.targets.target import Target, open_target

_EVENT_STREAMS = 40
"""Streams that are open together where events are counted: few, so that it is events that are counted."""

_EVENT_TOKENS = 5
"""As the mock sends them."""


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of load that can be raised."""

    name: str
    stream: bool
    takes: float
    """Seconds that each answer takes, exactly."""
    first: float
    """The lowest that is tried."""
    most: float
    """Nobody asks for more, or other things come to their end, such as ports."""
    rate: Callable[[float, float], float]
    """Requests a second that make up so much of it, where answers take so many seconds."""
    events: Callable[[float, float], float]
    """Events of each answer, likewise."""


LOADS = (
    Load("streams", True, 1.2, 50, 10_000, lambda open_, takes: open_ / takes, lambda _, takes: takes * STREAM_EVENTS),
    Load("requests/s", False, 0.8, 50, 10_000, lambda rate, _: rate, lambda _rate, _takes: 4),
    Load(
        "events/s", True, 1.2, 20_000, 100_000,
        lambda _, takes: _EVENT_STREAMS / takes, lambda rate, takes: rate * takes / _EVENT_STREAMS,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Patience:
    """How exactly it is to be measured, and how long that may take."""

    within: float
    """The load that is timed and the one that is not differ by no more than this factor."""
    seconds: float
    """For each kind of load; a trial that has begun is ended."""
    takes: float
    """How long answers take, as a share of what they take else."""


FULL, QUICK = Patience(1.1, 14.0, 1.0), Patience(1.6, 3.5, 0.6)

CLIENTS: tuple[Literal["sdk", "wire"], ...] = ("sdk", "wire")


def diagnose(*, quick: bool = False, say: Callable[[str], None] = lambda _: None) -> Diagnosis:
    """Measure this machine, in less than two minutes, or if `quick` in half of one.  `say` is told of each trial.

    Raises TargetError when the mock server does not come up.
    """
    before = load_average()
    sdk, wire = (
        Reaches(*(reach(load, QUICK if quick else FULL, client=client, say=say) for load in LOADS))
        for client in CLIENTS
    )
    return Diagnosis(
        measured_at=rfc3339(utc_now()),
        versions=versions(),
        machine=machine(),
        event_loop=event_loop(),
        clock_resolution=resolution(),
        open_files=open_files(),
        load=before,
        quick=quick,
        sdk=sdk,
        wire=wire,
    )


def reach(
    load: Load,
    patience: Patience,
    *,
    client: Literal["sdk", "wire"] = "sdk",
    say: Callable[[str], None] = lambda _: None,
) -> Reach:
    """How far one kind of load can be raised with a client, on a server of its own."""
    load = replace(load, takes=load.takes * patience.takes)
    until = monotonic() + patience.seconds
    with open_target(_scenario(load, load.first, client)) as target:

        def measured(offered: float) -> Level:
            level = _trial(load, offered, client, target)
            if TOLERANCE < level.worst <= _NEAR and monotonic() < until:  # a hiccup may have done it: the better of two
                level = min(level, _trial(load, offered, client, target), key=lambda one: one.worst)
            say(f"{number(round(offered))} {load.name}, client {client}: {_verdict(level)}")
            return level

        levels = search(measured, load, patience.within, lambda: monotonic() > until)
    held = [one.offered for one in levels if one.held]
    failed = [one.offered for one in levels if not one.held]
    return Reach(max(held, default=0.0), min(failed, default=None), tuple(sorted(levels, key=lambda one: one.offered)))


_NEAR = 3 * TOLERANCE
"""Over-report up to which a trial is made once more."""


def _verdict(level: Level) -> str:
    if level.median is None:
        return "not timed, not all were answered"
    return f"{'timed' if level.held else 'not timed'}, {share(max(0.0, level.worst))} too long"


def search(measured: Callable[[float], Level], load: Load, within: float, over: Callable[[], bool]) -> list[Level]:
    """Try loads until the highest that is timed and the lowest that is not are close enough, or the time is over.

    It begins low, guesses from the processor time that this took where the end is, and closes in on it from there.
    """
    levels = [measured(load.first)]
    held, failed = (load.first, math.inf) if levels[0].held else (0.0, load.first)
    offered = load.first * _FULL / max(levels[0].cpu, 0.01) if held else failed / _STEP
    while failed > max(held * within, held + 1) and held < load.most and not over():
        # A whole one between the two.
        levels.append(measured(float(round(min(max(offered, held * within, held + 1), failed - 1, load.most)))))
        if levels[-1].held:
            held = levels[-1].offered
        else:
            failed = levels[-1].offered
        offered = held * _STEP if failed == math.inf else max(math.sqrt(held * failed), failed / _STEP)
    return levels


_FULL = 0.45
"""Share of a core that a pass comes to whose client is fully used while it sends: it does so for half of the time."""

_STEP = 1.4
"""From one trial to the next, where there is nothing to close in from."""


def _trial(load: Load, offered: float, client: Literal["sdk", "wire"], target: Target) -> Level:
    """One pass at this load: what the client made of the second half of it, when all of it was there."""
    records: list[Record] = []
    around = Surroundings(
        journal=records.append,
        observer=Observers(),
        budget=BudgetGuard(),
        stop=Stop(),
        cost=lambda _model, _attempt: 0.0,
        worst_case=lambda _spec: 0.0,
    )
    [end] = run_passes(_scenario(load, offered, client), {None: target}, around)
    assert end.selfcheck is not None
    over = [_over_report(one, end) for one in records if one.intended >= load.takes / 2]
    answered = [one for one in over if one is not None]
    timed = len(answered) == len(over)
    return Level(
        offered=offered,
        requests=len(over),
        median=float(np.median(answered)) if timed else None,
        p95=float(np.quantile(answered, 0.95)) if timed else None,
        cpu=end.selfcheck.cpu,
        lag=end.selfcheck.lag_median,
    )


def _over_report(record: Record, end: PassEnd) -> float | None:
    """How much longer it was from the moment the request was meant to go than the server took, as a share of that.

    None of one that failed, or of which the server knows nothing.
    """
    last = record.attempts[-1]
    took = (end.server_latencies or {}).get(last.request_id or "")
    if not last.ok or not took:
        return None
    return (last.ended - record.intended - took) / took


def _scenario(load: Load, offered: float, client: Literal["sdk", "wire"] = "sdk") -> Scenario:
    """Requests at even intervals for one and a half times as long as an answer takes."""
    rate = load.rate(offered, load.takes)
    tokens = max(1, round(load.events(offered, load.takes) * _EVENT_TOKENS))
    return Scenario(
        version=1,
        name="doctor",
        question=f"Does this machine time {offered:g} {load.name}?",
        model="claude-sonnet-5-5",
        target="mock",
        client=client,
        tier="unlimited",
        arrivals=Constant(rate=rate),
        workload=Workload(
            requests=max(2, math.ceil(rate * load.takes * 1.5)),
            input_tokens=Fixed(value=100),
            output_tokens=Fixed(value=tokens),
            max_tokens=tokens,
            stream=load.stream,
        ),
        strategies=(Strategy(name="gather", kind="gather", retry=Retry(policy="none")),),
        mock=Mock(latency=Latency(service_time=load.takes), chunk_tokens=_EVENT_TOKENS),
    )


def kept(found: Diagnosis, say: Callable[[str], None]) -> None:
    """Leave it for the runs of this user, or say why not."""
    try:
        keep(found, cache_folder())
    except (OSError, RuntimeError) as problem:
        say(f"runs will not know of it, it cannot be kept: {problem}")


def show(found: Diagnosis, *, json: bool = False) -> None:
    """Print it, as JSON or for people."""
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        return
    from rich.console import Console

    from reports.diagnosis import print_diagnosis

    print_diagnosis(found, Console(force_jupyter=False, markup=False, emoji=False))
