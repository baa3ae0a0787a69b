"""Why an attempt failed, in one table: what each cause means, whether a retry can help, whether it ends the run.

The same words stand in records, reports and thresholds.  Sources: the API's error page (read 2026-10-10), its
rate-limit page (2026-10-08) and the error codes of the Python SDK 2.10.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import Exit


@dataclass(frozen=True, slots=True)
class Cause:
    """One way to fail."""

    name: str
    meaning: str
    retryable: bool = False
    """Whether trying again can help."""
    rate_limit: bool = False
    """Whether it is a 429 that passes with time: these are counted as rate-limited, not as errors."""
    unneeded: bool = False
    """Whether we ended it ourselves because another answer was there: neither an answer nor a failure."""
    ends_run: Exit | None = None
    """The exit code, where going on is useless because every further request would fail alike."""


CAUSES = {
    cause.name: cause
    for cause in (
        Cause("requests", "429: the requests-per-minute limit", retryable=True, rate_limit=True),
        Cause("input_tokens", "429: the input-tokens-per-minute limit", retryable=True, rate_limit=True),
        Cause("output_tokens", "429: the output-tokens-per-minute limit", retryable=True, rate_limit=True),
        Cause("acceleration", "429: use rose too fast", retryable=True, rate_limit=True),
        Cause("concurrency", "429: too many connections at once", retryable=True, rate_limit=True),
        Cause("rate_limited", "429 that does not say which limit", retryable=True, rate_limit=True),
        Cause("spend_cap", "429: the tier's or contract's monthly spend cap", ends_run=Exit.BUDGET),
        Cause("spend_limit_own", "400: your own spend limit", ends_run=Exit.BUDGET),
        Cause("billing", "402: credit or billing", ends_run=Exit.BUDGET),
        Cause("authentication", "401: the key was refused", ends_run=Exit.TARGET),
        Cause("permission", "403: the key may not do this", ends_run=Exit.TARGET),
        Cause("not_found", "404: no such model or path", ends_run=Exit.TARGET),
        Cause("invalid_request", "400: the request itself is wrong"),
        Cause("too_large", "413: the request is too large"),
        Cause("conflict", "409: conflict", retryable=True),
        Cause("overloaded", "529: the service as a whole is overloaded", retryable=True),
        Cause("server_error", "5xx: the service failed", retryable=True),
        Cause("gateway_timeout", "504: the service timed out", retryable=True),
        Cause("timeout", "no complete answer within the timeout", retryable=True),
        Cause("stalled", "a stream fell silent for longer than the stall timeout", retryable=True),
        Cause("connection", "the connection failed or was cut", retryable=True),
        Cause("stream_error", "an error event after the stream had begun", retryable=True),
        Cause("malformed", "the answer could not be read"),
        Cause("expired", "the message batch expired before the request was processed", retryable=True),
        Cause("deadline", "not back from its message batch by the deadline"),
        Cause("lost", "the message batch or its results cannot be had any more"),
        Cause("killed", "in flight when claude-bench was killed: nobody knows how it ended", retryable=True),
        Cause("outrun", "cancelled: another answer was there first", unneeded=True),
        Cause("unsent", "never sent: another answer was there first", unneeded=True),
        Cause("cancelled", "given up by claude-bench: the run was cut short"),
    )
}
"""All causes by name."""
