from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from bench.scenario.load import load, shipped
from bench.scenario.schema import json_schema, keys_at, schema_text

WRITTEN = Path(__file__).parents[3] / "scenarios" / "scenario.schema.json"
VALIDATOR = jsonschema.Draft7Validator(json_schema())


def test_the_written_copy_is_in_step() -> None:
    assert WRITTEN.read_text() == schema_text(), "run `claude-bench schema --write`"


def test_it_is_a_valid_draft_07_schema() -> None:
    jsonschema.Draft7Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("path", [entry.path for entry in shipped()], ids=lambda path: path.stem)
def test_shipped_scenarios_are_valid(path: Path) -> None:
    VALIDATOR.validate(YAML(typ="safe", pure=True).load(path.read_text()))


GOOD: dict[str, object] = {
    "version": 1,
    "question": "How long?",
    "model": "claude-sonnet-5",
    "workload": {"requests": 1, "input_tokens": 10, "output_tokens": 10, "max_tokens": 10},
    "strategies": ["gather"],
}


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"version": 2}, False),
        ({"questions": "x"}, False),
        ({"source": "x"}, False),
        ({"timeout": "90s"}, True),
        ({"timeout": 90}, False),
        ({"timeout": "-5s"}, False),
        ({"strategies": []}, False),
        ({"strategies": ["gater"]}, False),
        ({"strategies": [{"semaphore": 10}]}, True),
        ({"strategies": [{"semaphore": [5, 10], "name": "pool", "retry": {"policy": "sdk"}}]}, True),
        ({"strategies": [{"semaphore": 0}]}, False),
        ({"strategies": [{"sequential": None, "hold_slot": False}]}, True),
        ({"strategies": [{"token_bucket": "auto"}]}, True),
        ({"strategies": [{"token_bucket": {"share": ["80%", "90%"], "requests": "600/min"}}]}, True),
        ({"strategies": [{"token_bucket": {"share": 0.9}}]}, False),
        ({"strategies": ["adaptive", {"adaptive": None}, {"adaptive": {"by": "ttft", "max_in_flight": 9}}]}, True),
        ({"strategies": [{"adaptive": {"by": "latency"}}]}, False),
        ({"retry": "sdk"}, True),
        ({"retry": {"policy": "exponential", "jitter": "25%"}}, True),
        ({"retry": "sdkk"}, False),
        ({"arrivals": {"poisson": "10/s"}}, True),
        ({"arrivals": {"poisson": 10}}, False),
        ({"arrivals": {"trace": {"path": "x.csv", "window": "30m"}}}, True),
        ({"workload": {"output_tokens": {"uniform": [1, 2]}, "max_tokens": 5, "dataset": "x.jsonl"}}, True),
        ({"workload": {"output_tokens": {"uniform": [1]}, "max_tokens": 5}}, False),
        ({"thresholds": {"latency": ["p(95) < 2s"]}}, True),
        ({"budget": {"max_cost": "$15"}}, True),
        ({"budget": {"max_cost": 15}}, False),
        ({"mock": {"latency": {"ttft": {"median": "600ms", "p95": "1.4s"}, "tokens_per_second": 60}}}, True),
        ({"mock": {"faults": {"overloaded": "5%", "stall": {"rate": "1%", "delay": "20s"}}}}, True),
        ({"mock": {"faults": {"overload": "5%"}}}, False),
        ({"tier": "build"}, True),
    ],
)
def test_it_tells_good_files_from_bad_ones(change: dict[str, object], good: bool) -> None:
    assert VALIDATOR.is_valid({**GOOD, **change}) is good


def test_defaults_are_shown_as_they_are_written() -> None:
    schema = json_schema()
    properties = schema["properties"]
    assert schema["definitions"]["Timeout"]["properties"]["attempt"]["default"] == "10m"
    assert properties["pause"]["default"] == "1m"
    assert properties["speed"]["default"] == 1.0


def test_every_key_of_a_scenario_is_described() -> None:
    assert [key for key, part in json_schema()["properties"].items() if "description" not in part] == []


def test_keys_at_a_place_are_those_of_all_its_forms() -> None:
    assert {"semaphore", "token_bucket", "name", "retry"} <= keys_at(json_schema(), ("strategies", 0))
    assert keys_at(json_schema(), ("workload", "input_tokens")) == {"uniform", "lognormal", "exponential"}
    assert keys_at(json_schema(), ("nothing", "here")) == set()


def test_what_the_loader_takes_the_schema_takes(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(json.dumps(GOOD))
    assert load(path).question == GOOD["question"]
    VALIDATOR.validate(GOOD)
