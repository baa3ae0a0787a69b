"""Cases: circumstances to compare, each of them the file with some of its values replaced.

Sections such as `workload` and `mock.latency` are gone into: what a case does not name stays as it is.  Everything else
(sizes, arrivals, lists) is replaced as a whole, and dotted keys reach as deep as `--set` does.  Nothing (`null`) takes
a key of a section away, such as `workload` where a case has `streams`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import NoneType
from typing import Any, get_args

from pydantic.fields import FieldInfo

from bench.scenario.document import Document, Loc, Place, parts
from bench.scenario.model import Model, Scenario
from bench.scenario.notation import Written

FIXED = {
    "version", "name", "question", "claim", "target", "seed", "repeat", "pause", "speed", "budget", "thresholds",
    "cases",
}  # fmt: skip
"""Keys that are the same in all cases, so that they can be compared and are one run."""


def variants(document: Document) -> Iterator[tuple[str, Document]]:
    """By name, the file as each case has it.  What a case does not change stands where the case does."""
    for name, written in _written(document).items():
        at: Loc = ("cases", name)
        place = document.place(at)[1]
        variant = Document(
            document.file, _without_cases(document), dict.fromkeys(((), *document.places), place), told=document.told
        )
        for loc, own, where in _changes(written, (), at):
            if loc[0] in FIXED:
                document.refuse(where, f"the same in all cases; write `{loc[0]}` beside `cases`")
            elif own is None and _is_section(loc[:-1]):
                variant.drop(loc)
            else:
                variant.put(loc, own, _places(document, where), "`{}: ...`")
        yield name, variant


def hiding(document: Document, path: str) -> list[str]:
    """The cases that replace what is set at `path`, so that setting it there would change nothing in them."""
    loc = parts(path)
    return [
        name
        for name, written in _written(document).items()
        if any(loc[: len(theirs)] == theirs for theirs, _, _ in _changes(written, (), ()))
    ]


def _places(document: Document, where: Loc) -> dict[Loc, Place]:
    """Where the value at `where` and what is in it are written, as seen from there."""
    found = {old[len(where) :]: place for old, place in document.places.items() if old[: len(where)] == where}
    return {(): document.place(where)[1], **found}


def _without_cases(document: Document) -> dict[str, Any]:
    """The rest of the file, to be changed."""
    assert isinstance(document.value, dict)
    return {key: deepcopy(value) for key, value in document.value.items() if key != "cases"}


def _written(document: Document) -> dict[str, dict[str, Any]]:
    """The cases of a file, but for those that cannot be read."""
    match document.value:
        case {"cases": dict(cases)}:
            return {name: written for name, written in cases.items() if isinstance(written, dict)}
    return {}


def _changes(written: Mapping[str, Any], inside: Loc, at: Loc) -> Iterator[tuple[Loc, object, Loc]]:
    """What a case replaces, by what, and where in the file that stands."""
    for key, value in written.items():
        loc, here = (*inside, *parts(key)), (*at, key)
        if isinstance(value, dict) and _is_section(loc):
            yield from _changes(value, loc, here)
        else:
            yield loc, value, here


def _is_section(loc: Loc) -> bool:
    """Whether a mapping there has keys that mean the same whatever stands beside them."""
    model: type[Model] | None = Scenario
    for part in loc:
        field = None if model is None else model.model_fields.get(str(part))
        model = None if field is None else _section(field)
    return model is not None


def _section(field: FieldInfo) -> type[Model] | None:
    if any(isinstance(note, Written) for note in field.metadata):
        return None
    kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not NoneType]
    return kinds[0] if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], Model) else None
