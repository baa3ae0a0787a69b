"""The folder of one run: what was asked, every record, the summary, the report.

    runs/20261120-1041-summarize-100-sim-kqvd/
      run.json        what was asked and what it was measured with
      records.jsonl   one line a request, written as each ends
      batches.jsonl   what happened to message batches, where there are any
      sends.jsonl     what was sent and has no end on record, while a run that costs money goes on, or after a kill
      workers/        what several processes have recorded, while a pass that they share goes on, or after a kill
      texts.jsonl     prompts and answers, where they were asked for; only its owner may read it
      passes.json     how each pass ended, and what the server said of it
      summary.json    what it came to
      report.html

A killed run is readable: `run.json` is written first, records are flushed one by one (those of a simulation a few
kilobytes at a time), and a torn last line is passed over.  schema_version 1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

import msgspec

from bench.errors import UsageError, check_exit_code
from bench.results import record, summary
from bench.results.appending import append_to, lock
from bench.results.batches import BATCHES, Event, read_events
from bench.results.columns import Columns, read_passes
from bench.results.diagnosis import Ceiling
from bench.results.environment import Machine
from bench.results.limits import Pool
from bench.results.merging import read_left_over, sends_left_over
from bench.results.record import OfPass, Record, to_line, to_lines
from bench.results.redact import bare_url, redact
from bench.results.selfcheck import SelfCheck
from bench.results.sends import SENDS, Send, read_sends, without_end
from bench.results.summary import Overhead, Summary
from bench.results.workers import WorkerNote
from mock_server.files import read_whole

SCHEMA_VERSION = 1

RUN, RECORDS, PASSES, SUMMARY, REPORT = "run.json", "records.jsonl", "passes.json", "summary.json", "report.html"
"""The files of a run folder."""


class CaseInfo(msgspec.Struct, frozen=True):
    """What a case was measured with, as far as it may differ from the run's."""

    tier: str
    tier_as_of: str | None
    limits: dict[str, int | None]
    """What the tier allows the model per minute."""
    pools: tuple[Pool, ...] = ()
    """Where several models are asked: those that share limits, and what the tier allows them per minute."""
    client: str = ""
    """Who sends its requests."""


class Origin(msgspec.Struct, frozen=True):
    """Where a scenario was written, so that what it demands can be pointed at."""

    file: str
    """Relative to the folder the run was started in; only the name of a file that lies elsewhere."""
    thresholds: dict[str, int] = {}
    """The line of each, 1-based, by its metric and expression."""

    def line_of(self, metric: str, expression: str) -> int | None:
        """The line of a threshold; None where it does not stand in the file."""
        return self.thresholds.get(f"{metric} {expression}")


class Recipe(msgspec.Struct, frozen=True):
    """How a scenario was loaded from its file."""

    path: str
    """Absolute."""
    flags: dict[str, str] = {}
    settings: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()


class RunInfo(msgspec.Struct, frozen=True):
    """What a run was asked to do and what it was measured with; never a key."""

    id: str
    """The folder's name."""
    started_at: str
    """UTC, RFC 3339."""
    command: tuple[str, ...]
    scenario: dict[str, Any]
    """As resolved: defaults filled in, sweeps unfolded, overrides applied."""
    scenario_hash: str
    versions: dict[str, str]
    machine: Machine
    seed: int
    target: str
    tier: str
    tier_as_of: str | None = None
    limits: dict[str, int | None] | None = None
    """What the tier allows the model per minute; runs of before this was kept lack it."""
    cases: dict[str, CaseInfo] = {}
    """By name; none where the scenario has no cases."""
    pools: tuple[Pool, ...] = ()
    """Where several models are asked: those that share limits, and what the tier allows them per minute."""
    prices_as_of: str | None = None
    origin: Origin | None = None
    """None for a scenario that was made in Python."""
    schema_version: int = SCHEMA_VERSION
    records_schema_version: int = record.SCHEMA_VERSION
    token: str = ""
    """What the custom_ids of this run's batches are made from, so that no other run has the same."""
    recipe: Recipe | None = None
    """How to load the scenario again; None where it did not come from a file."""
    client: str = ""
    """Who sends the requests: `sdk on aiohttp`, `sdk on httpx`, `wire` or `simulated`."""
    strict: bool = False
    """Whether what cannot be told, or not be believed, makes the run fail."""
    ceilings: dict[str, Ceiling] = {}
    """By client what `claude-bench doctor` had found; empty where it was not run, and in virtual time."""


