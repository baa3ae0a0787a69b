"""What `claude-bench doctor` prints, from a diagnosis that is made up."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from bench.results.diagnosis import Diagnosis, Level, Reach, Reaches
from bench.results.environment import Machine
from reports.diagnosis import answer, notes, print_diagnosis

GOLDEN = Path(__file__).parent / "golden"
FOUND = Diagnosis(
    measured_at="2026-11-20T11:00:00Z",
    versions={"python": "3.12.4", "claude-bench": "0.1.0", "anthropic": "2.11.0", "aiohttp": "3.14.5"},
    machine=Machine("Linux 6.18.44 x86_64", "AMD EPYC", 8),
    event_loop="uvloop Loop",
    clock_resolution=1e-9,
    open_files=65_536,
    load=0.2,
    quick=False,
    sdk=Reaches(streams=Reach(
        531, 583, (Level(50, 51, 0.002, 0.01, 0.03, 0.0), Level(531, 531, 0.0031, 0.033, 0.31, 0.0),
                   Level(583, 583, 0.03, 0.061, 0.36, 0.002)),
    ),
    requests=Reach(
        1028, 1106, (Level(1028, 823, 0.0026, 0.0486, 0.437, 0.0), Level(1106, 885, 0.09, 0.17, 0.44, 0.01)),
    ),
    events=Reach(100_000, None, (Level(100_000, 40, 0.0021, 0.0062, 0.295, 0.0),))),
    wire=Reaches(
        streams=Reach(
            2_412, 2_660, (Level(2_412, 2_412, 0.0112, 0.041, 0.42, 0.001), Level(2_660, 2_660, 0.03, 0.2, 0.5, 0.01)),
        ),
        requests=Reach(3_120, 3_400, (Level(3_120, 3_744, 0.0031, 0.047, 0.51, 0.0),)),
        events=Reach(100_000, None, (Level(100_000, 40, 0.0018, 0.0053, 0.19, 0.0),)),
    ),
)  # fmt: skip


def printed(found: Diagnosis) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_diagnosis(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_quiet_machine() -> None:
    assert printed(FOUND) == (GOLDEN / "doctor.txt").read_text()
    assert not notes(FOUND)


def changed(**changes: object) -> Diagnosis:
    return msgspec.structs.replace(FOUND, **changes)


def of_sdk(**changes: Reach) -> Diagnosis:
    return changed(sdk=msgspec.structs.replace(FOUND.sdk, **changes))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (changed(load=5.5), "5.50 processes wanted one of the 8 cores"),
        (changed(quick=True), "Measured quickly"),
        (changed(machine=Machine("Linux", "one", 1)), "shares the only core"),
    ],
)
def test_what_a_reader_must_know_before_relying_on_it(found: Diagnosis, said: str) -> None:
    [note] = notes(found)
    assert said in note
    assert said in " ".join(printed(found).split())


def test_a_machine_that_times_nothing_says_so() -> None:
    none = of_sdk(streams=Reach(0.0, 50, (Level(50, 51, 0.2, 0.5, 0.03, 0.0),)))
    assert answer(none).startswith("This machine could not time the least that was tried")
    assert "streams at once" in printed(none)


def test_a_server_that_failed_is_no_number() -> None:
    lost = of_sdk(requests=Reach(0.0, 50, (Level(50, 40, None, None, 0.03, 0.0),)))
    assert "requests a second  sdk           0" in printed(lost)
    assert answer(lost).startswith("This machine could not time")
