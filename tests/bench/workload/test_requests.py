from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import islice, starmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.request import RequestSpec
from bench.scenario.load import load
from bench.scenario.model import (
    Arrivals,
    Backlog,
    Constant,
    Dataset,
    Fixed,
    FromTrace,
    Lognormal,
    Poisson,
    Retry,
    Scenario,
    Size,
    Strategy,
    Stream,
    Trace,
    Uniform,
    Users,
    Warmup,
    Workload,
)
from bench.scenario.traces import Arrival
from bench.workload.requests import count_of, sources_of, specs_of, warmup_of
from mock_server.models import estimate_tokens

MODEL = "claude-sonnet-5"
BACKLOG = Backlog()


def job(
    seed: int = 0, arrivals: Arrivals = BACKLOG, warmup: int = 0, model: str = MODEL, **workload: object
) -> Scenario:
    given = {
        "requests": 20,
        "input_tokens": Fixed(value=100),
        "output_tokens": Fixed(value=30),
        "max_tokens": 50,
        **workload,
    }
    return Scenario(
        version=1,
        name="job",
        question="?",
        model=model,
        workload=Workload.model_validate(given),
        arrivals=arrivals,
        strategies=(Strategy(name="gather", kind="gather", retry=Retry()),),
        seed=seed,
        warmup=Warmup(requests=warmup),
    )


def requests_of(scenario: Scenario) -> Iterator[RequestSpec]:
    [source] = sources_of(scenario)
    return starmap(source.spec, source.arrivals)


def prompts(scenario: Scenario) -> list[str]:
    return [spec.params["messages"][0]["content"] for spec in requests_of(scenario)]


def test_a_request_is_what_the_messages_api_takes() -> None:
    spec = next(iter(requests_of(job())))
    (message,) = spec.params["messages"]
    assert dict(spec.params) == {"model": MODEL, "max_tokens": 50, "messages": [message]}
    assert message["role"] == "user"
    assert (spec.seq, spec.intended, spec.input_tokens, spec.output_tokens) == (0, 0.0, 100, 30)


def test_system_prompt_and_streaming_only_where_asked_for() -> None:
    spec = next(iter(requests_of(job(system="Be brief.", stream=True))))
    assert spec.params["system"] == "Be brief."
    assert spec.params["stream"] is True
    assert spec.input_tokens == 100 + estimate_tokens("Be brief.", MODEL)


@given(st.integers(1, 3000), st.sampled_from([MODEL, "claude-haiku-4-5", "claude-opus-4-6", "some-gateway-model"]))
def test_synthetic_prompts_have_exactly_the_tokens_asked_for(tokens: int, model: str) -> None:
    for spec in requests_of(job(requests=3, input_tokens=Fixed(value=tokens), model=model)):
        assert estimate_tokens(spec.params["messages"][0]["content"], model) == spec.input_tokens == tokens


def test_no_two_synthetic_prompts_begin_alike() -> None:
    assert len({text[:8] for text in prompts(job(requests=500))}) == 500


SIZES = st.one_of(
    st.builds(Fixed, value=st.integers(1, 500)),
    st.tuples(st.integers(1, 500), st.integers(0, 500)).map(lambda pair: Uniform(low=pair[0], high=sum(pair))),
    st.tuples(st.floats(1, 500), st.floats(1, 4)).map(lambda pair: Lognormal(median=pair[0], p95=pair[0] * pair[1])),
)


@given(SIZES, SIZES, st.integers(0, 2**40))
def test_every_pass_gets_the_same_workload(inputs: Size, outputs: Size, seed: int) -> None:
    scenario = job(seed, input_tokens=inputs, output_tokens=outputs)
    first = list(requests_of(scenario))
    assert first == list(requests_of(scenario))
    assert [spec.seq for spec in first] == list(range(20))
    assert all(spec.input_tokens >= 1 and spec.output_tokens >= 1 for spec in first)


@given(SIZES, st.integers(0, 2**40), st.integers(1, 15))
def test_a_request_does_not_depend_on_how_many_there_are(size: Size, seed: int, requests: int) -> None:
    longer = list(requests_of(job(seed, input_tokens=size, output_tokens=size)))
    assert list(requests_of(job(seed, input_tokens=size, output_tokens=size, requests=requests))) == longer[:requests]


