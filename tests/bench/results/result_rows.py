"""Hand-made and generated records for the tests of results."""

from __future__ import annotations

from datetime import date

import msgspec
from hypothesis import strategies as st

from bench.results.causes import CAUSES
from bench.results.columns import Columns
from bench.results.question import Question
from bench.results.record import Attempt, Record, Usage
from bench.results.summarize import summarize_pass
from bench.results.summary import PassSummary

DAY = date(2026, 11, 20)

QUESTION = Question(
    name="test",
    question="Which?",
    model="claude-sonnet-5",
    target="sim",
    tier="start",
    day=DAY,
    tier_as_of="2026-10-08",
)


def asking(**changes: object) -> Question:
    """The question, with some of its facts changed."""
    return msgspec.structs.replace(QUESTION, **changes)


def attempt(sent: float, ended: float, cause: str | None = None, usage: Usage | None = None) -> Attempt:
    """An exchange; a success uses 1,000 input and 300 output tokens unless told, a failure none."""
    if cause is not None:
        return Attempt(sent, ended, 429 if CAUSES[cause].rate_limit else 500, cause=cause, usage=usage)
    return Attempt(sent, ended, 200, stop_reason="end_turn", usage=usage or Usage(input_tokens=1000, output_tokens=300))


def record(
    seq: int,
    intended: float,
    *attempts: Attempt,
    strategy: str = "pool",
    pass_: int = 0,
    model: str = "claude-sonnet-5",
) -> Record:
    return Record(strategy, seq, model, intended, attempts, pass_=pass_)


def backlog(n: int, seconds: float, in_flight: int, strategy: str = "pool", pass_: int = 0) -> list[Record]:
    """n requests that are all there at second 0, each taking the same time, so many at once."""
    starts = [k // in_flight * seconds for k in range(n)]
    return [
        record(k, 0.0, attempt(start, start + seconds), strategy=strategy, pass_=pass_)
        for k, start in enumerate(starts)
    ]


def refused(records: list[Record], n: int, cause: str = "requests", wait: float = 0.5) -> list[Record]:
    """The same records, the first n of them with a 429 before their last attempt."""
    return [
        record(
            one.seq,
            one.intended,
            attempt(one.attempts[-1].sent - wait, one.attempts[-1].sent - wait / 2, cause),
            one.attempts[-1],
            strategy=one.strategy,
        )
        if k < n
        else one
        for k, one in enumerate(records)
    ]


def summary_of(records: list[Record], question: Question = QUESTION, stopped: str | None = None) -> PassSummary:
    return summarize_pass(Columns.of(records), question, kind="semaphore", stopped=stopped)


_gaps = st.floats(0, 1e5)
_tokens = st.integers(0, 200_000)
_usages = st.none() | st.builds(Usage, _tokens, _tokens, _tokens, _tokens, _tokens, _tokens)


@st.composite
def records(draw: st.DrawFn, strategy: str = "pool") -> Record:
    """Any record whose times are in order."""
    intended = draw(_gaps)
    now = intended
    attempts = []
    for _ in range(draw(st.integers(1, 4))):
        sent = now + draw(_gaps)
        first = sent + draw(_gaps)
        now = first + draw(_gaps)
        cause = draw(st.none() | st.sampled_from(sorted(CAUSES)))
        attempts.append(
            Attempt(
                sent,
                now,
                draw(st.sampled_from([None, 200, 429])),
                cause=cause,
                first_token=draw(st.sampled_from([None, first])),
                last_token=now,
                retry_after=draw(st.none() | _gaps),
                stop_reason=draw(st.sampled_from([None, "end_turn", "max_tokens"])),
                usage=draw(_usages),
            )
        )
    model = draw(st.sampled_from(["claude-sonnet-5", "claude-haiku-5-5"]))
    return record(draw(st.integers(0, 10**6)), intended, *attempts, strategy=strategy, model=model)
