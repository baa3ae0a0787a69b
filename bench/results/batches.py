"""The batches of a run as they went: `batches.jsonl`, one event a line, on disk before the next step is taken.

What a process that died has left behind can be told from these lines alone: a batch that was intended and has no id
may exist or not; one with an id exists and is never submitted again.  Each event names its pass and the number of the
batch within it, from 0.  Times are seconds since the start of the pass; Unix times are as the target counts them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, BinaryIO, TypeAlias

import msgspec

from bench.errors import UsageError
from bench.results.appending import append_to, whole_lines
from bench.results.record import OfPass

BATCHES, RAW = "batches.jsonl", "batches"
"""The file of events in a run folder, and the folder of raw results."""


BatchId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")]
"""Such as `msgbatch_01HkcTjaV5uDC8jWR4ZsDv8d`.  A file is called by it, so that it may hold nothing of a path."""


class _InCase(msgspec.Struct, frozen=True, kw_only=True):
    case: str | None = None


class _Of(_InCase, frozen=True, omit_defaults=True, tag_field="event", rename={"pass_": "pass"}):
    strategy: str
    pass_: int

    @property
    def of_pass(self) -> OfPass:
        """Which pass it is of: case, strategy and repeat."""
        return self.case, self.strategy, self.pass_


class Began(_Of, frozen=True, tag="began"):
    """The pass began: second 0."""

    unix: float


class Intended(_Of, frozen=True, tag="intended"):
    """A batch is about to be created."""

    number: int
    unix: float
    seqs: tuple[tuple[int, int], ...]
    """Which requests it has: first and last of each run of sequence numbers."""
    count: int
    first: str
    """custom_id of the first request, and below of the last."""
    last: str


class Created(_Of, frozen=True, tag="created"):
    """It was created."""

    number: int
    id: BatchId
    sent: float
    """When the call that created it was made."""


class Withdrawn(_Of, frozen=True, tag="withdrawn"):
    """It was not created, and will not be: its requests failed, or are of another batch."""

    number: int
    why: str


class Cancelled(_Of, frozen=True, tag="cancelled"):
    """Its cancellation was asked for."""

    number: int
    why: str
    """The cause that its unprocessed requests get."""


class Ended(_Of, frozen=True, tag="ended"):
    """A poll found it ended."""

    number: int
    at: float


class Collected(_Of, frozen=True, tag="collected"):
    """All of its results have been read."""

    number: int
    at: float


class Lost(_Of, frozen=True, tag="lost"):
    """It, or its results, cannot be had any more."""

    number: int
    at: float


Event: TypeAlias = Began | Intended | Created | Withdrawn | Cancelled | Ended | Collected | Lost

_decode = msgspec.json.Decoder(Event).decode


def runs_of(seqs: list[int]) -> tuple[tuple[int, int], ...]:
    """Ascending sequence numbers as first and last of each run of them."""
    runs: list[tuple[int, int]] = []
    for seq in seqs:
        if runs and seq == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], seq)
        else:
            runs.append((seq, seq))
    return tuple(runs)


def seqs_of(runs: tuple[tuple[int, int], ...]) -> Iterator[int]:
    """The sequence numbers again."""
    for first, last in runs:
        yield from range(first, last + 1)


def read_events(path: Path) -> list[Event]:
    """The events of a file, none where there is no file.  A torn last line is passed over."""
    try:
        with path.open("rb") as file:
            return [*map(_decode, whole_lines(file))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def unfetched(events: Iterable[Event]) -> list[str]:
    """The ids of batches whose results have not all been read."""
    open_: dict[tuple[OfPass, int], str] = {}
    for event in events:
        if isinstance(event, Created):
            open_[event.of_pass, event.number] = event.id
        elif isinstance(event, Collected | Lost):
            open_.pop((event.of_pass, event.number), None)
    return list(open_.values())


class BatchLog:
    """The events of one run: those of an earlier process, and those that are written now."""

    def __init__(self, folder: Path, token: str) -> None:
        self.token = token
        """What begins the custom_ids of this run and of no other."""
        self.past = read_events(folder / BATCHES)
        """What an earlier process has written."""
        self.ids = {event.id for event in self.past if isinstance(event, Created)}
        """Every batch that is known to be this run's."""
        self._folder = folder
        self._file: BinaryIO | None = None

    def write(self, event: Event) -> None:
        """Append one event.  It is on disk when this returns."""
        if isinstance(event, Created):
            self.ids.add(event.id)
        if self._file is None:
            self._file = append_to(self._folder / BATCHES)
        self._file.write(msgspec.json.encode(event) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def raw(self, batch: str) -> Path:
        """Where the raw results of a batch are kept, in a folder that only its owner may read: they are answers."""
        (self._folder / RAW).mkdir(mode=0o700, exist_ok=True)
        return self._folder / RAW / f"{batch}.jsonl"

    def __enter__(self) -> BatchLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
