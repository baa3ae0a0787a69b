"""When requests come: all at once, at a rate, or as a trace recorded them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Tag, ValidationInfo

from bench.scenario import data
from bench.scenario.notation import (
    InputFile,
    Model,
    PositiveDuration,
    Rate,
    Written,
    notations,
    refuse_rows,
)


class Arrivals(Model):
    """When requests come.  `backlog`: all at second 0."""

    kind: Literal["backlog", "constant", "poisson", "trace"] = "backlog"
    rate: float | None = None
    """Requests per second (constant, poisson)."""
    path: Path | None = None
    """CSV with TIMESTAMP, ContextTokens, GeneratedTokens (trace)."""
    window: float | None = None
    """Seconds of the trace to take, from its first row; None is all."""
    time_factor: float = 1.0
    """2 plays the trace twice as slowly."""


class ConstantForm(Model):
    """One request every 1/rate seconds, the first at second 0."""

    constant: Rate


class PoissonForm(Model):
    """Independent arrivals at a mean rate: what many unrelated users look like."""

    poisson: Rate


class TraceFile(Model):
    """Arrivals that were recorded."""

    path: InputFile
    """CSV with the columns TIMESTAMP, ContextTokens and GeneratedTokens, sorted by time; relative to this file."""
    window: PositiveDuration | None = None
    """How much of the trace to take, from its first row."""
    time_factor: Annotated[float, Field(gt=0)] = 1.0
    """2 plays the trace twice as slowly, 0.5 twice as fast."""


class TraceForm(Model):
    """Arrivals as a trace recorded them."""

    trace: TraceFile


ArrivalsForm = Annotated[
    Annotated[Literal["backlog"], Tag("<word>")]
    | Annotated[ConstantForm, Tag("<constant:>")]
    | Annotated[PoissonForm, Tag("<poisson:>")]
    | Annotated[TraceForm, Tag("<trace:>")],
    notations(
        "backlog, {constant: 10/s}, {poisson: 10/s} or {trace: {path: data/x.csv}}",
        words=("backlog",), keys=("constant", "poisson", "trace"),
    ),
]  # fmt: skip


def _resolve(form: ArrivalsForm, _: ValidationInfo) -> Arrivals:
    match form:
        case ConstantForm(constant=rate):
            return Arrivals(kind="constant", rate=rate)
        case PoissonForm(poisson=rate):
            return Arrivals(kind="poisson", rate=rate)
        case TraceForm(trace=TraceFile(path=path, window=window, time_factor=factor)):
            refuse_rows(("trace", "path"), data.problems(data.trace(path), str(path)))
            return Arrivals(kind="trace", path=path, window=window, time_factor=factor)
        case _:
            return Arrivals()


ArrivalsField = Annotated[Arrivals, Written(ArrivalsForm, _resolve)]