class PassNote(msgspec.Struct, frozen=True, rename={"pass_": "pass"}):
    """What is known of a pass that has ended, beyond its records."""

    strategy: str
    pass_: int
    stopped: str | None = None
    """Why it ended early, in words."""
    overhead: Overhead | None = None
    case: str | None = None
    resumed_at: float | None = None
    """Seconds since its start at which it went on after a pause, which does not count; None if it came through."""
    selfcheck: SelfCheck | None = None
    """What the client saw of itself; None in virtual time, and in runs of before this was kept."""
    workers: tuple[WorkerNote, ...] = ()
    """Who sent it, where several processes did."""

    @property
    def of_pass(self) -> OfPass:
        """Which pass it is of: case, strategy and repeat."""
        return self.case, self.strategy, self.pass_


class Aside(msgspec.Struct, frozen=True):
    """What was sent beside the requests that have records: a preflight, warm-ups."""

    sent: int = 0
    """Attempts."""
    dollars: float = 0.0
    """What nobody knows is counted as the most it can have cost."""

    def plus(self, sent: int, dollars: float) -> Aside:
        """With more of it."""
        return Aside(self.sent + sent, self.dollars + dollars)


class Ending(msgspec.Struct, frozen=True):
    """How far a run came: written anew as each pass ends, and about each request that has no record."""

    passes: tuple[PassNote, ...] = ()
    stopped: str | None = None
    """Why the run ended early, in words."""
    exit_code: int = 0
    """What that stop makes the exit code."""
    aside: Aside = Aside()
    """What the budget has to count although no record tells of it."""
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        check_exit_code(self.exit_code)


_NO_ENDING = Ending()


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run folder, read back."""

    folder: Path
    info: RunInfo
    summary: Summary | None
    """None when the run was killed before it came to its end."""
    passes: list[Columns]
    torn: int
    """Records lost because their line was not written to its end: 1 after some kills, else 0."""
    ending: Ending = _NO_ENDING
    batches: tuple[Event, ...] = ()
    """What happened to its message batches."""
    unknown: tuple[Send, ...] = ()
    """Attempts that were sent and whose end is not on record."""


class Journal:
    """Appends records to a file that must not exist yet.

    Each is with the operating system when `append` returns, unless that `may_wait`: of a simulation, which can be had
    again for nothing, the last few kilobytes may be lost with the process.  With `resumed` it goes on in the file of a
    run that was not finished.  UsageError when that run is still going on.
    """

    def __init__(self, path: Path, *, may_wait: bool = False, resumed: bool = False) -> None:
        self.file: BinaryIO = append_to(path) if resumed else path.open("xb")
        self._may_wait = may_wait
        self._waiting: list[Record] = []
        if not lock(self.file):
            self.file.close()
            raise UsageError(f"another claude-bench is at work in {path.parent}", "Wait for its end, or end it.")

    def append(self, record: Record) -> None:
        """Write one record."""
        if not self._may_wait:
            self.file.write(to_line(record))
            self.file.flush()
            return
        self._waiting.append(record)
        if len(self._waiting) == _TOGETHER:
            self._write_waiting()

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.file.write(to_lines(waiting))

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._write_waiting()
        finally:
            self.file.close()


_TOGETHER = 32
"""Records that are written together where they may wait: a few kilobytes."""


def create(root: Path, name: str, target: str, now: datetime, letters: str) -> Path:
    """Make the folder of a new run, named for when, what and where; `letters` tell runs of one minute apart."""
    stamp = now.strftime("%Y%m%d-%H%M")
    folder = root / "-".join(filter(None, (stamp, _slug(name), _slug(_place(target)), letters)))
    return create_at(folder, taken_is_fine=False)


def create_at(folder: Path, *, taken_is_fine: bool = True) -> Path:
    """Make a folder, or take an empty one that exists.  UsageError when it holds something or cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=taken_is_fine)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", "Name another folder with --out; no run is ever overwritten.")
    except OSError as error:
        raise UsageError(f"cannot create {folder}: {error.strerror}", "Name another folder with --out.") from error
    return folder


