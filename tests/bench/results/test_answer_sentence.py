from __future__ import annotations

from dataclasses import replace

import msgspec
from result_rows import asking, attempt, backlog, record, refused, summary_of

from bench.results.answer import answer
from bench.results.columns import Columns
from bench.results.fan_out import FanOut, Take
from bench.results.question import Question
from bench.results.record import Record
from bench.results.slo import Slo
from bench.results.summarize import summarize_pass
from bench.results.summary import PassSummary

MODELS = ("claude-haiku-4-5", "claude-sonnet-5", "claude-opus-5-5")
BACKLOG = asking()
OPEN = asking(own_times=True)


def _answer(question: Question, *strategies: list[Record]) -> str:
    return answer(question, [summary_of(records, question) for records in strategies])


def _arriving(n: int, waits: float, strategy: str) -> list[Record]:
    """One request a second, each of which waits for its turn and then takes a second."""
    return [record(k, k, attempt(k + waits, k + waits + 1), strategy=strategy) for k in range(n)]


def test_one_strategy_is_described() -> None:
    assert _answer(BACKLOG, backlog(100, 5, 10, "semaphore-10")) == (
        "semaphore-10: 50.0 s for 100 requests, no 429s, $0.50."
    )


def test_the_first_to_finish_wins_and_the_next_is_named() -> None:
    said = _answer(
        BACKLOG,
        backlog(100, 5, 1, "sequential"),
        backlog(100, 5, 5, "semaphore-5"),
        backlog(100, 5, 10, "semaphore-10"),
    )
    assert said == (
        "semaphore-10 finishes first: 50.0 s for 100 requests, no 429s, $0.50. semaphore-5 comes next: 100 s."
    )


def test_a_faster_one_that_was_rate_limited_is_held_against_the_winner() -> None:
    said = _answer(BACKLOG, backlog(100, 5, 10, "semaphore-10"), refused(backlog(100, 5, 50, "gather"), 37))
    assert said == (
        "semaphore-10 finishes first of those that get through cleanly: 50.0 s for 100 requests, no 429s, $0.50. "
        "gather is faster (10.0 s), but 37 of its 137 attempts were refused with a 429."
    )


def test_a_single_rate_limited_attempt_is_in_the_singular() -> None:
    said = _answer(BACKLOG, refused(backlog(200, 5, 10), 1))
    assert said == "pool: 100 s for 200 requests, 1 rate-limited attempt, $1.00."


def test_equal_times_are_called_equal() -> None:
    said = _answer(BACKLOG, backlog(10, 5, 10, "gather"), backlog(10, 5, 10, "semaphore-10"))
    assert said.endswith("semaphore-10 does as well.")


def test_a_strategy_that_lost_requests_does_not_win() -> None:
    lossy = [
        *backlog(98, 1, 98, "gather"),
        *(record(k, 0, attempt(0, 1, "timeout"), strategy="gather") for k in (98, 99)),
    ]
    said = _answer(BACKLOG, backlog(100, 5, 10), lossy)
    assert said.startswith("pool finishes first of those")
    assert said.endswith("gather is faster (1.00 s), but 2 of its 100 requests failed.")


def test_when_none_is_clean_the_least_bad_is_named() -> None:
    said = _answer(BACKLOG, refused(backlog(10, 5, 1), 1), refused(backlog(10, 5, 10, "gather"), 9))
    assert said == (
        "No strategy gets through cleanly. pool comes closest (50.0 s), "
        "but 1 of its 11 attempts was refused with a 429. Try fewer in flight, a token bucket, or a higher tier."
    )


def test_a_limit_that_is_nearly_used_up_is_named() -> None:
    question = asking(limits={"requests": 60.0, "input_tokens": 1e6})
    said = _answer(question, backlog(57, 1, 1))
    assert said.endswith("What holds it back is the limit on requests: 95 % used.")


