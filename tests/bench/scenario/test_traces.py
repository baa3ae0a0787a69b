from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import ScenarioError
from bench.results.record import Attempt, Record, Usage, to_line
from bench.scenario import traces
from bench.scenario.data import BadRow
from bench.scenario.load import load
from bench.scenario.model import Trace
from bench.scenario.traces import AZURE, Arrival, Columns, TraceFile

OWN = Columns(time="ts", input="prompt_tokens", output="completion_tokens", stream="kind")


def rows(path: Path, text: str | bytes, columns: Columns = AZURE) -> list[Arrival | BadRow]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(traces.rows(TraceFile(path, columns)))


def test_csv_with_other_columns(tmp_path: Path) -> None:
    text = "kind,ts,prompt_tokens,completion_tokens\nchat,5,10,2\njob,6.5,20,3\n"
    assert rows(tmp_path / "t.csv", text, OWN) == [Arrival(0, 10, 2, "chat"), Arrival(1.5, 20, 3, "job")]


def test_json_lines_with_dates(tmp_path: Path) -> None:
    text = (
        '{"ts": "2026-01-01T00:00:00Z", "prompt_tokens": 10, "completion_tokens": 2, "kind": "chat"}\n'
        '{"ts": "2026-01-01T00:01:00Z", "prompt_tokens": "20", "completion_tokens": 3, "kind": "job", "more": 1}\n'
    )
    assert rows(tmp_path / "t.jsonl", text, OWN) == [Arrival(0, 10, 2, "chat"), Arrival(60, 20, 3, "job")]


def test_a_trace_may_have_only_times(tmp_path: Path) -> None:
    assert rows(tmp_path / "t.csv", "ts\n1\n3\n", Columns(time="ts")) == [Arrival(0), Arrival(2)]


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("t.csv", "ts,prompt_tokens\n1,2\n", 1, "no column completion_tokens or kind"),
        ("t.csv", "ts,prompt_tokens,completion_tokens,kind\n-1,2,2,a\n", 2, "ts `-1` is negative or not finite"),
        ("t.csv", "ts,prompt_tokens,completion_tokens,kind\nnan,2,2,a\n", 2, "negative or not finite"),
        ("t.csv", "ts,prompt_tokens,completion_tokens,kind\n5,2,2,a\n4,2,2,a\n", 3, "earlier than the row before"),
        ("t.csv", "ts,prompt_tokens,completion_tokens,kind\n5,2,2,a\n6,2\n", 3, "2 cells where the header has 4"),
        (
            "t.csv",
            "ts,prompt_tokens,completion_tokens,kind\n5,0,2,a\n",
            2,
            "prompt_tokens `0` is not a number of tokens",
        ),
        ("t.csv", "ts,prompt_tokens,completion_tokens,kind\n5,1,2,\n", 2, "kind names no stream"),
        ("t.jsonl", '{"ts": 1}\n', 1, "no field prompt_tokens or completion_tokens or kind (its fields are ts)"),
        ("t.jsonl", '{"ts": 1, "prom', 1, "not valid JSON"),
        ("t.jsonl", "[]\n", 1, "not a JSON object"),
        ("t.json", "{", 1, "not valid JSON"),
        ("t.json", '{"a": 1}', 1, "no resourceSpans"),
        ("t.json", '{"resourceSpans": 3}', 1, "not spans in OTLP's JSON"),
    ],
)
def test_a_bad_row_says_where_and_what(tmp_path: Path, name: str, text: str, line: int, words: str) -> None:
    [bad] = [row for row in rows(tmp_path / name, text, OWN) if isinstance(row, BadRow)]
    assert bad.line == line
    assert words in bad.message


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(["t.csv", "t.json", "t.jsonl"]))
def test_whatever_stands_in_a_file_is_a_row_or_a_bad_row(tmp_path: Path, content: bytes, name: str) -> None:
    arrivals = [row for row in rows(tmp_path / name, content) if isinstance(row, Arrival)]
    assert [one.at for one in arrivals] == sorted(one.at for one in arrivals)


# The records of a run


def record(
    seq: int, intended: float, *, strategy: str = "a", stream: str | None = None, answered: bool = True
) -> Record:
    usage = Usage(input_tokens=60, cache_read=40, output_tokens=7) if answered else None
    attempt = Attempt(
        intended, intended + 1, 200 if answered else None, None if answered else "connection", usage=usage
    )
    return Record(strategy, seq, "m", intended, (attempt,), expected_output=9, stream=stream)


def test_the_first_pass_of_a_run_is_replayed_in_the_order_of_its_arrivals(tmp_path: Path) -> None:
    lines = [
        record(1, 2.5, stream="chat"),
        record(0, 0.5),
        record(0, 9.0, strategy="b"),
        record(2, 3.0, answered=False),
    ]
    expected = [Arrival(0.5, 100, 9), Arrival(2.5, 100, 9, "chat"), Arrival(3.0, 1, 9)]
    assert rows(tmp_path / "yesterday.jsonl", b"".join(map(to_line, lines))) == expected


