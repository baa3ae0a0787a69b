"""What goes wrong on purpose: to whom, when, and in which shape."""

from __future__ import annotations

import json
import math
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server import wire
from mock_server.engine import EPOCH, Engine
from mock_server.faults import DISGUISES, FLAWS, KINDS, REFUSALS, Fault, in_episode
from mock_server.plan import Plan
from mock_server.settings import Settings

ASK: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}


TYPES = {429: "rate_limit_error", 500: "api_error", 504: "timeout_error", 529: "overloaded_error"}


def answers(faults: dict[str, Fault], count: int = 1, *, tier: str = "start", stream: bool = True) -> list[Plan]:
    """One request a second, each of 40 tokens."""
    engine = Engine(Settings(tier=tier, faults=faults))
    ask = ASK | {"stream": stream}
    return [engine.handle(ask, float(n), key=(7, n, 1), output_tokens=40) for n in range(count)]


def answer(faults: dict[str, Fault], *, stream: bool = True) -> Plan:
    return answers(faults, stream=stream)[0]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_the_documented_shape_and_touches_no_limit(name: str) -> None:
    struck, unharmed = answers({name: Fault(end=0.5)}, 2)
    said = json.loads(wire.body(struck))
    assert struck.status == REFUSALS[name].status
    assert (said["type"], said["error"]["type"]) == ("error", TYPES[struck.status])
    assert said["error"]["message"]
    assert said["request_id"] == struck.request_id
    assert unharmed.status == 200
    assert unharmed.limits
    assert unharmed.limits.requests
    assert unharmed.limits.requests.remaining == 999


def test_the_codes_that_sdks_tell_429s_apart_by() -> None:
    codes = {name: answer({name: Fault()}).error for name in ("acceleration", "spend_cap")}
    assert {name: error and error.error_code for name, error in codes.items()} == {
        "acceleration": "ramp_limit_exceeded",
        "spend_cap": "enforced_spend_limit_reached",
    }


def test_a_refusal_waits_and_asks_to_wait_as_told() -> None:
    plan = answer({"overloaded": Fault(delay=2.5, retry_after=7)})
    assert (plan.ended - plan.arrived, plan.retry_after) == (2.5, 7)
    assert answer({"spend_cap": Fault()}).retry_after is None


def test_the_first_refusal_of_the_table_wins() -> None:
    assert answer(dict.fromkeys(reversed(REFUSALS), Fault())).cause == next(iter(REFUSALS))


@given(st.sampled_from([*REFUSALS, *FLAWS]), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_rate_hits_the_same_requests_and_more(name: str, one: float, other: float) -> None:
    def hit(rate: float) -> set[int]:
        plans = answers({name: Fault(rate=rate)}, 30, stream=name != "malformed_json")
        return {plan.key[1] for plan in plans if plan.cause == name}

    assert hit(min(one, other)) <= hit(max(one, other))


def test_a_rate_is_the_share_that_is_hit() -> None:
    hit = sum(plan.status == 529 for plan in answers({"overloaded": Fault(rate=0.2)}, 2_000, tier="unlimited"))
    assert abs(hit - 400) < 5 * math.sqrt(2_000 * 0.2 * 0.8)


def test_a_window_is_kept() -> None:
    plans = answers({"server_error": Fault(start=3.0, end=6.0)}, 10)
    assert [plan.status for plan in plans] == [200] * 3 + [500] * 3 + [200] * 4


@given(st.integers(0, 100), st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0, 1e9))
def test_an_episode_is_a_matter_of_seed_and_time_alone(seed: int, on: float, off: float, now: float) -> None:
    first = in_episode(seed, "overloaded", on, off, now)
    in_episode(seed, "overloaded", on, off, now / 2)
    assert in_episode(seed, "overloaded", on, off, now) is first


def test_episodes_are_exponential_with_their_means() -> None:
    on, off, step, count = 10.0, 40.0, 0.25, 400_000
    states = [in_episode(3, "overloaded", on, off, n * step) for n in range(count)]
    begun = sum(now and not before for before, now in pairwise(states))
    lengths, length = [], 0
    for state in states:
        length, ended = (length + 1, 0) if state else (0, length)
        lengths += [ended * step] if ended else []
    mean = sum(lengths) / len(lengths)
    assert sum(states) / count == pytest.approx(on / (on + off), rel=0.1)
    assert begun == pytest.approx(count * step / (on + off), rel=0.1)
    assert mean == pytest.approx(on, rel=0.1)
    # An exponential distribution: as wide as its mean, and half of it below ln 2 of that.
    assert sum(length < math.log(2) * on for length in lengths) / len(lengths) == pytest.approx(0.5, abs=0.05)


