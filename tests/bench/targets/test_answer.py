from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.record import Usage
from bench.targets.answer import Answer
from bench.targets.stamps import Stamps


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def delta(kind: str, **fields: object) -> bytes:
    return event("content_block_delta", index=0, delta={"type": kind, **fields})


START = event(
    "message_start", message={"id": "msg_1", "content": [], "usage": {"input_tokens": 12, "output_tokens": 1}}
)
PING = event("ping")
THINKING = delta("thinking_delta", thinking="hm")
SIGNATURE = delta("signature_delta", signature="text_delta")
TEXT = delta("text_delta", text='event: error\n\ndata: {"type": "signature_delta"}\n\n')
TOOL = delta("input_json_delta", partial_json='{"a')
STOPPED = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 40})
END = event("message_stop")


def stamps_of(*chunks: bytes) -> tuple[Stamps, Answer]:
    """Reads chunk k at second k."""
    stamps, answer = Stamps(), Answer()
    for second, chunk in enumerate(chunks):
        for kind in answer.feed(chunk):
            stamps.event(kind, float(second))
    return stamps, answer


def times(stamps: Stamps) -> tuple[float | None, ...]:
    return stamps.first_event, stamps.first_token, stamps.first_text, stamps.last_token


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([START, PING, TEXT, TEXT, STOPPED, END], (0, 2, 2, 3)),
        ([PING, START, THINKING, SIGNATURE, TEXT, END], (0, 2, 4, 4)),
        ([START, SIGNATURE, PING, TEXT, END], (0, 3, 3, 3)),
        ([START, TOOL, TOOL, END], (0, 1, None, 2)),
        ([START, STOPPED, END], (0, None, None, None)),
        ([START + TEXT + TEXT + STOPPED + END], (0, 0, 0, 0)),
        ([START[:20], START[20:] + TEXT[:30], TEXT[30:] + STOPPED, END], (1, 2, 2, 2)),
        ([START, TEXT[:-1], TEXT[-1:] + THINKING[:-2], THINKING[-2:] + END], (0, 2, 2, 3)),
        ([b": comment\n\n", START, TEXT], (1, 2, 2, 2)),
        ([b"", START.replace(b"\n", b"\r\n"), TEXT.replace(b"\n", b"\r\n")], (1, 2, 2, 2)),
    ],
)
def test_times(chunks: list[bytes], expected: tuple[float | None, ...]) -> None:
    stamps, _ = stamps_of(*chunks)
    assert times(stamps) == expected


WHOLE = START + PING + THINKING + SIGNATURE + TEXT + STOPPED + END


@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=20).map(sorted), crlf=st.booleans())
def test_how_the_network_cuts_a_stream_changes_nothing_that_it_says(cuts: list[int], crlf: bool) -> None:
    whole = WHOLE.replace(b"\n", b"\r\n") if crlf else WHOLE
    ends = [*cuts, len(whole)]
    answer = Answer()
    kinds = [k for a, b in zip([0, *cuts], ends, strict=True) for k in answer.feed(whole[a:b])]
    assert [kind for kind in kinds if kind] == ["thinking_delta", "signature_delta", "text_delta"]
    assert len(kinds) == 7
    assert answer.usage == Usage(input_tokens=12, output_tokens=40)
    assert answer.stop_reason == "end_turn"
    assert answer.complete
    assert answer.error is None


def test_a_later_usage_replaces_only_what_it_names() -> None:
    start = event(
        "message_start",
        message={
            "usage": {
                "input_tokens": 12,
                "output_tokens": 1,
                "cache_read_input_tokens": 5,
                "cache_creation_input_tokens": 7,
                "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
            }
        },
    )
    later = {"output_tokens": 9, "input_tokens": None, "output_tokens_details": {"thinking_tokens": 6}}
    _, answer = stamps_of(
        start,
        event("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 4}),
        event("message_delta", delta={"stop_reason": "max_tokens"}, usage=later),
    )
    assert answer.usage == Usage(12, 9, cache_read=5, cache_write_5m=3, cache_write_1h=4, thinking_tokens=6)
    assert answer.stop_reason == "max_tokens"
    assert not answer.complete


def test_a_cache_write_without_details_is_one_of_five_minutes() -> None:
    answer = Answer()
    answer.message(b'{"usage": {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 8}}')
    assert answer.usage == Usage(1, 2, cache_write_5m=8)


def test_an_error_event_is_kept_and_unknown_events_are_passed_over() -> None:
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    stamps, answer = stamps_of(START, event("news_of_tomorrow", delta=None), error)
    assert answer.error is not None
    assert answer.error.type == "overloaded_error"
    assert answer.usage == Usage(12, 1)
    assert times(stamps) == (0, None, None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"event: x\ndata: {\n\n",
        b"event: x\ndata: []\n\n",
        b'event: x\ndata: {"type": 3}\n\n',
        b"event: x\ndata: \xff\n\n",
    ],
)
def test_events_of_another_shape_are_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        list(Answer().feed(data))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"usage": null}', b"[1]"])
def test_messages_of_another_shape_are_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Answer().message(body)