def discard(folder: Path) -> None:
    """Remove a run folder in which nothing was recorded."""
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def rfc3339(moment: datetime) -> str:
    """A moment as it stands in files: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_info(folder: Path, info: RunInfo, secrets: Iterable[str] = ()) -> None:
    """Write `run.json`, without keys: neither the `secrets` given nor anything that looks like one."""
    write_json(folder / RUN, redact(msgspec.to_builtins(info), secrets))


def write_ending(folder: Path, ending: Ending) -> None:
    """Write `passes.json`."""
    write_json(folder / PASSES, ending)


def write_summary(folder: Path, summary: Summary) -> None:
    """Write `summary.json`."""
    write_json(folder / SUMMARY, summary)


def load(folder: Path) -> LoadedRun:
    """Read a run folder.  UsageError when it is missing, is not a run, or was written by another version."""
    info, passes = _info(folder), read_passes(folder / RECORDS, read_left_over(folder))
    return LoadedRun(
        folder=folder,
        info=info,
        summary=_summary(folder),
        passes=passes,
        ending=read_json(folder / PASSES, Ending, SCHEMA_VERSION) if (folder / PASSES).is_file() else Ending(),
        torn=_torn(folder / RECORDS),
        batches=tuple(read_events(folder / BATCHES)),
        unknown=_unknown(folder, passes),
    )


def load_summary(folder: Path) -> tuple[RunInfo, Summary]:
    """What a run was asked and came to, without its records.  UsageError as from `load`, or when it was killed."""
    info, found = _info(folder), _summary(folder)
    if found is None:
        raise UsageError(f"{folder} has no {SUMMARY}: the run was killed", f"claude-bench report {folder} makes one.")
    return info, found


def _info(folder: Path) -> RunInfo:
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", "Give the folder of a run, such as runs/20261120-1041-...")
    if not (folder / RUN).is_file() or not (folder / RECORDS).is_file():
        raise UsageError(f"{folder} is not a run: it has no {RUN} or no {RECORDS}")
    info = read_json(folder / RUN, RunInfo, SCHEMA_VERSION)
    if info.records_schema_version != record.SCHEMA_VERSION:
        raise UsageError(_other_version(folder / RECORDS, info.records_schema_version, record.SCHEMA_VERSION))
    return info


def _summary(folder: Path) -> Summary | None:
    written = (folder / SUMMARY).is_file()
    return read_json(folder / SUMMARY, Summary, summary.SCHEMA_VERSION) if written else None


class _Version(msgspec.Struct):
    schema_version: int


T = TypeVar("T")


def read_json(path: Path, kind: type[T], version: int) -> T:
    """Read one JSON file, its version first, since nothing else can be trusted before.  UsageError when it cannot be
    read, is damaged, or has another version."""
    try:
        content = read_whole(path)
        found = msgspec.json.decode(content, type=_Version).schema_version
        if found != version:
            raise UsageError(_other_version(path, found, version))
        return msgspec.json.decode(content, type=kind)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is damaged: {error}") from error


def _other_version(path: Path, found: int, expected: int) -> str:
    other = "a newer" if found > expected else "an older"
    return f"{path} has schema version {found}; this claude-bench reads {expected}. Use {other} one for this run."


def write_json(path: Path, value: object) -> None:
    """Write one JSON file, as `replace_with` does."""
    replace_with(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def replace_with(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file, which only its owner may read where it is `private`.

    Whoever is killed meanwhile leaves the file as it was, never half of it.  A link is replaced and never followed: a
    folder from somebody else may hold one that leads out of it.
    """
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    part.replace(path)


def write_page(path: Path, text: str, folder: Path) -> None:
    """Write a file where a person wants it; in `folder`, which somebody else may have made, as `replace_with` does."""
    if path.parent.absolute() == folder.absolute():
        replace_with(path, text.encode())
    else:
        path.write_text(text, encoding="utf-8")


def _unknown(folder: Path, passes: Iterable[Columns]) -> tuple[Send, ...]:
    """What was sent and has no end on record."""
    if not (sends := [*read_sends(folder / SENDS), *sends_left_over(folder)]):
        return ()
    return tuple(without_end(sends, {one.of_pass: set(one.requests.seq.tolist()) for one in passes}))


def _torn(path: Path) -> int:
    """Whether the last line lacks its end."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size == 0:
            return 0
        file.seek(size - 1)
        return int(file.read(1) != b"\n")


def _place(target: str) -> str:
    """A target as a word: the host of a URL, else itself."""
    return bare_url(target).partition("://")[2] or target


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
