"""A task's right to be given up: cancelled with a cause, and told apart from a crash, which cancels it too."""

from __future__ import annotations

import asyncio


class Life:
    """Of whatever a task does between `begin` and `end`."""

    __slots__ = ("_ended", "_task", "cause")

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._ended = False
        self.cause: str | None = None
        """Why it was given up, a name from `causes.CAUSES`; None if it was not."""

    def begin(self) -> None:
        """From now on it is the current task that a giving up cancels."""
        self._task = asyncio.current_task()

    def end(self) -> None:
        """From now on it can no longer be given up."""
        self._ended = True

    def give_up(self, cause: str) -> None:
        """Cancel what the task waits for.  The first cause is kept; one that comes before `begin` is only noted."""
        if self.cause is None and not self._ended:
            self.cause = cause
            if self._task is not None:
                self._task.cancel()

    def cause_of_death(self) -> str:
        """Turn a cancellation that was caught into its cause.  Raises it again where nobody gave up: a crash."""
        if self.cause is None or self._task is None:
            raise asyncio.CancelledError
        self._task.uncancel()
        return self.cause