def pieces(plan: Plan) -> list[tuple[float, bytes]]:
    return list(wire.pieces(plan))


def test_an_error_event_ends_a_stream_in_its_middle() -> None:
    plan = answer({"stream_error": Fault()})
    sent = pieces(plan)
    assert plan.first_token < plan.ended < plan.last_token
    assert sent[0] == pieces(answer({}))[0]
    assert sent[-1][0] == plan.ended
    name, data = sent[-1][1].decode().strip().split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: ")) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
    }


@pytest.mark.parametrize("name", ["stream_error", "stall", "malformed_sse"])
def test_whole_answers_know_nothing_of_flaws_of_streams(name: str) -> None:
    assert answer({name: Fault()}, stream=False) == answer({}, stream=False)


def test_streams_know_nothing_of_malformed_bodies() -> None:
    assert answer({"malformed_json": Fault()}) == answer({})


def test_a_stall_delays_what_comes_after_it() -> None:
    plan, sound = answer({"stall": Fault(delay=30.0)}), pieces(answer({}))
    assert plan.flaw
    stalled = pieces(plan)
    assert [data for _, data in stalled] == [data for _, data in sound]
    assert [due for due, _ in stalled] == [due + (30 if due >= plan.flaw.at else 0) for due, _ in sound]
    assert stalled[0] == sound[0]
    assert stalled[-1][0] == plan.ended


@pytest.mark.parametrize("stream", [True, False])
def test_slow_headers_delay_everything(stream: bool) -> None:
    plan, sound = answer({"slow_headers": Fault(delay=4.0)}, stream=stream), answer({}, stream=stream)
    assert pieces(plan) == [(due + 4, data) for due, data in pieces(sound)]
    assert plan.ended == sound.ended + 4


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_cut_is_the_beginning_of_the_whole(stream: bool) -> None:
    plan, sound = answer({"cut": Fault()}, stream=stream), answer({}, stream=stream)
    sent, whole = (b"".join(data for _, data in pieces(each)) for each in (plan, sound))
    assert plan.is_cut
    assert b"" < sent < whole
    assert whole.startswith(sent)
    assert pieces(plan)[-1][0] == plan.ended <= sound.ended


def test_malformed_json_is_no_json() -> None:
    body = pieces(answer({"malformed_json": Fault()}, stream=False))[0][1]
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


@given(st.integers(0, 1_000), st.integers(1, 60))
def test_exactly_one_event_of_a_malformed_stream_is_broken(number: int, tokens: int) -> None:
    engine = Engine(Settings(faults={"malformed_sse": Fault()}))
    plan = engine.handle(ASK | {"stream": True}, 0.0, key=(7, number, 1), output_tokens=tokens)
    events = b"".join(data for _, data in pieces(plan)).decode().rstrip().split("\n\n")
    broken = 0
    for event in events:
        name, data = event.split("\n")
        assert name.startswith("event: ")
        try:
            json.loads(data.removeprefix("data: "))
        except json.JSONDecodeError:
            broken += 1
    assert broken == 1


def test_a_reset_comes_before_any_byte() -> None:
    plan = answer({"reset": Fault(delay=1.5)})
    assert plan.is_reset
    assert pieces(plan) == [(1.5, b"")]


def refused(*disguises: str, **fault: Any) -> dict[str, str]:  # noqa: ANN401
    """The headers of a 429 that asks to wait nine seconds, in disguise."""
    faults = {"requests": Fault(retry_after=9, **fault)} | dict.fromkeys(disguises, Fault())
    return wire.readable(wire.headers(answer(faults)))


def test_disguises_change_what_a_refusal_says_of_trying_again() -> None:
    assert refused()["retry-after"] == "9"
    assert refused("retry_after_zero")["retry-after"] == "0"
    assert "retry-after" not in refused("retry_after_missing")
    assert "x-should-retry" not in refused()
    assert refused("should_retry_true")["x-should-retry"] == "true"
    assert refused("should_retry_false")["x-should-retry"] == "false"


