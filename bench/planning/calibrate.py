"""A recorded run turned into a profile for mock and sim, and played again with it to see how well that does."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from bench.api import same_scenario
from bench.engine.observe import Observer
from bench.errors import UsageError
from bench.planning import burst, failures
from bench.planning.answers import Seen, answers_of
from bench.planning.fit import FEWEST, Effect, Fit, Shaped, distance, fit, shaped
from bench.planning.simulate import simulate
from bench.results import folder as folders
from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES, Columns, Floats
from bench.results.fidelity import MEASURES, SCHEMA_VERSION, Burst, Curve, Estimate, Fidelity, Row, Shape
from bench.results.folder import LoadedRun
from bench.results.format import count, pass_name
from bench.results.intervals import Interval
from bench.results.limits import rate_limited
from bench.results.metrics import samples
from bench.results.record import read_records
from bench.results.statistics import samples_needed
from bench.scenario.model import Fault, Latency, Scenario
from bench.scenario.units import DURATION, SHARE
from mock_server import faults, profile
from mock_server.profile import PRESETS, Beside, Profile, Speed, median
from mock_server.rng import Draws

SIMULATIONS = 5
"""How often a run is played again, each time with other answers to the same requests."""

LARGE = 20_000
"""Requests of a run from which on it is played only once."""

AS_EXPECTED = 0.005
"""Answers are as long as expected when none differs by more, as a share."""

_CURVE = tuple(k / 200 for k in range(1, 200))
"""Shares at which distributions are held against each other."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was fitted to a family."""

    answers: Seen
    speed: Fit
    length: Shaped | None
    """None where answers are as long as expected."""


def calibrate(run: Path, out: Path, *, seed: int = 0, observer: Observer | None = None) -> Fidelity:
    """Fit a profile to a run, write it to `out`, and play the run again with it.

    UsageError for a run that there is nothing to fit to.  A run whose scenario is not at hand any more is fitted all
    the same; then nothing can be held against it.
    """
    loaded = folders.load(run)
    seen = answers_of(loaded.passes, read_records(run / folders.RECORDS))
    _refuse_unfit(loaded, seen)
    fitted = {
        family: _fit(answers, family, Draws(seed, "calibrate", family))
        for family, answers in sorted(seen.items())
        if len(answers.timed) >= FEWEST
    }
    limits = loaded.info.limits or {}
    failed = failures.failures(loaded.passes, [name for name, limit in limits.items() if limit])
    waits = failures.retry_after(loaded.passes)
    bucket = burst.estimate(loaded.passes, limits)
    measured = _profile(loaded, fitted, bucket, failures.faults(failed, waits))
    _write(measured, out, run)
    found = Fidelity(
        schema_version=SCHEMA_VERSION,
        run=loaded.info.id,
        scenario=loaded.info.scenario["name"],
        target=loaded.info.target,
        models=tuple(sorted({model for one in loaded.passes for model in one.asked})),
        profile=str(out),
        estimates=tuple(_estimates(fitted)),
        shapes=tuple(_shapes(fitted)),
        failures=failed,
        retry_after=waits,
        burst=bucket,
        settings=_settings(out, measured.beside),
        simulations=0,
        notes=tuple(_notes(loaded, seen, fitted)),
    )
    return _played(found, loaded, measured, out, observer)


def write_page(found: Fidelity, path: Path, run: Path) -> None:
    """Write the calibration of the run in a folder as an HTML page.  UsageError when that cannot be done."""
    from reports.fidelity_page import render

    try:
        folders.write_page(path, render(found), run)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def show(found: Fidelity, *, json: bool = False, quiet: bool = False) -> None:
    """Print a calibration: as JSON on standard output, or for people."""
    from rich.console import Console

    from reports.fidelity import headline, print_fidelity

    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    elif quiet:
        print("  ".join(headline(found)))
    else:
        print_fidelity(found, Console(file=sys.stdout, force_jupyter=False))