def test_an_unknown_price_is_called_unknown() -> None:
    said = _answer(BACKLOG, [record(0, 0, attempt(0, 1), model="my-own-model")])
    assert said == "pool: 1.00 s for 1 request, no 429s, cost unknown."


def test_a_pass_that_was_cut_short_cannot_win() -> None:
    cut = summary_of(backlog(5, 1, 5, "gather"), BACKLOG, stopped="the budget is used up")
    assert answer(BACKLOG, [cut, summary_of(backlog(10, 5, 1))]).startswith("pool: 50.0 s")
    assert answer(BACKLOG, [cut]) == "Nothing can be said: no strategy came to its end with an answer."


def test_repeats_are_judged_by_their_geometric_mean() -> None:
    passes = [summary_of(backlog(10, seconds, 10, pass_=k)) for k, seconds in enumerate([4.0, 16.0, 8.0])]
    assert answer(BACKLOG, passes).startswith("pool: 8.00 s for 10 requests")
    passes = [summary_of(backlog(10, seconds, 10, pass_=k)) for k, seconds in enumerate([4.0, 9.0])]
    assert answer(BACKLOG, passes).startswith("pool: 6.00 s for 10 requests")


def test_open_traffic_is_judged_by_response_time() -> None:
    said = _answer(OPEN, _arriving(100, 4, "sequential"), _arriving(100, 0, "semaphore-10"))
    assert said == (
        "semaphore-10 answers fastest: p95 response time 1.00 s for 100 requests, no 429s, $0.50. "
        "sequential comes next: p95 response time 5.00 s."
    )


def test_open_traffic_is_judged_by_the_slo_before_speed() -> None:
    question = asking(own_times=True, slo=Slo(response_time=3.0))
    patchy = [record(k, k, attempt(k, k + (5 if k % 33 == 0 else 0.5)), strategy="patchy") for k in range(100)]
    said = _answer(question, patchy, _arriving(100, 1, "even"))
    assert said.startswith("even answers fastest: p95 response time 2.00 s for 100 requests, 100 % within the SLO")


def test_too_few_for_a_percentile_are_judged_by_their_mean() -> None:
    assert _answer(OPEN, _arriving(10, 0, "pool")).startswith("pool: mean response time 1.00 s for 10 requests")


def _asked(strategy: str, take: Take, *times: tuple[float, float, float]) -> PassSummary:
    """Prompts that go to three models at second 0, which take so long; the third is the dearest."""
    rows = [
        msgspec.structs.replace(
            record(3 * group + place, 0, attempt(0, took), strategy=strategy, model=model), group=group
        )
        for group, each in enumerate(times)
        for place, (model, took) in enumerate(zip(MODELS, each, strict=True))
    ]
    fan_out = FanOut(MODELS, take)
    return summarize_pass(replace(Columns.of(rows), fan_out=fan_out), BACKLOG, kind="gather")


def test_of_a_fan_out_it_says_what_the_slowest_model_adds() -> None:
    said = answer(BACKLOG, [_asked("patient", "all", *[(1.0, 2.0, 6.0)] * 75, *[(1.0, 3.0, 2.0)] * 25)])
    assert said == (
        "patient: p95 time to the answer 6.00 s for 100 prompts, no 429s, $1.75. With patient, claude-opus-5-5 is the "
        "last for 75 % of the prompts; without it they would take 2.25 s instead of 5.25 s on average."
    )


def test_of_several_ways_to_take_answers_the_quickest_wins() -> None:
    slow, quick = _asked("patient", "all", *[(1.0, 2.0, 6.0)] * 80), _asked("quick", "first", *[(2.0, 1.0, 6.0)] * 80)
    said = answer(BACKLOG, [slow, quick])
    assert said.startswith("quick answers fastest: p95 time to the answer 1.00 s for 80 prompts")
    assert said.endswith("With quick, claude-sonnet-5 gives 100 % of the answers.")
