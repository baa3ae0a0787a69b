"""When requests come: open models, in which nobody waits for anybody, and the closed one, in which users do.

An open arrival process is a rate over time and how evenly its requests are spread around it.  `burstiness` is the
coefficient of variation of the gaps between them: 0 is evenly spaced, 1 is Poisson, more comes in bursts.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainSerializer, Strict, Tag, ValidationInfo

from bench.scenario import data, traces
from bench.scenario.notation import (
    Duration,
    Model,
    PositiveDuration,
    Rate,
    RateOrZero,
    Share,
    Written,
    notations,
    refuse_rows,
    wrong,
    wrong_at,
)
from bench.scenario.sizes import MOST_REQUESTS, Exponential, Lognormal, Quantiles
from bench.scenario.traces import AZURE, Columns, TraceFile

Burstiness = Annotated[float, Field(ge=0, le=100)]


class Backlog(Model):
    """All at second 0."""

    kind: Literal["backlog"] = "backlog"
    requests: int | None = None
    """How many, where that is not for the workload to say."""


class Constant(Model):
    """One request every 1/rate seconds, the first at second 0."""

    kind: Literal["constant"] = "constant"
    rate: float


class Poisson(Model):
    """Independent arrivals at a mean rate."""

    kind: Literal["poisson"] = "poisson"
    rate: float


class Gamma(Model):
    """Gamma-distributed gaps: a mean rate and how bursty it is."""

    kind: Literal["gamma"] = "gamma"
    rate: float
    burstiness: float


class Point(Model):
    """A rate at a moment."""

    at: float
    """Seconds since the start."""
    rate: float


class Ramp(Model):
    """A rate that changes linearly from point to point, and stays as it is after the last."""

    kind: Literal["ramp"] = "ramp"
    points: tuple[Point, ...]
    """The first at second 0; two at the same moment are a step."""
    burstiness: float = 1.0


class Diurnal(Model):
    """A rate that swings as a sine does: rate x (1 + amplitude x cos(2 pi (t - peak) / period))."""

    kind: Literal["diurnal"] = "diurnal"
    rate: float
    """The mean."""
    amplitude: float
    """A fraction of the mean."""
    period: float
    peak: float
    burstiness: float = 1.0


class Users(Model):
    """The closed model: each user sends, waits for the answer, thinks, and sends again."""

    kind: Literal["users"] = "users"
    count: int
    think: float | Exponential | Lognormal
    """Seconds."""
    ramp_up: float = 0.0
    """Seconds over which the users begin, evenly."""


class Rounds(Model):
    """The same few requests again and again, as a probe sends them."""

    kind: Literal["rounds"] = "rounds"
    every: float
    """Seconds from round to round; the first is at second 0."""
    requests: int
    """All at once, in each of them."""


class Trace(Model):
    """As a file recorded it."""

    kind: Literal["trace"] = "trace"
    path: Annotated[Path, PlainSerializer(lambda path: path.name)]
    columns: Columns = AZURE
    start: float = 0.0
    """Seconds of the trace to leave out at its beginning."""
    window: float | None = None
    """Seconds of the trace to take from there; None is all."""
    time_factor: float = 1.0
    """2 plays the trace twice as slowly."""
    rate_factor: float = 1.0
    """2 sends twice as many requests in the same time."""

    @property
    def file(self) -> TraceFile:
        """What to read."""
        return TraceFile(self.path, self.columns)


Arrivals: TypeAlias = Backlog | Constant | Poisson | Gamma | Ramp | Diurnal | Rounds | Users | Trace


class BacklogForm(Model):
    """So many at second 0, for streams to share."""

    backlog: Annotated[int, Field(ge=1, le=MOST_REQUESTS)]


class ConstantForm(Model):
    """One request every 1/rate seconds, the first at second 0."""

    constant: Rate


class PoissonForm(Model):
    """Independent arrivals at a mean rate: what many unrelated users look like."""

    poisson: Rate


class GammaForm(Model):
    """Arrivals at a mean rate, in bursts or nearly even."""

    gamma: Rate
    burstiness: Annotated[Burstiness, Field(gt=0)]
    """Standard deviation of the gaps between requests, divided by their mean: 1 is Poisson, more is burstier."""


class Shaped(Model):
    """What every rate that changes over time may set."""

    burstiness: Burstiness = 1.0
    """How requests are spread around the rate: 0 is evenly, 1 is Poisson, more is burstier."""


class RampPoint(Model):
    """The rate at a moment."""

    after: Duration = 0.0
    """Since the start."""
    rate: RateOrZero


class RampForm(Shaped):
    """A rate that goes linearly from point to point; after the last it stays."""

    ramp: Annotated[list[RampPoint], Field(min_length=2)]
    """Such as [{rate: 1/s}, {after: 5m, rate: 20/s}]."""


class Step(Model):
    """A rate for a while."""

    rate: RateOrZero
    for_: PositiveDuration | None = Field(None, alias="for")
    """How long; only the last step may leave it out, and then goes on."""


class StepsForm(Shaped):
    """One rate after another."""

    steps: Annotated[list[Step], Field(min_length=1)]
    """Such as [{rate: 2/s, for: 5m}, {rate: 20/s, for: 1m}, {rate: 2/s}]."""


class DiurnalCurve(Model):
    """A rate that swings around its mean."""

    rate: Rate
    """The mean."""
    amplitude: Share
    """How far above and below the mean it goes: 100% reaches from nothing to twice the mean."""
    period: PositiveDuration = 86400.0
    """From peak to peak."""
    peak: Duration | None = None
    """When it is highest, since the start; left out: after half a period, so that it starts at its lowest."""


class DiurnalForm(Shaped):
    """A rate that swings as traffic does over a day."""

    diurnal: DiurnalCurve


class Round(Model):
    """A few requests, again and again."""

    every: PositiveDuration
    """From round to round."""
    requests: Annotated[int, Field(ge=1, le=MOST_REQUESTS)] = 1
    """In each round, all at once.  Every round has the same ones."""


class RoundsForm(Model):
    """The same few requests in rounds, to see how answers change with the time of day."""

    rounds: Round


class ExponentialForm(Model):
    """Think times without memory."""

    exponential: PositiveDuration
    """Their mean."""


class ThinkQuantiles(Quantiles):
    """The median and 95th percentile of a think time."""

    median: PositiveDuration
    p95: PositiveDuration


class ThinkLognormalForm(Model):
    """Think times with a heavy right tail."""

    lognormal: ThinkQuantiles


ThinkForm = Annotated[
    Annotated[Duration, Tag("<time>")]
    | Annotated[ExponentialForm, Tag("<exponential:>")]
    | Annotated[ThinkLognormalForm, Tag("<lognormal:>")],
    notations(
        "a time such as 10s, {exponential: 10s} or {lognormal: {median: 8s, p95: 40s}}",
        keys=("exponential", "lognormal"), other="<time>", number="<time>",
    ),
]  # fmt: skip


def _resolve_think(form: ThinkForm, _: ValidationInfo) -> float | Exponential | Lognormal:
    match form:
        case ExponentialForm(exponential=mean):
            return Exponential(mean=mean)
        case ThinkLognormalForm(lognormal=quantiles):
            return quantiles.resolve()
        case _:
            return form


Think = Annotated[float | Exponential | Lognormal, Written(ThinkForm, _resolve_think)]
"""Seconds from an answer to what a person sends next."""


class UsersForm(Model):
    """The closed model: so many users, each of whom waits for an answer and thinks before sending again."""

    users: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many."""
    think: Think
    """From an answer to the user's next request."""
    ramp_up: Duration = 0.0
    """Over how long the users begin, evenly; left out, all send at second 0."""