def test_sizes_follow_their_distributions() -> None:
    scenario = job(
        requests=4000, input_tokens=Uniform(low=100, high=200), output_tokens=Lognormal(median=800, p95=2000), seed=3
    )
    specs = list(requests_of(scenario))
    inputs, outputs = sorted(s.input_tokens for s in specs), sorted(s.output_tokens for s in specs)
    assert (inputs[0], inputs[-1]) == (100, 200)
    assert inputs[2000] == pytest.approx(150, abs=4)
    assert outputs[2000] == pytest.approx(800, rel=0.05)
    assert outputs[3800] == pytest.approx(2000, rel=0.08)


def test_input_and_output_are_drawn_apart() -> None:
    size = Uniform(low=1, high=10**6)
    assert all(
        s.input_tokens != s.output_tokens for s in requests_of(job(requests=3, input_tokens=size, output_tokens=size))
    )


def test_sizes_from_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n0,11,5\n2.5,12,6\n")
    arrivals = Trace(path=path)
    scenario = job(arrivals=arrivals, requests=None, input_tokens=FromTrace(), output_tokens=FromTrace(), warmup=1)
    assert [(s.intended, s.input_tokens, s.output_tokens) for s in requests_of(scenario)] == [(0, 11, 5), (2.5, 12, 6)]
    assert [(s.seq, s.intended, s.input_tokens) for s in warmup_of(scenario)] == [(-1, 0.0, 11)]
    assert count_of(scenario) == 2


