"""Fan-out: every prompt goes to several models at once, and one or all of their answers are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo

from bench.clock import utc_now
from bench.scenario.notation import Model, Written, wrong_at

Take = Literal["all", "first", "cheapest"]
"""Which answers a prompt's asker waits for."""


class FanOutForm(Model):
    """Ask several models the same at once."""

    models: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2, max_length=16)]
    """Model ids.  Sizes of prompts are those of the first; others may count the same text differently."""
    take: Take = "all"
    """all: every answer.  first: the first success.  cheapest: the answer of the model with the lowest list price among
    those that came to their own end within the `slo`.  Whoever cannot be taken any more is given up."""


class FanOut(Model):
    """Which models are asked each prompt."""

    models: tuple[str, ...]
    take: Take = "all"


def _resolve(form: FanOutForm, _: ValidationInfo) -> FanOut:
    wrong_at([*_twice(form.models), *(unpriced(form.models, ("models",)) if form.take == "cheapest" else ())])
    return FanOut(models=tuple(form.models), take=form.take)


def _twice(models: list[str]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    for place, model in enumerate(models):
        if model in models[:place]:
            yield ("models", place), f"`{model}` is asked already"


def unpriced(models: Iterable[str], loc: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """The problem at `loc` for each model of which nobody can say how dear it is."""
    from bench.results.cost import standard_prices  # the table of prices takes a while to load; few scenarios need it

    day = utc_now().date()
    for model in models:
        if standard_prices(model, day) is None:
            yield loc, f"`take: cheapest` needs prices, and that of `{model}` is not known; check its name"


FanOutField = Annotated[FanOut, Written(FanOutForm, _resolve)]
