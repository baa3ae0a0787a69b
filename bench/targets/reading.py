"""One answer as it comes in over HTTP, whoever brings its pieces: their stamps, what they say, what attempt it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bench.results.record import Attempt
from bench.results.redact import REDACTED, redact
from bench.targets import classify
from bench.targets.answer import Answer, Failure, unreadable
from bench.targets.client import Watch
from bench.targets.foreign import MOST_BYTES_KEPT, shorten, word
from bench.targets.stamps import Stamps


class Reading:
    """What is known of an answer.  All times are scenario seconds and those of arrival, not of reading."""

    __slots__ = ("_answered", "_body", "_is_stream", "_watch", "answer", "headers", "stamps", "status")

    def __init__(self, watch: Watch, *, is_stream: bool) -> None:
        """`is_stream` is whether a stream was asked for."""
        self._watch, self._is_stream = watch, is_stream
        self._answered = watch.answered
        self._body = bytearray()
        self.stamps, self.answer = Stamps(), Answer()
        self.status: int | None = None
        """None until the headers are there."""
        self.headers: Mapping[str, str] = {}
        """By name in lower case."""

    def head(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """The headers are there."""
        self.status, self.headers = status, headers
        self.stamps.headers = self.stamps.last_byte = now

    def piece(self, data: bytes, now: float) -> None:
        """A piece of the body has come, `now`.  Raises msgspec.DecodeError for what is no answer."""
        self.stamps.last_byte = now
        if self._watch.heard is not None:
            self._watch.heard += data
        if not self._is_stream:
            self._keep(data)
            return
        for delta in self.answer.feed(data):
            self.stamps.event(delta, now)
        if self._answered is not None and self.stamps.first_token is not None:
            self._answered()
            self._answered = None

    def _keep(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > MOST_BYTES_KEPT:
            raise msgspec.DecodeError(f"longer than {MOST_BYTES_KEPT // 2**20} MiB")

    def end(self) -> None:
        """The body is complete.  Raises msgspec.DecodeError for what is no answer."""
        if not self._is_stream:
            self.answer.message(bytes(self._body))
        elif self.stamps.first_event is None:
            raise msgspec.DecodeError("no events")

    def count(self) -> int:
        """The body is complete, and is to be a count of tokens.  Raises msgspec.DecodeError if it is not."""
        return msgspec.json.decode(self._body, type=_Count).input_tokens

    def refused(self, body: bytes, reason: str = "") -> Failure:
        """Why there is no answer: what the body says of it, or else the reason that stands beside the status."""
        assert self.status is not None, "a refusal has a status"
        error = classify.read_error(body)
        cause = classify.cause_of(self.status, error, classify.rate_limits(self.headers))
        return Failure(cause, error.message or reason)

    def unreadable(self, error: Exception) -> Failure:
        """What is to be said of something that is no answer of the API."""
        kind = "no response" if self.status is None else self.headers.get("content-type", "no content type")
        return unreadable(kind, error)

    def attempt(self, failure: Failure | None, now: float, secrets: Sequence[str]) -> Attempt:
        """The attempt that ends `now`, or, if it did not fail, with its last byte.

        A server may repeat the key anywhere: nothing of the attempt contains a secret.
        """
        stamps = self.stamps
        return Attempt(
            sent=now if stamps.sent is None else stamps.sent,
            ended=now if failure or stamps.last_byte is None else stamps.last_byte,
            status=self.status,
            cause=failure.cause if failure else None,
            message=shorten(str(redact(failure.message, secrets))) or None if failure else None,
            headers=stamps.headers,
            first_event=stamps.first_event,
            first_token=stamps.first_token,
            first_text=stamps.first_text,
            last_token=stamps.last_token,
            retry_after=classify.retry_after(self.headers),
            should_retry=classify.should_retry(self.headers),
            request_id=_word(self.headers.get("request-id"), secrets),
            stop_reason=_word(self.answer.stop_reason, secrets),
            usage=self.answer.usage,
            limits=classify.rate_limits(self.headers),
        )


class _Count(msgspec.Struct):
    input_tokens: int


def _word(told: str | None, secrets: Sequence[str]) -> str | None:
    return word(told) if told is None or not any(secret in told for secret in secrets) else REDACTED


def reason_of(error: BaseException) -> str:
    """The innermost words of a failure: the SDK itself says no more than `Connection error.`"""
    reason = str(error)
    while error.__cause__:
        error = error.__cause__
        reason = str(error) or reason
    return f"{type(error).__name__}: {reason}"
