"""How many there are: tokens of a request, turns of a conversation.  Fixed, drawn, or from a trace."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, Tag, ValidationInfo, model_validator

from bench.scenario.notation import Model, Written, notations, wrong_at

LARGEST = 2_000_000
"""Tokens; no model's context is larger (model overview, read 2026-10-10).  Draws are cut off here."""

MOST_REQUESTS = 100_000_000
"""Of one pass; so many take a day on `sim`."""

MOST = 10_000
"""Turns of a conversation, or calls in a turn."""


class Fixed(Model):
    """Always the same number."""

    kind: Literal["fixed"] = "fixed"
    value: int


class Uniform(Model):
    """Any whole number from low to high, equally likely."""

    kind: Literal["uniform"] = "uniform"
    low: int
    high: int


class Lognormal(Model):
    """A heavy right tail, fixed by two quantiles."""

    kind: Literal["lognormal"] = "lognormal"
    median: float
    p95: float


class Exponential(Model):
    """Without memory: what is still to come has the same mean however much there was."""

    kind: Literal["exponential"] = "exponential"
    mean: float


class FromTrace(Model):
    """The sizes that stand in the trace of `arrivals`."""

    kind: Literal["trace"] = "trace"


Tokens = Annotated[int, Field(ge=1, le=LARGEST)]


class UniformForm(Model):
    """Any whole number between two bounds, both included."""

    uniform: Annotated[list[Tokens], Field(min_length=2, max_length=2)]
    """Lowest and highest, such as [100, 500]."""


class Quantiles(Model):
    """The median and 95th percentile that fix a lognormal distribution."""

    median: float
    p95: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.p95 < self.median:
            wrong_at([(("p95",), "the 95th percentile is below the median")])
        return self

    def resolve(self) -> Lognormal:
        """The distribution."""
        return Lognormal(median=self.median, p95=self.p95)


class TokenQuantiles(Quantiles):
    """The median and 95th percentile of a number of tokens."""

    median: Annotated[float, Field(ge=1, le=LARGEST)]
    p95: Annotated[float, Field(ge=1, le=LARGEST)]


class LognormalForm(Model):
    """A heavy right tail, as prompts and answers have in practice."""

    lognormal: TokenQuantiles


class ExponentialForm(Model):
    """Without memory, as queueing theory likes answers to be."""

    exponential: Annotated[float, Field(ge=1, le=LARGEST)]
    """Their mean."""


SizeForm = Annotated[
    Annotated[Tokens, Tag("<number>")]
    | Annotated[Literal["trace"], Tag("<word>")]
    | Annotated[UniformForm, Tag("<uniform:>")]
    | Annotated[LognormalForm, Tag("<lognormal:>")]
    | Annotated[ExponentialForm, Tag("<exponential:>")],
    notations(
        "a number of tokens such as 300, {uniform: [100, 500]}, {lognormal: {median: 800, p95: 2000}}, "
        "{exponential: 300} or trace",
        words=("trace",), keys=("uniform", "lognormal", "exponential"),
    ),
]  # fmt: skip


def _resolve(form: SizeForm, _: ValidationInfo) -> Fixed | Uniform | Lognormal | Exponential | FromTrace:
    match form:
        case int():
            return Fixed(value=form)
        case UniformForm(uniform=[low, high]):
            if low > high:
                wrong_at([(("uniform",), f"expected the lowest first, got [{low}, {high}]")])
            return Uniform(low=low, high=high)
        case LognormalForm(lognormal=quantiles):
            return quantiles.resolve()
        case ExponentialForm(exponential=mean):
            return Exponential(mean=mean)
        case _:
            return FromTrace()


Size = Annotated[Fixed | Uniform | Lognormal | Exponential | FromTrace, Written(SizeForm, _resolve)]
"""Tokens per request."""


Many = Annotated[int, Field(ge=0, le=MOST)]


class UniformManyForm(Model):
    """Any whole number between two bounds, both included."""

    uniform: Annotated[list[Many], Field(min_length=2, max_length=2)]
    """Lowest and highest, such as [3, 12]."""


class ManyQuantiles(Quantiles):
    """The median and 95th percentile of a number of turns or calls."""

    median: Annotated[float, Field(ge=1, le=MOST)]
    p95: Annotated[float, Field(ge=1, le=MOST)]


class LognormalManyForm(Model):
    """A heavy right tail: most conversations are short, some are very long."""

    lognormal: ManyQuantiles


HowManyForm = Annotated[
    Annotated[Many, Tag("<number>")]
    | Annotated[UniformManyForm, Tag("<uniform:>")]
    | Annotated[LognormalManyForm, Tag("<lognormal:>")],
    notations(
        "a number such as 8, {uniform: [3, 12]} or {lognormal: {median: 6, p95: 20}}",
        keys=("uniform", "lognormal"),
    ),
]  # fmt: skip


def _resolve_many(form: HowManyForm, _: ValidationInfo) -> Fixed | Uniform | Lognormal:
    match form:
        case int():
            return Fixed(value=form)
        case LognormalManyForm(lognormal=quantiles):
            return quantiles.resolve()
    low, high = form.uniform
    if low > high:
        wrong_at([(("uniform",), f"expected the lowest first, got [{low}, {high}]")])
    return Uniform(low=low, high=high)


HowMany = Annotated[Fixed | Uniform | Lognormal, Written(HowManyForm, _resolve_many)]
"""Turns of a conversation, or calls in a turn."""
