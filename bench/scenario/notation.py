"""How one declaration serves the file and the code.

A field such as `timeout: Duration` is a number of seconds in Python.  In a file it must be written `90s`; the same
annotation says how to read that and what its JSON Schema is.  `Written` does so for values whose shape differs, such
as `input_tokens: {uniform: [100, 500]}`.  Validation with a `Source` as context means: this comes from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    ValidationError,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from bench.errors import Problem
from bench.scenario.units import BYTES, DOLLARS, DURATION, RATE, SHARE, Unit


class Model(BaseModel):
    """Strict, frozen, no unknown keys."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True, slots=True)
class Source:
    """The validation context of values that come from a file."""

    folder: Path
    """What relative paths in the file are relative to."""
    told: frozenset[str] = frozenset()
    """Words that did not come from the file but from a person's flags, who may name any path."""

    def find(self, path: Path) -> Path:
        """The place that a path means.  Raises `wrong` where a file, of which nobody knows who wrote it, names one
        outside of its folder, be it through a link."""
        found = self.folder / path
        if str(path) not in self.told and not found.resolve().is_relative_to(self.folder.resolve()):
            raise wrong(f"{path} is outside of the scenario's folder; put it there, or name it yourself with --set")
        return found


def wrong(message: str) -> PydanticCustomError:
    """A problem in words that reach the person unchanged."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


def unknown(expected: str, known: Iterable[str]) -> PydanticCustomError:
    """A word that is none of the `known` ones, of which the message names the nearest."""
    return PydanticCustomError("notation", "expected {expected}", {"expected": expected, "known": "|".join(known)})


def wrong_at(problems: Iterable[tuple[tuple[int | str, ...], str]]) -> None:
    """Raise all of `problems` (where below the current value, what) at once; none raises nothing."""
    details = [InitErrorDetails(type=wrong(message), loc=loc, input=None) for loc, message in problems]
    if details:
        raise ValidationError.from_exception_data("scenario", details)


@dataclass(frozen=True, slots=True)
class _InUnits:
    """A float that a file writes with its unit."""

    unit: Unit

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        def parse(value: object, info: core_schema.ValidationInfo) -> object:
            if info.context is None:
                return value
            try:
                return self.unit.parse(value)
            except ValueError as problem:
                raise wrong(str(problem)) from None

        return core_schema.with_info_before_validator_function(parse, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": self.unit.pattern}


Duration = Annotated[float, _InUnits(DURATION)]
"""Seconds; `90s` in a file."""
Share = Annotated[float, _InUnits(SHARE)]
"""A fraction; `10%` in a file."""
Rate = Annotated[float, _InUnits(RATE), Field(gt=0)]
"""Per second; `600/min` in a file."""
RateOrZero = Annotated[float, _InUnits(RATE)]
"""The same, and `0/s` where nothing comes for a while."""
Dollars = Annotated[float, _InUnits(DOLLARS), Field(gt=0)]
"""US dollars; `$15` in a file."""
Bytes = Annotated[float, _InUnits(BYTES)]
"""Bytes; `20MB` in a file."""
PositiveDuration = Annotated[Duration, Field(gt=0)]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """The notation of a file for a value that Python code passes as a model (or a tuple of models)."""

    form: Any
    """The type of what stands in the file."""
    resolve: Callable[[Any, ValidationInfo], object]
    """Turns a valid `form` into the model."""

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        form = core_schema.with_info_after_validator_function(self.resolve, handler.generate_schema(self.form))
        return core_schema.tagged_union_schema({"<model>": handler(source), "<file>": form}, discriminator=_origin)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        assert schema["type"] == "tagged-union"
        return handler(schema["choices"]["<file>"])


TAG = r"<[a-z_]+:?>"
"""Names of alternatives within a type.  pydantic puts them into the path of an error, where they must be left out."""


def _origin(value: object) -> str:
    return "<model>" if isinstance(value, BaseModel | tuple) else "<file>"


def notations(
    expected: str,
    *,
    words: Sequence[str] = (),
    keys: Sequence[str] = (),
    other: str | None = None,
    number: str = "<number>",
) -> Discriminator:
    """Tell several notations of one value apart.

    Their tags are `number`, `<word>` for one of the words, `<key:>` for a mapping that holds the key and `<mapping>`
    for another mapping; `other` is that of any other text.  `expected` is for the message.
    """

    def tag(value: object) -> str | None:
        match value:
            case bool():
                return None
            case int() | float():
                return number
            case str():
                return "<word>" if value in words else other
            case dict():
                return next((f"<{key}:>" for key in keys if key in value), "<mapping>")
        return None

    return Discriminator(
        tag,
        custom_error_type="notation",
        custom_error_message="expected {expected}",
        custom_error_context={"expected": expected, "known": "|".join((*words, *keys))},
    )


@dataclass(frozen=True, slots=True)
class _OneOrMore:
    """A list, or a single value that stands for a list of one."""

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


T = TypeVar("T")

Sweep = Annotated[list[T], Field(min_length=1, max_length=32), _OneOrMore()]
"""Every value of the list becomes a strategy of its own."""


def _existing(path: Path, info: ValidationInfo) -> Path:
    if info.context is None:
        return path
    found: Path = info.context.find(path)
    if not found.is_file():
        raise wrong(f"no such file: {found}")
    return found


InputFile = Annotated[Path, Strict(False), AfterValidator(_existing), PlainSerializer(lambda path: path.name)]
"""A file that must be there, relative to the scenario file and in its folder.  Only its name shapes the run: folders
differ."""


def refuse_rows(loc: tuple[str, ...], problems: list[Problem]) -> None:
    """Raise the problems of a file that the value at `loc` names; none raises nothing."""
    if problems:
        type_ = PydanticCustomError("rows", "{count} bad rows", {"count": len(problems), "problems": problems})
        raise ValidationError.from_exception_data("scenario", [InitErrorDetails(type=type_, loc=loc, input=None)])
