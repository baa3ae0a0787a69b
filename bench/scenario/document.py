"""A YAML file as plain values, with the place of each of them and every problem found on the way.

YAML 1.2 through ruamel.yaml, so that `on` and `12:30` stay text.  Duplicate keys, tags, variables and templates are
refused; aliases are expanded, up to a size that no honest file reaches.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bench.errors import Problem
from bench.scenario.units import show

Loc = tuple[int | str, ...]
"""Keys and list positions from the root to a value."""

MOST_BYTES = 1_000_000
_MOST_VALUES = 100_000
_DEEPEST = 32
_LOGIC = re.compile(r"\$\{|\{\{|\{%")
_NO_LOGIC = (
    "variables and templates such as ${NAME} or {{ name }} are not replaced in scenario files: write the value, "
    "give it with --set, or make the scenario in Python"
)
_CORE_TAG = "tag:yaml.org,2002:"


class Place(NamedTuple):
    """Where a value is written: 1-based line and column, or line 0 for an override, whose `file` is its flag."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(slots=True)
class Document:
    """What was read."""

    file: str
    value: object = None
    places: dict[Loc, Place] = field(default_factory=dict)
    """Of keys and list items."""
    problems: list[Problem] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    """The words that came with flags."""

    def place(self, loc: Loc) -> tuple[Loc, Place]:
        """The deepest part of `loc` that is written, and where."""
        while loc and loc not in self.places:
            loc = loc[:-1]
        return loc, self.places.get(loc, Place(self.file, 1, 1))

    def refuse(self, loc: Loc, message: str) -> None:
        """Add a problem with the value at `loc`."""
        self.problems.append(Problem(*self.place(loc)[1], dotted(loc), message))

    def override(self, path: str, text: str, flag: str) -> None:
        """Set the value at `path`, such as `workload.requests`, to `text` read as YAML.  Messages name the `flag`."""
        new = read(text, flag)
        if new.problems:
            self.problems += [replace(problem, line=0, column=0, path=path) for problem in new.problems]
            return
        self.told |= set(_words(new.value))
        self.put(parts(path), new.value, {inner: Place(flag) for inner in ((), *new.places)}, "--set '{}=...'")

    def put(self, loc: Loc, value: object, places: Mapping[Loc, Place], example: str) -> None:
        """Set the value at `loc`.  `places` says where it and what is in it are written, as seen from there; `example`
        shows how to set what is around it."""
        inside: Any = self.value
        for depth, part in enumerate(loc):
            if not _holds(inside, part):
                outer = dotted(loc[:depth])
                message = f"the file has {show(inside)} at {outer}; set that as a whole: {example.format(outer)}"
                self.problems.append(Problem(*places[()], dotted(loc), message))
                return
            if depth < len(loc) - 1:
                if isinstance(inside, dict) and part not in inside:
                    inside[part] = {}
                    self.places[loc[: depth + 1]] = places[()]
                inside = inside[part]
        inside[loc[-1]] = value
        self.places = {old: place for old, place in self.places.items() if old[: len(loc)] != loc}
        self.places |= {(*loc, *inner): place for inner, place in places.items()}

    def drop(self, loc: Loc) -> None:
        """Take the key at `loc` away, if it is there."""
        inside: Any = self.value
        for part in loc[:-1]:
            inside = inside.get(part) if isinstance(inside, dict) else None
        if isinstance(inside, dict):
            inside.pop(loc[-1], None)


def _words(value: object) -> Iterator[str]:
    """Every text in a value."""
    match value:
        case str():
            yield value
        case dict() | list():
            for inner in value.values() if isinstance(value, dict) else value:
                yield from _words(inner)


def parts(path: str) -> Loc:
    """What `dotted` writes, taken apart again."""
    return tuple(_part(part) for part in re.split(r"[.\[]", path.replace("]", "")))


def _part(written: str) -> int | str:
    return int(written) if re.fullmatch("[0-9]{1,6}", written) else written


def _holds(container: object, part: int | str) -> bool:
    """Whether a value can be set there."""
    if isinstance(part, int):
        return isinstance(container, list) and part < len(container)
    return isinstance(container, dict)


def dotted(loc: Loc) -> str:
    """A path as messages and --set write it: `strategies[2].semaphore`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def read(text: str, file: str) -> Document:
    """Read YAML.  Never raises for what stands in it."""
    document = Document(file)
    try:
        with warnings.catch_warnings(action="ignore"):
            node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        document.problems.append(
            Problem(file, line, column, "", f"not valid YAML: {problem.problem or problem.context}")
        )
    except YAMLError as problem:
        document.problems.append(Problem(file, 1, 1, "", f"not valid YAML: {str(problem).splitlines()[0]}"))
    except RecursionError:
        document.problems.append(Problem(file, 1, 1, "", "nested too deeply"))
    else:
        if node is not None:
            with suppress(_TooLargeError):
                document.value = _Reader(document).value(node, ())
    return document


def _characters(text: str) -> str | None:
    r"""Text in which the two halves of a character, as JSON writes `\ud83d\ude00`, are one; None if a half is alone."""
    try:
        return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return None


class _TooLargeError(Exception):
    pass


class _Reader:
    """Turns YAML nodes into plain values, and notes where they stand and what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._scalars = YAML(typ="safe", pure=True).constructor
        self._count = 0

    def value(self, node: Node, loc: Loc) -> object:
        self._count += 1
        if self._count > _MOST_VALUES or len(loc) > _DEEPEST:
            self._document.refuse(loc[:3], "nested too deeply, or its aliases expand to too much")
            raise _TooLargeError
        if not str(node.tag).startswith(_CORE_TAG):
            self._document.refuse(loc, f"YAML tags such as {node.tag} are not read; write the value itself")
            return None
        match node:
            case MappingNode():
                return self._mapping(node, loc)
            case SequenceNode():
                return self._sequence(node, loc)
        assert isinstance(node, ScalarNode)
        return self._scalar(node, loc)

    def _sequence(self, node: SequenceNode, loc: Loc) -> list[object]:
        values = []
        for position, item in enumerate(node.value):
            self._note((*loc, position), item)
            values.append(self.value(item, (*loc, position)))
        return values

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            name = _characters(key.value) if isinstance(key, ScalarNode) else None
            if name is None:
                self._note(here := (*loc, "?"), key)
                self._document.refuse(here, f"expected a word as key; {_NO_LOGIC}")
            elif name in values:
                first = self._document.places[*loc, name].line
                mark = key.start_mark
                place = Place(self._document.file, mark.line + 1, mark.column + 1)
                self._document.problems.append(
                    Problem(*place, dotted((*loc, name)), f"a second time; first in line {first}")
                )
            else:
                self._note((*loc, name), key)
                values[name] = self.value(value, (*loc, name))
        return values

    def _scalar(self, node: ScalarNode, loc: Loc) -> object:
        text = _characters(node.value)
        if text is None:
            self._document.refuse(loc, "an escape that is no character")
            return None
        convert = {"int": self._scalars.construct_yaml_int, "float": self._scalars.construct_yaml_float}
        match str(node.tag).removeprefix(_CORE_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" as kind:
                try:
                    return convert[kind](node)
                except ValueError:
                    self._document.refuse(loc, "not a number that can be read")
                    return None
        if node.style != "'" and _LOGIC.search(text):
            self._document.refuse(loc, f"{_NO_LOGIC}; text that is meant as it stands goes in single quotes")
        return text

    def _note(self, loc: Loc, node: Node) -> None:
        mark = node.start_mark
        self._document.places[loc] = Place(self._document.file, mark.line + 1, mark.column + 1)