def test_a_date_to_retry_after_is_never_too_early() -> None:
    for delay in (0.0, 0.25, 0.999):
        headers = refused("retry_after_date", delay=delay)
        at, sent = (parsedate_to_datetime(headers[name]).timestamp() for name in ("retry-after", "date"))
        assert sent <= EPOCH + delay
        assert 9 <= at - (EPOCH + delay) < 10


def test_real_refusals_are_disguised_too() -> None:
    plans = answers({"retry_after_missing": Fault()}, 52, tier="tier-1")
    engine = Engine(Settings(tier="tier-1", faults={"retry_after_missing": Fault()}))
    plans = [engine.handle(ASK, 0.0, key=(7, n, 1), output_tokens=1) for n in range(51)]
    assert plans[-1].status == 429
    assert plans[-1].retry_after is None


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"rate": 1.5}, "rate"),
        ({"rate": -0.1}, "rate"),
        ({"rate": math.nan}, "rate"),
        ({"start": -1.0}, "start"),
        ({"start": 5.0, "end": 5.0}, "end"),
        ({"on": 5.0}, "on, off"),
        ({"on": 5.0, "off": 0.0}, "off"),
        ({"delay": -1.0}, "delay"),
        ({"delay": math.inf}, "delay"),
        ({"retry_after": -1}, "retry_after"),
    ],
)
def test_nonsense_is_refused_by_name(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=rf"^{word}: "):
        Fault(**wrong)


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^overload: no such fault; there are requests, "):
        Settings(faults={"overload": Fault()})
    with pytest.raises(msgspec.ValidationError, match="overload"):
        msgspec.json.decode(b'{"faults": {"overload": {}}}', type=Settings)


def test_settings_with_faults_travel_as_json() -> None:
    settings = Settings(faults={name: Fault(rate=0.5, on=1.0, off=2.0, delay=0.5, retry_after=3) for name in KINDS})
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_the_table_is_complete() -> None:
    assert set(KINDS) == {*REFUSALS, *FLAWS, *DISGUISES}


def freeze(arrived: float, fault: Fault, faults: dict[str, Fault] | None = None) -> Plan:
    engine = Engine(Settings(service_time=4.0, faults={"freeze": fault, **(faults or {})}))
    return engine.handle(ASK | {"stream": True}, arrived, key=(7, 1, 1), output_tokens=41)


def test_nothing_comes_while_the_server_is_frozen() -> None:
    for arrived in (7.0, 9.0, 10.0, 14.0, 19.9):
        plan = freeze(arrived, Fault(start=10.0, end=20.0))
        sent = [due for due, _ in pieces(plan)]
        assert not [due for due in sent if 10.0 <= due < 20.0]
        assert plan.ended == sent[-1] == pytest.approx(arrived + 4.0 + 20.0 - max(10.0, arrived))
    for arrived in (0.0, 5.9, 20.0, 50.0):
        assert freeze(arrived, Fault(start=10.0, end=20.0)).flaw is None


def test_a_freeze_lasts_ten_seconds_unless_told_and_ends_by_itself() -> None:
    assert freeze(3.0, Fault()).ended == pytest.approx(3.0 + 4.0 + 7.0)
    assert freeze(3.0, Fault(delay=5.0)).ended == pytest.approx(3.0 + 4.0 + 2.0)
    assert freeze(10.0, Fault()).flaw is None


def test_a_frozen_server_refuses_nobody_before_it_goes_on() -> None:
    plan = freeze(12.0, Fault(start=10.0, end=20.0), {"overloaded": Fault()})
    assert (plan.status, plan.cause, plan.ended) == (529, "overloaded", 20.0)
    assert [due for due, _ in pieces(plan)] == [20.0]


@given(st.floats(0.0, 1e6), st.floats(0.1, 50.0), st.floats(0.1, 50.0))
def test_episodes_of_freezing_are_those_of_any_fault(arrived: float, on: float, off: float) -> None:
    plan = freeze(arrived, Fault(on=on, off=off))
    if in_episode(0, "freeze", on, off, arrived):
        assert plan.flaw is not None
        assert plan.flaw.at == arrived
    elif plan.flaw is not None:
        assert arrived < plan.flaw.at <= arrived + 4.0
        assert in_episode(0, "freeze", on, off, math.nextafter(plan.flaw.at, math.inf) + 1e-9)
