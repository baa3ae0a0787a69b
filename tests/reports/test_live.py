"""Live progress: what it says, that it never outgrows six lines, and that it works without a terminal."""

from __future__ import annotations

import io
import threading
from itertools import count

import pytest
from rich.console import Console

from bench.results.record import Attempt, Record
from reports.live import Progress


def record(*, latency: float = 2.0, refused: int = 0) -> Record:
    attempts = [Attempt(0.0, 0.1, 429, "requests", retry_after=1.0)] * refused
    return Record("pool", 0, "m", 0.0, (*attempts, Attempt(1.0, 1.0 + latency, 200)))


def plain() -> Console:
    return Console(file=io.StringIO(), width=80)


def test_a_line_says_what_is_done_in_flight_refused_and_spent() -> None:
    progress = Progress(plain())
    progress.pass_started("pool", 0, 10, 1.0)
    for _ in range(5):
        progress.sent("pool")
    for latency in (1.0, 2.0, 9.0):
        progress.done(record(latency=latency, refused=1), 0.25)
    assert progress.line().startswith("pool: 3/10 done, 2 in flight, p50 2.00 s, 3 429s, spent $0.75, ~")
    progress.pass_ended()
    assert "took" in progress.line()


def test_a_pass_of_a_case_is_called_by_both() -> None:
    progress = Progress(plain())
    progress.pass_started("pool", 1, 10, 1.0, "build")
    assert progress.line().startswith("build/pool #2: 0/10 done")


def test_an_unknown_price_is_unknown_and_not_nothing() -> None:
    progress = Progress(plain())
    progress.pass_started("pool", 0, 2, 1.0)
    progress.done(record(), 0.25)
    progress.done(record(), None)
    assert "spent unknown" in progress.line()


def test_a_pass_of_unknown_length_promises_no_end() -> None:
    progress = Progress(plain())
    progress.pass_started("replay", 0, None, 1.0)
    progress.done(record(), 0.0)
    assert progress.line().startswith("replay: 1 done")
    assert "left" not in progress.line()


def test_a_request_that_failed_for_good_is_done_but_has_no_latency() -> None:
    progress = Progress(plain())
    progress.pass_started("pool", 0, 2, 1.0)
    progress.done(Record("pool", 0, "m", 0.0, (Attempt(0.0, 0.1, 429, "output_tokens"),)), 0.0)
    assert "1/2 done" in progress.line()
    assert "p50 -, 1 429s" in progress.line()


def test_the_median_follows_the_latest_thousand() -> None:
    progress = Progress(plain())
    progress.pass_started("pool", 0, 3000, 1.0)
    for number in range(3000):
        progress.done(record(latency=1.0 if number < 2000 else 5.0), 0.0)
    assert "p50 5.00 s" in progress.line()


def test_a_terminal_shows_six_lines_at_most_within_its_width() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=24, color_system=None)
    progress = Progress(console)
    for number in range(9):
        progress.pass_started(f"a-strategy-with-quite-a-long-name-{number}", 0, 10_000, 1.0)
        progress.done(record(), 12.5)
        progress.pass_ended()
    with console.capture() as shown:
        console.print(progress.table())
    lines = shown.get().splitlines()
    assert len(lines) <= 6
    assert max(map(len, lines)) <= 80
    assert "5 before" in lines[1]
    assert "1/10,000" in lines[-1]


def test_a_terminal_is_left_as_it_was() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=24)
    with Progress(console) as progress:
        progress.pass_started("pool", 0, 1, 1.0)
    written = screen.getvalue()
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1


class Lines(io.StringIO):
    """Tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def test_without_a_terminal_lines_come_at_intervals_from_a_thread_of_their_own() -> None:
    file = Lines()
    with Progress(Console(file=file, width=80), every=0.001) as progress:
        progress.pass_started("pool[/]", 0, 4, 1.0)
        assert file.written.wait(timeout=10)
    line = file.getvalue().splitlines()[0]
    assert line == "starting" or line.startswith("pool[/]: 0/4 done")


@pytest.mark.parametrize(
    ("step", "said"),
    [(0.01, "~under 1 s left"), (6.0, "~54 s left"), (60.0, "~9 min 00 s left"), (1000.0, "~2 h 30 min left")],
)
def test_the_time_left_is_that_of_the_wall_clock(monkeypatch: pytest.MonkeyPatch, step: float, said: str) -> None:
    ticks = count()
    monkeypatch.setattr("reports.live.monotonic", lambda: next(ticks) * step)
    progress = Progress(plain())
    progress.pass_started("pool", 0, 10, 60.0)
    progress.done(record(), 0.0)
    assert progress.line().endswith(said)
