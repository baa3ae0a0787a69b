"""Values made from schemas, held against a real validator."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.rng import Draws
from mock_server.schema import example

names = st.sampled_from(["river", "level", "gauge", "since", "a/b", "~"])


def bounded(low: str, high: str, numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(numbers, numbers).map(lambda pair: {low: min(pair), high: max(pair)})


strings = st.one_of(
    st.just({"type": "string"}),
    bounded("minLength", "maxLength", st.integers(0, 60)).map(lambda bounds: {"type": "string", **bounds}),
    st.sampled_from(["date-time", "date", "time", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]).map(
        lambda form: {"type": "string", "format": form}
    ),
)
numbers = st.one_of(
    st.sampled_from([{"type": "integer"}, {"type": "number"}, {"type": "number", "exclusiveMinimum": -3}]),
    st.sampled_from([{"type": "integer", "exclusiveMaximum": 0}, {"type": "integer", "multipleOf": 7, "minimum": 50}]),
    bounded("minimum", "maximum", st.integers(-1_000, 1_000)).map(lambda bounds: {"type": "integer", **bounds}),
    bounded("minimum", "maximum", st.integers(-1_000, 1_000)).map(lambda bounds: {"type": "number", **bounds}),
)
others = st.one_of(
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"const": {"a": [1]}}, {}]),
    st.lists(st.one_of(st.integers(), st.text(), st.none()), min_size=1).map(lambda options: {"enum": options}),
    st.just({"$ref": "#/$defs/place"}),
)


def compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def made(properties: dict[str, Any], required: set[str], closed: bool) -> dict[str, Any]:
        names = sorted(required & set(properties))
        return {"type": "object", "properties": properties, "required": names, "additionalProperties": not closed}

    objects = st.builds(made, st.dictionaries(names, inner, max_size=4), st.sets(names), st.booleans())
    sizes = bounded("minItems", "maxItems", st.integers(0, 6))
    arrays = st.tuples(inner, st.one_of(st.just({}), sizes)).map(
        lambda pair: {"type": "array", "items": pair[0], **pair[1]}
    )
    return st.one_of(
        objects,
        arrays,
        inner.map(lambda schema: {"anyOf": [schema, {"type": "null"}]}),
        objects.map(lambda schema: {"allOf": [schema, {"description": "more"}]}),
    )


schemas = st.recursive(st.one_of(strings, numbers, others), compound, max_leaves=12)
DEFS = {"place": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]}}


@given(st.dictionaries(names, schemas, max_size=5), st.integers(0, 1_000))
def test_what_is_made_satisfies_its_schema(properties: dict[str, Any], seed: int) -> None:
    schema = {"type": "object", "properties": properties, "required": sorted(properties)[:2], "$defs": DEFS}
    value = example(schema, Draws(seed))
    checked = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    checked.validate(value)
    assert example(schema, Draws(seed)) == value


def test_a_schema_that_contains_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "name": {"type": "string"}}}
    schema = {"type": "object", "$defs": {"node": node}, "properties": {"first": {"$ref": "#/$defs/node"}}}
    for seed in range(50):
        jsonschema.validate(example(schema, Draws(seed)), schema)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(
    [
        *("type", "properties", "required", "items", "enum", "minItems", "maxItems", "minLength", "maximum", "minimum"),
        *("multipleOf", "anyOf", "allOf", "$ref", "format", "prefixItems", "exclusiveMinimum"),
    ]
)


@given(st.dictionaries(words, st.one_of(json, st.sampled_from(["object", "array", "integer", "#", "#/type"]))))
def test_nonsense_gives_some_value(schema: dict[str, Any]) -> None:
    example(schema, Draws(1))


@pytest.mark.parametrize("endless", [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}]}, {"allOf": [{"$ref": "#/allOf/0"}]}])
def test_references_in_a_circle_end(endless: dict[str, Any]) -> None:
    example(endless, Draws(1))


def test_an_endless_demand_ends() -> None:
    example({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, Draws(1))