def test_prompts_of_a_dataset_in_order_and_again(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('prompt,label\n"Hello, world",x\n"Two\nlines",y\n')
    scenario = job(dataset=Dataset(path=path), input_tokens=None, requests=5)
    assert prompts(scenario) == ["Hello, world", "Two\nlines"] * 2 + ["Hello, world"]
    assert [s.input_tokens for s in requests_of(scenario)][:2] == [
        estimate_tokens(text, MODEL) for text in ("Hello, world", "Two\nlines")
    ]


def test_a_dataset_field_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('\ufeff{"text": "a"}\n\n{"text": "b", "n": 1}\n')
    assert prompts(job(dataset=Dataset(path=path, field="text"), input_tokens=None, requests=3)) == ["a", "b", "a"]


def test_a_dataset_that_was_spoilt_since_loading_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("")
    with pytest.raises(UsageError, match="has no rows"):
        prompts(job(dataset=Dataset(path=path), input_tokens=None))
    path.write_text("{}\n")
    with pytest.raises(UsageError, match=r"p.jsonl:1: no field `prompt`"):
        prompts(job(dataset=Dataset(path=path), input_tokens=None))


def test_warmup_is_numbered_backwards_and_all_due_at_once() -> None:
    scenario = job(arrivals=Constant(rate=1.0), warmup=3)
    warmup = list(warmup_of(scenario))
    assert [(spec.seq, spec.intended, spec.input_tokens) for spec in warmup] == [
        (-1, 0, 100),
        (-2, 0, 100),
        (-3, 0, 100),
    ]
    assert {spec.params["messages"][0]["content"] for spec in warmup}.isdisjoint(prompts(scenario))
    assert list(warmup_of(job())) == []


@pytest.mark.parametrize(
    ("arrivals", "requests", "duration", "expected"),
    [
        (Backlog(), 7, None, 7),
        (Constant(rate=2.0), None, 5.0, 10),
        (Poisson(rate=2.0), 4, 1e6, 4),
    ],
)
def test_count(arrivals: Arrivals, requests: int | None, duration: float | None, expected: int) -> None:
    scenario = job(arrivals=arrivals, requests=requests, duration=duration)
    assert count_of(scenario) == expected == len(list(requests_of(scenario)))


def test_memory_does_not_grow_with_the_number_of_requests() -> None:
    def peak(requests: int) -> int:
        tracemalloc.start()
        for _ in requests_of(job(requests=requests, input_tokens=Uniform(low=10, high=50))):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(100)
    assert peak(20_000) < peak(1_000) + 20_000


def test_an_endless_workload_is_made_as_it_is_taken() -> None:
    scenario = job(requests=None, arrivals=Poisson(rate=5.0))
    assert len(list(islice(requests_of(scenario), 3))) == 3


SCENARIOS = Path(__file__).parents[3] / "scenarios"


@pytest.mark.parametrize(
    ("name", "requests", "seconds"), [("summarize-100", 100, 500.0), ("classify-500", 500, 1920.0)]
)
def test_shipped_tables_imply_their_sequential_row(name: str, requests: int, seconds: float) -> None:
    scenario = load(SCENARIOS / f"{name}.yaml")
    service_time = scenario.mock.latency.service_time
    assert service_time is not None
    assert count_of(scenario) == requests
    assert requests * service_time == pytest.approx(seconds)


def test_the_replay_has_the_traffic_its_claim_says() -> None:
    specs = list(requests_of(load(SCENARIOS / "replay-conversation.yaml")))
    assert len(specs) == 10_108
    assert 0 <= specs[0].intended <= specs[-1].intended < 1800
    assert sum(s.input_tokens for s in specs) / 30 == pytest.approx(419_000, rel=0.001)
    assert sum(s.output_tokens for s in specs) / 30 == pytest.approx(73_000, rel=0.005)
    assert max(s.output_tokens for s in specs) <= specs[0].params["max_tokens"]


def test_streams_take_turns_with_the_numbers_and_have_their_own_model_and_sizes() -> None:
    work = Workload(requests=3, input_tokens=Fixed(value=50), output_tokens=Fixed(value=5), max_tokens=9)
    more = work.model_copy(update={"input_tokens": Fixed(value=70)})
    scenario = job().model_copy(
        update={
            "workload": None,
            "streams": (
                Stream(name="chat", workload=work, arrivals=Backlog(), priority=3),
                Stream(name="job", workload=more, arrivals=Users(count=2, think=1.0), model="claude-haiku-4-5"),
            ),
        }
    )
    chat, users = sources_of(scenario)
    assert (chat.priority, chat.after, users.after is None) == (3, None, False)
    specs = list(starmap(chat.spec, chat.arrivals))
    first = list(starmap(users.spec, users.arrivals))
    assert [(s.seq, s.stream, s.input_tokens, s.params["model"]) for s in (*specs, *first)] == [
        (0, "chat", 50, MODEL),
        (2, "chat", 50, MODEL),
        (4, "chat", 50, MODEL),
        (1, "job", 70, "claude-haiku-4-5"),
        (3, "job", 70, "claude-haiku-4-5"),
    ]
    assert count_of(scenario) == 6


def test_shares_divide_arrivals_without_losing_or_repeating_any() -> None:
    work = Workload(duration=200.0, input_tokens=Fixed(value=5), output_tokens=Fixed(value=5), max_tokens=9)
    shares = {"a": 0.1, "b": 0.6, "c": 0.3}
    alone = job(arrivals=Poisson(rate=10.0), requests=None, duration=200.0)
    streams = tuple(Stream(name=name, workload=work, share=share) for name, share in shares.items())
    shared = alone.model_copy(update={"workload": None, "streams": streams})
    came = {
        name: [due.at for _, due in source.arrivals] for name, source in zip(shares, sources_of(shared), strict=True)
    }
    assert sorted(at for times in came.values() for at in times) == [spec.intended for spec in requests_of(alone)]
    for name, share in shares.items():
        assert len(came[name]) / 2000 == pytest.approx(share, rel=0.15)


def test_each_request_of_a_user_has_the_prompt_of_its_place_in_whatever_order_they_ask(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text("".join(f'{{"prompt": "number {n}"}}\n' for n in range(7)))
    dataset = Dataset(path=tmp_path / "p.jsonl")
    scenario = job(arrivals=Users(count=3, think=1.0), requests=9, dataset=dataset, input_tokens=None)
    [source] = sources_of(scenario)
    assert source.after is not None
    said, waiting = {}, list(source.arrivals)
    while waiting:
        place, arrival = waiting.pop()
        said[place] = source.spec(place, arrival).params["messages"][0]["content"]
        waiting += source.after(place, arrival.at + 1, True)
    assert said == {place: f"number {place % 7}" for place in range(9)}


def test_requests_can_be_had_again_by_their_numbers(tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    made.write_text(
        "version: 1\nquestion: Again?\nmodel: claude-sonnet-5\nstrategies: [gather]\narrivals: {poisson: 5/s}\n"
        "workload: {conversations: {count: 6, turns: 3}, input_tokens: 50, output_tokens: 20, max_tokens: 50}\n"
    )
    scenario = load(made)
    [source] = sources_of(scenario)
    firsts = {source.spec(*placed).seq for placed in source.arrivals}
    wanted = [1, 2, 3, 7]
    again = {spec.seq: spec for spec in specs_of(scenario, "", wanted)}
    assert sorted(again) == wanted
    assert not set(wanted) <= firsts
    for seq in wanted:
        assert again[seq].params == source.spec(seq, Arrival(0.0)).params
    assert list(specs_of(scenario, "", [])) == []
