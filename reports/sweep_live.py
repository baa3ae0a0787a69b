"""How a sweep goes, while it goes: a bar on a terminal, elsewhere a line a stage."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Stages:
    """Told how many passes of a stage are done, it shows them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, force_jupyter=False, force_terminal=stream.isatty())
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bars = Progress(*columns, console=self._console)
        self._task = self._bars.add_task("")

    def tell(self, done: int, total: int, words: str) -> None:
        """So many of a stage's passes are done."""
        if self._console.is_terminal:
            self._bars.update(self._task, completed=done, total=total, description=_short(words))
        elif not done:
            print(f"simulating {words}", file=self._stream, flush=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bars.stop()


def _short(words: str) -> str:
    return words if len(words) <= 36 else f"{words[:35]}\u2026"