def _refuse_unfit(loaded: LoadedRun, seen: Mapping[str, Seen]) -> None:
    """Refuse a run that says too little, and say what would do."""
    sent = sum(len(one.attempts) for one in loaded.passes)
    if not sent:
        raise UsageError(f"{loaded.folder} has no requests", _ENOUGH)
    if all(one.attempts.batch.all() for one in loaded.passes):
        raise UsageError(
            f"{loaded.folder} went through message batches only, which do not tell how fast answers come",
            "Calibrate on a run that asks live, such as claude-bench run SCENARIO --strategy semaphore-10.",
        )
    if not seen:
        causes = np.concatenate([one.attempts.cause[~one.attempts.ok] for one in loaded.passes])
        most = CAUSE_NAMES[np.bincount(causes).argmax()]
        raise UsageError(
            f"nothing succeeded in {loaded.folder}: {count(len(causes), 'attempt')} failed, most with {most} "
            f"({CAUSES[most].meaning})",
            f"There is nothing to fit to. {_ENOUGH}",
        )
    if max(len(one.timed) for one in seen.values()) < FEWEST:
        each = ", ".join(f"{len(one.timed)} of {family}" for family, one in sorted(seen.items()))
        raise UsageError(
            f"{loaded.folder} has too few answers to fit to: {each}, and {FEWEST} of one family are needed", _ENOUGH
        )


_ENOUGH = f"From {FEWEST} answers on the 95th percentile has an interval; a few hundred make it a narrow one."


def _fit(seen: Seen, family: str, draws: Draws) -> Fitted:
    """Fit what is drawn for each answer of a family."""
    preset = PRESETS[family]
    speed = fit(seen.timed, (median(preset.ttft), median(preset.tokens_per_second)), draws)
    lengths = seen.lengths
    if len(lengths) < FEWEST or (np.abs(lengths - 1) <= AS_EXPECTED).all():
        return Fitted(seen, speed, None)
    rows = np.arange(len(lengths))
    return Fitted(seen, speed, shaped(lambda rows, _: lengths[rows], rows, draws.of("length")))


# The profile


def _profile(
    loaded: LoadedRun, fitted: Mapping[str, Fitted], bucket: Burst | None, failing: dict[str, faults.Fault]
) -> Profile:
    day = loaded.info.started_at[:10]
    return Profile(
        families={family: _speed(family, one) for family, one in fitted.items()},
        name=f"{loaded.info.scenario['name']} on {loaded.info.target}, {loaded.info.id}",
        as_of=day,
        load=_six(_value(_most_seen(fitted).speed.load)),
        beside=Beside(None if bucket is None else _six(bucket.seconds), failing),
        schema_version=profile.SCHEMA_VERSION,
    )


def _speed(family: str, one: Fitted) -> Speed:
    speed = one.speed
    return Speed(
        ttft=speed.ttft.distribution,
        tokens_per_second=speed.rate.distribution if speed.rate else PRESETS[family].tokens_per_second,
        prefill=_six(_value(speed.prefill)),
        correlation=_six(speed.correlation.estimate) if speed.correlation else 0.0,
        length=one.length.distribution if one.length else None,
    )


def _most_seen(fitted: Mapping[str, Fitted]) -> Fitted:
    """The family with the most answers: what holds for all is fitted to it."""
    return max(fitted.values(), key=lambda one: len(one.answers.timed))


def _value(effect: Effect | None) -> float:
    return effect.value if effect else 0.0


def _six(value: float) -> float:
    return float(f"{value:.6g}")


def _write(measured: Profile, path: Path, run: Path) -> None:
    """Write a profile, each pair of a table on a line of its own.  UsageError when that cannot be done."""
    text = msgspec.json.format(msgspec.json.encode(measured), indent=2).decode()
    text = re.sub(r"\[\s+[^][{}]*\]", lambda numbers: re.sub(r"\s+", "", numbers[0]).replace(",", ", "), text)
    try:
        folders.write_page(path, text + "\n", run)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "Name another file with --out.") from error


def _settings(out: Path, beside: Beside) -> str:
    """What to put into a scenario, as YAML."""
    lines = ["mock:", f"  latency: {{profile: {out.name}}}"]
    if beside.burst is not None:
        lines.append(f"  burst: {DURATION.write(float(f'{beside.burst:.3g}'))}")
    if beside.faults:
        lines.append("  faults:")
    for name, fault in beside.faults.items():
        rate = SHARE.write(fault.rate)
        wait = f"{{rate: {rate}, retry_after: {fault.retry_after}s}}"
        lines.append(f"    {name}: {rate if fault.retry_after is None else wait}")
    return "\n".join(lines)


