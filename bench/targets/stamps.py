"""When things happened in one attempt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Stamps:
    """Scenario seconds.  None is a moment that has not come."""

    sent: float | None = None
    """Just before the request went out: what its making up takes is not the server's latency."""
    headers: float | None = None
    first_event: float | None = None
    first_token: float | None = None
    first_text: float | None = None
    last_token: float | None = None
    last_byte: float | None = None
    silent: bool = False
    """Whether the stream fell silent for so long that it was given up."""

    def event(self, delta: str | None, now: float) -> None:
        """Note an event of a stream that was complete at `now`; `delta` is its kind if it carries content.

        The kinds are those of `content_block_delta`.  A signature is no token: it follows thinking, even when the
        thinking itself is not shown.
        """
        if self.first_event is None:
            self.first_event = now
        if delta is None or delta == "signature_delta":
            return
        if self.first_token is None:
            self.first_token = now
        if self.first_text is None and delta == "text_delta":
            self.first_text = now
        self.last_token = now
