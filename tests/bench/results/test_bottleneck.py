"""When a run is not to be believed because of its own client.  Every lag is made up: none depends on this machine."""

from __future__ import annotations

import msgspec
import pytest
from result_rows import QUESTION, asking, backlog

from bench.errors import Exit
from bench.results.bottleneck import in_words
from bench.results.columns import Columns
from bench.results.diagnosis import Ceiling
from bench.results.question import Question
from bench.results.selfcheck import SelfCheck
from bench.results.summarize import summarize, summarize_pass
from bench.results.summary import Overhead, PassSummary, Warning

SOUND = SelfCheck(
    seconds=10.0,
    cpu=0.3,
    moments=500,
    lag_median=0.0,
    lag_p99=0.004,
    lag_max=0.02,
    pauses=12,
    paused=0.01,
    longest_pause=0.002,
    sends=100,
    wait_median=0.0005,
    wait_p99=0.004,
    wait_max=0.006,
    most_open=10,
)
CEILING = Ceiling(streams=210, requests=500, events=100_000, measured_at="2026-11-19T08:00:00Z")
WIRE = Ceiling(streams=900, requests=2_000, events=100_000, measured_at="2026-11-19T08:00:00Z")
ADDED = Overhead(n=100, median=0.2, p95=0.3, client_median=1.2, server_median=1.0)


def checked(question: Question = QUESTION, overhead: Overhead | None = None, **seen: float) -> PassSummary:
    """A pass of a hundred answers that took a second each."""
    found = msgspec.structs.replace(SOUND, **seen)
    columns = Columns.of(backlog(100, 1, 10))
    return summarize_pass(columns, question, kind="semaphore", overhead=overhead, selfcheck=found)


def codes(summary: PassSummary) -> list[str]:
    return [one.code for one in summary.warnings]


def test_a_client_that_was_on_time_is_no_news() -> None:
    assert codes(checked()) == []
    assert codes(checked(asking(ceiling=CEILING))) == []


@pytest.mark.parametrize(("lag", "spoiled"), [(0.05, False), (0.051, True)])
def test_half_of_all_moments_late_by_more_than_a_twentieth_of_the_latency(lag: float, spoiled: bool) -> None:
    assert ("client_bottleneck" in codes(checked(lag_median=lag))) == spoiled


def test_a_single_long_stop_is_no_bottleneck() -> None:
    assert codes(checked(lag_max=5.0, lag_p99=0.9)) == []


def test_a_pass_of_less_than_a_second_is_not_judged() -> None:
    assert codes(checked(lag_median=0.5, moments=49)) == []
    assert codes(checked(lag_median=0.5, moments=50)) == ["client_bottleneck"]


def test_the_servers_own_times_have_the_last_word() -> None:
    within = msgspec.structs.replace(ADDED, median=0.05)
    assert codes(checked(lag_median=0.5, overhead=within)) == []
    assert codes(checked(lag_median=0.5, overhead=ADDED)) == ["client_bottleneck", "client_overhead"]


@pytest.mark.parametrize(
    ("seen", "cause", "remedy"),
    [
        ({"cpu": 0.97}, "it used 97 % of its one core", "Use fewer in flight"),
        ({"cpu": 0.4}, "it used 40 % of a core, something else had the rest", "End what else runs"),
        ({"cpu": 0.4, "paused": 1.2}, "garbage collection took 12 % of the time", "a machine with more memory"),
    ],
)
def test_cause_and_remedy_are_named(seen: dict[str, float], cause: str, remedy: str) -> None:
    [warning] = checked(QUESTION, None, lag_median=0.1, **seen).warnings
    assert warning.observed == (
        "The client was the bottleneck: late at half of all moments by 100 ms or more, 10 % of the median latency; "
        f"{cause}."
    )
    assert remedy in warning.todo


def streamed(question: Question, **seen: float) -> list[Warning]:
    """The same pass, of streams."""
    rows = [
        msgspec.structs.replace(
            one, attempts=(msgspec.structs.replace(one.attempts[0], first_token=one.attempts[0].sent + 0.3),)
        )
        for one in backlog(100, 1, 10)
    ]
    found = msgspec.structs.replace(SOUND, **seen)
    return [*summarize_pass(Columns.of(rows), question, kind="semaphore", selfcheck=found).warnings]


def test_more_streams_than_the_machine_was_seen_to_time() -> None:
    calibrated = asking(ceiling=CEILING)
    [warning] = streamed(calibrated, most_open=380)
    assert (warning.code, warning.observed) == (
        "beyond_ceiling",
        "380 streams were open at once; this machine times 210.",
    )
    [warning] = streamed(calibrated, most_open=380, lag_p99=0.06)
    assert warning.code == "client_bottleneck"
    assert warning.observed.endswith("380 streams were open at once; this machine times 210.")
    assert streamed(calibrated, most_open=210, lag_p99=0.06) == []
    [warning] = streamed(asking(client="sdk on aiohttp", ceiling=CEILING, lighter=WIRE), most_open=380)
    assert warning.todo.startswith(
        "Use client: wire (this machine times 900 streams at once with it, and 2,000 requests"
    )
    ours = asking(client="wire", ceiling=WIRE)
    assert streamed(ours, most_open=380) == []
    [warning] = streamed(ours, most_open=901)
    assert warning.todo.startswith("Use fewer at once")
    assert streamed(QUESTION, most_open=380, lag_p99=0.06) == []  # the doctor was never asked


def test_what_is_not_streamed_is_judged_by_requests_a_second() -> None:
    calibrated = asking(ceiling=CEILING)
    assert codes(checked(calibrated, most_open=380)) == []
    assert codes(checked(calibrated, sends=5_000)) == []
    assert codes(checked(calibrated, sends=5_001)) == ["beyond_ceiling"]
    assert codes(checked(asking(ceiling=msgspec.structs.replace(CEILING, requests=0.0)), sends=5_001)) == []


def test_a_run_whose_client_was_the_bottleneck_is_not_valid() -> None:
    spoiled = checked(lag_median=0.1)
    summary = summarize(QUESTION, [checked(), spoiled])
    assert summary.exit_code == Exit.NOT_VALID
    assert summary.reasons == (f"pool: {spoiled.warnings[0].observed}",)
    assert summarize(QUESTION, [checked()]).exit_code == Exit.OK
    assert summarize(asking(ceiling=CEILING), [checked(asking(ceiling=CEILING), sends=5_001)]).exit_code == Exit.OK


def test_in_scaled_time_only_who_is_strict_is_failed() -> None:
    scaled = asking(speed=30.0)
    summary = checked(scaled, lag_median=0.01)  # 300 ms of scenario time
    assert codes(summary) == ["client_strained"]
    assert "by 300 ms or more" in summary.warnings[0].observed
    assert summarize(scaled, [summary]).exit_code == Exit.OK
    assert summarize(scaled, [summary], strict=True).exit_code == Exit.NOT_VALID


@pytest.mark.parametrize(("wait", "late"), [(0.05, False), (0.06, True)])
def test_sends_that_left_late_though_they_were_let_through(wait: float, late: bool) -> None:
    assert codes(checked(wait_median=wait)) == (["late_sends"] if late else [])


def test_what_the_client_saw_of_itself_in_words() -> None:
    mine, machine = in_words(SOUND, "pool", {"sdk": CEILING})
    assert "0 late at the median" not in mine
    assert "used 30 % of a core" in mine
    assert "10 were open at once" in mine
    assert machine.startswith("claude-bench doctor saw this machine time 210 streams at once, 500 requests")
    assert len([*in_words(SOUND, "pool", {})]) == 1
