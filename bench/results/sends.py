"""What was sent and has no end on record: `sends.jsonl` in the folder of a run that costs money.

A line is written before each attempt is sent.  So after a kill nobody has to guess what was in flight: whatever stands
here and in no record may have been answered, and billed.  At the orderly end of a run there is nothing of that kind.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from types import TracebackType

import msgspec

from bench.errors import UsageError
from bench.results.appending import append_to, whole_lines
from bench.results.record import Attempt, OfPass, Record

SENDS = "sends.jsonl"


class Send(msgspec.Struct, frozen=True, omit_defaults=True, rename={"pass_": "pass"}):
    """One attempt, about to be sent."""

    strategy: str
    pass_: int
    seq: int
    number: int
    """Of the request's attempts, from 1."""
    sent: float
    """Seconds since the start of the pass."""
    worst: float | None = None
    """The most dollars it can cost; None where no price is known."""
    case: str | None = None
    model: str = ""
    intended: float = 0.0
    """When the workload meant its request to go, seconds since the start of the pass; and below, what else a record
    says of its request."""
    expected_output: int = 0
    stream: str | None = None
    conversation: int | None = None
    turn: int | None = None
    final: bool = False
    group: int | None = None

    @property
    def of_pass(self) -> OfPass:
        """Which pass it is of: case, strategy and repeat."""
        return self.case, self.strategy, self.pass_

    def attempt(self) -> Attempt:
        """What stands for it in the record of its request."""
        return Attempt(sent=self.sent, ended=self.sent, cause="killed", at_most=self.worst)

    def record(self) -> Record:
        """The record of its request, where that is not to be tried again."""
        return Record(
            strategy=self.strategy,
            pass_=self.pass_,
            seq=self.seq,
            model=self.model,
            intended=self.intended,
            attempts=(self.attempt(),),
            expected_output=self.expected_output,
            stream=self.stream,
            conversation=self.conversation,
            turn=self.turn,
            final=self.final,
            group=self.group,
            case=self.case,
        )


_decode = msgspec.json.Decoder(Send).decode
_encode = msgspec.json.Encoder().encode


def read_sends(path: Path) -> list[Send]:
    """All of a file, none where there is no file.  A torn last line is passed over: its attempt was not sent."""
    try:
        with path.open("rb") as file:
            return [*map(_decode, whole_lines(file))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def without_end(sends: Iterable[Send], recorded: Mapping[OfPass, Container[int]]) -> list[Send]:
    """The attempts of which nobody knows how they ended, if `recorded` has the requests that have their record."""
    return [send for send in sends if send.seq not in recorded.get(send.of_pass, ())]


class SendLog:
    """Keeps what was sent and has no record yet; `unknown` is what an earlier process has left behind."""

    def __init__(self, folder: Path, unknown: Iterable[Send] = ()) -> None:
        self._path = folder / SENDS
        self._open: dict[tuple[OfPass, int], list[Send]] = {}
        for send in unknown:
            self._of(send).append(send)
        self.file = append_to(self._path)

    def write(self, send: Send) -> None:
        """Append one.  It is with the operating system when this returns."""
        self._of(send).append(send)
        self.file.write(_encode(send) + b"\n")
        self.file.flush()

    def recorded(self, record: Record) -> None:
        """Tell that a request has its record."""
        self._open.pop((record.of_pass, record.seq), None)

    def _of(self, send: Send) -> list[Send]:
        return self._open.setdefault((send.of_pass, send.seq), [])

    def __enter__(self) -> SendLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """At an orderly end, leave only what an earlier kill made unknown and a stop kept from being tried again."""
        self.file.close()
        if kind is None:
            left = [send for sends in self._open.values() for send in sends]
            part = self._path.with_suffix(".part")
            part.write_bytes(b"".join(_encode(send) + b"\n" for send in left))
            part.replace(self._path)
            if not left:
                self._path.unlink()
