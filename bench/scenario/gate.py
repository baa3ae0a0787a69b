"""What a comparison may fail on: `gate: [ttft.p95, goodput]`, or `{metrics: [makespan], min_effect: 5%}`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo

from bench.scenario.notation import Model, Share, Written, wrong


def _a_gate(written: str) -> str:
    from bench.results.measures import parse_gate  # numpy comes with it; most scenarios do without

    try:
        return str(parse_gate(written))
    except ValueError as problem:
        raise wrong(str(problem)) from None


Metric = Annotated[str, AfterValidator(_a_gate)]


class GateForm(Model):
    """The only metrics that a comparison may fail on, and the least change that matters."""

    metrics: Annotated[list[Metric], Field(min_length=1)]
    """Such as makespan, ttft.p95, cost_per_success or response_time.p95{stream:chat}."""
    min_effect: Share = 0.1
    """A change of less is not called a change."""


class Gate(Model):
    """The only metrics that a comparison may fail on, and the least change that matters."""

    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]
    """As `bench.results.measures` writes them."""
    min_effect: Share = 0.1
    """A change of less, as a fraction, is not called a change."""


_ListOrMore = Annotated[
    Annotated[list[Metric], Field(min_length=1), Tag("<list>")] | Annotated[GateForm, Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<list>"),
]


def _resolve(form: list[str] | GateForm, _: ValidationInfo) -> Gate:
    written = form if isinstance(form, GateForm) else GateForm(metrics=form)
    return Gate(metrics=tuple(dict.fromkeys(written.metrics)), min_effect=written.min_effect)


GateField = Annotated[Gate, Written(_ListOrMore, _resolve)]