# What was fitted, one by one


def _estimates(fitted: Mapping[str, Fitted]) -> Iterator[Estimate]:
    for family, one in fitted.items():
        for name, shape in _shaped(one):
            for part in ("p50", "p95"):
                yield _estimate(f"{name}.{part}", family, getattr(shape, part), shape.n)
        speed, n = one.speed, len(one.answers.timed)
        if speed.correlation is not None and speed.known == "seen":
            yield _estimate("correlation", family, speed.correlation, n)
        if speed.prefill is not None:
            yield _effect("prefill", family, speed.prefill, n)
    load = _most_seen(fitted).speed.load
    if load is not None:
        family = next(name for name, one in fitted.items() if one is _most_seen(fitted))
        yield _effect("load", family, load, len(fitted[family].answers.timed))


def _shaped(one: Fitted) -> Iterator[tuple[str, Shaped]]:
    for name, shape in (("ttft", one.speed.ttft), ("rate", one.speed.rate), ("length", one.length)):
        if shape is not None:
            yield name, shape


def _estimate(name: str, family: str, found: Interval, n: int) -> Estimate:
    return Estimate(name, family, found.estimate, found.lo, found.hi, n)


def _effect(name: str, family: str, effect: Effect, n: int) -> Estimate:
    return Estimate(name, family, effect.value, effect.found.lo, effect.found.hi, n)


def _shapes(fitted: Mapping[str, Fitted]) -> Iterator[Shape]:
    for family, one in fitted.items():
        for name, shape in _shaped(one):
            yield Shape(name, family, shape.kind, shape.distance, shape.n)


def _notes(loaded: LoadedRun, seen: Mapping[str, Seen], fitted: Mapping[str, Fitted]) -> Iterator[str]:
    """What a reader must know of what the run could not tell."""
    for family, answers in sorted(seen.items()):
        if family not in fitted:
            yield f"{family}: {len(answers.timed)} answers, and {FEWEST} are needed: it keeps its preset"
    for family, one in fitted.items():
        yield from (f"{family}: {note}" for note in _unknown(one))
    if cut := sum(int((one.attempts.cause == CAUSE_NAMES.index("timeout")).sum()) for one in loaded.passes):
        yield f"{count(cut, 'attempt')} timed out: how long they would have taken is not known, and never drawn"
    if loaded.info.target in ("sim", "mock") and len({one.strategy for one in loaded.passes}) > 1:
        yield "the mock answers a request alike in every strategy, so the intervals are narrower than they should be"


def _unknown(one: Fitted) -> Iterator[str]:
    timed, speed = one.answers.timed, one.speed
    if speed.known == "lengths":
        yield "answers were not streamed: TTFT and rate are told apart by how much longer long answers take"
    if speed.known == "preset":
        yield (
            "answers were not streamed and of like length: whole times are right, but how they divide into TTFT and "
            "rate is the preset's; set workload.stream for a run that tells"
        )
    if speed.rate is None:
        yield "answers are too short to have a rate: it keeps its preset's"
    if speed.known == "seen" and speed.prefill is None:
        length = "no prompt was longer than 1,000 tokens" if not timed.extra.any() else "all prompts were of one length"
        yield f"{length}: what length does is not known, and taken for nothing"
    if speed.load is None:
        yield "as many answers were always under way: what load does is not known, and taken for nothing"
    if one.answers.hidden:
        yield (
            f"{count(one.answers.hidden, 'answer')} began with thinking that was not shown: the TTFT fitted is that of "
            "its first token, told from how fast the rest came"
        )
    if one.answers.cut > 0.05 * len(timed):
        yield f"{one.answers.cut} of {len(timed)} answers were cut off at max_tokens; lengths are those of the others"


# Playing it again


