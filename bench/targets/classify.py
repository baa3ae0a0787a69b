"""What a refusal means: from status, headers and error body to a cause.  Pure.

Sources: the API's error page (read 2026-10-10), its rate-limit page (2026-10-08), the Python SDK 2.10 (error codes, the
reading of `retry-after`), and the 429 texts that users have published (2024 to 2026).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from bench.results.record import RateLimits
from bench.targets.foreign import json_reader, shorten

_SDK_LONGEST_WAIT = 4_294_967.0
_LONGEST_NUMBER = 15
"""Digits."""

_BY_STATUS = {
    400: "invalid_request",
    401: "authentication",
    402: "billing",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    504: "gateway_timeout",
    529: "overloaded",
}

_BY_TYPE = {
    "invalid_request_error": "invalid_request",
    "authentication_error": "authentication",
    "billing_error": "billing",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limited",
    "timeout_error": "gateway_timeout",
    "api_error": "server_error",
    "overloaded_error": "overloaded",
}
"""Errors of requests in message batches, which have no status."""

_BY_CODE = {
    "enforced_spend_limit_reached": "spend_cap",
    "contract_spend_limit_reached": "spend_cap",
    "ramp_limit_exceeded": "acceleration",
}

_BY_WORDS = (
    ("you have reached your api usage limits", "spend_cap"),
    # Before the limits themselves: its text goes on "... increase rate for input tokens per minute".
    ("usage increase", "acceleration"),
    ("concurrent connections", "concurrency"),
    ("input tokens per minute", "input_tokens"),
    ("output tokens per minute", "output_tokens"),
    ("requests per minute", "requests"),
    ("number of request tokens", "input_tokens"),
)

_OWN_LIMITS = (
    "You have reached your specified API usage limits",
    "You have reached your specified workspace API usage limits",
)


class _Details(msgspec.Struct, frozen=True):
    error_code: str | None = None


class ApiError(msgspec.Struct, frozen=True):
    """The `error` object of an error body or of an `error` event in a stream."""

    type: str = ""
    message: str = ""
    details: _Details | None = None

    @classmethod
    def of(cls, type: str, message: str, code: str | None) -> ApiError:
        """The error with this code."""
        return cls(type, message, _Details(code) if code else None)

    @property
    def code(self) -> str | None:
        """The stable code that names the cause more closely than the type, if there is one."""
        return self.details.error_code if self.details else None


class _ErrorBody(msgspec.Struct, frozen=True):
    error: ApiError


_decode_error = json_reader(_ErrorBody)


def read_error(body: bytes) -> ApiError:
    """Read an error body.  What is not the API's shape (a proxy's page, say) becomes the message, shortened."""
    try:
        return _decode_error(body).error
    except msgspec.DecodeError:
        return ApiError(message=shorten(body.decode("utf-8", "replace")))


def cause_of(status: int, error: ApiError, limits: RateLimits | None) -> str:
    """The name in `causes.CAUSES` for a response that is no success."""
    if status == 429:
        return _cause_of_429(error, limits)
    if status == 400 and error.message.startswith(_OWN_LIMITS):
        return "spend_limit_own"
    if 400 <= status < 500:
        return _BY_STATUS.get(status, "invalid_request")
    return _BY_STATUS.get(status, "server_error") if status >= 500 else "malformed"


def cause_of_type(error: ApiError) -> str:
    """The name in `causes.CAUSES` for an error without a status.  A type that is not known is taken to be final."""
    return _BY_CODE.get(error.code or "") or _BY_TYPE.get(error.type, "malformed")


def _cause_of_429(error: ApiError, limits: RateLimits | None) -> str:
    """The code decides, then the words, then which limit has nothing left."""
    if cause := _BY_CODE.get(error.code or ""):
        return cause
    words = error.message.lower()
    for phrase, cause in _BY_WORDS:
        if phrase in words:
            return cause
    return _used_up(limits) if limits else "rate_limited"


def _used_up(limits: RateLimits) -> str:
    if limits.requests_remaining == 0:
        return "requests"
    if limits.input_tokens_remaining == 0:
        return "input_tokens"
    return "output_tokens" if limits.output_tokens_remaining == 0 else "rate_limited"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait; None where it asks nothing.

    As the SDK reads it: `retry-after-ms`, else `retry-after` as seconds, else as an HTTP date.  The first that can be
    read decides; 0 and less mean "not given".  A date is held against the response's own `date`, not a clock of ours.
    """
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        seconds /= 1000
    else:
        seconds = _number(headers.get("retry-after"))
    if seconds is None:
        seconds = _until(headers.get("retry-after"), headers.get("date"))
    return min(seconds, _SDK_LONGEST_WAIT) if seconds is not None and seconds > 0 else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _until(date: str | None, sent: str | None) -> float | None:
    try:
        return (parsedate_to_datetime(date or "") - parsedate_to_datetime(sent or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: one has a time zone, the other none
        return None


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """What `x-should-retry` says, which the SDK obeys before all else; None if it says neither yes nor no."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""))


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """The `anthropic-ratelimit-*` headers; None when there are none, as from a gateway that drops them."""
    limits = RateLimits(
        requests_limit=whole(headers.get("anthropic-ratelimit-requests-limit")),
        requests_remaining=whole(headers.get("anthropic-ratelimit-requests-remaining")),
        input_tokens_limit=whole(headers.get("anthropic-ratelimit-input-tokens-limit")),
        input_tokens_remaining=whole(headers.get("anthropic-ratelimit-input-tokens-remaining")),
        output_tokens_limit=whole(headers.get("anthropic-ratelimit-output-tokens-limit")),
        output_tokens_remaining=whole(headers.get("anthropic-ratelimit-output-tokens-remaining")),
    )
    return None if limits == RateLimits() else limits


def whole(text: str | None) -> int | None:
    """A whole number as headers write it; None for anything else, and for what no limit can be."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None
