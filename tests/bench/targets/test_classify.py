from __future__ import annotations

import json

import pytest

from bench.results.causes import CAUSES
from bench.results.record import RateLimits
from bench.targets.classify import cause_of, rate_limits, read_error, retry_after, should_retry
from bench.targets.foreign import shorten


def body(kind: str, message: str, code: str | None = None) -> bytes:
    error = {"type": kind, "message": message} | ({"details": {"error_code": code}} if code else {})
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()


def limited(message: str, code: str | None = None) -> bytes:
    return body("rate_limit_error", message, code)


FRAME = (
    "This request would exceed your organization's rate limit of {} (org: 1-2-3, model: claude-sonnet-5-5)."
    " For details, refer to: https://docs. Please reduce the prompt length"
    " or the maximum tokens requested, or try again later."
)
OLD_FRAME = "This request would exceed the rate limit for your organization (1-2-3) of 30,000 input tokens per minute."
RAMP = (
    "This request would exceed your organization's maximum usage increase rate for input tokens per minute."
    " Please scale up your input tokens usage more gradually to stay within the acceleration limit."
)
SPENT = "You have reached your API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."

CASES = [
    (400, body("invalid_request_error", "max_tokens: Field required"), "invalid_request"),
    (400, body("invalid_request_error", "You have reached your specified API usage limits."), "spend_limit_own"),
    (
        400,
        body("invalid_request_error", "You have reached your specified workspace API usage limits."),
        "spend_limit_own",
    ),
    (401, body("authentication_error", "invalid x-api-key"), "authentication"),
    (402, body("billing_error", "Your credit balance is too low"), "billing"),
    (402, body("billing_error", "x", "linked_organization_spend_limit_reached"), "billing"),
    (403, body("permission_error", "no"), "permission"),
    (404, body("not_found_error", "model: claude-9"), "not_found"),
    (408, b"", "timeout"),
    (409, body("conflict_error", "conflict"), "conflict"),
    (413, b"<html>413 Request Entity Too Large</html>", "too_large"),
    (418, b"", "invalid_request"),
    (422, body("invalid_request_error", "x"), "invalid_request"),
    (429, limited(FRAME.format("30,000 input tokens per minute")), "input_tokens"),
    (429, limited(FRAME.format("8,000 output tokens per minute")), "output_tokens"),
    (429, limited(FRAME.format("50 requests per minute")), "requests"),
    (429, limited(OLD_FRAME), "input_tokens"),
    (429, limited("Number of request tokens has exceeded your per-minute rate limit"), "input_tokens"),
    (429, limited("Number of concurrent connections has exceeded your rate limit"), "concurrency"),
    (429, limited(RAMP), "acceleration"),
    (429, limited("Slow down", "ramp_limit_exceeded"), "acceleration"),
    (429, limited(SPENT, "enforced_spend_limit_reached"), "spend_cap"),
    (429, limited("Contract", "contract_spend_limit_reached"), "spend_cap"),
    (429, limited(SPENT), "spend_cap"),
    (429, limited("50 requests per minute", "a_code_of_tomorrow"), "requests"),
    (429, limited("Rate limited"), "rate_limited"),
    (429, b"", "rate_limited"),
    (500, body("api_error", "Internal server error"), "server_error"),
    (503, b"upstream connect error", "server_error"),
    (504, body("timeout_error", "Request timed out"), "gateway_timeout"),
    (529, body("overloaded_error", "Overloaded"), "overloaded"),
    (302, b"", "malformed"),
]


@pytest.mark.parametrize(("status", "content", "cause"), CASES, ids=lambda value: str(value)[:50])
def test_cause(status: int, content: bytes, cause: str) -> None:
    assert cause in CAUSES
    assert cause_of(status, read_error(content), None) == cause


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        (RateLimits(requests_remaining=0, input_tokens_remaining=0), "requests"),
        (RateLimits(requests_remaining=5, input_tokens_remaining=0, output_tokens_remaining=1000), "input_tokens"),
        (RateLimits(requests_remaining=5, input_tokens_remaining=1000, output_tokens_remaining=0), "output_tokens"),
        (RateLimits(requests_remaining=5, input_tokens_remaining=1000, output_tokens_remaining=1000), "rate_limited"),
        (RateLimits(), "rate_limited"),
    ],
)
def test_a_429_without_words_is_the_limit_with_nothing_left(limits: RateLimits, cause: str) -> None:
    assert cause_of(429, read_error(limited("Rate limited")), limits) == cause


def test_the_words_of_a_429_outweigh_the_headers() -> None:
    error = read_error(limited(FRAME.format("8,000 output tokens per minute")))
    assert cause_of(429, error, RateLimits(requests_remaining=0)) == "output_tokens"


DATE = "Fri, 20 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e12"}, 4_294_967.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "0", "retry-after": "9"}, None),
        ({"retry-after-ms": "?", "retry-after": "9"}, 9.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:30 GMT", "date": DATE}, 90.0),
        ({"retry-after": "Fri, 20 Nov 2026 09:00:00 GMT", "date": DATE}, None),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:30 GMT"}, None),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 -0000"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(("text", "meaning"), [("true", True), ("false", False), ("maybe", None), (None, None)])
def test_should_retry(text: str | None, meaning: bool | None) -> None:
    assert should_retry({"x-should-retry": text} if text else {}) is meaning


def test_rate_limits_of_a_recorded_response() -> None:
    headers = {
        "anthropic-ratelimit-input-tokens-limit": "80000",
        "anthropic-ratelimit-input-tokens-remaining": "79000",
        "anthropic-ratelimit-input-tokens-reset": "2025-08-21T12:40:59Z",
        "anthropic-ratelimit-output-tokens-limit": "16000",
        "anthropic-ratelimit-output-tokens-remaining": "16000",
        "anthropic-ratelimit-requests-limit": "1000",
        "anthropic-ratelimit-requests-remaining": "999",
        "anthropic-ratelimit-tokens-limit": "96000",
    }
    assert rate_limits(headers) == RateLimits(1000, 999, 80000, 79000, 16000, 16000)


def test_rate_limits_that_cannot_be_read_are_absent() -> None:
    headers = {"anthropic-ratelimit-requests-limit": "many", "anthropic-ratelimit-requests-remaining": "-1"}
    assert rate_limits(headers) is None
    assert rate_limits({}) is None


def test_an_error_body_of_another_shape_is_its_own_message() -> None:
    assert read_error(b"<html>\n  <b>Bad gateway</b>\n</html>").message == "<html> <b>Bad gateway</b> </html>"
    assert read_error(b'{"detail": "no"}').message == '{"detail": "no"}'
    assert read_error(b"\xff\xfe").message == "��"
    assert read_error(b"").message == ""


def test_messages_are_bounded() -> None:
    assert len(shorten("word " * 1000)) == 300