def _trace_path(path: Path, info: ValidationInfo) -> Path:
    """A file, or the records of a run folder; relative to the scenario file."""
    if info.context is None:
        return path
    found: Path = info.context.find(path)
    if found.is_dir():
        found /= traces.RECORDS
    if not found.is_file():
        raise wrong(f"no such file: {found}")
    return found


class TraceOptions(Model):
    """Arrivals that were recorded."""

    path: Annotated[Path, Strict(False), AfterValidator(_trace_path)]
    """A .csv or .jsonl file sorted by time, OpenTelemetry spans as JSON, or a run folder of ours; relative to this
    file."""
    columns: Columns = AZURE
    """What the columns of a CSV or JSONL file are called; left out: TIMESTAMP, ContextTokens and GeneratedTokens."""
    start: Annotated[Duration, Field(ge=0)] = 0.0
    """How much of the trace to leave out at its beginning."""
    window: PositiveDuration | None = None
    """How much of the trace to take from there."""
    time_factor: Annotated[float, Field(gt=0)] = 1.0
    """2 plays the trace twice as slowly, 0.5 twice as fast."""
    rate_factor: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """2 sends twice as many requests in the same time, 0.5 half of them; which ones is drawn from the seed."""


class TraceForm(Model):
    """Arrivals as a trace recorded them."""

    trace: TraceOptions


