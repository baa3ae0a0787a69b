"""A value that satisfies a JSON schema: the input of a made-up tool call, or a structured answer.

Covers the subset that the API documents for structured outputs and strict tools (October 2026): the seven types, enum,
const, anyOf, allOf, $ref into $defs or definitions, required, additionalProperties, string formats, minItems; and
beyond it oneOf (its first branch), bounds of numbers, strings and arrays, and multipleOf.  Not patterns, not `not`, not
recursive schemas without an end.  A schema that makes no sense gives some value, never an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mock_server.rng import Draws

Schema = Mapping[str, Any]

_DEEPEST = 12
"""Levels after which nothing optional is made any more, so that recursive schemas end where they can."""

_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper")

_FORMATS = {
    "date-time": "2026-11-20T09:30:00Z",
    "date": "2026-11-20",
    "time": "09:30:00Z",
    "duration": "PT15M",
    "email": "anna@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/river",
    "ipv4": "192.0.2.17",
    "ipv6": "2001:db8::17",
    "uuid": "5eed0000-c1a0-4be2-8000-00000000bec4",
}


def example(schema: object, draws: Draws) -> Any:  # noqa: ANN401 - JSON
    """A value that `schema` accepts; the same draws give the same value."""
    root = schema if isinstance(schema, Mapping) else {}
    return _value(root, root, draws, 0)


def _value(schema: object, root: Schema, draws: Draws, depth: int) -> Any:  # noqa: ANN401 - JSON
    schema = _resolve(schema, root)
    if "const" in schema:
        return schema["const"]
    if options := _list(schema, "enum"):
        return options[draws.integer(0, len(options) - 1)]
    match _type(schema):
        case "object":
            return _object(schema, root, draws, depth)
        case "array":
            return _array(schema, root, draws, depth)
        case "integer":
            return _number(schema, draws, whole=True)
        case "number":
            return _number(schema, draws, whole=False)
        case "boolean":
            return draws.integer(0, 1) == 1
        case "null":
            return None
        case _:
            return _string(schema, draws)


def _resolve(schema: object, root: Schema, left: int = 32) -> Schema:
    """The schema with its references followed, its first alternative taken and all its parts in one."""
    if not isinstance(schema, Mapping) or not left:
        return {}
    parts = [*_list(schema, "anyOf")[:1], *_list(schema, "oneOf")[:1], *_list(schema, "allOf")]
    if "$ref" in schema:
        parts.append(_target(schema["$ref"], root))
    if not parts:
        return schema
    merged = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf", "allOf", "$ref")}
    for part in parts:
        merged = _merge(merged, _resolve(part, root, left - 1))
    return merged


def _merge(one: Schema, other: Schema) -> dict[str, Any]:
    merged = {**other, **one}
    mine, theirs = one.get("properties"), other.get("properties")
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        merged["properties"] = {**theirs, **mine}
    if required := _list(one, "required") + _list(other, "required"):
        merged["required"] = required
    return merged


def _target(reference: object, root: Schema) -> object:
    target: object = root
    for step in str(reference).removeprefix("#").strip("/").split("/"):
        if step:
            target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
    return target


def _type(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        kind = kind[0]
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _object(schema: Schema, root: Schema, draws: Draws, depth: int) -> dict[str, Any]:
    """All required properties, and every other with even odds."""
    known = schema.get("properties")
    properties: Mapping[str, object] = known if isinstance(known, Mapping) else {}
    required = [name for name in _list(schema, "required") if isinstance(name, str)]
    wanted = [name for name in properties if name in required or (depth < _DEEPEST and draws.integer(0, 1))]
    wanted += [name for name in dict.fromkeys(required) if name not in properties]
    if depth > 4 * _DEEPEST:
        return {}
    return {name: _value(properties.get(name, {}), root, draws, depth + 1) for name in wanted}


def _array(schema: Schema, root: Schema, draws: Draws, depth: int) -> list[Any]:
    least = _whole(schema.get("minItems"), 0)
    most = max(least, _whole(schema.get("maxItems"), max(least, 2)))
    length = draws.integer(least, min(most, least + 2)) if depth < _DEEPEST else least
    first = _list(schema, "prefixItems")[:length]
    items = [_value(item, root, draws, depth + 1) for item in first]
    rest = range(len(items), min(length, 64))
    return items + [_value(schema.get("items", {}), root, draws, depth + 1) for _ in rest]


def _number(schema: Schema, draws: Draws, *, whole: bool) -> float:
    low, high = _bounds(schema, whole=whole)
    step = _real(schema.get("multipleOf"), 1.0 if whole else 0.0)
    if step > 0:
        first, last = math.ceil(low / step), math.floor(high / step)
        value = draws.integer(first, max(first, last)) * step
    else:
        value = low + (high - low) * draws.integer(1, 99) / 100
    return round(value) if whole else value


def _bounds(schema: Schema, *, whole: bool) -> tuple[float, float]:
    """Of a range of a hundred, as far as the schema lets it."""
    least = (schema.get("minimum"), schema.get("exclusiveMinimum"))
    most = (schema.get("maximum"), schema.get("exclusiveMaximum"))
    lows = [number for number in map(_finite, least) if number is not None]
    highs = [number for number in map(_finite, most) if number is not None]
    low = max(lows) if lows else min(0.0, *highs, 0.0) - (100.0 if highs and min(highs) <= 0 else 0.0)
    high = min(highs) if highs else low + 100.0
    edge = 1.0 if whole else 0.0
    return low + edge * (_finite(least[1]) == low), high - edge * (_finite(most[1]) == high)


def _string(schema: Schema, draws: Draws) -> str:
    made = _FORMATS.get(str(schema.get("format")))
    if made:
        return made
    text = " ".join(_WORDS[draws.integer(0, len(_WORDS) - 1)] for _ in range(draws.integer(1, 4)))
    least = _whole(schema.get("minLength"), 0)
    text += " " + "river " * ((least - len(text)) // 6 + 1) if len(text) < least else ""
    return text[: max(least, _whole(schema.get("maxLength"), max(least, len(text))))]


def _list(schema: Schema, name: str) -> list[Any]:
    value = schema.get(name)
    return value if isinstance(value, list) else []


def _whole(value: object, otherwise: int) -> int:
    number = _finite(value)
    return otherwise if number is None else max(0, min(int(number), 100_000))


def _real(value: object, otherwise: float) -> float:
    number = _finite(value)
    return otherwise if number is None else number


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
