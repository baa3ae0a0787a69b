"""Whatever stands in a scenario file, loading gives a scenario or says what is wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.scenario.load import load
from bench.scenario.schema import json_schema, keys_at

SHIPPED = Path(__file__).parents[3] / "scenarios"
WORDS = st.sampled_from(
    [
        "5s",
        "10%",
        "$3",
        "10/s",
        "auto",
        "trace",
        "backlog",
        "gather",
        "sdk",
        "none",
        "sim",
        "p(95) < 2s",
        "x",
        "<word>",
        "",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 10**400) | st.floats() | WORDS | st.text(max_size=5)


def _keys() -> st.SearchStrategy[str]:
    schema = json_schema()
    keys = {key for part in [schema, *schema["definitions"].values()] for key in part.get("properties", {})}
    return st.sampled_from(sorted(keys)) | st.text(max_size=3)


VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys(), inner, max_size=4), max_leaves=12
)
FILES = st.fixed_dictionaries({}, optional={key: VALUES for key in sorted(keys_at(json_schema(), ()))})
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@FUZZ
@given(document=FILES)
def test_any_values(tmp_path: Path, document: dict[str, object]) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps(document))
    with suppress(UsageError):
        load(path)


@FUZZ
@given(content=st.binary(max_size=60) | st.text("{}[]:,-&*!|>'\"%@`? \n\ta1#<", max_size=60).map(str.encode))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(content)
    with suppress(UsageError):
        load(path)


@FUZZ
@given(
    place=st.integers(0, 2000),
    junk=st.sampled_from([b"\x00", b"\xff", b"{", b"- ", b": ", b"\n", b"&a ", b"*a", b"!x "]),
)
@pytest.mark.parametrize("name", ["summarize-100", "classify-500"])
def test_a_shipped_file_with_one_mistake(tmp_path: Path, name: str, place: int, junk: bytes) -> None:
    content = (SHIPPED / f"{name}.yaml").read_bytes()
    path = tmp_path / "any.yaml"
    path.write_bytes(content[:place] + junk + content[place:])
    with suppress(UsageError):
        load(path)


@FUZZ
@given(
    key=st.text(max_size=8) | st.sampled_from(["workload.requests", "strategies.0", "arrivals.x.y"]),
    value=st.text(max_size=8),
)
def test_any_override(tmp_path: Path, key: str, value: str) -> None:
    with suppress(UsageError):
        load(SHIPPED / "summarize-100.yaml", overrides={key: value})


@FUZZ
@given(content=st.binary(max_size=80) | st.text('prompt,"\n\r{}: 1', max_size=60).map(str.encode))
@pytest.mark.parametrize("name", ["any.jsonl", "any.csv"])
def test_any_dataset(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    workload = json.dumps({"requests": 1, "dataset": str(path), "output_tokens": 1, "max_tokens": 1})
    with suppress(UsageError):
        load(SHIPPED / "summarize-100.yaml", overrides={"workload": workload})


@FUZZ
@given(rows=st.lists(st.text("0123456789-: .TZeinf,\"'\n", max_size=30), max_size=5))
def test_any_trace(tmp_path: Path, rows: list[str]) -> None:
    path = tmp_path / "any.csv"
    path.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *(f"{row},5,5" for row in rows)]))
    with suppress(UsageError):
        load(SHIPPED / "summarize-100.yaml", overrides={"arrivals": json.dumps({"trace": {"path": str(path)}})})
