"""The JSON Schema of scenario files as people write them, for editors.

draft-07, because that is what yaml-language-server reads; pydantic writes 2020-12, so definitions move and a `$ref`
gets an `allOf` around it where it has neighbours, which draft-07 would ignore.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from bench.scenario.document import Loc
from bench.scenario.model import Scenario
from bench.scenario.units import UNITS

Schema = dict[str, Any]


class _Untitled(GenerateJsonSchema):
    """Without the titles that pydantic makes out of names."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False


@cache
def json_schema() -> Schema:
    """The JSON Schema of a scenario file."""
    schema = Scenario.model_json_schema(ref_template="#/definitions/{model}", schema_generator=_Untitled)
    schema["required"].remove("name")  # the file's name takes its place
    schema["required"].remove("model")
    schema["anyOf"] = [{"required": ["model"]}, {"required": ["fan_out"]}]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "claude-bench scenario",
        "definitions": {name: _draft_07(definition) for name, definition in schema.pop("$defs").items()},
        **_draft_07(schema),
    }


def schema_text() -> str:
    """The schema as `scenarios/scenario.schema.json` holds it."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _draft_07(schema: Schema) -> Schema:
    converted = {key: _converted(key, part) for key, part in schema.items() if key not in ("title", "$ref")}
    match converted.get("default"):
        case dict() | list() | None:
            converted.pop("default", None)  # says nothing to whoever writes a file
        case float(value) if "pattern" in converted:
            converted["default"] = next(unit.write(value) for unit in UNITS if unit.pattern == converted["pattern"])
    if "$ref" in schema:
        reference = {"$ref": schema["$ref"]}
        return {**converted, "allOf": [reference]} if converted else reference
    return converted


def _converted(keyword: str, part: object) -> object:
    match part:
        case dict() if keyword == "properties":
            return {name: _draft_07(inner) for name, inner in part.items()}
        case dict():
            return _draft_07(part)
        case list():
            return [_draft_07(inner) if isinstance(inner, dict) else inner for inner in part]
    return part


def keys_at(schema: Schema, loc: Loc) -> set[str]:
    """The keys that may stand at a place of the file."""
    places = list(_alternatives(schema, schema))
    for part in loc:
        inner = [found for place in places if isinstance(found := _inside(place, part), dict)]
        places = [alternative for place in inner for alternative in _alternatives(schema, place)]
    return {key for place in places for key in place.get("properties", {})}


def _inside(place: Schema, part: int | str) -> object:
    """The schema of an item or key, where it says one: `additionalProperties` is that of keys of any name, or false."""
    if isinstance(part, int):
        return place.get("items")
    return place.get("properties", {}).get(part, place.get("additionalProperties"))


def _alternatives(root: Schema, schema: Schema) -> Iterator[Schema]:
    """A schema and all that it may stand for."""
    yield schema
    if "$ref" in schema:
        yield from _alternatives(root, root["definitions"][schema["$ref"].rpartition("/")[2]])
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, []):
            yield from _alternatives(root, part)