KINDS = ("backlog", "constant", "poisson", "gamma", "ramp", "steps", "diurnal", "rounds", "users", "trace")
"""Arrivals that are written as a key."""

ArrivalsForm = Annotated[
    Annotated[Literal["backlog"], Tag("<word>")]
    | Annotated[BacklogForm, Tag("<backlog:>")]
    | Annotated[ConstantForm, Tag("<constant:>")]
    | Annotated[PoissonForm, Tag("<poisson:>")]
    | Annotated[GammaForm, Tag("<gamma:>")]
    | Annotated[RampForm, Tag("<ramp:>")]
    | Annotated[StepsForm, Tag("<steps:>")]
    | Annotated[DiurnalForm, Tag("<diurnal:>")]
    | Annotated[RoundsForm, Tag("<rounds:>")]
    | Annotated[UsersForm, Tag("<users:>")]
    | Annotated[TraceForm, Tag("<trace:>")],
    notations(
        "backlog, {backlog: 1000}, {constant: 10/s}, {poisson: 10/s}, {gamma: 10/s, burstiness: 2}, {ramp: [...]}, "
        "{steps: [...]}, {diurnal: {...}}, {rounds: {...}}, {users: 20, think: 10s} or {trace: {path: data/x.csv}}",
        words=("backlog",), keys=KINDS,
    ),
]  # fmt: skip


def _resolve(form: ArrivalsForm, _: ValidationInfo) -> Arrivals:
    match form:
        case BacklogForm(backlog=requests):
            return Backlog(requests=requests)
        case ConstantForm(constant=rate):
            return Constant(rate=rate)
        case PoissonForm(poisson=rate):
            return Poisson(rate=rate)
        case GammaForm(gamma=rate, burstiness=burstiness):
            return Gamma(rate=rate, burstiness=burstiness)
        case RampForm():
            return Ramp(points=_ramp(form.ramp), burstiness=form.burstiness)
        case StepsForm():
            return Ramp(points=_steps(form.steps), burstiness=form.burstiness)
        case DiurnalForm(diurnal=curve):
            peak = curve.period / 2 if curve.peak is None else curve.peak
            shape = curve.model_dump(exclude={"peak"})
            return Diurnal(**shape, peak=peak, burstiness=form.burstiness)
        case RoundsForm(rounds=one):
            return Rounds(every=one.every, requests=one.requests)
        case UsersForm():
            return Users(count=form.users, think=form.think, ramp_up=form.ramp_up)
        case TraceForm():
            return _trace(form.trace)
        case _:
            return Backlog()


def _ramp(points: list[RampPoint]) -> tuple[Point, ...]:
    wrong_at((("ramp", 0, "after"), "the first point is the start: 0s") for point in points[:1] if point.after)
    wrong_at(
        (("ramp", place, "after"), "expected a later moment than that of the point before")
        for place, (before, point) in enumerate(pairwise(points), 1)
        if point.after <= before.after
    )
    if not any(point.rate for point in points):
        wrong_at([(("ramp",), "expected a rate above 0 somewhere")])
    return tuple(Point(at=point.after, rate=point.rate) for point in points)


def _steps(steps: list[Step]) -> tuple[Point, ...]:
    """Both ends of each step."""
    wrong_at(
        (("steps", place), "expected `for`: only the last step can go on")
        for place, step in enumerate(steps[:-1])
        if step.for_ is None
    )
    if not any(step.rate for step in steps):
        wrong_at([(("steps",), "expected a rate above 0 somewhere")])
    starts = [0.0, *accumulate(step.for_ or 0.0 for step in steps)]
    ends = [Point(at=at, rate=step.rate) for step, span in zip(steps, pairwise(starts), strict=True) for at in span]
    return tuple(ends[:-1] if steps[-1].for_ is None else [*ends, Point(at=starts[-1], rate=0.0)])


def _trace(form: TraceOptions) -> Trace:
    trace = Trace(
        path=form.path,
        columns=form.columns,
        start=form.start,
        window=form.window,
        time_factor=form.time_factor,
        rate_factor=form.rate_factor,
    )
    refuse_rows(("trace", "path"), data.problems(traces.rows(trace.file), str(trace.path)))
    return trace


ArrivalsField = Annotated[Arrivals, Written(ArrivalsForm, _resolve)]