def test_a_record_torn_by_a_kill_is_passed_over_and_a_broken_one_is_not(tmp_path: Path) -> None:
    whole, other = to_line(record(0, 1.0)), to_line(record(1, 2.0))
    assert rows(tmp_path / "r.jsonl", whole + other[:50]) == [Arrival(1.0, 100, 9)]
    [bad] = [row for row in rows(tmp_path / "r.jsonl", whole + other[:50] + b"\n" + whole) if isinstance(row, BadRow)]
    assert (bad.line, bad.message.partition(":")[0]) == (2, "not a record")


# OpenTelemetry


def span(start: int, given: dict[str, object]) -> dict[str, object]:
    kinds = {int: "intValue", str: "stringValue"}
    return {
        "name": "chat claude-sonnet-5",
        "spanId": f"{start:016x}",
        "startTimeUnixNano": str(1_800_000_000_000_000_000 + start),
        "attributes": [{"key": key, "value": {kinds[type(value)]: value}} for key, value in given.items()],
    }


def call(start: int, tokens: int, **others: object) -> dict[str, object]:
    usage = {"gen_ai.usage.input_tokens": str(tokens), "gen_ai.usage.output_tokens": 5}
    return span(start, {"gen_ai.operation.name": "chat", **usage, **others})


def exported(*spans: object) -> dict[str, object]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


SPANS = (
    call(2_500_000_000, 20, **{"gen_ai.agent.name": "chat"}),
    call(0, 10),
    span(1, {"http.request.method": "POST"}),
    span(0, {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 30}),
)


@pytest.mark.parametrize("indent", [None, 2])
def test_model_calls_among_spans(tmp_path: Path, indent: int | None) -> None:
    text = json.dumps(exported(*SPANS), indent=indent)
    assert rows(tmp_path / "spans.json", text) == [Arrival(0, 10, 5), Arrival(2.5, 20, 5)]


@pytest.mark.parametrize("name", ["spans.json", "spans.jsonl"])
def test_spans_a_line_as_a_collector_writes_them_with_their_stream(tmp_path: Path, name: str) -> None:
    text = "".join(json.dumps(exported(one)) + "\n" for one in SPANS)
    found = rows(tmp_path / name, text, Columns(stream="gen_ai.agent.name"))
    assert found == [Arrival(0, 10, 5), Arrival(2.5, 20, 5, "chat")]


def test_a_span_without_its_tokens_says_which(tmp_path: Path) -> None:
    broken = span(7, {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": "many"})
    [bad] = rows(tmp_path / "spans.json", json.dumps(exported(broken)))
    assert isinstance(bad, BadRow)
    assert "0000000000000007: gen_ai.usage.output_tokens `many` is not a number of tokens" in bad.message


# In a scenario

SCENARIO = """\
version: 1
question: And today?
model: claude-sonnet-5
workload: {input_tokens: trace, output_tokens: trace, max_tokens: 50}
arrivals: {trace: %s}
strategies: [gather]
"""


def test_a_run_folder_names_its_records(tmp_path: Path) -> None:
    (tmp_path / "yesterday").mkdir()
    (tmp_path / "yesterday/records.jsonl").write_bytes(to_line(record(0, 1.0)))
    (tmp_path / "s.yaml").write_text(SCENARIO % "{path: yesterday}")
    trace = load(tmp_path / "s.yaml").arrivals
    assert isinstance(trace, Trace)
    assert trace.path == tmp_path / "yesterday/records.jsonl"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{path: t.csv}", "t.csv:1:1  no column TIMESTAMP or ContextTokens or GeneratedTokens"),
        ("{path: t.csv, columns: {time: ts, input: n}}", "the trace's `columns` name no `output`"),
        ("{path: t.csv, columns: {time: n, input: ts, output: ts}}", "t.csv:3:1  n 7 is earlier than the row before"),
        ("{path: missing.csv}", "no such file"),
        ("{path: t.csv, columns: {tme: ts}}", "unknown key. Did you mean time?"),
    ],
)
def test_bad_traces_are_found_at_load(tmp_path: Path, written: str, words: str) -> None:
    (tmp_path / "t.csv").write_text("ts,n\n1,9\n2,7\n")
    (tmp_path / "s.yaml").write_text(SCENARIO % written)
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "s.yaml")
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


NAMED = """\
version: 1
question: And today?
model: claude-sonnet-5
arrivals: {trace: {path: t.csv, columns: {time: ts, stream: kind}}}
streams:
  - {name: chat, workload: {input_tokens: 9, output_tokens: 9, max_tokens: 9}}
strategies: [gather]
"""


@pytest.mark.parametrize(
    ("kinds", "words"),
    [("chat job", "rows of `job`, which none of the streams is"), ("job job", "no row of `chat`")],
)
def test_streams_and_the_rows_of_a_trace_must_agree(tmp_path: Path, kinds: str, words: str) -> None:
    (tmp_path / "t.csv").write_text("ts,kind\n" + "".join(f"1,{kind}\n" for kind in kinds.split()))
    (tmp_path / "s.yaml").write_text(NAMED)
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "s.yaml")
    assert words in str(caught.value)