def _played(found: Fidelity, loaded: LoadedRun, measured: Profile, out: Path, observer: Observer | None) -> Fidelity:
    """The same with what simulations came to, or with why there are none."""
    try:
        scenario = _live(same_scenario(loaded))
    except UsageError as problem:
        return msgspec.structs.replace(found, notes=(*found.notes, f"not played again: {problem}"))
    requests = sum(len(one.requests) for one in loaded.passes)
    times = SIMULATIONS if requests < LARGE else 1
    again = [
        _by_name(simulate(_measured(scenario, measured, out, number), observer=observer).columns)
        for number in range(1, times + 1)
    ]
    recorded, unfinished = _by_name(loaded.passes), _unfinished(loaded)
    rows, curves = [], []
    for name, passes in recorded.items():
        if name not in unfinished and all(name in one for one in again):
            rows += list(_rows(name, passes, [one[name] for one in again]))
            curves += list(_curves(name, passes, [columns for one in again for columns in one[name]]))
    left_out = [f"{name} was cut short, and is not held against a whole one" for name in sorted(unfinished)]
    return msgspec.structs.replace(
        found, simulations=times, rows=tuple(rows), curves=tuple(curves), notes=(*found.notes, *left_out)
    )


def _live(scenario: Scenario) -> Scenario:
    """The scenario without what goes through message batches, whose times are nobody's to fit."""
    kept = tuple(one for one in scenario.strategies if one.kind not in ("batch", "hybrid"))
    cases = tuple(case.model_copy(update={"scenario": _live(case.scenario)}) for case in scenario.cases)
    return scenario.model_copy(update={"strategies": kept, "cases": cases})


def _measured(scenario: Scenario, measured: Profile, out: Path, number: int) -> Scenario:
    """The scenario on a mock that is as was measured; each number has other answers to the same requests."""
    mock = scenario.mock.model_copy(
        update={
            "latency": Latency(profile=out),
            "burst": measured.beside.burst or scenario.mock.burst,
            "faults": tuple(
                Fault(kind=name, rate=fault.rate, retry_after=fault.retry_after)
                for name, fault in measured.beside.faults.items()
            ),
            "output_factor": 1.0,
            "seed": number,
        }
    )
    cases = tuple(
        case.model_copy(update={"scenario": _measured(case.scenario, measured, out, number)}) for case in scenario.cases
    )
    return scenario.model_copy(update={"mock": mock, "cases": cases})


def _by_name(passes: Sequence[Columns]) -> dict[str, list[Columns]]:
    """Passes by strategy and case, repeats together."""
    found: dict[str, list[Columns]] = {}
    for one in passes:
        found.setdefault(pass_name(one.strategy, 0, one.case), []).append(one)
    return found


def _unfinished(loaded: LoadedRun) -> set[str]:
    """The strategies that were cut short in any repeat."""
    whole = {note.of_pass for note in loaded.ending.passes if note.stopped is None}
    return {pass_name(one.strategy, 0, one.case) for one in loaded.passes if one.of_pass not in whole}


def _rows(name: str, recorded: Sequence[Columns], again: Sequence[Sequence[Columns]]) -> Iterator[Row]:
    for measure in MEASURES:
        value, n = _value_of(measure, recorded)
        if value is None:
            continue
        simulated = [found for found, _ in (_value_of(measure, one) for one in again) if found is not None]
        if simulated:
            yield Row(name, measure, value, float(np.median(simulated)), min(simulated), max(simulated), n)


def _value_of(measure: str, passes: Sequence[Columns]) -> tuple[float | None, int]:
    """A measure of all repeats together, and of how many requests or answers; None where there are too few."""
    requests = sum(len(one.requests) for one in passes)
    if measure == "makespan":
        return float(np.median([one.requests.makespan for one in passes])), requests
    if measure == "rate_limited":
        return float(np.mean([rate_limited(one.attempts).sum() for one in passes])), requests
    metric, _, part = measure.partition(".p")
    values, share = _samples(passes, metric), int(part) / 100
    enough = len(values) >= samples_needed(share)
    return (float(np.quantile(values, share)) if enough else None), len(values)


def _curves(name: str, recorded: Sequence[Columns], again: Sequence[Columns]) -> Iterator[Curve]:
    for metric in ("ttft", "latency", "tpot"):
        one, other = _samples(recorded, metric), _samples(again, metric)
        if len(one) >= FEWEST and len(other) >= FEWEST:
            yield Curve(
                strategy=name,
                metric=metric,
                shares=_CURVE,
                recorded=tuple(map(float, np.quantile(one, _CURVE))),
                simulated=tuple(map(float, np.quantile(other, _CURVE))),
                distance=distance(one, other),
                n=len(one),
                simulated_n=len(other),
            )


def _samples(passes: Sequence[Columns], metric: str) -> Floats:
    return np.concatenate([samples(one, metric) for one in passes])
